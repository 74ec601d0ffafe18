package sampling

import (
	"errors"
	"math"
	"slices"
	"testing"
)

// TestTechniques reproduces the published schedules of NCSN and NCSNv2 and what the rules give for each: overlap and
// variance as published, the best ε with its variance, and the schedule for C = 0.5. NaN is not checked, because NCSN
// was made without the rules.
func TestTechniques(t *testing.T) {
	nan := math.NaN()
	for _, s := range []struct {
		name                    string
		dim                     int
		first                   float64
		levels                  int
		gamma, overlap          float64
		steps                   int
		stepLR, variance        float64
		bestStepLR, atBest      float64
		halfGamma, levelsOfHalf float64
	}{
		{"NCSN CIFAR-10", 3072, 1, 10, 1.66810, 0.0000, 100, 2e-5, 1.1111, nan, nan, 1.03980, 119},
		{"NCSN MNIST", 784, 1, 10, 1.66810, 0.0000, 100, 2e-5, 1.1111, nan, nan, 1.08197, 59.5},
		{"CIFAR-10", 3072, 50, 232, 1.03756, 0.5670, 5, 6.2e-6, 1.0555, 6.18e-6, 1.0555, 1.03980, 219.2},
		{"CelebA", 12288, 90, 500, 1.01841, 0.5669, 5, 3.3e-6, 1.0314, 3.34e-6, 1.0314, 1.01951, 472.2},
		{"church", 27648, 140, 788, 1.01220, 0.5662, 4, 4.9e-6, 1.0247, 2.31e-6, 1.0224, 1.01292, 744.5},
		{"LSUN", 49152, 190, 1086, 1.00912, 0.5665, 3, 1.8e-6, 1.0174, 1.77e-6, 1.0174, 1.00966, 1025.7},
		{"FFHQ", 196608, 348, 2311, 1.00454, 0.5669, 3, 9e-7, 1.0089, 8.93e-7, 1.0089, 1.00481, 2181.6},
	} {
		t.Run(s.name, func(t *testing.T) {
			const last = 0.01
			gamma := math.Pow(s.first/last, 1/float64(s.levels-1))
			near := func(what string, got, want, tolerance float64) {
				t.Helper()
				if math.Abs(got-want) > tolerance {
					t.Errorf("%s is %.6g, want %.6g", what, got, want)
				}
			}
			near("ratio", gamma, s.gamma, 6e-6)
			near("overlap", Overlap(s.dim, gamma), s.overlap, 6e-5)
			near("variance", LevelVariance(s.stepLR, last, gamma, s.steps), s.variance, 6e-5)
			if best, err := BestStepLR(last, gamma, s.steps); err != nil {
				t.Error(err)
			} else if !math.IsNaN(s.bestStepLR) {
				near("best step_lr", best, s.bestStepLR, 0.005*s.bestStepLR)
				near("its variance", LevelVariance(best, last, gamma, s.steps), s.atBest, 6e-5)
			}
			half, err1 := LevelRatio(s.dim, 0.5)
			levels, err2 := LevelCount(s.first, last, half)
			if err := errors.Join(err1, err2); err != nil {
				t.Fatal(err)
			}
			near("ratio for C = 0.5", half, s.halfGamma, 6e-6)
			near("levels for C = 0.5", levels, s.levelsOfHalf, 0.06)
			if s.overlap > 0 { // the reverse: the published L from the published C
				ratio, err1 := LevelRatio(s.dim, s.overlap)
				levels, err2 := LevelCount(s.first, last, ratio)
				if err := errors.Join(err1, err2); err != nil {
					t.Fatal(err)
				}
				near("levels for the published C", levels, float64(s.levels), 0.0005*float64(s.levels))
			}
		})
	}
}

// TestLevelRatio inverts the overlap for all dimensions and overlaps that have a ratio.
func TestLevelRatio(t *testing.T) {
	for _, dim := range []int{5, 6, 10, 784, 1 << 20, 1 << 40} {
		for _, overlap := range []float64{1e-300, 1e-12, 0.01, 0.5, 0.567, 0.99, 0.9972} {
			ratio, err := LevelRatio(dim, overlap)
			if err != nil {
				t.Fatal(err)
			}
			if back := Overlap(dim, ratio); ratio <= 1 || math.Abs(back/overlap-1) > 1e-3 {
				t.Errorf("dim %d: ratio %.9g overlaps by %g, want %g", dim, ratio, back, overlap)
			}
		}
	}
}

