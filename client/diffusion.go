package client

import (
	"cmp"
	"slices"

	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
)

// PredictorCorrector runs the sampler of Song et al. (2021, arXiv 2011.13456, appendix G) for a diffusion process: at
// each of so many times CorrectorSteps Langevin updates, then one predictor step. Zero fields mean the defaults.
type PredictorCorrector struct {
	Process            Process // by default [ProcessVE]
	SigmaMin, SigmaMax float64 // VE: the noise at times 0 and 1; by default the model's smallest and largest sigma
	BetaMin, BetaMax   float64 // VP and sub-VP: beta at times 0 and 1; by default 0.1 and 20

	Times          int       // at least 2; by default 1000
	Predictor      Predictor // by default [PredictorReverseDiffusion]
	Corrector      Corrector // by default [CorrectorNone]
	CorrectorSteps int       // corrector updates at each time; by default 1
	SNR            float64   // of the corrector, above 0 and below 1; by default 0.16
	Epsilon        float64   // the smallest time, above 0 and below 1; by default 1e-5 for VE and 1e-3 for the others
	Denoise        *bool     // whether to leave out the noise of the last step; by default true
}

// ProbabilityFlow integrates the ordinary differential equation dx/dσ = -σ·s(x, σ), whose only noise is the initial
// state (Song et al. 2021, section 4.3; Karras et al. 2022). Zero fields mean the defaults.
type ProbabilityFlow struct {
	// Sigmas to visit: finite, positive, strictly decreasing, at least two. By default they are Steps+1 sigmas from
	// the model's largest to its smallest, spaced as in Karras et al. (2022, equation 5) with ρ = 7.
	Sigmas  []float64
	Steps   int        // of the default spacing; by default 50
	Method  FlowMethod // by default [FlowHeun]
	Denoise *bool      // whether to end with the step to σ = 0; by default true
}

func (PredictorCorrector) sampler() {}
func (ProbabilityFlow) sampler()    {}

// Process names a diffusion process that turns data into noise (Song et al. 2021, section 3.4).
type Process string

// The diffusion processes. The noise of VP and sub-VP reaches sigma = 152 in units of the data with the default betas:
// they are meant for models trained that far.
const (
	ProcessVE    Process = "ve"     // variance exploding
	ProcessVP    Process = "vp"     // variance preserving
	ProcessSubVP Process = "sub_vp" // sub-variance preserving
)

// Predictor names a rule that takes a chain from one time to the next.
type Predictor string

// The predictors.
const (
	PredictorNone             Predictor = "none"              // the corrector does all the work
	PredictorEulerMaruyama    Predictor = "euler_maruyama"    // on the reverse-time process
	PredictorReverseDiffusion Predictor = "reverse_diffusion" // the reverse of the discretised process
	PredictorAncestral        Predictor = "ancestral"         // VE and VP only
)

// Corrector names a rule that brings a chain closer to the density of its time.
type Corrector string

// The correctors.
const (
	CorrectorNone     Corrector = "none"              // the predictor does all the work
	CorrectorLangevin Corrector = "langevin"          // steps from the chain's own norms: for some dozens of dimensions or more
	CorrectorAnnealed Corrector = "annealed_langevin" // steps from the noise level alone: for any dimension
)

// FlowMethod names a rule that integrates the probability flow.
type FlowMethod string

// The methods of [ProbabilityFlow].
const (
	FlowEuler     FlowMethod = "euler"     // first order, one evaluation a step
	FlowHeun      FlowMethod = "heun"      // second order, two evaluations a step
	FlowMultistep FlowMethod = "multistep" // second order, one evaluation a step (DPM-Solver++ 2M)
)

// The words of each enum, at the index of its value on the wire.

func processes() []Process { return []Process{"", ProcessVE, ProcessVP, ProcessSubVP} }

