package eval

import (
	"fmt"
	"math"
	"slices"

	"github.com/langevin-ml/langevin/sampling"
)

// SlicedWasserstein is the sliced 2-Wasserstein distance of two sets of points (Rabin et al. 2011; Bonneel et al.
// 2015). It projects the sets on the given number of random directions. The result is the root of the mean of the
// squared distance W₂ of the projections, which is exact in one dimension. It is in the units of the points, at most W₂
// over √dim, and 0 for equal sets. Sets of different sizes are compared as distributions.
func SlicedWasserstein(x, y Rows, directions int, seed uint64) (float64, error) {
	if err := checkPair(x, y, 1); err != nil {
		return 0, fmt.Errorf("sliced Wasserstein: %w", err)
	}
	if directions < 1 {
		return 0, fmt.Errorf("sliced Wasserstein: %d directions: want at least 1", directions)
	}
	var sum float64
	for k := range directions {
		v := make([]float32, x.Dim)
		sampling.Noise{Seed: seed, Chain: uint64(k)}.Normal(v, 0)
		sum += wasserstein2(project(x, v), project(y, v)) / float64(directions)
	}
	return math.Sqrt(sum), nil
}

// project returns the components of the points along v, sorted.
func project(r Rows, v []float32) []float64 {
	norm := math.Sqrt(squaredDistance(v, make([]float64, len(v))))
	out := make([]float64, r.Len())
	for i := range out {
		for j, xj := range r.Row(i) {
			out[i] += float64(xj) * float64(v[j]) / norm
		}
	}
	slices.Sort(out)
	return out
}

// wasserstein2 returns the integral over u in [0, 1] of the squared difference of two sorted samples' quantiles at u.
func wasserstein2(x, y []float64) float64 {
	n, m := len(x), len(y)
	var sum float64
	for i, j, at := 0, 0, 0.0; i < n && j < m; {
		// This is the next step of either quantile function. It is computed with whole numbers, so that equal places
		// are equal.
		next := float64(min((i+1)*m, (j+1)*n)) / float64(n*m)
		d := x[i] - y[j]
		sum += d * d * (next - at)
		at = next
		stepX, stepY := (i+1)*m <= (j+1)*n, (j+1)*n <= (i+1)*m
		if stepX {
			i++
		}
		if stepY {
			j++
		}
	}
	return sum
}
