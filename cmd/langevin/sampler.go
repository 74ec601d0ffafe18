package main

import (
	"cmp"
	"strings"

	"github.com/spf13/pflag"

	"github.com/langevin-ml/langevin/client"
)

// The samplers, as --sampler calls them.
const (
	samplerAnnealed = "annealed"
	samplerLangevin = "langevin"
	samplerPC       = "pc"
	samplerFlow     = "flow"
)

func samplers() []string {
	return []string{samplerAnnealed, samplerLangevin, samplerPC, samplerFlow}
}

// samplerFlags choose how to sample; what is not given is the model's default, or the method's.
type samplerFlags struct {
	common flagGroup
	own    map[string]flagGroup // the flags that a sampler takes

	kind    wordValue[string]
	denoise bool
	sigmas  sigmasValue // annealed and flow

	stepsPerLevel countValue
	stepLR        positiveValue
	consistent    bool

	sigma    positiveValue
	steps    countValue
	stepSize positiveValue

	process            wordValue[client.Process]
	sigmaMin, sigmaMax positiveValue
	betaMin, betaMax   positiveValue
	times              countValue
	predictor          wordValue[client.Predictor]
	corrector          wordValue[client.Corrector]
	correctorSteps     countValue
	snr, epsilon       positiveValue

	method    wordValue[client.FlowMethod]
	flowSteps countValue
}

// groups makes the flags: those of all samplers, then those of each.
func (s *samplerFlags) groups() []flagGroup {
	s.kind.words = samplers()
	s.common = newFlagGroup("Sampler")
	s.common.flags.Var(&s.kind, "sampler", "annealed, langevin, pc or flow (default the model's, annealed)")
	s.common.flags.BoolVar(&s.denoise, "denoise", false, "end with a noise-free step (default of pc and flow true, of the others the model's)")
	s.own = map[string]flagGroup{
		samplerAnnealed: newFlagGroup("Annealed Langevin dynamics, --sampler annealed (Song & Ermon 2019)"),
		samplerLangevin: newFlagGroup("Langevin dynamics at one sigma, --sampler langevin"),
		samplerPC:       newFlagGroup("Predictor-corrector, --sampler pc (Song et al. 2021)"),
		samplerFlow:     newFlagGroup("Probability flow, --sampler flow (Song et al. 2021, Karras et al. 2022)"),
	}
	s.registerLangevin(s.own[samplerAnnealed].flags, s.own[samplerLangevin].flags)
	s.registerPC(s.own[samplerPC].flags)
	s.registerFlow(s.own[samplerFlow].flags)
	return s.all()
}

func (s *samplerFlags) all() []flagGroup {
	all := []flagGroup{s.common}
	for _, kind := range samplers() {
		all = append(all, s.own[kind])
	}
	return all
}

func (s *samplerFlags) registerLangevin(annealed, langevin *pflag.FlagSet) {
	s.stepsPerLevel.least, s.steps.least = 1, 1
	annealed.Var(&s.sigmas, "sigmas", "sigmas to visit, largest first, as 10,1,0.1 (default the model's)")
	annealed.Var(&s.stepsPerLevel, "steps-per-level", "updates at each noise level (default the model's)")
	annealed.Var(&s.stepLR, "step-lr", "step size at the smallest sigma (default the model's)")
	annealed.BoolVar(&s.consistent, "consistent", false, "give each step the noise that its level asks for, Jolicoeur-Martineau et al. 2021 (default the model's)")
	langevin.Var(&s.sigma, "sigma", "the one sigma (default the model's smallest)")
	langevin.Var(&s.steps, "steps", "updates (default 1000)")
	langevin.Var(&s.stepSize, "step-size", "step size (default that of the model's last level)")
}

func (s *samplerFlags) registerPC(flags *pflag.FlagSet) {
	s.process.words = []client.Process{client.ProcessVE, client.ProcessVP, client.ProcessSubVP}
	s.predictor.words = []client.Predictor{
		client.PredictorReverseDiffusion, client.PredictorEulerMaruyama, client.PredictorAncestral, client.PredictorNone,
	}
	s.corrector.words = []client.Corrector{client.CorrectorNone, client.CorrectorLangevin, client.CorrectorAnnealed}
	s.times.least, s.correctorSteps.least = 2, 1
	flags.Var(&s.process, "process", "diffusion process: ve, vp or sub_vp (default ve)")
	flags.Var(&s.times, "times", "times to visit (default 1000)")
	flags.Var(&s.predictor, "predictor", "reverse_diffusion, euler_maruyama, ancestral or none (default reverse_diffusion)")
	flags.Var(&s.corrector, "corrector", "none, langevin (for samples of at least 64 elements) or annealed_langevin (default none)")
	flags.Var(&s.correctorSteps, "corrector-steps", "corrector updates at each time (default 1)")
	flags.Var(&s.snr, "snr", "signal-to-noise ratio of the corrector, below 1 (default 0.16)")
	flags.Var(&s.epsilon, "epsilon", "smallest time, below 1 (default 1e-5 for ve, else 1e-3)")
	flags.Var(&s.sigmaMin, "sigma-min", "ve: noise at time 0 (default the model's smallest sigma)")
	flags.Var(&s.sigmaMax, "sigma-max", "ve: noise at time 1 (default the model's largest sigma)")
	flags.Var(&s.betaMin, "beta-min", "vp, sub_vp: beta at time 0 (default 0.1)")
	flags.Var(&s.betaMax, "beta-max", "vp, sub_vp: beta at time 1 (default 20)")
}

