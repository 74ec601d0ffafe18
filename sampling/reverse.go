package sampling

import "math"

// ReverseMethod names an integration rule for [ReverseSDE].
type ReverseMethod int

// The methods of [ReverseSDE]. Both spend one evaluation per step.
const (
	ReverseEuler     ReverseMethod = iota // "euler": ancestral sampling
	ReverseMultistep                      // "multistep": the denoised estimate is extrapolated from the last two
)

func (ReverseMethod) words() []string { return []string{"euler", "multistep"} }

// String returns the word for m.
func (m ReverseMethod) String() string { return word(m) }

// ReverseSDE integrates the family of stochastic processes that at every σ have the density of the data with noise of
// standard deviation σ (Song et al. 2021, equation 6, with the drift and noise of Karras et al. 2022, equation 6). With
// σ falling,
//
//	dx = (1 + η)·σ·s(x, σ)·|dσ| + √(2ησ|dσ|)·dw
//
// With Eta 0 it is [ProbabilityFlow], to the bit. With Eta 1 it is the time reversal of the process that turns data
// into noise. In between and above, η is the share of the noise that is replaced: it repairs errors of the network.
//
// The step from σ to σ' = rσ solves the equation exactly for a constant denoised estimate d = x + σ²·s:
//
//	x' = r^(1+η)·x + (1 - r^(1+η))·d + Noise·σ'·√(1 - r^(2η))·z
//
// With Eta 1 that is ancestral sampling, called Euler ancestral (DDPM's posterior, Ho et al. 2020, in VE coordinates).
// The multistep rule takes d at the middle of the step, from the last two estimates: SDE-DPM-Solver++(2M) of Lu et al.
// (2022, arXiv 2211.01095, section 6 and appendix A).
type ReverseSDE struct {
	Schedule Schedule
	Method   ReverseMethod
	Eta      float64 // η: the noise that is added, 0 for none; finite, at least 0
	Noise    float64 // the factor of the standard deviation of the noise that is added; finite, above 0
	Denoise  bool    // end with the step from the last sigma to 0, x + σ_L²·s(x, σ_L): one more evaluation
}

// Prior returns the distribution of the initial states. p must be valid.
func (p ReverseSDE) Prior() Prior { return Prior{Kind: PriorNormal, Std: p.Schedule.Sigma(0)} }

// Plan compiles p. The error names the field that is out of range.
func (p ReverseSDE) Plan() (Plan, error) {
	if err := p.validate(); err != nil {
		return nil, err
	}
	last := p.Schedule.Levels() - 1
	plan := make(Plan, 0, last+1)
	before := math.Inf(1)
	for i := range last {
		from, to := p.Schedule.Sigma(i), p.Schedule.Sigma(i+1)
		step := multistep(before, from, to, p.Eta, i)
		step.C = float32(p.Noise * to * math.Sqrt(-math.Expm1(2*p.Eta*math.Log(to/from))))
		if p.Method == ReverseMultistep {
			before, step.E, step.F = from, 1, float32(from*from)
		}
		plan = append(plan, step)
	}
	return plan.denoised(p.Denoise, p.Schedule.Last(), last)
}

func (p ReverseSDE) validate() error {
	if err := checkWord("method", p.Method); err != nil {
		return err
	}
	switch {
	case p.Schedule.Levels() < 2:
		return p.Schedule.tooFew()
	case !finite(p.Eta) || p.Eta < 0:
		return &FieldError{Field: "eta", Given: p.Eta, Want: "a finite number, at least 0"}
	case !finite(p.Noise) || p.Noise <= 0:
		return fieldError("noise", p.Noise)
	}
	return nil
}
