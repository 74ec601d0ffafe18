package sampling

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
)

// This file implements techniques 1, 2 and 4 of NCSNv2 (Song & Ermon 2020, arXiv 2006.09011, sections 3.1, 3.2 and
// 4.2). They derive the noise schedule and the step size of annealed Langevin dynamics from the data, their dimension
// and the budget.

// MaxDistance computes the first sigma by technique 1: the largest Euclidean distance between two rows of data. data is
// row-major with dim elements in a row. If there are more than most rows, it compares only most of them, chosen by seed
// without replacement. most = 0 compares all. The paper chooses 10,000 rows from more than 60,000.
//
// In the worst case the time is quadratic in the number of rows. MaxDistance skips pairs whose distances from the mean
// prove that they are not the farthest.
func MaxDistance(data []float32, dim, most int, seed uint64) (float64, error) {
	if dim < 1 || len(data)%dim != 0 || len(data) < 2*dim {
		return 0, fmt.Errorf("max distance: %d elements in rows of %d: want at least 2 whole rows", len(data), dim)
	}
	if most < 0 || most == 1 {
		return 0, &FieldError{Field: "most", Given: most, Want: "at least 2, or 0 for all"}
	}
	n := len(data) / dim
	order := rand.New(rand.NewPCG(seed, 0)).Perm(n)
	if most > 0 && most < n {
		order = order[:most]
	}
	points := make([]point, len(order))
	for i, row := range order {
		points[i].x = data[row*dim : (row+1)*dim]
	}
	if distance := farthest(points); finite(distance) {
		return distance, nil
	}
	return 0, fmt.Errorf("max distance: the data are not all finite")
}

// point is a row of data and its distance from the mean of all rows.
type point struct {
	x      []float32
	radius float64
}

// farthest returns the largest distance between two points, or NaN if a point is not finite. It visits pairs from the
// outermost points inwards and stops when no two remaining radii add up to the best distance.
func farthest(points []point) float64 {
	mean := make([]float64, len(points[0].x))
	for _, p := range points {
		for j, v := range p.x {
			mean[j] += float64(v) / float64(len(points))
		}
	}
	for i := range points {
		points[i].radius = math.Sqrt(distance2(points[i].x, mean))
		if !finite(points[i].radius) {
			return math.NaN()
		}
	}
	slices.SortFunc(points, func(a, b point) int { return cmp.Compare(b.radius, a.radius) })
	best, x := 0.0, mean
	for i, p := range points {
		if 2*p.radius < best {
			break
		}
		for j, v := range p.x {
			x[j] = float64(v)
		}
		for _, q := range points[i+1:] {
			if p.radius+q.radius < best {
				break
			}
			best = max(best, math.Sqrt(distance2(q.x, x)))
		}
	}
	return best
}

// Overlap returns C of technique 2: how much the radii of two neighbouring levels overlap. The radius of N(0, σ²I) in
// dim dimensions is near √dim·σ with standard deviation σ/√2. C is the probability that it falls within three standard
// deviations of the radius at the next larger level,
//
//	C = Φ(√(2·dim)(γ - 1) + 3γ) - Φ(√(2·dim)(γ - 1) - 3γ)
//
// with γ = ratio ≥ 1.
func Overlap(dim int, ratio float64) float64 {
	gap := math.Sqrt(2*float64(dim)) * (ratio - 1)
	return (math.Erfc((gap-3*ratio)/math.Sqrt2) - math.Erfc((gap+3*ratio)/math.Sqrt2)) / 2
}

