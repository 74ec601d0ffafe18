package sampling

import (
	"fmt"
	"math"
	"slices"
)

// Process names a diffusion process of Song et al. (2021).
type Process int

// The processes of [SDE]. The zero Process is invalid.
const (
	VE    Process = iota + 1 // variance exploding: "ve"
	VP                       // variance preserving: "vp"
	SubVP                    // sub-variance preserving: "sub_vp"
)

func (Process) words() []string { return []string{"", "ve", "vp", "sub_vp"} }

// String returns the word for p.
func (p Process) String() string { return word(p) }

// MarshalText returns the word for p, or a [FieldError].
func (p Process) MarshalText() ([]byte, error) { return []byte(word(p)), checkWord("process", p) }

// UnmarshalText sets p from its word, or returns a [FieldError].
func (p *Process) UnmarshalText(text []byte) error {
	i := slices.Index(p.words(), string(text))
	if i < 0 || len(text) == 0 {
		return &FieldError{Field: "process", Given: fmt.Sprintf("%q", text), Want: choices(*p)}
	}
	*p = Process(i)
	return nil
}

// SDE is a diffusion process dx = f(t)·x dt + g(t) dw on t in [0, 1] that turns data into noise (Song et al. 2021,
// section 3.4 and appendix B):
//
//	VE      f = 0         g = σ(t)·√(2 ln(σ_max/σ_min))   σ(t) = σ_min (σ_max/σ_min)^t
//	VP      f = -β(t)/2   g = √β(t)                       β(t) = β_min + (β_max - β_min) t
//	sub-VP  f = -β(t)/2   g = √(β(t) (1 - e^(-2B(t))))    B(t) = ∫₀ᵗ β
//
// Given the data x₀, x(t) is N(Mean(t)·x₀, Std(t)²). For VE this assumes, as the paper does, that x(0) is data with
// noise of standard deviation σ_min.
//
// # VE coordinates
//
// A [Model] knows one family of densities: data plus noise of standard deviation σ. VP and sub-VP run in coordinates in
// which their densities belong to this family. With α = Mean(t), the substitution x = α·x̂ gives x̂ = x₀ + σ·z with
// σ = Std(t)/α. The densities p(x) = p̂(x̂)/α^D have the scores
//
//	s(x, t) = ŝ(x̂, σ)/α
//
// So an update x' = K·x + A·s + C·z from time t to t', where α becomes α', is
//
//	x̂' = (K·α/α')·x̂ + (A/(α·α'))·ŝ + (C/α')·z
//
// A Langevin corrector with e = 2a(SNR·√D/‖s‖)² keeps its form, because ‖s‖ = ‖ŝ‖/α makes e = α²·ê:
//
//	x̂' = x̂ + ê·ŝ + √(2ê)·z   with ê = 2a(SNR·√D/‖ŝ‖)²
//
// The prior N(0, I) of x(1) is N(0, 1/Mean(1)²) for x̂.
type SDE struct {
	Process  Process
	SigmaMin float64 // VE: the standard deviation at t = 0
	SigmaMax float64 // VE: the standard deviation at t = 1
	BetaMin  float64 // VP and sub-VP: β(0)
	BetaMax  float64 // VP and sub-VP: β(1)
}

// PaperSDE returns the process with the parameters of Song et al. (2021): σ from 0.01 to 50, the range for CIFAR-10,
// and β from 0.1 to 20.
func PaperSDE(p Process) SDE {
	return SDE{Process: p, SigmaMin: 0.01, SigmaMax: 50, BetaMin: 0.1, BetaMax: 20}
}

