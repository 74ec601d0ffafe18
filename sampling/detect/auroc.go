package detect

import (
	"math"
	"slices"
)

// AUROC returns how well distances tell unusual samples from typical ones, and the standard error. It is the
// probability that an unusual sample has the larger distance, where equal ones count half: the area under the curve of
// the receiver's operating characteristic. The error is that of Hanley & McNeil (1982).
func AUROC(typical, unusual []float64) (area, deviation float64) {
	sorted := slices.Sorted(slices.Values(typical))
	for _, v := range unusual {
		below, _ := slices.BinarySearch(sorted, v)
		above, _ := slices.BinarySearchFunc(sorted, v, func(e, v float64) int {
			if e <= v {
				return -1
			}
			return 1
		})
		area += float64(below+above) / 2
	}
	m, n := float64(len(typical)), float64(len(unusual))
	area /= m * n
	q1, q2 := area/(2-area), 2*area*area/(1+area)
	variance := (area*(1-area) + (n-1)*(q1-area*area) + (m-1)*(q2-area*area)) / (m * n)
	return area, math.Sqrt(max(0, variance))
}
