package training

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/langevin-ml/langevin/training/data"
	"github.com/langevin-ml/langevin/training/eval"
	"github.com/langevin-ml/langevin/training/nn"
	"github.com/langevin-ml/langevin/training/optimizer"
)

// TwoSample is the result of a [TwoSampleTest].
type TwoSample struct {
	Accuracy float64 // share of the tested rows that the classifier assigns to the right set: 0.5 is perfect
	Error    float64 // standard error of the accuracy of a perfect model, 0.5/√Tested
	Tested   int     // number of rows that the classifier did not see in training
}

// A TwoSampleTest is the classifier two-sample test of Lopez-Paz & Oquab (2017): a new classifier learns to tell true
// rows from samples, and its accuracy on rows that it has not seen says how different they are. If both sets come from
// one distribution, the accuracy is 0.5 up to the standard error. Otherwise it estimates a lower bound of the accuracy
// of the best classifier, which more rows bring closer.
type TwoSampleTest struct {
	// Shape is the shape of a row. Images, [channels, height, width] with values in [0, 1], are rounded to bytes, as a
	// picture shows them, and judged by an [nn.Classifier] that is trained from nothing. Other rows, such as points or
	// features of images, are judged by two layers of 64 units.
	Shape []int
	Seed  uint64 // of the initial weights and the order of the rows
}

// twoSampleLeast is the least number of rows of each set. A classifier learns nothing from fewer.
const twoSampleLeast = 50

// Run takes equally many rows of both sets, evenly spread, at least 50 of each. It trains on a random half of each and
// tests the other. The result is a function of the arguments and, as that of every training, of the number of cores. It
// uses the library, the device and its start of o.
func (t TwoSampleTest) Run(ctx context.Context, truth, samples eval.Rows, o Options) (TwoSample, error) {
	r, err := t.run(ctx, truth, samples, o)
	if err != nil {
		return r, fmt.Errorf("two-sample test: %w", err)
	}
	return r, nil
}

func (t TwoSampleTest) run(ctx context.Context, truth, samples eval.Rows, o Options) (TwoSample, error) {
	if err := t.check(truth, samples); err != nil {
		return TwoSample{}, err
	}
	n := min(truth.Len(), samples.Len())
	train, test := halve(truth.Evenly(n), samples.Evenly(n), t.Seed)
	judge := t.judgePoints
	if len(t.Shape) == 3 {
		judge = t.judgeImages
	}
	config, network, rows, err := judge(train, test)
	if err != nil {
		return TwoSample{}, err
	}
	o.Progress = nil
	result, err := trainClassifier(ctx, config, network, rows[0], rows[1], o)
	if err != nil {
		return TwoSample{}, err
	}
	tested := rows[1].n
	return TwoSample{Accuracy: result.Accuracy, Error: 0.5 / math.Sqrt(float64(tested)), Tested: tested}, nil
}

func (t TwoSampleTest) check(truth, samples eval.Rows) error {
	width := product(t.Shape)
	switch {
	case truth.Dim != width || samples.Dim != width:
		return fmt.Errorf("rows of %d and of %d numbers: want %d, as shape %v has", truth.Dim, samples.Dim, width,
			t.Shape)
	case min(truth.Len(), samples.Len()) < twoSampleLeast:
		return fmt.Errorf("%d true rows and %d samples: want at least %d of each", truth.Len(), samples.Len(),
			twoSampleLeast)
	}
	return errors.Join(truth.Check(), samples.Check())
}

// mixed is equally many rows of two sets: first those of class 0, then those of class 1.
type mixed struct{ eval.Rows }

func (m mixed) class(i int) int { return i / (m.Len() / 2) }

// halve deals the rows of each of two sets of one size to train and test. If the number is odd, a row is left out. The
// order is random: samples of classes come in turn, and every second one would have half of the classes.
func halve(truth, samples eval.Rows, seed uint64) (train, test mixed) {
	train.Dim, test.Dim = truth.Dim, truth.Dim
	for k, set := range []eval.Rows{truth, samples} {
		order := rand.New(rand.NewPCG(seed, uint64(k))).Perm(set.Len())
		for i := 0; i+1 < set.Len(); i += 2 {
			train.X = append(train.X, set.Row(order[i])...)
			test.X = append(test.X, set.Row(order[i+1])...)
		}
	}
	return train, test
}

