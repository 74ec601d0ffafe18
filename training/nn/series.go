package nn

import (
	"fmt"

	"github.com/langevin-ml/langevin/training/settings"
)

// NameSeries is the name of [Series].
const NameSeries = "series"

type seriesKind struct{ conditional }

func (seriesKind) Keys() []string { return []string{"ngf", "blocks", "mean", "std"} }

func (seriesKind) check(c Config, bad *settings.Mistakes) {
	bad.Require(c.Channels >= 1 && c.Channels <= 1<<12, "network.ngf is %d: want 1 to %d", c.Channels, 1<<12)
	bad.Require(c.Blocks >= 1 && c.Blocks <= 64, "network.blocks is %d: want 1 to 64", c.Blocks)
	bad.Require(settings.Finite(c.Mean), "network.mean is %g: want a finite number", c.Mean)
	bad.Require(settings.Positive(c.Std), "network.std is %g: want a finite number above 0", c.Std)
}

func (seriesKind) build(c Config, s Samples) (*Graph, error) {
	if len(s.Shape) != 1 {
		return nil, fmt.Errorf("network %s on samples of shape %v: want one axis", c.Name, s.Shape)
	}
	return Series{Length: s.Shape[0], Channels: c.Channels, Blocks: c.Blocks, Mean: c.Mean, Std: c.Std,
		Condition: s.Condition}.Build()
}

// Series is a denoising network for series of numbers at equal steps of time. It is a stack of dilated convolutions
// along time, as in DiffWave (Kong et al. 2021): block i sees elements that are 2^(i mod 5) apart, so that five blocks
// see 63 elements. Its layers have the preconditioning of [UNet], and learn sigma as it does. A block is
//
//	x + W conv(SiLU(x + shift(σ)))
//
// with a second SiLU before the product W of the channels.
type Series struct {
	Length   int     // of a series
	Channels int     // of the blocks
	Blocks   int     // their number
	Mean     float64 // of all numbers of the data
	Std      float64 // standard deviation of all numbers of the data

	Condition Condition // its embedding is added to the one of sigma
}

// Build records the network.
func (m Series) Build() (*Graph, error) {
	if m.Length < 1 || m.Channels < 1 || m.Blocks < 1 || !(m.Std > 0) {
		return nil, fmt.Errorf("nn: Series of %d elements, %d channels, %d blocks and standard deviation %g: "+
			"want all positive", m.Length, m.Channels, m.Blocks, m.Std)
	}
	return BuildGiven([]int{m.Length}, m.Condition, func(b *Builder, x, sigma, c *Node) *Node {
		column := b.Unsqueeze("sigma_column", sigma, 1)
		return preconditioned(b, x, column, m.Mean, m.Std, func(scaled *Node) *Node {
			return m.layers(b, scaled, embedding(b, sigma, c, 4*m.Channels))
		})
	})
}

func (m Series) layers(b *Builder, x, embedding *Node) *Node {
	const dilations = 5
	h := b.Conv("in", b.Reshape("line", x, 1, 1, m.Length), Conv{Out: m.Channels, Size: 5, Flat: true})
	for i := range m.Blocks {
		name := fmt.Sprintf("block%d", i+1)
		shift := b.Unsqueeze(name+"/shift_line", b.Dense(name+".shift", embedding, m.Channels), 2, 3)
		inner := b.SiLU(name+"/act1", b.Add(name+"/shifted", h, shift))
		inner = b.Conv(name+".conv", inner, Conv{Out: m.Channels, Dilation: 1 << (i % dilations), Flat: true})
		h = b.Add(name, h, b.Conv(name+".mix", b.SiLU(name+"/act2", inner), Conv{Out: m.Channels, Size: 1, Flat: true}))
	}
	out := b.Conv("out", b.SiLU("last", h), Conv{Out: 1, Size: 1, Flat: true, Init: &Init{}})
	return b.Reshape("series", out, m.Length)
}
