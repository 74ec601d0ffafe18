package sampling

import (
	"fmt"
	"math"
	"unsafe"
)

// Step is one row of a [Plan]. It says where to evaluate the score and how to use it. With s the score at (x, Sigma), z
// the chain's own N(0, I) noise and h its history slot, which starts at zero,
//
//	x' = X·x + A·s + G·h + C·z
//	h' = H·h + F·s + E·x
//
// Every sampler with a fixed number of steps is a list of these. X carries the drift of variance-preserving processes.
// The history h carries the earlier slope of Heun's rule and of multistep rules. A step whose G, H, F and E are all
// zero does not change h.
//
// If SNR > 0, the step is a Langevin corrector instead (Song et al. 2021, algorithms 4 and 5). With
// e = 2·A·(SNR·√D/‖s‖)² and D elements in a row, it computes x' = x + e·s + √(2e)·z and does not change h. The papers'
// code uses the mean over the batch of ‖z‖ and of ‖s‖. Here ‖s‖ is the norm of the row's own score, so a chain's step
// does not depend on other chains. √D replaces ‖z‖, as the paper advises for small batches.
type Step struct {
	Sigma      float32
	X, A, G, C float32
	H, F, E    float32
	SNR        float32
	Level      int32 // index in the noise schedule, for progress and previews
}

// StepBytes is the memory that one step of a plan takes.
const StepBytes = int64(unsafe.Sizeof(Step{}))

// Plan is a compiled sampler: its steps in order. A Plan is never changed after it is made, so it may be shared.
type Plan []Step

// NFE returns the number of score evaluations that the plan spends on a chain.
func (p Plan) NFE() int { return len(p) }

// UsesHistory reports whether any step reads or writes the history slot.
func (p Plan) UsesHistory() bool {
	for i := range p {
		if p[i].history() {
			return true
		}
	}
	return false
}

// UsesNoise reports whether any step adds noise.
func (p Plan) UsesNoise() bool {
	for i := range p {
		if p[i].noisy() {
			return true
		}
	}
	return false
}

// Validate returns an error for the first step that no chain could take: its sigma is not finite and positive, or a
// coefficient is not finite.
func (p Plan) Validate() error {
	if len(p) == 0 {
		return fmt.Errorf("plan: no steps: want at least one")
	}
	for i := range p {
		s := &p[i]
		if !finite(float64(s.Sigma)) || s.Sigma <= 0 {
			return fmt.Errorf("plan: step %d has sigma %g: want a finite float32 above 0", i, s.Sigma)
		}
		for _, v := range [...]float32{s.X, s.A, s.G, s.C, s.H, s.F, s.E, s.SNR} {
			if !finite(float64(v)) {
				return fmt.Errorf("plan: step %d has a coefficient of %g: want a finite float32", i, v)
			}
		}
	}
	return nil
}

// history reports whether the step reads or writes h.
func (s *Step) history() bool { return s.G != 0 || s.H != 0 || s.F != 0 || s.E != 0 }

// noisy reports whether the step uses z.
func (s *Step) noisy() bool { return s.C != 0 || s.SNR > 0 }

// apply performs the step on one row. It reports whether x is still finite. z is the row's noise, if the step uses
// noise.
func (s *Step) apply(x, h, score, z []float32) (ok bool) {
	switch {
	case s.SNR > 0:
		return s.correct(x, score, z)
	case s.history():
		return s.recall(x, h, score, z)
	case s.C == 0:
		return s.drift(x, score)
	}
	return s.diffuse(x, score, z)
}

func (s *Step) drift(x, score []float32) bool {
	var sum float32
	for i, v := range x {
		v = float32(s.X*v) + float32(s.A*score[i])
		x[i] = v
		sum += v - v // 0 while every v is finite, NaN from the first that is not
	}
	return sum == 0
}

func (s *Step) diffuse(x, score, z []float32) bool {
	var sum float32
	for i, v := range x {
		v = float32(s.X*v) + float32(s.A*score[i])
		v += float32(s.C * z[i])
		x[i] = v
		sum += v - v
	}
	return sum == 0
}

func (s *Step) recall(x, h, score, z []float32) bool {
	var sum float32
	for i, v := range x {
		old := v
		v = float32(s.X*v) + float32(s.A*score[i])
		v += float32(s.G * h[i])
		if s.C != 0 {
			v += float32(s.C * z[i])
		}
		x[i] = v
		sum += v - v
		h[i] = float32(float32(s.H*h[i])+float32(s.F*score[i])) + float32(s.E*old)
	}
	return sum == 0
}

func (s *Step) correct(x, score, z []float32) bool {
	ratio := float64(s.SNR) * math.Sqrt(float64(len(x))) / norm(score)
	e := 2 * float64(s.A) * ratio * ratio
	corrector := Step{X: 1, A: float32(e), C: float32(math.Sqrt(2 * e))}
	return corrector.diffuse(x, score, z)
}

func norm(v []float32) float64 {
	var sum float64
	for _, e := range v {
		sum += float64(e) * float64(e)
	}
	return math.Sqrt(sum)
}
