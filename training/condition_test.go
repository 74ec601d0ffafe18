package training

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/sampling"
	"github.com/langevin-ml/langevin/training/data"
	"github.com/langevin-ml/langevin/training/nn"
)

// given returns a model given one condition.
func given(m sampling.Conditional, row []float32) sampling.Model {
	return sampling.ModelFunc(func(ctx context.Context, dst, x, sigma []float32) error {
		return m.ScoreGiven(ctx, dst, x, sigma, slices.Repeat(row, len(sigma)))
	})
}

// TestClassesAreLearned trains on the ring's Gaussians by class. For each class and each level it compares the loss of
// the exported model with the least one, D/2·τ²/(τ²+σ²), which the score of a single Gaussian N(μ, τ²I) has. Without a
// class, the loss of the ring is the least one. Samples of each class lie around its mean.
func TestClassesAreLearned(t *testing.T) {
	c := preset(t, "toy-ring-class")
	set(t, &c, "network.hidden=64", "training.iterations=2000", "training.batch_size=250", "training.log_every=500",
		"training.eval_rows=500", "noise.levels=10", "optimizer.warmup=100", "optimizer.ema=0.99",
		"condition.dropped=0.3")
	result := train(t, c)
	opened, m := open(t, export(t, result))
	if want := (&models.Condition{Classes: 8, Dropped: true}); m.Format != 2 || cmp.Diff(want, m.Condition) != "" {
		t.Fatalf("manifest of format %d with condition %+v: want 2 and %+v", m.Format, m.Condition, want)
	}
	ring := must(c.Data.Mixture())
	model := opened.(sampling.Conditional)
	for k, mean := range ring.Means {
		class := sampling.Mixture{Weights: []float64{1}, Means: [][]float64{mean}, Std: ring.Std}
		row := must(m.Condition.ClassRow(int64(k)))
		checkLosses(t, fmt.Sprint("class ", k), given(model, row), class, m.Sigmas, 0.03)
		x := sampleOf(t, result, given(model, row), 200)
		for axis, want := range mean {
			got := 0.0
			for i := axis; i < len(x); i += 2 {
				got += float64(x[i]) / 200
			}
			if math.Abs(got-want) > 0.4 { // 5 standard errors of the mean of 200 points, and a fault of 0.04
				t.Errorf("class %d: mean of axis %d is %.2f: want %.2f", k, axis, got, want)
			}
		}
	}
	checkLosses(t, "no class", model, ring, m.Sigmas, 0.1) // a third of the rows for a harder score
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func sampleOf(t *testing.T, r *Result, model sampling.Model, n int) []float32 {
	t.Helper()
	plan, prior, err := r.Manifest().Default()
	if err != nil {
		t.Fatal(err)
	}
	return must(sampling.Run(t.Context(), model, sampling.Request{Plan: plan, Prior: prior, Dim: 2, Seed: 1, N: n}))
}

// checkLosses compares the denoising loss of a model, on draws of m with noise, with the least one, the loss of m's
// exact score. Their difference is ½ σ² E‖difference of the scores‖².
func checkLosses(
	t *testing.T, what string, model sampling.Model, m sampling.Mixture, sigmas []float64, most float64,
) {
	t.Helper()
	const n = 4000
	for _, s := range sigmas {
		x, _, sigma := noisy(m, n, s)
		got, want := scores(t, model, x, sigma), scores(t, m, x, sigma)
		excess := 0.0
		for i := range got {
			excess += s * s * math.Pow(float64(got[i]-want[i]), 2) / (2 * n)
		}
		if !(excess <= most) {
			t.Errorf("%s, sigma %.3g: the loss is %.4f above the least: want at most %g", what, s, excess, most)
		}
	}
}

// TestConditionsOfBatches: a row has the class of its sample, and the right part of the rows has none.
func TestConditionsOfBatches(t *testing.T) {
	c := short(t, "toy-ring-class", "data.std=0.01", "condition.dropped=0.25", "training.batch_size=4000")
	trainer, err := prepare(t.Context(), c, data.Reader{})
	if err != nil {
		t.Fatal(err)
	}
	ring := must(c.Data.Mixture())
	for _, d := range []batcher{trainer.batcher, trainer.unseen} {
		b := must(d.draw(3))
		none := 0
		for i, class := range b.c {
			switch nearest := ring.Nearest(b.x[2*i : 2*i+2]); {
			case class == 8:
				none++
			case int(class) != nearest:
				t.Fatalf("row %d of class %g is nearest to mean %d", i, class, nearest)
			}
		}
		if part := float64(none) / 4000; math.Abs(part-0.25) > 0.03 {
			t.Errorf("%g of the rows have no class: want 0.25", part)
		}
	}
}

// rowsFile writes 200 rows: an angle's cosine and sine, which are the condition, and a point at ten times their place.
func rowsFile(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "rows.csv")
	var text strings.Builder
	for i := range 200 {
		sin, cos := math.Sincos(float64(i))
		fmt.Fprintf(&text, "%g,%g,%g,%g\n", cos, sin, 10*cos, 10*sin)
	}
	if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestVectorConditions trains on rows whose first columns are their condition.
func TestVectorConditions(t *testing.T) {
	for _, dropped := range []string{"0", "0.5"} {
		c := short(t, "toy-ring", "data=null", "data.name=csv", "data.dir="+rowsFile(t), "data.condition_columns=2",
			"condition={kind: vector, names: [east, north], dropped: "+dropped+"}")
		trainer, err := prepare(t.Context(), c, data.Reader{})
		if err != nil {
			t.Fatal(err)
		}
		b, width := must(trainer.batcher.draw(0)), trainer.network.Condition.Width()
		for i := range len(b.sigma) {
			row, x := b.c[i*width:(i+1)*width], b.x[2*i:2*i+2]
			if width == 3 && row[2] == 0 {
				x = []float32{0, 0} // such a row is all zeros
			}
			if d := math.Hypot(float64(10*row[0]-x[0]), float64(10*row[1]-x[1])); d > 1e-5 {
				t.Fatalf("dropped %s: row %d is %v given %v", dropped, i, x, row)
			}
		}
		result := train(t, c)
		want := &models.Condition{Size: 2, Names: []string{"east", "north"}, Dropped: dropped != "0"}
		if diff := cmp.Diff(want, result.Manifest().Condition); diff != "" {
			t.Errorf("condition differs (-want +got):\n%s", diff)
		}
		open(t, export(t, result))
	}
}

// TestUnitsOfVectors: the network knows the mean and the standard deviation of each number, so their units do not
// matter. A number that is always the same does no harm.
func TestUnitsOfVectors(t *testing.T) {
	path := filepath.Join(t.TempDir(), "units.csv")
	var text strings.Builder
	for i := range 400 {
		fmt.Fprintf(&text, "%d,0.1,%d\n", 1000+100*(i%2), i%2)
	}
	if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	c := short(t, "toy-ring", "data=null", "data.name=csv", "data.dir="+path, "data.condition_columns=2",
		"condition.kind=vector")
	trainer, err := prepare(t.Context(), c, data.Reader{})
	if err != nil {
		t.Fatal(err)
	}
	got := trainer.network.Condition
	for i, want := range []struct{ mean, std float64 }{{1050, 50}, {0.1, 1}} {
		if math.Abs(got.Mean[i]-want.mean) > 0.02*want.mean || math.Abs(got.Std[i]-want.std) > 0.02*want.std {
			t.Errorf("number %d: mean %g and standard deviation %g: want %+v", i, got.Mean[i], got.Std[i], want)
		}
	}
	open(t, export(t, train(t, c)))
}

// TestSlicedObjectiveWithClasses: the copies of a batch have its conditions.
func TestSlicedObjectiveWithClasses(t *testing.T) {
	train(t, short(t, "toy-ring-class", "loss={name: annealed-ssm-vr, power: null, projections: 2}"))
}

func TestBadConditionSettings(t *testing.T) {
	rows := rowsFile(t)
	for _, tt := range []struct {
		preset   string
		settings []string
		want     string
	}{
		{"toy-ring", []string{"condition={kind: label}"}, `condition.kind is "label": want class or vector`},
		{"toy-ring", []string{"condition={dropped: 0.1}"}, `condition.kind is ""`},
		{"toy-ring-class", []string{"condition.dropped=1"}, "condition.dropped is 1: want at least 0 and below 1"},
		{"toy-ring-class", []string{"condition.drop=0.1"}, "condition.drop is no setting"},
		{"toy-ring-class", []string{"condition.kind=vector"}, "condition.kind is vector: want data.condition_columns"},
		{"toy-ring-class", []string{"condition.names=[a]"}, "condition.names has 1 name: want none or 8"},
		{"toy-ring-class", []string{"data={name: annulus, modes: null}"}, "have no classes"},
		{"anneal-mnist", []string{"condition={kind: class}"}, `network.name is "ncsn", which takes no condition`},
		{"toy-ring", []string{"data=null", "data.name=csv", "data.dir=" + rows, "data.condition_columns=2"},
			"data.condition_columns is 2: want condition.kind vector"},
		{"toy-ring", []string{"data=null", "data.name=csv", "data.dir=" + rows, "data.condition_columns=4",
			"condition.kind=vector"}, "it has 4 columns, and data.condition_columns is 4: want fewer"},
	} {
		c := preset(t, tt.preset)
		err := func() error {
			for _, s := range tt.settings {
				if err := c.Set(s); err != nil {
					return err
				}
			}
			if err := c.Validate(); err != nil {
				return err
			}
			_, err := prepare(t.Context(), c, data.Reader{})
			return err
		}()
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s with %q: got %v: want %q", tt.preset, tt.settings, err, tt.want)
		}
	}
}

