package eval

import (
	"math"
	"strings"
	"testing"

	"gonum.org/v1/gonum/mat"
)

func TestFrechetDistanceClosedForms(t *testing.T) {
	a := Gaussian{[]float64{1, 2}, mat.NewSymDense(2, []float64{4, 1, 1, 3})}
	b := Gaussian{[]float64{0, 4}, mat.NewSymDense(2, []float64{2, -1, -1, 5})}
	// For a 2x2 matrix M, tr √M = √(tr M + 2√det M). Here M is Σ₁Σ₂, with trace 8-1-1+15 = 21 and determinant 11·9.
	want := 1 + 4 + 7 + 7 - 2*math.Sqrt(21+2*math.Sqrt(99))
	got, err := FrechetDistance(a, b)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "distance", got, want, 1e-12)

	// These covariances commute, and one is singular. The distance is the squared difference of the deviations.
	c := Gaussian{make([]float64, 3), mat.NewSymDense(3, []float64{4, 0, 0, 0, 0, 0, 0, 0, 9})}
	d := Gaussian{make([]float64, 3), mat.NewSymDense(3, []float64{1, 0, 0, 0, 1, 0, 0, 0, 1})}
	if got, err = FrechetDistance(c, d); err != nil {
		t.Fatal(err)
	}
	near(t, "distance", got, 1+1+4, 1e-12)
}

func TestFID(t *testing.T) {
	// More numbers than rows: the covariance is singular.
	few := normals(30, 64, 0, 1, 1)
	self, err := FID(few, few)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "FID of a set with itself", self, 0, 1e-6)

	const dim = 8
	got, err := FID(normals(20_000, dim, 0, 1, 1), normals(20_000, dim, 0.5, 2, 2))
	if err != nil {
		t.Fatal(err)
	}
	near(t, "FID of two Gaussians", got, dim*(0.25+1), 0.15)
}

func TestKernelDistance(t *testing.T) {
	// Of N(0,1) and N(μ,1) with μ = 1/2: 3(E y)² + 3(E y² - 1)² + (E y³)², E y² = 1 + μ², E y³ = μ³ + 3μ.
	want := 3*0.25 + 3*0.0625 + 1.625*1.625
	got, err := KernelDistance(normals(10_000, 1, 0, 1, 1), normals(10_000, 1, 0.5, 1, 2), 250)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "KID", got.Value, want, 4*got.Error)
	if got.Error <= 0 || got.Error > 0.4 {
		t.Errorf("standard error %g of KID %g", got.Error, got.Value)
	}

	// By hand, in two dimensions, where the kernel is (x·y/2 + 1)³.
	byHand, err := KernelDistance(Rows{[]float32{1, 0, 0, 1}, 2}, Rows{[]float32{2, 0, 0, 2}, 2}, 1000)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "KID", byHand.Value, 1+1-2*(8+1+1+8)/4., 1e-12)
}

func TestInceptionScore(t *testing.T) {
	sure := Rows{Dim: 4}
	for i := range 8 {
		row := make([]float32, 4)
		row[i%4] = 1
		sure.X = append(sure.X, row...)
	}
	for _, c := range []struct {
		name  string
		p     Rows
		parts int
		want  float64
	}{
		{"sure of every class", sure, 2, 4},
		{"always the same", Rows{[]float32{0.3, 0.7, 0.3, 0.7}, 2}, 1, 1},
		{"two rows", Rows{[]float32{0.9, 0.1, 0.1, 0.9}, 2}, 1, math.Exp(0.9*math.Log(1.8) + 0.1*math.Log(0.2))},
	} {
		got, err := InceptionScore(c.p, c.parts)
		if err != nil {
			t.Fatal(err)
		}
		near(t, c.name, got.Value, c.want, 1e-6)
		near(t, c.name+": error", got.Error, 0, 1e-9)
	}
}

func TestClasses(t *testing.T) {
	r, err := Classes(Rows{[]float32{0.95, 0.05, 0.6, 0.4, 1, 0, 0.05, 0.95}, 2})
	if err != nil {
		t.Fatal(err)
	}
	near(t, "share", r.Shares[0], 0.75, 1e-12)
	near(t, "count", float64(r.Counts[0]), 3, 0)
	near(t, "confident", r.Confident, 0.75, 1e-12)
	near(t, "least", r.Least, 0.5, 1e-12)
	near(t, "most", r.Most, 1.5, 1e-12)
}

