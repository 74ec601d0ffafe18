package sampling

import (
	"math"
	"testing"
)

// TestFitVariance: the fitted variance makes the errors the most likely, so the log density falls to both sides of it.
// Without noise it is known: a mean of squares.
func TestFitVariance(t *testing.T) {
	const expected = 0.7
	y := &Measurement{Singular: []float64{2, 0.5, 1, 0.1, 3, 1.5}}
	squares := []float64{9, 0.3, 2, 0.02, 30, 1}
	sum := 10 * expected
	for j, s := range y.Singular {
		sum += squares[j] / (s * s)
	}
	if got, want := fitVariance(expected, y, squares), sum/16; math.Abs(got-want) > 1e-12 {
		t.Errorf("without noise the variance is %g, want %g", got, want)
	}
	y.Std = 0.4
	density := func(v float64) float64 {
		log := 10 * logNormal(math.Sqrt(expected), v)
		for j, s := range y.Singular {
			log += logNormal(math.Sqrt(squares[j]), s*s*v+y.Std*y.Std)
		}
		return log
	}
	v := fitVariance(expected, y, squares)
	if at := density(v); at <= density(0.99*v) || at <= density(1.01*v) {
		t.Errorf("the variance %g is less likely than its neighbours", v)
	}
}
