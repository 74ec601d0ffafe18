package eval

import (
	"errors"
	"fmt"

	"gonum.org/v1/gonum/stat/distuv"
)

// ChiSquare is the result of Pearson's test of counts. It is reliable if most of the expected counts are at least 5.
type ChiSquare struct {
	Statistic float64 `json:"statistic"`          // Σ (count - expected)² / expected
	Freedom   int     `json:"degrees_of_freedom"` // its mean if the test's hypothesis is true
	P         float64 `json:"p"`                  // probability of a statistic at least as large, if it is true
}

// GoodnessOfFit tests whether counts are those of draws with the given probabilities, which need not sum to 1.
func GoodnessOfFit(counts []int, weights []float64) (ChiSquare, error) {
	if len(counts) != len(weights) || len(counts) < 2 {
		return ChiSquare{}, fmt.Errorf("chi-square: %d counts and %d weights: want equally many, at least 2",
			len(counts), len(weights))
	}
	n, err := total(counts)
	if err != nil {
		return ChiSquare{}, err
	}
	var sum float64
	for k, w := range weights {
		if !(w > 0) {
			return ChiSquare{}, fmt.Errorf("chi-square: weight %d is %g: want a number above 0", k, w)
		}
		sum += w
	}
	var statistic float64
	for k, w := range weights {
		statistic += deviation(counts[k], n*w/sum)
	}
	return newChiSquare(statistic, len(counts)-1), nil
}

// Homogeneity tests whether two sets of draws come from one distribution. a and b have the counts of its classes. A
// class without any draw does not count.
func Homogeneity(a, b []int) (ChiSquare, error) {
	if len(a) != len(b) {
		return ChiSquare{}, fmt.Errorf("chi-square: %d and %d counts: want equally many", len(a), len(b))
	}
	n, errA := total(a)
	m, errB := total(b)
	if err := errors.Join(errA, errB); err != nil {
		return ChiSquare{}, err
	}
	classes, statistic := 0, 0.
	for k := range a {
		both := float64(a[k] + b[k])
		if both == 0 {
			continue
		}
		classes++
		statistic += deviation(a[k], both*n/(n+m)) + deviation(b[k], both*m/(n+m))
	}
	return newChiSquare(statistic, classes-1), nil
}

// total returns the sum of counts, at least one draw.
func total(counts []int) (float64, error) {
	var n float64
	for k, c := range counts {
		if c < 0 {
			return 0, fmt.Errorf("chi-square: count %d is %d: want at least 0", k, c)
		}
		n += float64(c)
	}
	if n == 0 {
		return 0, fmt.Errorf("chi-square: the counts are 0: want at least one draw")
	}
	return n, nil
}

func deviation(count int, expected float64) float64 {
	d := float64(count) - expected
	return d * d / expected
}

// newChiSquare returns the test of a statistic. With 0 degrees of freedom nothing can differ.
func newChiSquare(statistic float64, freedom int) ChiSquare {
	c := ChiSquare{Statistic: statistic, Freedom: freedom, P: 1}
	if freedom > 0 {
		c.P = distuv.ChiSquared{K: float64(freedom)}.Survival(statistic)
	}
	return c
}

// metric returns the statistic as a measure of how shares differ from those of what is true.
func (c ChiSquare) metric(name, truth string) Metric {
	return Metric{
		Name: name, Value: c.Statistic, Expected: float64(c.Freedom),
		Meaning: fmt.Sprintf("Pearson's test of the shares with those of %s, p = %.2g", truth, c.P),
	}
}