// judgeImages returns a classifier of images. Its network needs sides that are multiples of 4, so zeros pad them.
func (t TwoSampleTest) judgeImages(train, test mixed) (ClassifierConfig, *nn.Graph, [2]labelled, error) {
	c := ClassifierConfig{
		Name: "images", Channels: 16, Features: 64, BatchSize: 64, Shift: 1, Seed: t.Seed,
		Iterations: rounds(train, 64, 32, 1200), Optimizer: twoSampleOptimizer(0.003),
	}
	a, b := t.pictures(train), t.pictures(test)
	network, err := nn.Classifier{
		Shape: []int{a.Channels, a.Height, a.Width}, Channels: c.Channels, Features: c.Features, Classes: 2,
	}.Build()
	return c, network, [2]labelled{labelledImages(a, 2), labelledImages(b, 2)}, err
}

// rounds returns how many batches see every row of m a given number of times, or most if that is less.
func rounds(m mixed, batch, times, most int) int { return min(most, max(1, m.Len()*times/batch)) }

func twoSampleOptimizer(rate float64) optimizer.Config {
	return optimizer.Config{
		LearningRate: rate, Warmup: 10, Decay: optimizer.DecayCosine,
		Beta1: 0.9, Beta2: 0.999, Epsilon: 1e-8, EMA: 0.95,
	}
}

// pictures returns the rows as pictures, padded, with their classes as labels.
func (t TwoSampleTest) pictures(m mixed) *data.Images {
	channels, height, width := t.Shape[0], t.Shape[1], t.Shape[2]
	p := &data.Images{Channels: channels, Height: (height + 3) / 4 * 4, Width: (width + 3) / 4 * 4}
	size := p.Height * p.Width * channels
	p.Pixels = make([]byte, m.Len()*size)
	for i := range m.Len() {
		p.Labels = append(p.Labels, byte(m.class(i)))
		for j, v := range m.Row(i) {
			column, row, plane := j%width, j/width%height, j/(width*height)
			p.Pixels[i*size+(plane*p.Height+row)*p.Width+column] = byte(math.Round(255 * float64(min(1, max(0, v)))))
		}
	}
	return p
}

// judgePoints returns a classifier of points. They are scaled by the mean and the standard deviation that the rows of
// train have along each axis.
func (t TwoSampleTest) judgePoints(train, test mixed) (ClassifierConfig, *nn.Graph, [2]labelled, error) {
	const units = 64
	c := ClassifierConfig{
		Name: "points", Features: units, BatchSize: 256, Seed: t.Seed,
		Iterations: rounds(train, 256, 30, 1500), Optimizer: twoSampleOptimizer(0.01),
	}
	network, err := nn.BuildClassifier([]int{train.Dim}, func(b *nn.Builder, x *nn.Node) (features, logits *nn.Node) {
		h := b.ReLU("act1", b.Dense("dense1", x, units))
		features = b.ReLU("act2", b.Dense("dense2", h, units))
		return features, b.Dense("logits", features, 2)
	})
	scale := newStandard(train.Rows)
	return c, network, [2]labelled{scale.labelled(train), scale.labelled(test)}, err
}

// standard maps rows to mean 0 and standard deviation 1 along each axis.
type standard struct{ mean, std []float64 }

func newStandard(r eval.Rows) standard {
	s := standard{make([]float64, r.Dim), make([]float64, r.Dim)}
	for i, v := range r.X {
		s.mean[i%r.Dim] += float64(v) / float64(r.Len())
	}
	for i, v := range r.X {
		d := float64(v) - s.mean[i%r.Dim]
		s.std[i%r.Dim] += d * d / float64(r.Len())
	}
	for j, v := range s.std {
		if s.std[j] = math.Sqrt(v); v == 0 {
			s.std[j] = 1
		}
	}
	return s
}

func (s standard) labelled(m mixed) labelled {
	return labelled{n: m.Len(), classes: 2, label: m.class, write: func(dst []float32, i, _, _ int) {
		for j, v := range m.Row(i) {
			dst[j] = float32((float64(v) - s.mean[j]) / s.std[j])
		}
	}}
}