// LevelRatio solves technique 2: it returns the ratio γ > 1 of neighbouring sigmas at which levels overlap by the given
// C in dim dimensions. The paper recommends about 0.5; its published schedules have 0.567. Below 5 dimensions every
// ratio overlaps almost completely and there is no answer.
func LevelRatio(dim int, overlap float64) (float64, error) {
	if dim < 5 {
		return 0, &FieldError{
			Field: "dim", Given: dim, Want: "at least 5: in fewer dimensions levels overlap at any ratio",
		}
	}
	// Overlap rises from its value at 1 to its only maximum and then falls to 0. A value below Overlap(dim, 1) is
	// reached once.
	if most := Overlap(dim, 1); !(overlap > 0 && overlap < most) {
		return 0, &FieldError{Field: "overlap", Given: overlap, Want: fmt.Sprintf("above 0 and below %.4f", most)}
	}
	low, high := 0.0, 1.0 // of γ - 1
	for Overlap(dim, 1+high) > overlap {
		low, high = high, 2*high
	}
	for range 200 {
		if middle := (low + high) / 2; Overlap(dim, 1+middle) > overlap {
			low = middle
		} else {
			high = middle
		}
	}
	return 1 + high, nil
}

// LevelCount returns the number of levels in a geometric schedule, 1 + ln(first/last)/ln(ratio). The result is rarely a
// whole number. Rounded up, it gives at least the overlap for which the ratio was chosen.
func LevelCount(first, last, ratio float64) (float64, error) {
	switch {
	case !finite(last) || last <= 0:
		return 0, fieldError("last", last)
	case !finite(first) || first < last:
		return 0, &FieldError{Field: "first", Given: first, Want: "a finite number, at least last"}
	case !finite(ratio) || ratio <= 1:
		return 0, &FieldError{Field: "ratio", Given: ratio, Want: "a finite number above 1"}
	}
	return 1 + math.Log(first/last)/math.Log(ratio), nil
}

// LevelVariance returns the quantity that technique 4 keeps close to 1: the variance after the given number of Langevin
// steps at a level, in units of σ_i². The data are a single point, and the chain enters with the variance of the level
// before. With q = ε/σ_L² the result is (1 - q)^(2·steps)·(γ² - b) + b, where b = 2q/(1 - (1 - q)²) is the stationary
// value. It is the same at every level and in every dimension. stepLR is ε, as in [AnnealedLangevin].
func LevelVariance(stepLR, last, ratio float64, steps int) float64 {
	return levelVariance(stepLR/(last*last), ratio, steps)
}

func levelVariance(q, ratio float64, steps int) float64 {
	b := 1 / (1 - q/2)
	return math.Pow(1-q, 2*float64(steps))*(ratio*ratio-b) + b
}

// BestStepLR solves technique 4: it returns the ε at which [LevelVariance] is closest to 1, for the given number of
// steps at each level of a geometric schedule with the given ratio that ends at last.
func BestStepLR(last, ratio float64, steps int) (float64, error) {
	switch {
	case !finite(last) || last <= 0:
		return 0, fieldError("last", last)
	case !finite(ratio) || ratio <= 1:
		return 0, &FieldError{Field: "ratio", Given: ratio, Want: "a finite number above 1"}
	case steps < 1:
		return 0, &FieldError{Field: "steps_per_level", Given: steps, Want: "at least 1"}
	}
	// The variance stays above 1, so the closest value is the smallest. With few steps the best q is near γ² - 1. With
	// many it is above 1/steps divided by a logarithm. The search starts well below both.
	low := math.Log(min(ratio*ratio-1, 1/float64(steps)) / 1000)
	q := minimum(low, 0, func(lnq float64) float64 { return levelVariance(math.Exp(lnq), ratio, steps) })
	return math.Exp(q) * last * last, nil
}

// minimum returns where f is smallest on [low, high]. It takes the best point of a grid and refines it by golden
// sections.
func minimum(low, high float64, f func(float64) float64) float64 {
	const cells = 400
	width, best := (high-low)/cells, low
	for i := range cells + 1 {
		if x := low + float64(i)*width; f(x) < f(best) {
			best = x
		}
	}
	a, b := max(low, best-width), min(high, best+width)
	for range 60 {
		third := (b - a) * (math.Phi - 1) // 1 over the golden ratio, 0.618
		if f(b-third) < f(a+third) {
			b = a + third
		} else {
			a = b - third
		}
	}
	return (a + b) / 2
}
