package training

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/langevin-ml/langevin/training/eval"
)

// normalRows returns n rows of dim normal numbers around mean.
func normalRows(n, dim int, mean float64, seed uint64) eval.Rows {
	random := rand.New(rand.NewPCG(seed, 2))
	r := eval.Rows{X: make([]float32, n*dim), Dim: dim}
	for i := range r.X {
		r.X[i] = float32(mean + random.NormFloat64())
	}
	return r
}

// rings returns n points at a distance from the origin that is normal around radius.
func rings(n int, radius float64, seed uint64) eval.Rows {
	random := rand.New(rand.NewPCG(seed, 3))
	r := eval.Rows{Dim: 2}
	for range n {
		length, angle := radius+random.NormFloat64(), 2*math.Pi*random.Float64()
		r.X = append(r.X, float32(length*math.Cos(angle)), float32(length*math.Sin(angle)))
	}
	return r
}

// The best classifier of N(0, I) and N(m, I) is right with probability Φ(‖m‖/2), and that of two rings whose radii
// differ by 3 with Φ(3/2). Sets of one distribution give 0.5.
func TestTwoSampleOfPoints(t *testing.T) {
	phi := func(z float64) float64 { return math.Erfc(-z/math.Sqrt2) / 2 }
	for _, c := range []struct {
		name           string
		truth, samples eval.Rows
		best, short    float64 // the accuracy of the best classifier, and by how much a learned one may miss it
	}{
		{"equal", normalRows(2000, 2, 0, 1), normalRows(2000, 2, 0, 2), 0.5, 0},
		{"shifted", normalRows(2000, 2, 0, 1), normalRows(2000, 2, math.Sqrt2, 2), phi(1), 0.02},
		{"far", normalRows(300, 5, 0, 1), normalRows(500, 5, 4, 2), 1, 0.01},
		{"classes in turn", inTurn(2000, 1), sorted(inTurn(2000, 2)), 0.5, 0},
		{"rings", rings(2000, 10, 1), rings(2000, 13, 2), phi(1.5), 0.03},
	} {
		test := TwoSampleTest{Shape: []int{c.truth.Dim}, Seed: 1}
		got, err := test.Run(t.Context(), c.truth, c.samples, Options{Library: library(t)})
		n := min(c.truth.Len(), c.samples.Len()) / 2 * 2
		if err != nil || got.Tested != n || got.Error != 0.5/math.Sqrt(float64(n)) {
			t.Fatalf("%s: %+v, %v, want %d tested rows", c.name, got, err, n)
		}
		if got.Accuracy > c.best+4*got.Error || got.Accuracy < c.best-4*got.Error-c.short {
			t.Errorf("%s: accuracy %g ± %g, the best classifier has %g", c.name, got.Accuracy, got.Error, c.best)
		}
	}
}

// inTurn returns n points of two groups in turn, whose first numbers are around -5 and 5.
func inTurn(n int, seed uint64) eval.Rows {
	r := normalRows(n, 2, 0, seed)
	for i := range n {
		r.X[2*i] += float32(10*(i%2) - 5)
	}
	return r
}

// sorted returns points with those of the first group before the others.
func sorted(r eval.Rows) eval.Rows {
	groups := [2][]float32{}
	for i := range r.Len() {
		groups[i%2] = append(groups[i%2], r.Row(i)...)
	}
	return eval.Rows{X: append(groups[0], groups[1]...), Dim: r.Dim}
}

// brightened returns images with values in [0, 1] of sides that are not multiples of 4. A part of the second row is
// brighter by a given amount.
func brightened(n int, by float32, seed uint64) eval.Rows {
	random := rand.New(rand.NewPCG(seed, 4))
	r := eval.Rows{Dim: 7 * 9}
	for range n {
		for j := range r.Dim {
			v := 0.8 * random.Float32()
			if j >= 9 && j < 13 {
				v += by
			}
			r.X = append(r.X, v)
		}
	}
	return r
}

func TestTwoSampleOfImages(t *testing.T) {
	test := TwoSampleTest{Shape: []int{1, 7, 9}, Seed: 1}
	run := func(truth, samples eval.Rows) TwoSample {
		r, err := test.Run(t.Context(), truth, samples, Options{Library: library(t)})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	same := run(brightened(400, 0, 1), brightened(300, 0, 2))
	if math.Abs(same.Accuracy-0.5) > 4*same.Error {
		t.Errorf("accuracy %+v of like images", same)
	}
	if bright := run(brightened(400, 0, 1), brightened(300, 0.5, 2)); bright.Accuracy < 0.9 {
		t.Errorf("accuracy %+v of images that anyone can tell apart", bright)
	}
	if again := run(brightened(400, 0, 1), brightened(300, 0, 2)); again != same {
		t.Errorf("the same test gives %+v and %+v", same, again)
	}
}

func TestTwoSampleRefuses(t *testing.T) {
	good := normalRows(100, 2, 0, 1)
	nan := eval.Rows{X: append([]float32{float32(math.NaN())}, good.X[1:]...), Dim: 2}
	for want, samples := range map[string]eval.Rows{
		"100 true rows and 49 samples: want at least 50 of each": normalRows(49, 2, 0, 1),
		"rows of 2 and of 3 numbers: want 2, as shape [2] has":   normalRows(100, 3, 0, 1),
		"row 0 has NaN": nan,
	} {
		_, err := TwoSampleTest{Shape: []int{2}}.Run(t.Context(), good, samples, Options{Library: library(t)})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