// TestOneMistakeOnce: names are refused before the data are read, and an unknown network is one mistake.
func TestOneMistakeOnce(t *testing.T) {
	for setting, want := range map[string]string{
		"condition.names=[a, b]":                   "condition.names has 2 names: want none or 8",
		"condition.names=[a, b, c, d, e, f, g, a]": `condition.names[7] is "a", like another: want different names`,
		"network.name=x":                           `network.name is "x": want one of `,
	} {
		c := preset(t, "toy-ring-class")
		set(t, &c, setting)
		err := c.Validate()
		if err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: got %v: want one mistake, %q", setting, err, want)
		}
	}
}

func TestDrop(t *testing.T) {
	for _, tt := range []struct {
		given nn.Condition
		raw   []float32
		want  []float32
	}{
		{nn.Condition{Classes: 3, Dropped: true}, []float32{0, 2}, []float32{3, 2}},
		{nn.Condition{Size: 1, Dropped: true}, []float32{5, 7}, []float32{0, 0, 7, 1}},
	} {
		c := make([]float32, len(tt.want))
		drop(c, tt.raw, []float32{0.1, 0.3}, tt.given, 0.2)
		if !slices.Equal(c, tt.want) {
			t.Errorf("%+v: %v: want %v", tt.given, c, tt.want)
		}
	}
}
