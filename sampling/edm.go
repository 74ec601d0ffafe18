package sampling

import "math"

// EDM is the stochastic sampler of Karras et al. (2022, arXiv 2206.00364, algorithm 2). Before each step from a sigma σ
// to the next it adds noise that raises σ to σ̂ = σ + γσ. Then it takes one step of Heun's rule along the probability
// flow, from σ̂. The noise repairs errors that the network made at earlier steps. With Churn 0 this is
// [ProbabilityFlow] with [FlowHeun].
//
// The noise for a step is added at the end of the step before it, where the plan has a place for it. The noise for the
// first step is part of the prior. So a state between two steps is at σ̂, which is the Sigma of the step that follows.
type EDM struct {
	Schedule Schedule
	Churn    float64 // S_churn: γ is Churn over the number of steps, at most √2 - 1; at least 0
	ChurnMin float64 // S_tmin: noise is added at sigmas from here; finite, at least 0
	ChurnMax float64 // S_tmax: to here; finite, above ChurnMin
	Noise    float64 // S_noise: the factor of the standard deviation of the noise that is added; above 0
	Denoise  bool    // end with the Euler step from the last sigma to 0: one more evaluation
}

// Prior returns where the chains of the sampler start: at the first sigma, with the noise of the first step added. e
// must be valid.
func (e EDM) Prior() Prior {
	sigma := e.Schedule.Sigma(0)
	return Prior{Kind: PriorNormal, Std: math.Hypot(sigma, e.added(0))}
}

// Plan compiles e, or returns an error that names the field out of range.
func (e EDM) Plan() (Plan, error) {
	if err := e.validate(); err != nil {
		return nil, err
	}
	last := e.Schedule.Levels() - 1
	plan := make(Plan, 0, 2*last+1)
	for i := range last {
		step := heun(e.raised(i), e.Schedule.Sigma(i+1), i)
		step[1].C = float32(e.added(i + 1))
		plan = append(plan, step...)
	}
	return plan.denoised(e.Denoise, e.raised(last), last)
}

// steps is the number of steps, that to σ = 0 included.
func (e EDM) steps() int {
	if e.Denoise {
		return e.Schedule.Levels()
	}
	return e.Schedule.Levels() - 1
}

// raised is the sigma σ̂ that noise raises sigma i to. Without a step from sigma i it stays.
func (e EDM) raised(i int) float64 {
	sigma := e.Schedule.Sigma(i)
	if i >= e.steps() || sigma < e.ChurnMin || sigma > e.ChurnMax {
		return sigma
	}
	return sigma * (1 + min(e.Churn/float64(e.steps()), math.Sqrt2-1))
}

// added is the standard deviation of the noise that is added at sigma i.
func (e EDM) added(i int) float64 {
	sigma, raised := e.Schedule.Sigma(i), e.raised(i)
	return e.Noise * math.Sqrt(raised*raised-sigma*sigma)
}

func (e EDM) validate() error {
	switch {
	case e.Schedule.Levels() < 2:
		return e.Schedule.tooFew()
	case !finite(e.Churn) || e.Churn < 0:
		return &FieldError{Field: "churn", Given: e.Churn, Want: "a finite number, at least 0"}
	case !finite(e.ChurnMin) || e.ChurnMin < 0:
		return &FieldError{Field: "churn_min", Given: e.ChurnMin, Want: "a finite number, at least 0"}
	case !finite(e.ChurnMax) || e.ChurnMax <= e.ChurnMin:
		return &FieldError{Field: "churn_max", Given: e.ChurnMax, Want: "a finite number above churn_min"}
	case !finite(e.Noise) || e.Noise <= 0:
		return fieldError("noise", e.Noise)
	}
	return nil
}
