package sampling

import "math"

// FlowMethod names an integration rule for the probability flow.
type FlowMethod int

// The methods of [ProbabilityFlow].
const (
	FlowEuler     FlowMethod = iota // "euler": first order, one evaluation per step
	FlowHeun                        // "heun": second order, two evaluations per step
	FlowMultistep                   // "multistep": second order, one evaluation per step
)

func (FlowMethod) words() []string { return []string{"euler", "heun", "multistep"} }

// String returns the word for f.
func (f FlowMethod) String() string { return word(f) }

// ProbabilityFlow integrates an ordinary differential equation. At every σ its solutions have the density of the data
// with noise of standard deviation σ (Song et al. 2021, section 4.3; with σ as time, Karras et al. 2022, arXiv
// 2206.00364, equation 1):
//
//	dx/dσ = -σ·s(x, σ)
//
// It integrates from the first sigma of the schedule to the last, with one step from each sigma to the next. There is
// no noise: the initial state determines the sample. The flow is the same for VE, VP and sub-VP, which differ only in
// the sigmas they visit. With few steps, [Karras] schedules are best.
//
// Chains start from the prior N(0, σ_1²). This assumes that the mean and spread of the data are small compared with
// σ_1.
type ProbabilityFlow struct {
	Schedule Schedule
	Method   FlowMethod
	Denoise  bool // end with an Euler step to σ = 0, x + σ_L²·s(x, σ_L): one more evaluation
}

// Prior returns the distribution of the initial states. p must be valid.
func (p ProbabilityFlow) Prior() Prior { return Prior{Kind: PriorNormal, Std: p.Schedule.Sigma(0)} }

// Plan compiles p. The error names the field that is out of range.
func (p ProbabilityFlow) Plan() (Plan, error) {
	if err := checkWord("method", p.Method); err != nil {
		return nil, err
	}
	levels := p.Schedule.Levels()
	if levels < 2 {
		return nil, p.Schedule.tooFew()
	}
	plan := make(Plan, 0, 2*levels)
	for i := range levels - 1 {
		from, to := p.Schedule.Sigma(i), p.Schedule.Sigma(i+1)
		switch {
		case p.Method == FlowHeun:
			plan = append(plan, heun(from, to, i)...)
		case p.Method == FlowMultistep && i > 0:
			plan = append(plan, multistep(p.Schedule.Sigma(i-1), from, to, 0, i))
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

// euler returns the step x + (to - from)·dx/dσ.
func euler(from, to float64, level int) Step {
	return Step{Sigma: float32(from), X: 1, A: float32(from * (from - to)), Level: int32(level)}
}

// heun returns the trapezoidal rule with Euler's step as its guess x̃. h keeps the score s of the first evaluation.
// With s̃ at (x̃, to) and d = from - to, x + d/2·(from·s + to·s̃) = x̃ + d/2·to·s̃ - d/2·from·h.
func heun(from, to float64, level int) []Step {
	guess, half := euler(from, to, level), (from-to)/2
	guess.F = 1
	return []Step{
		guess,
		{Sigma: float32(to), X: 1, A: float32(half * to), G: float32(-half * from), Level: int32(level)},
	}
}

// multistep returns a step of the two-step rule DPM-Solver++(2M) (Lu et al. 2022, arXiv 2211.01095, algorithm 2) in VE
// coordinates, or of SDE-DPM-Solver++(2M) without its noise. With the denoised estimate d = x + σ²·s the flow is
// d(x/σ) = d·d(1/σ). If d is constant from one σ to the next, x' = q·x + (1 - q)·d with q = to/from, which is Euler's
// step. [ReverseSDE] has q = (to/from)^(1+η). The second-order rule uses d at the middle of the step in ln σ. It
// extrapolates the last two values linearly, d + c·(d - h), where h keeps the one before and
// c = ln(from/to)/(2·ln(before/from)).
func multistep(before, from, to, eta float64, level int) Step {
	c := math.Log(from/to) / (2 * math.Log(before/from))
	weight := 1 - math.Pow(to/from, 1+eta)
	return Step{
		Sigma: float32(from),
		X:     float32(1 + weight*c), // q + (1 - q)(1 + c)
		A:     float32(weight * (1 + c) * from * from),
		G:     float32(-weight * c),
		Level: int32(level),
	}
}
