package nn

import (
	"fmt"
	"slices"

	"github.com/langevin-ml/langevin/sampling"
	"github.com/langevin-ml/langevin/training/settings"
)

const (
	NameNCSNpp = "ncsnpp" // PlusPlus with the filter of StyleGAN2, and pyramids
	NameDDPMpp = "ddpmpp" // PlusPlus without
)

// outputSkip is the word of the authors' code for [PlusPlus.Output].
const outputSkip = "output_skip"

// plusKind is the kind of the networks of the family [PlusPlus].
type plusKind struct {
	conditional
	fir bool
}

func (k plusKind) Keys() []string {
	keys := []string{"ngf", "multipliers", "blocks", "attention", "dropout", "centred", "process", "discrete",
		"fourier_scale"}
	if k.fir {
		keys = append(keys, "progressive_input", "progressive")
	}
	return keys
}

func (plusKind) check(c Config, bad *settings.Mistakes) {
	bad.Require(c.Channels >= 4 && c.Channels <= 1<<12 && c.Channels%4 == 0,
		"network.ngf is %d: want a multiple of 4, 4 to %d", c.Channels, 1<<12)
	within := func(key string, given []int, most int) {
		bad.Require(len(given) <= 16 && (len(given) == 0 || slices.Min(given) >= 1 && slices.Max(given) <= most),
			"network.%s is %v: want at most 16 numbers, 1 to %d", key, given, most)
	}
	bad.Require(len(c.Multipliers) > 0, "network.multipliers is absent: want one for each size, as in [1, 2, 2]")
	within("multipliers", c.Multipliers, 64)
	within("attention", c.Attention, 1<<16)
	bad.Require(c.Blocks >= 1 && c.Blocks <= 64, "network.blocks is %d: want 1 to 64", c.Blocks)
	bad.Require(c.Dropout >= 0 && c.Dropout < 1, "network.dropout is %g: want at least 0 and below 1", c.Dropout)
	pyramids := []Pyramid{NoPyramid, PyramidSkip, PyramidResidual}
	bad.Require(slices.Contains(pyramids, c.Input), "network.progressive_input is %q: want %s, %s or absent", c.Input,
		PyramidSkip, PyramidResidual)
	bad.Require(c.Progressive == "" || c.Progressive == outputSkip, "network.progressive is %q: want %s or absent",
		c.Progressive, outputSkip)
	c.checkProcess(bad)
}

// checkProcess checks how a PlusPlus takes the noise level.
func (c Config) checkProcess(bad *settings.Mistakes) {
	if c.Process == nil {
		bad.Require(false, "network.process is absent: want ve, vp or sub_vp")
		return
	}
	bad.Require(!c.Discrete || *c.Process != sampling.SubVP,
		"network.discrete is true: want it with process ve or vp, %s has no discrete levels", sampling.SubVP)
	if *c.Process == sampling.VE && !c.Discrete {
		bad.Require(settings.Positive(c.FourierScale), "network.fourier_scale is %g: want a finite number above 0",
			c.FourierScale)
		return
	}
	bad.Require(c.FourierScale == 0, "network.fourier_scale is %g: want it absent, "+
		"it is for process ve without discrete only", c.FourierScale)
}

func (k plusKind) build(c Config, s Samples) (*Graph, error) {
	levels, err := c.discreteLevels(s.Sigmas)
	if err != nil {
		return nil, err
	}
	return PlusPlus{
		Shape: s.Shape, Channels: c.Channels, Multipliers: c.Multipliers, Blocks: c.Blocks, Attention: c.Attention,
		Dropout: c.Dropout, Centred: c.Centred, Process: *c.Process, FourierScale: c.FourierScale, Levels: levels,
		FIR: k.fir, Input: c.Input, Output: c.Progressive == outputSkip, Condition: s.Condition,
	}.Build()
}

// discreteLevels returns the sigmas of [PlusPlus.Levels] for a noise schedule: its own for VE, and for VP DDPM's steps,
// as many as it has levels.
func (c Config) discreteLevels(sigmas []float64) ([]float64, error) {
	switch {
	case !c.Discrete:
		return nil, nil
	case *c.Process == sampling.VE:
		return sigmas, nil
	}
	ladder, err := sampling.DDPM(len(sigmas))
	if err != nil {
		return nil, fmt.Errorf("network.discrete with process %s: %w", sampling.VP, err)
	}
	steps := ladder.Sigmas()
	slices.Reverse(steps)
	return steps, nil
}
