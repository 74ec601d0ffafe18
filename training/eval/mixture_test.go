package eval

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/langevin-ml/langevin/sampling"
)

// near reports a value that differs from want by more than tolerance.
func near(t *testing.T, name string, got, want, tolerance float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tolerance) {
		t.Errorf("%s is %g, want %g ± %g", name, got, want, tolerance)
	}
}

// normals returns n points of N(mean, std² I). The mean is the same in every direction.
func normals(n, dim int, mean, std float64, seed uint64) Rows {
	random := rand.New(rand.NewPCG(seed, 1))
	r := Rows{X: make([]float32, n*dim), Dim: dim}
	for i := range r.X {
		r.X[i] = float32(mean + std*random.NormFloat64())
	}
	return r
}

func TestModes(t *testing.T) {
	m := sampling.TwoGaussians()
	exact, err := Modes(m, Draw(m, 20_000, 1))
	if err != nil {
		t.Fatal(err)
	}
	near(t, "weight", exact.Weights[0], 0.8, 0.01)
	near(t, "distance", exact.Distance, 0, 0.01)
	near(t, "variance", exact.Variance, 1, 0.03)
	near(t, "stray", exact.Stray, 0.001, 0.001)
	if exact.Covered != 2 {
		t.Errorf("covered %d modes, want 2", exact.Covered)
	}

	// All points but one are at one mean, so the other mode's 0.2 is missing. One point is at distance 4, beyond
	// sqrt(-2 ln 0.001) = 3.717.
	one, err := Modes(m, Rows{[]float32{5, 5, 5, 5, 5, 5, 9, 5}, 2})
	if err != nil {
		t.Fatal(err)
	}
	near(t, "distance", one.Distance, 0.2, 1e-12)
	near(t, "χ²", one.Test.Statistic, 0.8*0.8/3.2+0.8*0.8/0.8, 1e-12) // of 4 and 0 points, where 3.2 and 0.8 are due
	near(t, "variance", one.Variance, 16./8, 1e-12)
	near(t, "stray", one.Stray, 0.25, 1e-12)
	if one.Covered != 1 {
		t.Errorf("covered %d modes, want 1", one.Covered)
	}
}

func TestScoreError(t *testing.T) {
	ctx, m := context.Background(), sampling.TwoGaussians()
	with := func(change func(s float32) float32) ScoreReport {
		model := sampling.ModelFunc(func(ctx context.Context, dst, x, sigma []float32) error {
			err := m.Score(ctx, dst, x, sigma)
			for i, s := range dst {
				dst[i] = change(s)
			}
			return err
		})
		r, err := ScoreError(ctx, model, m, 2, 5000, 1, -8, 8)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	if r := with(func(s float32) float32 { return s }); r.Data != 0 || r.Grid != 0 || r.Relative != 0 {
		t.Errorf("the exact score has errors %+v", r)
	}
	shifted := with(func(s float32) float32 { return s + 0.5 })
	near(t, "error on data", shifted.Data, 4*0.25, 1e-5)
	near(t, "error on the grid", shifted.Grid, 4*0.25, 1e-5)
	near(t, "relative error of no score", with(func(float32) float32 { return 0 }).Relative, 1, 1e-12)
}

func TestSlicedWasserstein(t *testing.T) {
	sliced := func(x, y Rows, directions int) float64 {
		d, err := SlicedWasserstein(x, y, directions, 7)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	x := normals(500, 2, 0, 1, 1)
	near(t, "distance to itself", sliced(x, x, 10), 0, 0)

	// A shift by d moves every projection by d·v, whose mean square is |d|²/dim.
	y := Rows{X: append([]float32(nil), x.X...), Dim: 2}
	for i := range y.Len() {
		y.Row(i)[0] += 3
		y.Row(i)[1] += 4
	}
	near(t, "distance of a shift", sliced(x, y, 4000), 5/math.Sqrt2, 0.05)

	// In one dimension, by hand.
	for _, c := range []struct {
		x, y []float32
		want float64
	}{
		{[]float32{0, 1}, []float32{1, 0, 1, 0}, 0},
		{[]float32{0}, []float32{1, 2}, math.Sqrt(2.5)},
		{[]float32{0, 3}, []float32{0, 0, 0}, math.Sqrt(4.5)},
		{[]float32{0, 3}, []float32{0, 1, 2}, math.Sqrt((1. / 6) + (4. / 6) + (1. / 3))},
	} {
		near(t, "distance", sliced(Rows{c.x, 1}, Rows{c.y, 1}, 3), c.want, 1e-7)
	}
}

func TestMMDOfGaussians(t *testing.T) {
	const n, dim, h = 2000, 3, 1.5
	x, y := normals(n, dim, 0, 1, 1), normals(n, dim, 0.5, 2, 2)
	// This is the mean of exp(-‖x-y‖²/2h²) for x - y ~ N(d, v I): (h²/(h²+v))^(dim/2) exp(-‖d‖²/(2(h²+v))).
	kernel := func(square, v float64) float64 {
		return math.Pow(h*h/(h*h+v), dim/2.) * math.Exp(-square/(2*(h*h+v)))
	}
	want := kernel(0, 2) + kernel(0, 8) - 2*kernel(dim*0.25, 5)
	got, err := MMD(x, y, h)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "MMD²", got, want, 0.01)
	same, err := MMD(x, normals(n, dim, 0, 1, 3), h, 2*h)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "MMD² of equal distributions", same, 0, 0.002)
}

func TestMMDByHand(t *testing.T) {
	x, y := Rows{[]float32{0, 1}, 1}, Rows{[]float32{0, 2, 4}, 1}
	k := func(d float64) float64 { return (math.Exp(-d*d/2) + math.Exp(-d*d/8)) / 2 }
	want := k(1) + (2*k(2)+k(4))/3 - 2*(k(0)+k(2)+k(4)+k(1)+k(1)+k(3))/6
	got, err := MMD(x, y, 1, 2)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "MMD²", got, want, 1e-12)
	width, err := MedianWidth(y) // of 2, 2 and 4
	if err != nil {
		t.Fatal(err)
	}
	near(t, "median", width, 2, 1e-12)
}
