package sampling

import (
	"fmt"
	"math"
)

// Predictor names the rule that takes a chain from one time to the next.
type Predictor int

// The predictors of [PredictorCorrector].
const (
	NoPredictor      Predictor = iota // "none": the correctors do all the work
	EulerMaruyama                     // "euler_maruyama": of the reverse-time SDE
	ReverseDiffusion                  // "reverse_diffusion": Song et al. 2021, appendix E
	Ancestral                         // "ancestral": appendix F for VE, DDPM's for VP; there is none for sub-VP
)

func (Predictor) words() []string {
	return []string{"none", "euler_maruyama", "reverse_diffusion", "ancestral"}
}

// String returns the word of p.
func (p Predictor) String() string { return word(p) }

// MarshalText returns the word of p.
func (p Predictor) MarshalText() ([]byte, error) { return marshalWord("predictor", p) }

// UnmarshalText reads the word of a predictor.
func (p *Predictor) UnmarshalText(text []byte) error { return unmarshalWord("predictor", p, text) }

// Corrector names the rule that brings a chain closer to the density of its time.
type Corrector int

// The correctors of [PredictorCorrector]: Langevin updates x + e·s + √(2e)·z, where a = 1 for VE and 1 - β_k for VP
// and sub-VP.
const (
	NoCorrector Corrector = iota // "none"

	// LangevinCorrector, "langevin", has e = 2a(SNR·‖z‖/‖s‖)², with the norms of the chain's own noise and score.
	// It is for many dimensions, where these hardly vary. In few the step is enormous wherever the score is nearly
	// zero: on Gaussian data, with an SNR of 0.16, samples are 5 % too wide in 64 dimensions, 27 % in 8 and several
	// times in 2.
	LangevinCorrector

	// AnnealedCorrector, "annealed_langevin", has e = 2a(SNR·Std(t))²: annealed Langevin dynamics. It serves any
	// dimension.
	AnnealedCorrector
)

// LangevinCorrectorDim is the smallest dimension that [LangevinCorrector] is for. The step of a chain is proportional to
// 1/‖s‖², whose mean exceeds that of many dimensions by 2/(D-2), without bound in two.
const LangevinCorrectorDim = 64

func (Corrector) words() []string { return []string{"none", "langevin", "annealed_langevin"} }

// String returns the word of c.
func (c Corrector) String() string { return word(c) }

// MarshalText returns the word of c.
func (c Corrector) MarshalText() ([]byte, error) { return marshalWord("corrector", c) }

// UnmarshalText reads the word of a corrector.
func (c *Corrector) UnmarshalText(text []byte) error { return unmarshalWord("corrector", c, text) }

// PredictorCorrector is the sampler of Song et al. (2021), appendix G, in the order of their code: at each of N times
// from 1 down to Epsilon first the corrector, CorrectorSteps times, and then the predictor. It spends N evaluations
// for the predictor and N·CorrectorSteps for the corrector on a chain.
//
// All runs in VE coordinates, see [SDE]. The last predictor step ends at the data's own scale, α' = 1. Without a
// predictor x̂ is kept from one time to the next, for every process; the paper's code keeps x = α·x̂ instead. What comes
// out is then x̂ = x₀ + σ·z, which also has the data's scale.
//
// Beside a predictor the paper uses one corrector step with an SNR of 0.16 for VE and 0.01 for VP on CIFAR-10. Alone,
// the corrector has to keep up with σ: the variance lags behind by about δ/(2·SNR²·CorrectorSteps) where ln σ falls by
// δ from one time to the next, and so takes several steps. With VE, annealed Langevin and SNR = √(StepLR/(2σ_min²))
// it is the sampler [AnnealedLangevin].
//
// For sub-VP the paper's a is not defined. It is taken from VP, whose drift, and so whose α(t), sub-VP shares.
type PredictorCorrector struct {
	SDE            SDE
	N              int // times, at least 2, and above BetaMax for VP and sub-VP
	Predictor      Predictor
	Corrector      Corrector
	CorrectorSteps int     // at each time; ignored without a corrector
	SNR            float64 // of the corrector, in (0, 1): it widens the variance by up to 1/(1 - SNR²)
	Epsilon        float64 // the smallest time; SDE.SmallestTime() if zero

	// Denoise leaves out the noise of the last predictor step. Without a predictor it ends with x + σ²·s at the
	// smallest time, one more evaluation.
	Denoise bool
}

// Prior returns where the chains of the sampler start.
func (p PredictorCorrector) Prior() Prior { return p.SDE.Prior() }

// Validate returns a [FieldError] for the first setting of p out of range.
func (p PredictorCorrector) Validate() error {
	if err := p.SDE.Validate(); err != nil {
		return err
	}
	if err := choose("predictor", p.Predictor); err != nil {
		return err
	}
	if err := choose("corrector", p.Corrector); err != nil {
		return err
	}
	switch {
	case p.N < 2:
		return &FieldError{Field: "n", Given: p.N, Want: "at least 2"}
	case p.SDE.Process != VE && float64(p.N) <= p.SDE.BetaMax:
		return &FieldError{Field: "n", Given: p.N, Want: "above beta_max, so that no step takes all of x"}
	case p.Predictor == NoPredictor && p.Corrector == NoCorrector:
		return &FieldError{Field: "predictor", Given: p.Predictor, Want: "one of the others where there is no corrector"}
	case p.Predictor == Ancestral && p.SDE.Process == SubVP:
		return &FieldError{Field: "predictor", Given: p.Predictor, Want: "another for sub_vp, which has no ancestral sampler"}
	case !(p.Epsilon >= 0 && p.Epsilon < 1):
		return &FieldError{Field: "epsilon", Given: p.Epsilon, Want: "a number above 0 and below 1, or 0 for the default"}
	}
	return p.validateCorrector()
}

// CheckDim returns a [FieldError] if samples of dim elements are too small for the corrector of p.
func (p PredictorCorrector) CheckDim(dim int) error {
	if p.Corrector != LangevinCorrector || dim >= LangevinCorrectorDim {
		return nil
	}
	return &FieldError{Field: "corrector", Given: p.Corrector, Want: fmt.Sprintf(
		"annealed_langevin for samples of %d elements: the step of langevin goes by the norm of the score, which varies too much below %d",
		dim, LangevinCorrectorDim)}
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

// Plan compiles p, or returns an error that names the field out of range.
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

// inVE is u from time t to where Mean is scale, in the coordinates of [SDE].
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
		u, this, next := p.SDE.reverseDiffusionVE(k, p.N), p.SDE.discreteSigma(k, p.N), p.SDE.discreteSigma(k-1, p.N)
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

// eulerMaruyama is a step of -1/n along the reverse-time SDE, whose drift is f·x - g²·s. It is also the reverse
// diffusion of sub-VP, for which the paper gives no discretisation of its own.
func (s SDE) eulerMaruyama(t float64, n int) update {
	dt, g := 1/float64(n), s.Diffusion(t)
	return update{k: 1 - s.Drift(t)*dt, a: g * g * dt, c: g * math.Sqrt(dt)}
}

// reverseDiffusionVE is the step from σ_k to σ_(k-1).
func (s SDE) reverseDiffusionVE(k, n int) update {
	this, next := s.discreteSigma(k, n), s.discreteSigma(k-1, n)
	g2 := this*this - next*next
	return update{k: 1, a: g2, c: math.Sqrt(g2)}
}
