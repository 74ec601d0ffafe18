package sampling

import (
	"fmt"
	"math"
)

// Predictor names a rule that takes a chain from one time to the next.
type Predictor int

// The predictors of [PredictorCorrector].
const (
	NoPredictor      Predictor = iota // "none": the correctors do all the work
	EulerMaruyama                     // "euler_maruyama": a step along the reverse-time SDE
	ReverseDiffusion                  // "reverse_diffusion": Song et al. 2021, appendix E
	Ancestral                         // "ancestral": appendix F for VE, DDPM for VP; not defined for sub-VP
)

func (Predictor) words() []string {
	return []string{"none", "euler_maruyama", "reverse_diffusion", "ancestral"}
}

// String returns the word for p.
func (p Predictor) String() string { return word(p) }

// Corrector names a rule that brings a chain closer to the density at its time.
type Corrector int

// The correctors of [PredictorCorrector]. They make Langevin updates x + e·s + √(2e)·z. Below, a is 1 for VE and
// 1 - β_k for VP and sub-VP.
const (
	NoCorrector Corrector = iota // "none"

	// LangevinCorrector, "langevin", uses e = 2a(SNR·‖z‖/‖s‖)² with the norms of the chain's own noise and score. It is
	// meant for many dimensions, where these norms hardly vary. In few dimensions the step is very large wherever the
	// score is nearly zero. On Gaussian data with an SNR of 0.16, samples are 5 % too wide in 64 dimensions, 27 % in 8,
	// and several times too wide in 2.
	LangevinCorrector

	// AnnealedCorrector, "annealed_langevin", uses e = 2a(SNR·Std(t))²: annealed Langevin dynamics. It works in any
	// dimension.
	AnnealedCorrector
)

// LangevinCorrectorDim is the smallest dimension for [LangevinCorrector]. The step of a chain is proportional to
// 1/‖s‖². Its mean exceeds the value in many dimensions by a fraction of 2/(D-2), which has no bound in two dimensions.
const LangevinCorrectorDim = 64

func (Corrector) words() []string { return []string{"none", "langevin", "annealed_langevin"} }

// String returns the word for c.
func (c Corrector) String() string { return word(c) }

// PredictorCorrector is the sampler of Song et al. (2021), appendix G, in the order of their code. At each of N times
// from 1 down to Epsilon it applies the corrector CorrectorSteps times and then the predictor. For each chain it spends
// N evaluations on the predictor and N·CorrectorSteps on the corrector.
//
// Everything runs in VE coordinates; see [SDE]. The last predictor step ends at the scale of the data, α' = 1. Without
// a predictor x̂ keeps its value from one time to the next, for every process, whereas the paper's code keeps x = α·x̂.
// The result x̂ = x₀ + σ·z also has the scale of the data.
//
// With a predictor the paper uses one corrector step, with an SNR of 0.16 for VE and 0.01 for VP on CIFAR-10. Without a
// predictor the corrector must follow σ by itself. If ln σ falls by δ from one time to the next, the variance lags
// behind by about δ/(2·SNR²·CorrectorSteps), so several steps are needed. With VE, AnnealedCorrector and
// SNR = √(StepLR/(2σ_min²)) the sampler is [AnnealedLangevin].
//
// The paper does not define a for sub-VP. This package uses the a of VP, which has the same drift and therefore the
// same α(t).
type PredictorCorrector struct {
	SDE            SDE
	N              int // number of times: at least 2, and above BetaMax for VP and sub-VP
	Predictor      Predictor
	Corrector      Corrector
	CorrectorSteps int     // at each time; ignored without a corrector
	SNR            float64 // of the corrector, in (0, 1); it raises the variance by a factor of up to 1/(1 - SNR²)
	Epsilon        float64 // the smallest time; SDE.SmallestTime() if zero

	// Denoise omits the noise of the last predictor step. Without a predictor it adds a final step x + σ²·s at the
	// smallest time, which costs one more evaluation.
	Denoise bool
}

// Prior returns the distribution of the initial states.
func (p PredictorCorrector) Prior() Prior { return p.SDE.Prior() }

// Validate returns a [FieldError] for the first setting that is out of range.
func (p PredictorCorrector) Validate() error {
	if err := p.SDE.Validate(); err != nil {
		return err
	}
	if err := checkWord("predictor", p.Predictor); err != nil {
		return err
	}
	if err := checkWord("corrector", p.Corrector); err != nil {
		return err
	}
	switch {
	case p.N < 2:
		return &FieldError{Field: "n", Given: p.N, Want: "at least 2"}
	case p.SDE.Process != VE && float64(p.N) <= p.SDE.BetaMax:
		want := fmt.Sprintf("times above beta_max, %g, so that no step removes all of x", p.SDE.BetaMax)
		return &FieldError{Field: "n", Given: p.N, Want: want}
	case p.Predictor == NoPredictor && p.Corrector == NoCorrector:
		return &FieldError{Field: "predictor", Given: p.Predictor, Want: "a predictor if corrector is none"}
	case p.Predictor == Ancestral && p.SDE.Process == SubVP:
		return &FieldError{
			Field: "predictor", Given: p.Predictor, Want: "another one for sub_vp, which has no ancestral sampler",
		}
	case !(p.Epsilon >= 0 && p.Epsilon < 1):
		return &FieldError{
			Field: "epsilon", Given: p.Epsilon, Want: "a number above 0 and below 1, or 0 for the default",
		}
	}
	return p.validateCorrector()
}