// Validate returns a [FieldError] for the first parameter that is out of range. It ignores the parameters of other
// processes.
func (s SDE) Validate() error {
	if err := checkWord("process", s.Process); err != nil {
		return err
	}
	low, high, names := s.BetaMin, s.BetaMax, [2]string{"beta_min", "beta_max"}
	if s.Process == VE {
		low, high, names = s.SigmaMin, s.SigmaMax, [2]string{"sigma_min", "sigma_max"}
	}
	if !finite(low) || low <= 0 {
		return fieldError(names[0], low)
	}
	if !finite(high) || high <= low {
		want := fmt.Sprintf("a finite number above %s, %g", names[0], low)
		return &FieldError{Field: names[1], Given: high, Want: want}
	}
	return nil
}

// beta returns β(t).
func (s SDE) beta(t float64) float64 { return s.BetaMin + t*(s.BetaMax-s.BetaMin) }

// integral returns B(t), the integral of β from 0 to t.
func (s SDE) integral(t float64) float64 { return t * (s.BetaMin + t/2*(s.BetaMax-s.BetaMin)) }

// Mean returns α(t), the factor of the data in x(t).
func (s SDE) Mean(t float64) float64 {
	if s.Process == VE {
		return 1
	}
	return math.Exp(-s.integral(t) / 2)
}

// Std returns the standard deviation of x(t) around Mean(t)·x₀.
func (s SDE) Std(t float64) float64 {
	switch s.Process {
	case VE:
		return math.Exp(math.Log(s.SigmaMin)*(1-t) + math.Log(s.SigmaMax)*t)
	case VP:
		return math.Sqrt(-math.Expm1(-s.integral(t)))
	}
	return -math.Expm1(-s.integral(t))
}

// Sigma returns Std(t)/Mean(t): the sigma at which a [Model] is evaluated at time t, in VE coordinates.
func (s SDE) Sigma(t float64) float64 { return s.Std(t) / s.Mean(t) }

// Drift returns f(t), the factor of x in the drift.
func (s SDE) Drift(t float64) float64 {
	if s.Process == VE {
		return 0
	}
	return -s.beta(t) / 2
}

// Diffusion returns g(t).
func (s SDE) Diffusion(t float64) float64 {
	switch s.Process {
	case VE:
		return s.Std(t) * math.Sqrt(2*math.Log(s.SigmaMax/s.SigmaMin))
	case VP:
		return math.Sqrt(s.beta(t))
	}
	return math.Sqrt(s.beta(t) * -math.Expm1(-2*s.integral(t)))
}

// Prior returns the distribution of x̂ at t = 1: N(0, σ_max²) for VE and N(0, 1/Mean(1)²) for VP and sub-VP.
func (s SDE) Prior() Prior {
	if s.Process == VE {
		return Prior{Kind: PriorNormal, Std: s.SigmaMax}
	}
	return Prior{Kind: PriorNormal, Std: 1 / s.Mean(1)}
}

// SmallestTime returns the time ε at which the paper stops sampling: 1e-5 for VE, 1e-3 for VP and sub-VP.
func (s SDE) SmallestTime() float64 {
	if s.Process == VE {
		return 1e-5
	}
	return 1e-3
}

// timeGrid returns n times from 1 down to epsilon with a constant difference. n must be at least 2.
func timeGrid(n int, epsilon float64) []float64 {
	t := make([]float64, n)
	for i := range t {
		t[i] = 1 - float64(i)*(1-epsilon)/float64(n-1)
	}
	t[n-1] = epsilon
	return t
}

// index returns the index of time t in a discretisation of n steps.
func index(t float64, n int) int { return int(t * float64(n-1)) }

// discreteSigma returns σ_k of VE in n steps: geometric from σ_min at 0 to σ_max at n-1, and 0 at -1.
func (s SDE) discreteSigma(k, n int) float64 {
	if k < 0 {
		return 0
	}
	return s.Std(float64(k) / float64(n-1))
}

// discreteBeta returns β_k of VP and sub-VP in n steps: linear from β_min/n at 0 to β_max/n at n-1.
func (s SDE) discreteBeta(k, n int) float64 { return s.beta(float64(k)/float64(n-1)) / float64(n) }