func (s *samplerFlags) registerFlow(flags *pflag.FlagSet) {
	s.method.words = []client.FlowMethod{client.FlowHeun, client.FlowEuler, client.FlowMultistep}
	s.flowSteps.least = 1
	flags.Var(&s.method, "method", "heun, euler or multistep (default heun)")
	flags.Var(&s.flowSteps, "flow-steps", "steps, spaced as in Karras et al. (default 50)")
	flags.AddFlag(s.own[samplerAnnealed].flags.Lookup("sigmas"))
}

// sampler returns what the flags ask for; nil if they say nothing.
func (s *samplerFlags) sampler() (client.Sampler, error) {
	kind := cmp.Or(s.kind.word, samplerAnnealed)
	if err := s.check(kind); err != nil {
		return nil, err
	}
	switch kind {
	case samplerLangevin:
		return client.Langevin{
			Sigma: float64(s.sigma), Steps: s.steps.n, StepSize: float64(s.stepSize), Denoise: s.denoiseGiven(),
		}, nil
	case samplerPC:
		return client.PredictorCorrector{
			Process:  s.process.word,
			SigmaMin: float64(s.sigmaMin), SigmaMax: float64(s.sigmaMax), BetaMin: float64(s.betaMin), BetaMax: float64(s.betaMax),
			Times: s.times.n, Predictor: s.predictor.word, Corrector: s.corrector.word, CorrectorSteps: s.correctorSteps.n,
			SNR: float64(s.snr), Epsilon: float64(s.epsilon), Denoise: s.denoiseGiven(),
		}, nil
	case samplerFlow:
		return client.ProbabilityFlow{
			Sigmas: s.sigmas, Steps: s.flowSteps.n, Method: s.method.word, Denoise: s.denoiseGiven(),
		}, nil
	}
	if s.kind.word == "" && len(s.given(kind)) == 0 && s.denoiseGiven() == nil {
		return nil, nil
	}
	return client.AnnealedLangevin{
		Sigmas: s.sigmas, StepsPerLevel: s.stepsPerLevel.n, StepLR: float64(s.stepLR), Denoise: s.denoiseGiven(),
		Consistent: given(s.own[samplerAnnealed], "consistent", &s.consistent),
	}, nil
}

// check refuses flags that would have no effect.
func (s *samplerFlags) check(kind string) error {
	for _, other := range samplers() {
		for _, name := range s.given(other) {
			takers := strings.Join(s.takers(name), " or ")
			switch {
			case s.own[kind].flags.Lookup(name) != nil:
			case s.kind.word == "":
				return usagef("--%s needs --sampler %s", name, takers)
			default:
				return usagef("--%s is for --sampler %s, not %s", name, takers, kind)
			}
		}
	}
	switch kind {
	case samplerPC:
		return s.checkPC()
	case samplerFlow:
		if s.sigmas != nil && s.flowSteps.n > 0 {
			return usagef("--flow-steps and --sigmas: want one of them")
		}
	}
	return nil
}

func (s *samplerFlags) checkPC() error {
	ve := cmp.Or(s.process.word, client.ProcessVE) == client.ProcessVE
	corrects := cmp.Or(s.corrector.word, client.CorrectorNone) != client.CorrectorNone
	for _, name := range s.given(samplerPC) {
		switch name {
		case "sigma-min", "sigma-max":
			if !ve {
				return usagef("--%s is for --process ve", name)
			}
		case "beta-min", "beta-max":
			if ve {
				return usagef("--%s is for --process vp or sub_vp", name)
			}
		case "corrector-steps", "snr":
			if !corrects {
				return usagef("--%s needs --corrector langevin or annealed_langevin", name)
			}
		}
	}
	return nil
}

// given returns the flags of a sampler that the command line has.
func (s *samplerFlags) given(kind string) (names []string) {
	s.own[kind].flags.VisitAll(func(f *pflag.Flag) {
		if f.Changed {
			names = append(names, f.Name)
		}
	})
	return names
}

// takers returns the samplers that take a flag.
func (s *samplerFlags) takers(name string) (kinds []string) {
	for _, kind := range samplers() {
		if s.own[kind].flags.Lookup(name) != nil {
			kinds = append(kinds, kind)
		}
	}
	return kinds
}

func (s *samplerFlags) denoiseGiven() *bool { return given(s.common, "denoise", &s.denoise) }

// given returns the value of a flag of a group, nil if the command line does not have it.
func given[T any](g flagGroup, name string, value *T) *T {
	if !g.flags.Changed(name) {
		return nil
	}
	return value
}
