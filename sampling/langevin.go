package sampling

import (
	"fmt"
	"math"
	"strings"
)

// Langevin is plain Langevin dynamics at one sigma: x' = x + a·s(x, σ) + √(2a)·z, repeated Steps times.
type Langevin struct {
	Sigma    float64 // sigma of every score evaluation
	Steps    int     // number of updates, with one score evaluation each
	StepSize float64 // a, in squared units of x
	Denoise  bool    // end with the posterior mean x + σ²·s(x, σ) (Tweedie): one more evaluation
}

// Plan compiles l. The error names the field that is out of range.
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
// their code). It makes StepsPerLevel Langevin updates at every level of the schedule, from the largest sigma to the
// smallest. The step size at level i is a_i = StepLR·σ_i²/σ_L². With Denoise it is the sampler of NCSNv2 (Song & Ermon
// 2020, algorithm 1 and section 3.4).
//
// Langevin noise of √(2a) leaves more noise in a chain than its level has. With Consistent a step adds exactly the
// noise that brings the chain to the next level's sigma (Jolicoeur-Martineau et al. 2021, algorithm 2). With
// η = a_i/σ_i² that is √(σ'² - (1-η)²σ_i²), where σ' is σ_i within a level and σ_{i+1} in its last step.
type AnnealedLangevin struct {
	Schedule      Schedule
	StepsPerLevel int     // T in the papers
	StepLR        float64 // ε, the step size at the last level, in squared units of x
	Denoise       bool    // end with x + σ_L²·s(x, σ_L), without noise: one more evaluation
	Consistent    bool    // add only the noise that leads to the next step's sigma
}

// StepSize returns a_i for the given level.
func (a AnnealedLangevin) StepSize(level int) float64 {
	r := a.Schedule.Sigma(level) / a.Schedule.Last()
	return a.StepLR * r * r
}

// Plan compiles a. The error names the field that is out of range.
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

// makeConsistent sets the noise of a level's steps for Consistent.
func (a AnnealedLangevin) makeConsistent(steps Plan, level int) error {
	sigma, next := a.Schedule.Sigma(level), a.Schedule.Sigma(min(level+1, a.Schedule.Levels()-1))
	eta := a.StepSize(level) / (sigma * sigma)
	if left := math.Abs(1 - eta); left > 1 || left*sigma > next {
		last := a.Schedule.Last()
		return &FieldError{Field: "step_lr", Given: a.StepLR, Want: fmt.Sprintf(
			"from %.3g to %.3g with consistent noise, so that a step can lead from level %d to the next",
			(1-next/sigma)*last*last, (1+next/sigma)*last*last, level)}
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

// denoised appends the final step x + σ²·s if wanted, and validates the plan.
func (p Plan) denoised(wanted bool, sigma float64, level int) (Plan, error) {
	if wanted {
		p = append(p, Step{Sigma: float32(sigma), X: 1, A: float32(sigma * sigma), Level: int32(level)})
	}
	if err := p.Validate(); err != nil {
		return nil, err
	}
	return p, nil
}

// FieldError reports a sampler setting that is out of range, with the value given and the values allowed.
type FieldError struct {
	Field string // the API's name of the setting, such as steps_per_level
	Given any
	Want  string
	Cause error // says what is wrong, instead of Given and Want; nil for none
}

// Unwrap returns Cause.
func (e *FieldError) Unwrap() error { return e.Cause }

// Error repeats at most the first 200 bytes of Given.
func (e *FieldError) Error() string {
	const most = 200
	if e.Cause != nil {
		return fmt.Sprintf("%s: %v", e.Field, e.Cause)
	}
	given := fmt.Sprint(e.Given)
	if len(given) > most {
		given = strings.ToValidUTF8(given[:most], "") + "..."
	}
	return fmt.Sprintf("%s is %s: want %s", e.Field, given, e.Want)
}

func fieldError(field string, given float64) error {
	return &FieldError{Field: field, Given: given, Want: "a finite number above 0"}
}
