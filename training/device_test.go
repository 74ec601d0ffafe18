package training

import (
	"errors"
	"math"
	"slices"
	"testing"

	"github.com/langevin-ml/langevin/ort"
	"github.com/langevin-ml/langevin/sampling"
	"github.com/langevin-ml/langevin/training/data"
	"github.com/langevin-ml/langevin/training/learner"
	"github.com/langevin-ml/langevin/training/nn"
)

func library(t *testing.T) string {
	t.Helper()
	path, searched, err := ort.FindLibrary("")
	if err != nil {
		t.Fatalf("run make onnxruntime: %v (looked at %q)", err, searched)
	}
	return path
}

func mustSchedule(t *testing.T, c Config) sampling.Schedule {
	t.Helper()
	s, err := c.schedule()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// lossInGo computes the mean loss of a batch in float64, without GoMLX.
func lossInGo(t *testing.T, g *nn.Graph, params []float32, b *batch) float64 {
	t.Helper()
	d := len(b.x) / len(b.sigma)
	x, sigma := make([]float64, len(b.x)), make([]float64, len(b.sigma))
	for i := range x {
		sigma[i/d] = float64(b.sigma[i/d])
		x[i] = float64(b.x[i]) + sigma[i/d]*float64(b.z[i])
	}
	s, err := g.Evaluate(params, x, sigma)
	if err != nil {
		t.Fatal(err)
	}
	var sum float64
	for i := range s {
		sum += math.Pow(sigma[i/d]*s[i]+float64(b.z[i]), 2) / 2
	}
	return sum / float64(len(sigma))
}

// TestStep follows every 7th parameter through three updates. It computes Adam and the moving average in float64, and
// the gradient by finite differences.
func TestStep(t *testing.T) {
	c := preset(t, "toy-2gauss")
	set(t, &c, "network.hidden=6", "training.batch_size=100", "optimizer.ema=0.9", "optimizer.epsilon=0.01")
	trainer, err := newTrainer(t.Context(), c, Options{Library: library(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer trainer.close()
	weights, g := trainer.learner, trainer.network

	n := g.NumParams()
	theta := make([]float64, n)
	for i, v := range g.NewParams(c.Seed) {
		theta[i] = float64(v)
	}
	average, m, v := append([]float64{}, theta...), make([]float64, n), make([]float64, n)
	for iteration := range 3 {
		before := stateOf(t, weights, learner.Params)
		b, err := trainer.batcher.draw(uint64(iteration))
		if err != nil {
			t.Fatal(err)
		}
		losses, err := weights.Step(c.Optimizer.Rates(iteration, c.Training.Iterations), b.vectors()...)
		if err != nil {
			t.Fatal(err)
		}
		var mean float64
		for _, l := range losses {
			mean += float64(l) / float64(len(losses))
		}
		if want := lossInGo(t, g, before, b); math.Abs(mean-want) > 1e-5 {
			t.Errorf("iteration %d: loss %g, want %g", iteration, mean, want)
		}
		after, averaged := stateOf(t, weights, learner.Params), stateOf(t, weights, learner.Average)
		for i := 0; i < n; i += 7 {
			gradient := slope(t, g, before, b, i)
			m[i] = 0.9*m[i] + 0.1*gradient
			v[i] = 0.999*v[i] + 0.001*gradient*gradient
			k := float64(iteration + 1)
			step := m[i] / (1 - math.Pow(0.9, k)) / (math.Sqrt(v[i]/(1-math.Pow(0.999, k))) + 0.01)
			theta[i] = float64(before[i]) - c.Optimizer.Rate(iteration, c.Training.Iterations)*step
			average[i] = 0.9*average[i] + 0.1*theta[i]
			if math.Abs(float64(after[i])-theta[i]) > 1e-6 || math.Abs(float64(averaged[i])-average[i]) > 1e-6 {
				t.Errorf("iteration %d, parameter %d: %g with average %g, want %g and %g",
					iteration, i, after[i], averaged[i], theta[i], average[i])
			}
		}
	}
}

// slope returns the derivative of the loss by parameter i.
func slope(t *testing.T, g *nn.Graph, params []float32, b *batch, i int) float64 {
	t.Helper()
	at := func(v float32) (float64, float64) {
		moved := append([]float32{}, params...)
		moved[i] = v
		return float64(v), lossInGo(t, g, moved, b)
	}
	low, lossLow := at(params[i] - 1e-3)
	high, lossHigh := at(params[i] + 1e-3)
	return (lossHigh - lossLow) / (high - low)
}

// TestEvaluate: the loss of a result is the loss of its own weights on rows that the training did not use.
func TestEvaluate(t *testing.T) {
	c := short(t, "toy-ring", "training.iterations=5", "training.batch_size=100",
		"training.eval_rows=250", "optimizer.ema=0.5")
	result := train(t, c)
	source, err := c.Data.Open(data.Test, c.Seed)
	if err != nil {
		t.Fatal(err)
	}
	d := batcher{source: source, schedule: result.Schedule(), rows: 100, dim: 2, seed: ^c.Seed,
		place: c.Loss.Places(mustSchedule(t, c))}
	var want float64
	for i := range uint64(3) { // the first multiple of 100 that is at least 250
		b, err := d.draw(i)
		if err != nil {
			t.Fatal(err)
		}
		want += lossInGo(t, result.Network, result.Params, b) / 3
	}
	if math.Abs(result.Loss-want) > 1e-5 {
		t.Errorf("loss %g, want %g", result.Loss, want)
	}
}

func stateOf(t *testing.T, l learner.Learner, which int) []float32 {
	t.Helper()
	values, err := l.Read(which)
	if err != nil {
		t.Fatal(err)
	}
	return values
}

// TestStarting: Options.Starting is called for the first run of each computation, and for no other run.
func TestStarting(t *testing.T) {
	starts := 0
	c := short(t, "toy-ring", "training.iterations=3", "training.batch_size=20", "training.eval_rows=60")
	started, err := Run(t.Context(), c, Options{Library: library(t), Device: CPU,
		Starting: func(start func() error) error { starts++; return start() }})
	if err != nil || starts != 2 {
		t.Fatalf("%d starts, %v: want 2, of the updates and of the loss", starts, err)
	}
	if plain := train(t, c); !slices.Equal(plain.Params, started.Params) {
		t.Error("the result is another one")
	}
	refused := errors.New("no such device")
	if _, err := Run(t.Context(), c,
		Options{Library: library(t), Starting: func(func() error) error { return refused }}); !errors.Is(err, refused) {
		t.Errorf("error %v, want %v", err, refused)
	}
}
