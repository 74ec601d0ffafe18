package sampling

import "math"

// FlowMethod names a rule that integrates the probability flow.
type FlowMethod int

// The methods of [ProbabilityFlow].
const (
	FlowEuler     FlowMethod = iota // "euler": first order, one evaluation a step
	FlowHeun                        // "heun": second order, two evaluations a step
	FlowMultistep                   // "multistep": second order, one evaluation a step
)

func (FlowMethod) words() []string { return []string{"euler", "heun", "multistep"} }

// String returns the word of f.
func (f FlowMethod) String() string { return word(f) }

// MarshalText returns the word of f.
func (f FlowMethod) MarshalText() ([]byte, error) { return marshalWord("method", f) }

// UnmarshalText reads the word of a method.
func (f *FlowMethod) UnmarshalText(text []byte) error { return unmarshalWord("method", f, text) }

// ProbabilityFlow integrates the ordinary differential equation whose solutions have the densities of the data
// blurred by σ, for every σ (Song et al. 2021, section 4.3; in σ as its own time, Karras et al. 2022, arXiv
// 2206.00364, equation 1):
//
//	dx/dσ = -σ·s(x, σ)
//
// from the first sigma of the schedule to the last, one step from each sigma to the next. There is no noise: the
// initial state decides the sample. The flow is the same for VE, VP and sub-VP, which differ only in the sigmas they
// visit. With few steps [Karras] schedules are best.
//
// Chains start from the prior N(0, σ_1²), which takes the data's own mean and spread to be small beside σ_1.
type ProbabilityFlow struct {
	Schedule Schedule
	Method   FlowMethod
	Denoise  bool // end with the Euler step to σ = 0, x + σ_L²·s(x, σ_L): one more evaluation
}

// Prior returns where the chains of the sampler start. p must be valid.
func (p ProbabilityFlow) Prior() Prior { return Prior{Kind: PriorNormal, Std: p.Schedule.Sigma(0)} }

// Plan compiles p, or returns an error that names the field out of range.
func (p ProbabilityFlow) Plan() (Plan, error) {
	if err := choose("method", p.Method); err != nil {
		return nil, err
	}
	levels := p.Schedule.Levels()
	if levels < 2 {
		return nil, &FieldError{Field: "sigmas", Given: levels, Want: "at least two"}
	}
	plan := make(Plan, 0, 2*levels)
	for i := range levels - 1 {
		from, to := p.Schedule.Sigma(i), p.Schedule.Sigma(i+1)
		switch {
		case p.Method == FlowHeun:
			plan = append(plan, heun(from, to, i)...)
		case p.Method == FlowMultistep && i > 0:
			plan = append(plan, multistep(p.Schedule.Sigma(i-1), from, to, i))
		default:
			plan = append(plan, euler(from, to, i))
		}
		if p.Method == FlowMultistep {
			last := &plan[len(plan)-1]
			last.E, last.F = 1, float32(from*from)
		}
	}
	return plan.denoised(p.Denoise, p.Schedule.Last(), levels-1)
}

// euler is x + (to - from)·dx/dσ.
func euler(from, to float64, level int) Step {
	return Step{Sigma: float32(from), X: 1, A: float32(from * (from - to)), Level: int32(level)}
}

// heun is the trapezoidal rule with Euler's step as its guess x̃. The score s of the first evaluation waits in h; with
// s̃ at (x̃, to) and d = from - to, x + d/2·(from·s + to·s̃) = x̃ + d/2·to·s̃ - d/2·from·h.
func heun(from, to float64, level int) []Step {
	guess, half := euler(from, to, level), (from-to)/2
	guess.F = 1
	return []Step{guess, {Sigma: float32(to), X: 1, A: float32(half * to), G: float32(-half * from), Level: int32(level)}}
}

// multistep is the two-step rule DPM-Solver++(2M) (Lu et al. 2022, arXiv 2211.01095, algorithm 2) in VE coordinates.
// With the denoised estimate d = x + σ²·s the flow is d(x/σ) = d·d(1/σ), so that d frozen from one σ to the next
// gives x' = r·x + (1 - r)·d with r = to/from: Euler's step. Second order takes d at the middle of the step in ln σ,
// by the straight line through the last two: d + c·(d - h), where h holds the one before and
// c = ln(from/to)/(2·ln(before/from)).
func multistep(before, from, to float64, level int) Step {
	c := math.Log(from/to) / (2 * math.Log(before/from))
	weight := 1 - to/from
	return Step{
		Sigma: float32(from),
		X:     float32(1 + weight*c), // r + (1 - r)(1 + c)
		A:     float32(weight * (1 + c) * from * from),
		G:     float32(-weight * c),
		Level: int32(level),
	}
}
