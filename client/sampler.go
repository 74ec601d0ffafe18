package client

import (
	"math"

	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
)

// Sampler is [AnnealedLangevin], [Langevin], [PredictorCorrector] or [ProbabilityFlow].
type Sampler interface{ sampler() }

// AnnealedLangevin runs Langevin updates x + a·s + √(2a)·z at every noise level from the largest sigma to the
// smallest, with step size a = StepLR·σ²/σ_last² (Song & Ermon 2019, algorithm 1, in the full-step convention of their
// code). Zero fields mean the model's defaults.
type AnnealedLangevin struct {
	Sigmas        []float64 // the noise schedule: finite, positive, strictly decreasing
	StepsPerLevel int       // updates at each level
	StepLR        float64   // the step size at the last level, in squared units of x; finite, above 0
	Denoise       *bool     // whether to end with the noise-free step x + σ_last²·s (Song & Ermon 2020)
	Consistent    *bool     // whether each step adds the noise that its level asks for (Jolicoeur-Martineau et al. 2021)
}

// Langevin runs plain Langevin dynamics x + a·s + √(2a)·z at one sigma: the control that shows what annealing is for.
// Zero fields mean the defaults.
type Langevin struct {
	Sigma    float64 // where the score is asked for; by default the model's smallest sigma
	Steps    int     // updates; by default 1000
	StepSize float64 // a, in squared units of x; by default that of the model's last level
	Denoise  *bool   // whether to end with the noise-free step x + σ²·s
}

func (AnnealedLangevin) sampler() {}
func (Langevin) sampler()         {}

// wire returns the message, its optional fields absent where a's are zero.
func (a AnnealedLangevin) wire() (*langevinv1.AnnealedLangevin, error) {
	steps, err := optionalInt32("annealed_langevin.steps_per_level", a.StepsPerLevel)
	return &langevinv1.AnnealedLangevin{
		Sigmas: a.Sigmas, StepsPerLevel: steps, StepLr: optional(a.StepLR), Denoise: a.Denoise, Consistent: a.Consistent,
	}, err
}

func (l Langevin) wire() (*langevinv1.Langevin, error) {
	steps, err := optionalInt32("langevin.steps", l.Steps)
	return &langevinv1.Langevin{
		Sigma: optional(l.Sigma), Steps: steps, StepSize: optional(l.StepSize), Denoise: l.Denoise,
	}, err
}

// samplerMessage is a message of the wire that names a sampler.
type samplerMessage interface {
	GetAnnealedLangevin() *langevinv1.AnnealedLangevin
	GetLangevin() *langevinv1.Langevin
}

// newSampler reads the sampler of a message; nil if it is one that this client does not know.
func newSampler(m samplerMessage) Sampler {
	a, l := m.GetAnnealedLangevin(), m.GetLangevin()
	switch d, _ := m.(diffusionMessage); {
	case a != nil:
		return AnnealedLangevin{
			Sigmas: a.GetSigmas(), StepsPerLevel: int(a.GetStepsPerLevel()), StepLR: a.GetStepLr(), Denoise: a.Denoise, Consistent: a.Consistent,
		}
	case l != nil:
		return Langevin{
			Sigma: l.GetSigma(), Steps: int(l.GetSteps()), StepSize: l.GetStepSize(), Denoise: l.Denoise,
		}
	case d != nil:
		return newDiffusion(d)
	}
	return nil
}

// optional returns nil for the zero value, which means the default.
func optional[T comparable](v T) *T {
	if v == *new(T) {
		return nil
	}
	return new(v)
}

func optionalInt32(field string, v int) (*int32, error) {
	n, err := toInt32(field, v)
	return optional(n), err
}

// toInt32 refuses what the wire cannot carry, where a conversion would change it.
func toInt32(field string, v int) (int32, error) {
	if v < math.MinInt32 || v > math.MaxInt32 {
		return 0, invalid(field, "%s is %d: want at most %d", field, v, math.MaxInt32)
	}
	return int32(v), nil
}
