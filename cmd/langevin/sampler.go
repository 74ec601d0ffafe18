package main

import (
	"github.com/spf13/pflag"

	"github.com/langevin-ml/langevin/client"
)

// samplerFlags choose how to sample; what is not given is the model's default.
type samplerFlags struct {
	flags         *pflag.FlagSet
	kind          string
	sigmas        sigmasValue
	stepsPerLevel countValue
	stepLR        positiveValue
	sigma         positiveValue
	steps         countValue
	stepSize      positiveValue
	denoise       bool
}

func (s *samplerFlags) register(flags *pflag.FlagSet) {
	s.flags, s.stepsPerLevel.least, s.steps.least = flags, 1, 1
	flags.StringVar(&s.kind, "sampler", "", "annealed or langevin (default the model's, annealed)")
	flags.Var(&s.sigmas, "sigmas", "annealed: noise schedule, largest first, as 10,1,0.1 (default the model's)")
	flags.Var(&s.stepsPerLevel, "steps-per-level", "annealed: updates at each noise level (default the model's)")
	flags.Var(&s.stepLR, "step-lr", "annealed: step size at the smallest sigma (default the model's)")
	flags.Var(&s.sigma, "sigma", "langevin: the one sigma (default the model's smallest)")
	flags.Var(&s.steps, "steps", "langevin: updates (default 1000)")
	flags.Var(&s.stepSize, "step-size", "langevin: step size (default that of the model's last level)")
	flags.BoolVar(&s.denoise, "denoise", false, "end with a noise-free step (default the model's)")
}

// sampler returns what the flags ask for; nil if they say nothing.
func (s *samplerFlags) sampler() (client.Sampler, error) {
	annealed, langevin := s.given("sigmas", "steps-per-level", "step-lr"), s.given("sigma", "steps", "step-size")
	switch {
	case s.kind != "" && s.kind != "annealed" && s.kind != "langevin":
		return nil, usagef("--sampler is %s: want annealed or langevin", quoted(s.kind))
	case s.kind == "langevin" && annealed != "":
		return nil, usagef("--%s is for --sampler annealed", annealed)
	case s.kind != "langevin" && langevin != "":
		return nil, usagef("--%s needs --sampler langevin", langevin)
	case s.kind == "langevin":
		return client.Langevin{
			Sigma: float64(s.sigma), Steps: s.steps.n, StepSize: float64(s.stepSize), Denoise: s.denoiseGiven(),
		}, nil
	case s.kind == "" && annealed == "" && s.denoiseGiven() == nil:
		return nil, nil
	}
	return client.AnnealedLangevin{
		Sigmas: s.sigmas, StepsPerLevel: s.stepsPerLevel.n, StepLR: float64(s.stepLR), Denoise: s.denoiseGiven(),
	}, nil
}

// given returns the first of the named flags that the command line has.
func (s *samplerFlags) given(names ...string) string {
	for _, name := range names {
		if s.flags.Changed(name) {
			return name
		}
	}
	return ""
}

func (s *samplerFlags) denoiseGiven() *bool {
	if !s.flags.Changed("denoise") {
		return nil
	}
	return &s.denoise
}
