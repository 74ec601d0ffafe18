package nn

import (
	"strings"
	"testing"

	"github.com/langevin-ml/langevin/sampling"
)

func process(p sampling.Process) *sampling.Process { return &p }

// plusPlus returns NCSN++ or DDPM++ for CIFAR-10, as in the authors' configurations.
func plusPlus(name string, p sampling.Process, blocks int) Config {
	c := Config{Name: name, Channels: 128, Multipliers: []int{1, 2, 2, 2}, Blocks: blocks, Attention: []int{16},
		Dropout: 0.1, Process: &p, Centred: name == NameDDPMpp}
	if p == sampling.VE {
		c.FourierScale, c.Input = 16, PyramidResidual
	}
	return c
}

func discrete(c Config) Config {
	c.Discrete, c.FourierScale = true, 0
	return c
}

// TestImageNetworks: every network for images can be chosen by name. The papers' networks have the papers' numbers of
// parameters.
func TestImageNetworks(t *testing.T) {
	for _, c := range []struct {
		network Config
		shape   []int
		want    int // number of parameters
	}{
		{Config{Name: NameUNet, Outer: 32, Inner: 96, Blocks: 2, Std: 0.3}, []int{1, 28, 28}, 558_948},
		{Config{Name: NameResScore, Channels: 32}, []int{3, 32, 32}, 1_379_651},
		{Config{Name: NameNCSN, Channels: 64}, []int{1, 28, 28}, 7_638_657},
		{Config{Name: NameNCSNBaseline, Channels: 64}, []int{1, 28, 28}, 7_443_393},
		{Config{Name: NameNCSNv2, Channels: 128, Centred: true}, []int{3, 32, 32}, 29_694_083},
		{Config{Name: NameNCSNv2Deeper, Channels: 128}, []int{3, 96, 96}, 83_445_379},
		{Config{Name: NameNCSNv2Deepest, Channels: 128}, []int{3, 256, 256}, 94_132_611},
		{plusPlus(NameNCSNpp, sampling.VE, 4), []int{3, 32, 32}, 62_758_787},
		{plusPlus(NameNCSNpp, sampling.VE, 8), []int{3, 32, 32}, 107_586_947},
		{discrete(plusPlus(NameNCSNpp, sampling.VE, 4)), []int{3, 32, 32}, 62_693_251},
		{plusPlus(NameDDPMpp, sampling.VP, 4), []int{3, 32, 32}, 61_804_419},
		{plusPlus(NameDDPMpp, sampling.VP, 8), []int{3, 32, 32}, 106_632_579},
		{discrete(plusPlus(NameDDPMpp, sampling.VP, 4)), []int{3, 32, 32}, 61_804_419},
		{plusPlus(NameDDPMpp, sampling.SubVP, 4), []int{3, 32, 32}, 61_804_419},
		{Config{Name: NameNCSNpp, Channels: 128, Multipliers: []int{1, 1, 2, 2, 2, 2, 2}, Blocks: 2,
			Attention: []int{16}, Process: process(sampling.VE), FourierScale: 16, Input: PyramidSkip,
			Progressive: outputSkip}, []int{3, 256, 256}, 65_574_421},
	} {
		if err := c.network.Validate(); err != nil {
			t.Errorf("%s: %v", c.network.Name, err)
		}
		levels := 10
		if c.network.Discrete {
			levels = 1000
		}
		g, err := c.network.Build(c.shape, ladder(levels))
		if err != nil {
			t.Errorf("%s: %v", c.network.Name, err)
		} else if got := g.NumParams(); got != c.want {
			t.Errorf("%s: %d parameters, want %d", c.network.Name, got, c.want)
		}
	}
}

// TestPlusPlusRefuses: each mistake in the settings of NCSN++ and DDPM++ names its key.
func TestPlusPlusRefuses(t *testing.T) {
	for want, change := range map[string]func(c *Config){
		"network.ngf is 6: want a multiple of 4":        func(c *Config) { c.Channels = 6 },
		"network.multipliers is absent":                 func(c *Config) { c.Multipliers = nil },
		"network.multipliers is [1 0]: want at most 16": func(c *Config) { c.Multipliers = []int{1, 0} },
		"network.attention is [0]: want at most 16":     func(c *Config) { c.Attention = []int{0} },
		"network.blocks is 0":                           func(c *Config) { c.Blocks = 0 },
		"network.dropout is 1":                          func(c *Config) { c.Dropout = 1 },
		"network.process is absent":                     func(c *Config) { c.Process = nil },
		"network.fourier_scale is 0: want a finite":     func(c *Config) { c.FourierScale = 0 },
		"network.fourier_scale is 16: want it absent":   func(c *Config) { c.Discrete = true },
		`network.progressive_input is "cat"`:            func(c *Config) { c.Input = "cat" },
		`network.progressive is "residual"`:             func(c *Config) { c.Progressive = "residual" },
		"network.discrete is true: want it with process ve or vp": func(c *Config) {
			c.Process, c.FourierScale, c.Discrete = process(sampling.SubVP), 0, true
		},
		"network.progressive_input is residual: network ddpmpp has none": func(c *Config) { c.Name = NameDDPMpp },
		"network.hidden is 8: network ncsnpp has none":                   func(c *Config) { c.Hidden = 8 },
	} {
		c := plusPlus(NameNCSNpp, sampling.VE, 4)
		change(&c)
		err := c.Validate()
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("error %v, want the one line %q", err, want)
		}
	}
}
