package eval

import (
	"math"
	"strings"
	"testing"
)

// The tail of the chi-square distribution has a closed form for 2 and 4 degrees of freedom, and for 1 it is that of a
// normal number.
func TestGoodnessOfFit(t *testing.T) {
	for _, c := range []struct {
		counts    []int
		weights   []float64
		statistic float64
		p         func(x float64) float64
	}{
		{[]int{30, 70}, []float64{1, 1}, 16, func(x float64) float64 { return math.Erfc(math.Sqrt(x / 2)) }},
		{[]int{20, 30, 50}, []float64{0.25, 0.25, 0.5}, 25./25 + 25./25,
			func(x float64) float64 { return math.Exp(-x / 2) }},
		{[]int{10, 20, 30, 20, 20}, []float64{1, 1, 1, 1, 1}, 200. / 20,
			func(x float64) float64 { return math.Exp(-x/2) * (1 + x/2) }},
		{[]int{25, 25, 50}, []float64{1, 1, 2}, 0, func(float64) float64 { return 1 }},
	} {
		got, err := GoodnessOfFit(c.counts, c.weights)
		if err != nil || got.Freedom != len(c.counts)-1 {
			t.Fatalf("%v: %+v, %v", c.counts, got, err)
		}
		near(t, "statistic", got.Statistic, c.statistic, 1e-12)
		near(t, "p", got.P, c.p(c.statistic), 1e-12)
	}
}

func TestHomogeneity(t *testing.T) {
	// For a table of two by two it is n (ad - bc)² over the product of the four sums.
	got, err := Homogeneity([]int{12, 5}, []int{3, 7})
	if err != nil || got.Freedom != 1 {
		t.Fatalf("%+v, %v", got, err)
	}
	want := 27. * (12*7 - 5*3) * (12*7 - 5*3) / (17 * 10 * 15 * 12)
	near(t, "statistic", got.Statistic, want, 1e-12)
	near(t, "p", got.P, math.Erfc(math.Sqrt(want/2)), 1e-12)

	// A class that neither set has does not count, and against very many draws it becomes the test of a fit.
	fit, err := GoodnessOfFit([]int{20, 30, 50}, []float64{1, 1, 2})
	if err != nil {
		t.Fatal(err)
	}
	many, err := Homogeneity([]int{20, 0, 30, 50}, []int{1e12, 0, 1e12, 2e12})
	if err != nil || many.Freedom != 2 {
		t.Fatalf("%+v, %v", many, err)
	}
	near(t, "statistic", many.Statistic, fit.Statistic, 1e-6)
	if one, err := Homogeneity([]int{0, 4}, []int{0, 9}); err != nil || one != (ChiSquare{P: 1}) {
		t.Errorf("of one class: %+v, %v", one, err)
	}
}

func TestChiSquareRefuses(t *testing.T) {
	second := func(_ any, err error) error { return err }
	for _, c := range []struct {
		err  error
		want string
	}{
		{second(GoodnessOfFit([]int{1, 2}, []float64{1})), "2 counts and 1 weights"},
		{second(GoodnessOfFit([]int{1, 2}, []float64{1, 0})), "weight 1 is 0"},
		{second(GoodnessOfFit([]int{0, 0}, []float64{1, 1})), "the counts are 0"},
		{second(Homogeneity([]int{1, -2}, []int{1, 2})), "count 1 is -2"},
		{second(Homogeneity([]int{1}, []int{1, 2})), "1 and 2 counts"},
	} {
		if c.err == nil || !strings.Contains(c.err.Error(), c.want) {
			t.Errorf("error %v, want one that says %q", c.err, c.want)
		}
	}
}
