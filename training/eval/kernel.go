package eval

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat"
)

// MMD is the unbiased estimate of the squared maximum mean discrepancy of two sets of points (Gretton et al. 2012,
// equation 3), for the mean of the Gaussian kernels
//
//	k(x, y) = exp(-‖x - y‖²/(2h²))
//
// over the widths h. If both sets come from one distribution, it is near 0, and as often below 0 as above. Each set
// needs at least 2 points.
func MMD(x, y Rows, widths ...float64) (float64, error) {
	if err := checkPair(x, y, 2); err != nil {
		return 0, fmt.Errorf("MMD: %w", err)
	}
	if len(widths) == 0 || slices.Min(widths) <= 0 || math.IsInf(slices.Max(widths), 1) {
		return 0, fmt.Errorf("MMD: widths %v: want at least one, all of them finite and above 0", widths)
	}
	kernel := func(square float64) (k float64) {
		for _, h := range widths {
			k += math.Exp(-square / (2 * h * h))
		}
		return k / float64(len(widths))
	}
	a, b := x.dense(), y.dense()
	sum := func(a, b *mat.Dense, same bool) (total float64) {
		distances(a, b, func(i int, square []float64) {
			for j, q := range square {
				if !same || i != j {
					total += kernel(q)
				}
			}
		})
		return total
	}
	return discrepancy(float64(x.Len()), float64(y.Len()), sum(a, a, true), sum(b, b, true), sum(a, b, false)), nil
}

// discrepancy returns the unbiased estimate. It takes the sums of the kernel over pairs, without the pairs of a point
// and itself.
func discrepancy(n, m, xx, yy, xy float64) float64 {
	return xx/(n*(n-1)) + yy/(m*(m-1)) - 2*xy/(n*m)
}

// MedianWidth is the usual choice of a kernel's width: the median distance between two of the first 1,000 points of the
// set. The set needs at least 2 different points.
func MedianWidth(x Rows) (float64, error) {
	const most = 1000
	if err := x.check(2); err != nil {
		return 0, fmt.Errorf("median width: %w", err)
	}
	var all []float64
	m := x.Slice(0, min(most, x.Len())).dense()
	distances(m, m, func(i int, square []float64) { all = append(all, square[:i]...) })
	slices.Sort(all)
	if middle := math.Sqrt(all[len(all)/2]); middle > 0 {
		return middle, nil
	}
	return 0, fmt.Errorf("median width: half of the points are equal: want points that differ")
}

// Estimate is a number and its standard error, which comes from the finite number of samples.
type Estimate struct {
	Value float64 `json:"value"`
	Error float64 `json:"standard_error"`
}

// KernelDistance is the kernel inception distance, KID (Bińkowski et al. 2018). It is the unbiased MMD² of two sets of
// features for the cubic kernel
//
//	k(x, y) = (x·y/dim + 1)³
//
// averaged over disjoint blocks of the given number of rows. The blocks also give its standard error. If there are not
// enough rows for two blocks, it uses one block, and the error is 0. Each set and each block needs at least 2 rows.
func KernelDistance(x, y Rows, block int) (Estimate, error) {
	if err := checkPair(x, y, 2); err != nil {
		return Estimate{}, fmt.Errorf("KID: %w", err)
	}
	if block < 2 {
		return Estimate{}, fmt.Errorf("KID: blocks of %d rows: want at least 2", block)
	}
	block = min(block, x.Len(), y.Len())
	var values []float64
	for first := 0; first+block <= min(x.Len(), y.Len()); first += block {
		values = append(values, cubicDiscrepancy(x.Slice(first, first+block), y.Slice(first, first+block)))
	}
	e := Estimate{Value: stat.Mean(values, nil)}
	if len(values) > 1 {
		e.Error = stat.StdErr(stat.StdDev(values, nil), float64(len(values)))
	}
	return e, nil
}

func cubicDiscrepancy(x, y Rows) float64 {
	a, b := x.dense(), y.dense()
	sum := func(a, b *mat.Dense, same bool) (total float64) {
		var product mat.Dense
		product.Mul(a, b.T())
		n, m := product.Dims()
		for i := range n {
			for j, v := range product.RawRowView(i)[:m] {
				if k := v/float64(x.Dim) + 1; !same || i != j {
					total += k * k * k
				}
			}
		}
		return total
	}
	return discrepancy(float64(x.Len()), float64(y.Len()), sum(a, a, true), sum(b, b, true), sum(a, b, false))
}