// TestLevelVariance compares the formula with a chain of updates, x' = x - a·x/σ² + √(2a)·z, and the best ε with
// others.
func TestLevelVariance(t *testing.T) {
	for _, test := range []struct {
		last, ratio float64
		steps       int
	}{{0.01, 1.03756, 5}, {1, 1.394950, 100}, {0.5, 3, 1}, {0.01, 1.0001, 3}, {2, 1.5, 10_000}} {
		best, err := BestStepLR(test.last, test.ratio, test.steps)
		if err != nil {
			t.Fatal(err)
		}
		v, s2 := test.ratio*test.ratio, test.last*test.last
		for range test.steps {
			v = (1-best/s2)*(1-best/s2)*v + 2*best/s2
		}
		got := LevelVariance(best, test.last, test.ratio, test.steps)
		if math.Abs(got-v) > 1e-9 {
			t.Errorf("%+v: variance %.9f, updates give %.9f", test, got, v)
		}
		for factor := 0.05; factor < 20; factor *= 1.01 {
			other := best * factor
			if other < s2 && LevelVariance(other, test.last, test.ratio, test.steps) < got-1e-12 {
				t.Errorf("%+v: step_lr %g is better than %g", test, other, best)
			}
		}
	}
}

func TestMaxDistance(t *testing.T) {
	const dim, n = 3, 400
	clouds, circle := make([]float32, dim*n), make([]float32, dim*n)
	Noise{Seed: 1}.Normal(clouds, 0)
	Noise{Seed: 3}.Normal(circle, 0)
	for i := range n {
		if i%7 == 0 {
			clouds[dim*i] += 9 // the line of the farthest pair does not pass through the mean
		}
		// Every point has about the same distance from the mean, so no pair can be skipped early.
		sin, cos := math.Sincos(2.4 * float64(i))
		circle[dim*i] = float32(10*cos) + circle[dim*i]/10
		circle[dim*i+1] = float32(10*sin) + circle[dim*i+1]/10
	}
	for _, data := range [][]float32{clouds, circle} {
		want, original := everyDistance(data, dim), slices.Clone(data)
		all, err1 := MaxDistance(data, dim, 0, 1)
		more, err2 := MaxDistance(data, dim, n+1, 2)
		some, err3 := MaxDistance(data, dim, 20, 1)
		again, err4 := MaxDistance(data, dim, 20, 1)
		if err := errors.Join(err1, err2, err3, err4); err != nil {
			t.Fatal(err)
		}
		if math.Abs(all-want) > 1e-12 || all != more {
			t.Errorf("largest distance is %.12f and %.12f, want %.12f", all, more, want)
		}
		if some != again || some >= all || some < all/2 {
			t.Errorf("of 20 rows it is %g, then %g; of all %g", some, again, all)
		}
		if !slices.Equal(data, original) {
			t.Error("the data were changed")
		}
	}
	if same, err := MaxDistance([]float32{4, 4, 4}, 1, 0, 0); same != 0 || err != nil {
		t.Errorf("equal points are %g apart, error %v", same, err)
	}
}

// everyDistance compares all pairs.
func everyDistance(data []float32, dim int) (most float64) {
	for i := 0; i < len(data); i += dim {
		for j := 0; j < i; j += dim {
			var q float64
			for k := range dim {
				d := float64(data[i+k]) - float64(data[j+k])
				q += d * d
			}
			most = max(most, math.Sqrt(q))
		}
	}
	return most
}

func TestBadTechniques(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	refuse := func(field string, call func() (float64, error)) {
		t.Helper()
		var f *FieldError
		if _, err := call(); !errors.As(err, &f) || f.Field != field {
			t.Errorf("%v, want a FieldError of %s", err, field)
		}
	}
	for _, v := range []float64{nan, inf, 0, -1} {
		refuse("overlap", func() (float64, error) { return LevelRatio(784, v) })
		refuse("last", func() (float64, error) { return LevelCount(1, v, 1.1) })
		refuse("last", func() (float64, error) { return BestStepLR(v, 1.1, 5) })
		refuse("ratio", func() (float64, error) { return LevelCount(1, 0.1, v) })
		refuse("ratio", func() (float64, error) { return BestStepLR(0.1, v, 5) })
		refuse("first", func() (float64, error) { return LevelCount(v, 0.1, 1.1) })
	}
	refuse("overlap", func() (float64, error) { return LevelRatio(784, 0.998) })
	refuse("dim", func() (float64, error) { return LevelRatio(4, 0.5) })
	refuse("ratio", func() (float64, error) { return BestStepLR(0.1, 1, 5) })
	refuse("steps_per_level", func() (float64, error) { return BestStepLR(0.1, 1.1, 0) })
	refuse("most", func() (float64, error) { return MaxDistance([]float32{1, 2}, 1, 1, 0) })
	for _, data := range [][]float32{nil, {1}, {1, 2, 3}, {1, 2, 3, float32(nan)}, {1, 2, float32(inf), 4}} {
		if _, err := MaxDistance(data, 2, 0, 0); err == nil {
			t.Errorf("distances of %v in rows of 2 were measured", data)
		}
	}
}
