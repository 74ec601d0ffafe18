package sampling

import (
	"fmt"
	"math"
)

// Langevin is plain Langevin dynamics at one sigma: x' = x + a·s(x, σ) + √(2a)·z, Steps times.
type Langevin struct {
	Sigma    float64 // where the score is asked for
	Steps    int     // updates, each one score evaluation
	StepSize float64 // a, in squared units of x
	Denoise  bool    // end with x + σ²·s(x, σ), noise-free: the posterior mean (Tweedie), one more evaluation
}

// Plan compiles l, or returns an error that names the field out of range.
func (l Langevin) Plan() (Plan, error) {
	if !finite(l.Sigma) || l.Sigma <= 0 {
		return nil, fieldError("sigma", l.Sigma)
	}
	if !finite(l.StepSize) || l.StepSize <= 0 {
		return nil, fieldError("step_size", l.StepSize)
	}
	if l.Steps < 1 {
		return nil, &FieldError{Field: "steps", Given: l.Steps, Want: "at least 1"}
	}
	plan := make(Plan, 0, l.Steps+1)
	for range l.Steps {
		plan = append(plan, langevinStep(l.Sigma, l.StepSize, 0))
	}
	return plan.denoised(l.Denoise, l.Sigma, 0)
}

// AnnealedLangevin is annealed Langevin dynamics (Song & Ermon 2019, algorithm 1, with the full-step convention of
// their code): StepsPerLevel Langevin updates at every level of the schedule, from the largest sigma to the
// smallest, with step size a_i = StepLR·σ_i²/σ_L². With Denoise it is the sampler of NCSNv2 (Song & Ermon 2020,
// algorithm 1 and section 3.4).
//
// With Consistent the noise of a step is not √(2a) but what leaves the chain with the noise of the level that it goes to
// (Jolicoeur-Martineau et al. 2021, algorithm 2), where Langevin dynamics leaves more: with η = a_i/σ_i² it is
// √(σ'² - (1-η)²σ_i²), σ' being σ_i within a level and σ_{i+1} in its last step.
type AnnealedLangevin struct {
	Schedule      Schedule
	StepsPerLevel int     // T in the papers
	StepLR        float64 // ε, the step size at the last level, in squared units of x
	Denoise       bool    // end with x + σ_L²·s(x, σ_L), noise-free: one more evaluation
	Consistent    bool    // give each step the noise that its level asks for
}

// StepSize is a_i of the given level.
func (a AnnealedLangevin) StepSize(level int) float64 {
	r := a.Schedule.Sigma(level) / a.Schedule.Last()
	return a.StepLR * r * r
}

// Plan compiles a, or returns an error that names the field out of range.
func (a AnnealedLangevin) Plan() (Plan, error) {
	if a.Schedule.Levels() == 0 {
		return nil, &FieldError{Field: "sigmas", Given: "none", Want: "at least one"}
	}
	if a.StepsPerLevel < 1 {
		return nil, &FieldError{Field: "steps_per_level", Given: a.StepsPerLevel, Want: "at least 1"}
	}
	if !finite(a.StepLR) || a.StepLR <= 0 {
		return nil, fieldError("step_lr", a.StepLR)
	}
	plan := make(Plan, 0, a.Schedule.Levels()*a.StepsPerLevel+1)
	for level := range a.Schedule.Levels() {
		step := langevinStep(a.Schedule.Sigma(level), a.StepSize(level), level)
		for range a.StepsPerLevel {
			plan = append(plan, step)
		}
		if a.Consistent {
			if err := a.makeConsistent(plan[len(plan)-a.StepsPerLevel:], level); err != nil {
				return nil, err
			}
		}
	}
	return plan.denoised(a.Denoise, a.Schedule.Last(), a.Schedule.Levels()-1)
}

// makeConsistent sets the noise of the steps of a level.
func (a AnnealedLangevin) makeConsistent(steps Plan, level int) error {
	sigma, next := a.Schedule.Sigma(level), a.Schedule.Sigma(min(level+1, a.Schedule.Levels()-1))
	eta := a.StepSize(level) / (sigma * sigma)
	if left := math.Abs(1 - eta); left > 1 || left*sigma > next {
		last := a.Schedule.Last()
		return &FieldError{Field: "step_lr", Given: a.StepLR, Want: fmt.Sprintf(
			"from %.3g to %.3g with consistent noise: a step that takes the noise from level %d to the next", (1-next/sigma)*last*last, (1+next/sigma)*last*last, level)}
	}
	for i := range steps {
		to := sigma
		if i == len(steps)-1 {
			to = next
		}
		steps[i].C = float32(math.Sqrt(to*to - (1-eta)*(1-eta)*sigma*sigma))
	}
	return nil
}

func langevinStep(sigma, a float64, level int) Step {
	return Step{Sigma: float32(sigma), X: 1, A: float32(a), C: float32(math.Sqrt(2 * a)), Level: int32(level)}
}

// denoised appends the final step x + σ²·s if wanted, and checks the whole.
func (p Plan) denoised(wanted bool, sigma float64, level int) (Plan, error) {
	if wanted {
		p = append(p, Step{Sigma: float32(sigma), X: 1, A: float32(sigma * sigma), Level: int32(level)})
	}
	if err := p.Validate(); err != nil {
		return nil, err
	}
	return p, nil
}

// FieldError says which setting of a sampler is out of range, what was given and what is allowed.
type FieldError struct {
	Field string // as on the wire and in configuration files: steps_per_level
	Given any
	Want  string
}

func (e *FieldError) Error() string {
	return fmt.Sprintf("%s is %v: want %s", e.Field, e.Given, e.Want)
}

func fieldError(field string, given float64) error {
	return &FieldError{Field: field, Given: given, Want: "a finite number above 0"}
}
