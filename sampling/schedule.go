package sampling

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
)

// Schedule is a noise schedule: finite, positive, strictly decreasing sigmas, the largest first. The zero Schedule
// has no levels and is refused by every sampler.
type Schedule struct{ sigmas []float64 }

// NewSchedule returns the schedule with the given sigmas, or an error that names the first sigma out of order.
func NewSchedule(sigmas ...float64) (Schedule, error) {
	if len(sigmas) == 0 {
		return Schedule{}, fmt.Errorf("noise schedule: no sigmas: want at least one")
	}
	for i, s := range sigmas {
		if !(s > 0) || math.IsInf(s, 1) || i > 0 && s >= sigmas[i-1] {
			return Schedule{}, fmt.Errorf("noise schedule: sigma %d is %g: want finite, positive, strictly decreasing", i, s)
		}
	}
	return Schedule{slices.Clone(sigmas)}, nil
}

// Geometric returns the schedule of NCSN (2019, section 3): levels sigmas from first to last with a constant ratio.
// One level is allowed when first equals last.
func Geometric(first, last float64, levels int) (Schedule, error) {
	return spaced(levels, func(t float64) float64 {
		return math.Exp(math.Log(first)*(1-t) + math.Log(last)*t)
	}, first, last)
}

// Linear returns levels sigmas from first to last with a constant difference.
func Linear(first, last float64, levels int) (Schedule, error) {
	return spaced(levels, func(t float64) float64 { return first + t*(last-first) }, first, last)
}

// Karras returns the schedule of Karras et al. (2022, arXiv 2206.00364, equation 5) with exponent rho, 7 in the
// paper: σ^(1/ρ) falls linearly.
func Karras(first, last float64, levels int, rho float64) (Schedule, error) {
	if !(rho > 0) || math.IsInf(rho, 1) {
		return Schedule{}, fmt.Errorf("noise schedule: rho is %g: want a finite number above 0", rho)
	}
	a, b := math.Pow(first, 1/rho), math.Pow(last, 1/rho)
	return spaced(levels, func(t float64) float64 { return math.Pow(a+t*(b-a), rho) }, first, last)
}

// spaced samples sigma at levels points of [0,1] and pins both ends to the exact values asked for.
func spaced(levels int, sigma func(t float64) float64, first, last float64) (Schedule, error) {
	if levels < 1 {
		return Schedule{}, fmt.Errorf("noise schedule: %d levels: want at least 1", levels)
	}
	if levels == 1 {
		if first != last {
			return Schedule{}, fmt.Errorf("noise schedule: one level from %g to %g: want equal ends or more levels", first, last)
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

// Sigma returns the sigma of a level; level 0 has the largest.
func (s Schedule) Sigma(level int) float64 { return s.sigmas[level] }

// Last returns the smallest sigma.
func (s Schedule) Last() float64 { return s.sigmas[len(s.sigmas)-1] }

// Sigmas returns a copy of the sigmas, largest first.
func (s Schedule) Sigmas() []float64 { return slices.Clone(s.sigmas) }

// Nearest returns the level whose sigma is closest to sigma in ratio.
func (s Schedule) Nearest(sigma float64) int {
	best, distance := 0, math.Inf(1)
	for i, v := range s.sigmas {
		if d := math.Abs(math.Log(v / sigma)); d < distance {
			best, distance = i, d
		}
	}
	return best
}

// MarshalJSON writes the sigmas as an array.
func (s Schedule) MarshalJSON() ([]byte, error) { return json.Marshal(s.sigmas) }

// UnmarshalJSON reads an array of sigmas and checks it as [NewSchedule] does.
func (s *Schedule) UnmarshalJSON(data []byte) error {
	var sigmas []float64
	if err := json.Unmarshal(data, &sigmas); err != nil {
		return fmt.Errorf("noise schedule: %w", err)
	}
	schedule, err := NewSchedule(sigmas...)
	if err != nil {
		return err
	}
	*s = schedule
	return nil
}
