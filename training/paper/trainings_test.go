package paper

import (
	"context"
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/langevin-ml/langevin/ort"
	"github.com/langevin-ml/langevin/sampling"
	"github.com/langevin-ml/langevin/training"
)

// trainer is a laboratory that only trains.
type trainer struct {
	Laboratory
	library string
}

func (l trainer) Train(
	ctx context.Context, c training.Config, progress func(training.Progress),
) (*training.Result, error) {
	return training.Run(ctx, c, training.Options{Library: l.library, Progress: progress})
}

// writeDigits writes n pictures of noise, each with its own brightness, and labels, as MNIST's files of the given name.
func writeDigits(t *testing.T, dir, name string, n int) {
	t.Helper()
	const side = 28
	header := func(axes ...int) []byte {
		text := []byte{0, 0, 8, byte(len(axes))}
		for _, length := range axes {
			text = binary.BigEndian.AppendUint32(text, uint32(length))
		}
		return text
	}
	pictures, labels := header(n, side, side), header(n)
	u := make([]float32, side*side)
	for i := range n {
		labels = append(labels, byte(i%2))
		sampling.Noise{Seed: 1, Chain: uint64(i)}.Uniform(u, 0)
		for _, v := range u {
			pictures = append(pictures, byte(255*v*float32(i+1)/float32(n)))
		}
	}
	for file, text := range map[string][]byte{name + "-images-idx3-ubyte": pictures,
		name + "-labels-idx1-ubyte": labels} {
		if err := os.WriteFile(filepath.Join(dir, file), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// TestTrainSliced: figure 1's trainings run at the same time, with noise and without. Without images the figure is
// skipped.
func TestTrainSliced(t *testing.T) {
	library, _, err := ort.FindLibrary("")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	writeDigits(t, dir, "train", 40)
	n := Networks{
		Laboratory: trainer{library: library}, NoMNIST: "--data-dir names another folder",
		Watch: func(_ string, work func(func(int, int, string)) error) error { return work(func(int, int, string) {}) },
	}
	for folder, missing := range map[string]string{filepath.Join(dir, "none"): "none", dir: "t10k-images"} {
		n.MNIST = folder
		if s, err := n.pixelNoise(t.Context()); err != nil || !strings.Contains(s.Skipped, missing) ||
			!strings.Contains(s.Skipped, "--data-dir") {
			t.Errorf("without %s: %v, left out because %q", missing, err, s.Skipped)
		}
	}
	writeDigits(t, dir, "t10k", 10)
	noisy, err := configured("scorenet",
		append(smallPixelNoise(), "data.dir="+dir, "name=noisy", "training.iterations=20")...)
	if err != nil {
		t.Fatal(err)
	}
	clean, err := noisy.With("name=clean", "loss.noise_std=0")
	if err != nil {
		t.Fatal(err)
	}
	both, err := n.trainSliced(t.Context(), clean, noisy)
	if err != nil {
		t.Fatal(err)
	}
	if both[0].Name != "clean" || both[0].Noise != 0 || both[1].Noise != 0.05 || both[1].Every != 10 {
		t.Errorf("trained %+v", both)
	}
	if len(both[0].History) != 2 || len(both[1].History) != 2 || slices.Equal(both[0].History, both[1].History) {
		t.Errorf("losses %v and %v, want two each, not the same", both[0].History, both[1].History)
	}
}