func predictors() []Predictor {
	return []Predictor{"", PredictorNone, PredictorEulerMaruyama, PredictorReverseDiffusion, PredictorAncestral}
}

func correctors() []Corrector {
	return []Corrector{"", CorrectorNone, CorrectorLangevin, CorrectorAnnealed}
}

func flowMethods() []FlowMethod { return []FlowMethod{"", FlowEuler, FlowHeun, FlowMultistep} }

// number is the value on the wire of a word.
func number[N ~int32, W ~string](field string, words []W, word W) (N, error) {
	i := slices.Index(words, word)
	if i < 0 {
		return 0, invalid(field, "%s is %q: want one of %q", field, word, words[1:])
	}
	return N(i), nil
}

// word is the word of a value on the wire; its name there if this client does not know it.
func word[N interface {
	~int32
	String() string
}, W ~string](words []W, value N) W {
	if value >= 0 && int(value) < len(words) {
		return words[value]
	}
	return W(value.String())
}

func (p PredictorCorrector) wire() (*langevinv1.PredictorCorrector, error) {
	const field = "predictor_corrector."
	process, err1 := number[langevinv1.Process](field+"sde.process", processes(), p.Process)
	predictor, err2 := number[langevinv1.Predictor](field+"predictor", predictors(), p.Predictor)
	corrector, err3 := number[langevinv1.Corrector](field+"corrector", correctors(), p.Corrector)
	times, err4 := optionalInt32(field+"n", p.Times)
	steps, err5 := optionalInt32(field+"corrector_steps", p.CorrectorSteps)
	return &langevinv1.PredictorCorrector{
		Sde: &langevinv1.Sde{
			Process:  process,
			SigmaMin: optional(p.SigmaMin), SigmaMax: optional(p.SigmaMax),
			BetaMin: optional(p.BetaMin), BetaMax: optional(p.BetaMax),
		},
		N: times, Predictor: predictor, Corrector: corrector, CorrectorSteps: steps,
		Snr: optional(p.SNR), Epsilon: optional(p.Epsilon), Denoise: p.Denoise,
	}, cmp.Or(err1, err2, err3, err4, err5)
}

func (f ProbabilityFlow) wire() (*langevinv1.ProbabilityFlow, error) {
	const field = "probability_flow."
	steps, err1 := optionalInt32(field+"steps", f.Steps)
	method, err2 := number[langevinv1.FlowMethod](field+"method", flowMethods(), f.Method)
	return &langevinv1.ProbabilityFlow{Sigmas: f.Sigmas, Steps: steps, Method: method, Denoise: f.Denoise}, cmp.Or(err1, err2)
}

// diffusionMessage is a message of the wire that can name a sampler of this file.
type diffusionMessage interface {
	GetPredictorCorrector() *langevinv1.PredictorCorrector
	GetProbabilityFlow() *langevinv1.ProbabilityFlow
}

func newDiffusion(m diffusionMessage) Sampler {
	if p := m.GetPredictorCorrector(); p != nil {
		return PredictorCorrector{
			Process:  word(processes(), p.GetSde().GetProcess()),
			SigmaMin: p.GetSde().GetSigmaMin(), SigmaMax: p.GetSde().GetSigmaMax(),
			BetaMin: p.GetSde().GetBetaMin(), BetaMax: p.GetSde().GetBetaMax(),
			Times:     int(p.GetN()),
			Predictor: word(predictors(), p.GetPredictor()), Corrector: word(correctors(), p.GetCorrector()),
			CorrectorSteps: int(p.GetCorrectorSteps()), SNR: p.GetSnr(), Epsilon: p.GetEpsilon(), Denoise: p.Denoise,
		}
	}
	if f := m.GetProbabilityFlow(); f != nil {
		return ProbabilityFlow{
			Sigmas: f.GetSigmas(), Steps: int(f.GetSteps()), Method: word(flowMethods(), f.GetMethod()), Denoise: f.Denoise,
		}
	}
	return nil
}