func TestNeighbours(t *testing.T) {
	samples, references := Rows{[]float32{0, 0, 3, 1}, 2}, Rows{[]float32{1, 3, 0, 2, 0, 1, 5, 5}, 2}
	mirrored := Rows{[]float32{0, 0, 1, 3}, 2}
	plain, err := Neighbours(samples, Rows{}, references, 2)
	if err != nil {
		t.Fatal(err)
	}
	both, err := Neighbours(samples, mirrored, references, 2)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		got  Neighbour
		want Neighbour
	}{
		{plain[0][0], Neighbour{2, 1, false}},
		{plain[0][1], Neighbour{1, 2, false}},
		{plain[1][0], Neighbour{0, math.Sqrt(8), false}},
		{both[1][0], Neighbour{0, 0, true}},
		{both[1][1], Neighbour{1, math.Sqrt(2), true}},
	} {
		if c.got.Index != c.want.Index || c.got.Mirrored != c.want.Mirrored ||
			math.Abs(c.got.Distance-c.want.Distance) > 1e-6 {
			t.Errorf("neighbour %+v, want %+v", c.got, c.want)
		}
	}
}

func TestPrecisionRecall(t *testing.T) {
	// Balls reach to the nearest other point: references 0 and 1 reach 1, 10 reaches 9; samples 0.5 and 1.5 reach 1, 30
	// reaches 28.5.
	precision, recall, err := PrecisionRecall(Rows{[]float32{0.5, 1.5, 30}, 1}, Rows{[]float32{0, 1, 10}, 1}, 1)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "precision", precision, 2./3, 1e-12)
	near(t, "recall", recall, 1, 1e-12)

	x := normals(600, 4, 0, 1, 1)
	if precision, recall, err = PrecisionRecall(x, x, 3); err != nil || precision != 1 || recall != 1 {
		t.Errorf("of a set with itself: %g, %g, %v; want 1, 1", precision, recall, err)
	}
	// A narrow model is precise and covers little. A wide model is the reverse.
	precision, recall, err = PrecisionRecall(normals(600, 4, 0, 0.3, 2), x, 3)
	if err != nil || precision < 0.95 || recall > 0.5 {
		t.Errorf("of a narrow model: precision %g, recall %g, %v", precision, recall, err)
	}
}

func TestRefuses(t *testing.T) {
	good, nan, odd := normals(4, 2, 0, 1, 1), Rows{[]float32{1, float32(math.NaN())}, 2}, Rows{[]float32{1, 2, 3}, 2}
	other := normals(4, 3, 0, 1, 1)
	second := func(_ any, err error) error { return err }
	for _, c := range []struct {
		err  error
		want string
	}{
		{second(FID(good, nan)), "want at least 2 whole rows"},
		{second(SlicedWasserstein(good, nan, 1, 1)), "row 0 has NaN"},
		{second(SlicedWasserstein(good, good, 0, 1)), "0 directions"},
		{second(MMD(good, odd, 1)), "3 numbers in rows of 2"},
		{second(MMD(good, other, 1)), "rows of 2 and of 3 numbers"},
		{second(MMD(good, good, 1, -1)), "widths [1 -1]"},
		{second(MedianWidth(Rows{[]float32{1, 1, 1, 1}, 1})), "points that differ"},
		{second(KernelDistance(good, good, 1)), "blocks of 1 rows"},
		{second(InceptionScore(good, 1)), "want probabilities"},
		{second(Classes(Rows{[]float32{0.2, 0.2}, 2})), "row 0 sums to 0.4"},
		{second(Neighbours(good, Rows{}, good, 5)), "5 of 4 references"},
		{second(Neighbours(good, other, good, 1)), "4 mirrored samples of 3 numbers"},
	} {
		if c.err == nil || !strings.Contains(c.err.Error(), c.want) {
			t.Errorf("error %v, want one that says %q", c.err, c.want)
		}
	}
	if _, _, err := PrecisionRecall(good, good, 4); err == nil {
		t.Error("precision of 4 rows with 4 neighbours was not refused")
	}
}