// CheckDim returns a [FieldError] if samples of dim elements have too few dimensions for the corrector of p.
func (p PredictorCorrector) CheckDim(dim int) error {
	if p.Corrector != LangevinCorrector || dim >= LangevinCorrectorDim {
		return nil
	}
	return &FieldError{Field: "corrector", Given: p.Corrector, Want: fmt.Sprintf(
		"annealed_langevin for samples of %d elements: langevin scales its step by the norm of the score, "+
			"which varies too much below %d elements", dim, LangevinCorrectorDim)}
}

func (p PredictorCorrector) validateCorrector() error {
	switch {
	case p.Corrector == NoCorrector:
		return nil
	case p.CorrectorSteps < 1:
		return &FieldError{Field: "corrector_steps", Given: p.CorrectorSteps, Want: "at least 1"}
	case !(p.SNR > 0 && p.SNR < 1):
		return &FieldError{Field: "snr", Given: p.SNR, Want: "above 0 and below 1"}
	}
	return nil
}

// Plan compiles p. The error names the field that is out of range.
func (p PredictorCorrector) Plan() (Plan, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	if p.Epsilon == 0 {
		p.Epsilon = p.SDE.SmallestTime()
	}
	if p.Corrector == NoCorrector {
		p.CorrectorSteps = 0
	}
	plan := make(Plan, 0, p.N*(p.CorrectorSteps+1)+1)
	times := timeGrid(p.N, p.Epsilon)
	for level, t := range times {
		for range p.CorrectorSteps {
			plan = append(plan, p.correct(t, level))
		}
		if p.Predictor == NoPredictor {
			continue
		}
		scale := 1.0
		if level+1 < p.N {
			scale = p.SDE.Mean(times[level+1])
		}
		plan = append(plan, p.predict(t).inVE(p.SDE, t, scale, level))
	}
	if p.Denoise && p.Predictor != NoPredictor {
		plan[len(plan)-1].C = 0
	}
	return plan.denoised(p.Denoise && p.Predictor == NoPredictor, p.SDE.Sigma(p.Epsilon), p.N-1)
}

// correct returns a corrector step at time t.
func (p PredictorCorrector) correct(t float64, level int) Step {
	a, sigma := 1.0, p.SDE.Sigma(t)
	if p.SDE.Process != VE {
		a = 1 - p.SDE.discreteBeta(index(t, p.N), p.N)
	}
	if p.Corrector == LangevinCorrector {
		return Step{Sigma: float32(sigma), X: 1, A: float32(a), SNR: float32(p.SNR), Level: int32(level)}
	}
	return langevinStep(sigma, 2*a*p.SNR*p.SNR*sigma*sigma, level)
}

// update is a predictor step in the process's own coordinates: x' = k·x + a·s + c·z.
type update struct{ k, a, c float64 }

// inVE converts u to the coordinates described at [SDE]. The step leads from time t to where Mean is scale.
func (u update) inVE(s SDE, t, scale float64, level int) Step {
	alpha := s.Mean(t)
	return Step{
		Sigma: float32(s.Sigma(t)),
		X:     float32(u.k * alpha / scale),
		A:     float32(u.a / (alpha * scale)),
		C:     float32(u.c / scale),
		Level: int32(level),
	}
}

// predict returns the predictor's step at time t.
func (p PredictorCorrector) predict(t float64) update {
	k := index(t, p.N)
	switch {
	case p.Predictor == EulerMaruyama || p.SDE.Process == SubVP:
		return p.SDE.eulerMaruyama(t, p.N)
	case p.Predictor == Ancestral && p.SDE.Process == VE:
		u := p.SDE.reverseDiffusionVE(k, p.N)
		this, next := p.SDE.discreteSigma(k, p.N), p.SDE.discreteSigma(k-1, p.N)
		u.c *= next / this
		return u
	case p.Predictor == Ancestral:
		beta := p.SDE.discreteBeta(k, p.N)
		shrink := math.Sqrt(1 - beta)
		return update{k: 1 / shrink, a: beta / shrink, c: math.Sqrt(beta)}
	case p.SDE.Process == VE:
		return p.SDE.reverseDiffusionVE(k, p.N)
	}
	beta := p.SDE.discreteBeta(k, p.N)
	return update{k: 2 - math.Sqrt(1-beta), a: beta, c: math.Sqrt(beta)}
}

// eulerMaruyama returns a step of -1/n along the reverse-time SDE, whose drift is f·x - g²·s. It also serves as the
// reverse diffusion of sub-VP, for which the paper gives no discretisation.
func (s SDE) eulerMaruyama(t float64, n int) update {
	dt, g := 1/float64(n), s.Diffusion(t)
	return update{k: 1 - s.Drift(t)*dt, a: g * g * dt, c: g * math.Sqrt(dt)}
}

// reverseDiffusionVE returns the step from σ_k to σ_(k-1).
func (s SDE) reverseDiffusionVE(k, n int) update {
	this, next := s.discreteSigma(k, n), s.discreteSigma(k-1, n)
	g2 := this*this - next*next
	return update{k: 1, a: g2, c: math.Sqrt(g2)}
}
