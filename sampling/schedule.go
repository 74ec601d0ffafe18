package sampling

import (
	"fmt"
	"math"
	"slices"
)

// Schedule is a noise schedule: finite, positive, strictly decreasing sigmas, the largest first. The zero Schedule has
// no levels, and every sampler rejects it.
type Schedule struct{ sigmas []float64 }

// NewSchedule returns a schedule with the given sigmas. The error names the first sigma that is out of range or out of
// order.
func NewSchedule(sigmas ...float64) (Schedule, error) {
	if len(sigmas) == 0 {
		return Schedule{}, fmt.Errorf("noise schedule: no sigmas: want at least one")
	}
	for i, s := range sigmas {
		if !(s > 0) || math.IsInf(s, 1) || i > 0 && s >= sigmas[i-1] {
			return Schedule{}, fmt.Errorf("noise schedule: sigma %d is %g: want finite, positive, strictly decreasing",
				i, s)
		}
	}
	return Schedule{slices.Clone(sigmas)}, nil
}

// Geometric returns the schedule of NCSN (2019, section 3): sigmas from first to last with a constant ratio, one for
// each level. A single level requires first to equal last.
func Geometric(first, last float64, levels int) (Schedule, error) {
	return spaced(levels, func(t float64) float64 {
		return math.Exp(math.Log(first)*(1-t) + math.Log(last)*t)
	}, first, last)
}

// Linear returns sigmas from first to last with a constant difference, one for each level.
func Linear(first, last float64, levels int) (Schedule, error) {
	return spaced(levels, func(t float64) float64 { return first + t*(last-first) }, first, last)
}

// DDPM returns the ladder of Ho et al. (2020) as noise on the data, one sigma for each step, the last step first:
// √(1-ᾱ_k)/√ᾱ_k, where ᾱ_k is the product of 1-β up to k, and β_k goes from 0.1/levels to 20/levels. There must be more
// than 20 levels.
func DDPM(levels int) (Schedule, error) {
	if levels <= 20 {
		return Schedule{}, fmt.Errorf("noise schedule: %d levels of DDPM: want more than 20", levels)
	}
	sigmas, kept := make([]float64, levels), 1.0
	for k := range levels {
		kept *= 1 - (0.1+19.9*float64(k)/float64(levels-1))/float64(levels)
		sigmas[levels-1-k] = math.Sqrt((1 - kept) / kept)
	}
	return NewSchedule(sigmas...)
}

// KarrasRho is the exponent of [Karras] in the paper (table 1).
const KarrasRho = 7

// Karras returns the schedule of Karras et al. (2022, arXiv 2206.00364, equation 5) with exponent rho: σ^(1/ρ)
// decreases linearly.
func Karras(first, last float64, levels int, rho float64) (Schedule, error) {
	if !(rho > 0) || math.IsInf(rho, 1) {
		return Schedule{}, fmt.Errorf("noise schedule: rho is %g: want a finite number above 0", rho)
	}
	a, b := math.Pow(first, 1/rho), math.Pow(last, 1/rho)
	return spaced(levels, func(t float64) float64 { return math.Pow(a+t*(b-a), rho) }, first, last)
}

// spaced evaluates sigma at equally spaced points of [0, 1], one for each level. It sets both ends to exactly first and
// last.
func spaced(levels int, sigma func(t float64) float64, first, last float64) (Schedule, error) {
	if levels < 1 {
		return Schedule{}, fmt.Errorf("noise schedule: %d levels: want at least 1", levels)
	}
	if levels == 1 {
		if first != last {
			return Schedule{}, fmt.Errorf("noise schedule: one level from %g to %g: want equal ends or more levels",
				first, last)
		}
		return NewSchedule(first)
	}
	sigmas := make([]float64, levels)
	for i := range sigmas {
		sigmas[i] = sigma(float64(i) / float64(levels-1))
	}
	sigmas[0], sigmas[levels-1] = first, last
	return NewSchedule(sigmas...)
}

// Levels returns the number of sigmas.
func (s Schedule) Levels() int { return len(s.sigmas) }

// tooFew is the error for a schedule with fewer sigmas than a sampler needs, which goes from each sigma to the next.
func (s Schedule) tooFew() error {
	given := "empty"
	if len(s.sigmas) > 0 {
		given = fmt.Sprintf("%g alone", s.sigmas[0])
	}
	return &FieldError{Field: "sigmas", Given: given, Want: "at least two"}
}

// Sigma returns the sigma of a level. Level 0 has the largest.
func (s Schedule) Sigma(level int) float64 { return s.sigmas[level] }

// Last returns the smallest sigma.
func (s Schedule) Last() float64 { return s.sigmas[len(s.sigmas)-1] }

// Sigmas returns a copy of the sigmas, largest first.
func (s Schedule) Sigmas() []float64 { return slices.Clone(s.sigmas) }

// Nearest returns the level whose sigma has the ratio to the given sigma that is closest to 1.
func (s Schedule) Nearest(sigma float64) int {
	best, distance := 0, math.Inf(1)
	for i, v := range s.sigmas {
		if d := math.Abs(math.Log(v / sigma)); d < distance {
			best, distance = i, d
		}
	}
	return best
}
