package training

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/langevin-ml/langevin/training/data"
)

// halves returns noisy images. The label says whether the upper or the lower half is bright.
func halves(n int, seed uint64) *data.Images {
	const side = 8
	random := rand.New(rand.NewPCG(seed, 0))
	m := &data.Images{Channels: 1, Height: side, Width: side}
	for range n {
		label := byte(random.IntN(2))
		m.Labels = append(m.Labels, label)
		for j := range side * side {
			v := byte(random.IntN(100))
			if j/(side*side/2) == int(label) {
				v += 120
			}
			m.Pixels = append(m.Pixels, v)
		}
	}
	return m
}

func TestTrainClassifier(t *testing.T) {
	c := DefaultClassifier("halves")
	c.Channels, c.Features, c.Iterations, c.BatchSize, c.Shift = 8, 16, 200, 32, 0
	c.Optimizer.EMA, c.Optimizer.Warmup = 0.9, 5
	c.Optimizer.LearningRate = 0.01
	train, test := halves(200, 1), halves(100, 2)
	options := Options{Library: library(t)}
	result, err := TrainClassifier(t.Context(), c, train, test, options)
	if err != nil {
		t.Fatal(err)
	}
	if result.Accuracy != 1 {
		t.Errorf("accuracy %g on images that anyone can tell apart", result.Accuracy)
	}
	again, err := TrainClassifier(t.Context(), c, train, test, options)
	if err != nil || !slices.Equal(again.Params, result.Params) {
		t.Errorf("the same training gives other weights (%v)", err)
	}
	if _, err := result.ONNX(); err != nil {
		t.Error(err)
	}

	// Random labels cannot be learned: about half of the predictions are right.
	random := rand.New(rand.NewPCG(3, 0))
	for i := range test.Labels {
		test.Labels[i] = byte(random.IntN(2))
	}
	if result, err = TrainClassifier(t.Context(), c, train, test, options); err != nil ||
		result.Accuracy < 0.3 || result.Accuracy > 0.7 {
		t.Errorf("accuracy %g on labels drawn at random, %v", result.Accuracy, err)
	}
}

func TestTrainClassifierRefuses(t *testing.T) {
	c, few := DefaultClassifier("halves"), halves(4, 1)
	unlabelled := halves(4, 1)
	unlabelled.Labels = nil
	if _, err := TrainClassifier(t.Context(), c, unlabelled, few, Options{Library: library(t)}); err == nil {
		t.Error("images without labels were not refused")
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := TrainClassifier(ended, c, few, few, Options{Library: library(t)}); !errors.Is(err, context.Canceled) {
		t.Errorf("a context that ended: %v", err)
	}
}

// TestMoved: an image is shifted, and zeros fill the gap.
func TestMoved(t *testing.T) {
	m := &data.Images{Channels: 1, Height: 2, Width: 3, Pixels: []byte{0, 51, 102, 153, 204, 255}}
	x := make([]float32, 6)
	moved(x, m, 0, 1, 0)
	if want := []float32{0, 0, 0.2, 0, 0.6, 0.8}; !slices.Equal(x, want) {
		t.Errorf("moved right: %v, want %v", x, want)
	}
	moved(x, m, 0, 0, -1)
	if want := []float32{0.6, 0.8, 1, 0, 0, 0}; !slices.Equal(x, want) {
		t.Errorf("moved up: %v, want %v", x, want)
	}
}
