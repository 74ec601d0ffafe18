package nn

import (
	"fmt"

	"github.com/langevin-ml/langevin/training/settings"
)

// NameSeries is the name of [Series].
const NameSeries = "series"

type seriesKind struct{ conditional }

func (seriesKind) Keys() []string {
	return []string{"ngf", "blocks", "patch", "modulated", "mean", "means", "std"}
}

func (seriesKind) check(c Config, bad *settings.Mistakes) {
	bad.Require(c.Channels >= 1 && c.Channels <= 1<<12, "network.ngf is %d: want 1 to %d", c.Channels, 1<<12)
	bad.Require(c.Blocks >= 1 && c.Blocks <= 64, "network.blocks is %d: want 1 to 64", c.Blocks)
	bad.Require(c.Patch >= 0 && c.Patch <= 64, "network.patch is %d: want 1 to 64, or absent for 1", c.Patch)
	bad.Require(settings.Finite(c.Mean), "network.mean is %g: want a finite number", c.Mean)
	bad.Require(c.Mean == 0 || len(c.Means) == 0, "network has mean and means: want one of the two")
	for i, v := range c.Means {
		bad.Require(settings.Finite(v), "network.means[%d] is %g: want finite numbers", i, v)
	}
	bad.Require(settings.Positive(c.Std), "network.std is %g: want a finite number above 0", c.Std)
}

func (seriesKind) build(c Config, s Samples) (*Graph, error) {
	if len(s.Shape) != 1 && len(s.Shape) != 2 {
		return nil, fmt.Errorf("network %s on samples of shape %v: want [time] or [time, numbers]", c.Name, s.Shape)
	}
	if len(s.Shape) == 1 && len(c.Means) > 0 || len(s.Shape) == 2 && len(c.Means) > 0 && len(c.Means) != s.Shape[1] {
		return nil, fmt.Errorf("network.means has %d numbers, and samples have the shape %v: want one for each number "+
			"of [time, numbers]", len(c.Means), s.Shape)
	}
	if c.Patch > 1 && s.Shape[0]%c.Patch != 0 {
		return nil, fmt.Errorf("network.patch is %d, and samples have %d times: want a divisor", c.Patch, s.Shape[0])
	}
	m := Series{Length: s.Shape[0], Channels: c.Channels, Blocks: c.Blocks, Patch: c.Patch,
		Modulated: c.Modulated, Mean: c.Mean, Means: c.Means, Std: c.Std, Condition: s.Condition}
	if len(s.Shape) == 2 {
		m.Width = s.Shape[1]
	}
	return m.Build()
}

// Series is a denoising network for series at equal steps of time, of one number or of several. It is a stack of
// dilated convolutions along time, as in DiffWave (Kong et al. 2021): block i sees elements that are 2^(i mod 5) apart,
// so that five blocks see 63 elements. With patches, the elements are runs of neighbouring times: the blocks then see
// that many times as far, with that many times less work for each channel. Its layers have the preconditioning of
// [UNet], and learn sigma as it does. A block is
//
//	x + W conv(SiLU(x + shift(σ)))
//
// with a second SiLU before the product W of the channels. A modulated block has scale(σ)·x/rms(x) in the place of the
// inner x, as one of [UNet], and W starts at 0.
type Series struct {
	Length    int       // of a series
	Width     int       // numbers at each time, for samples [Length, Width]; 0: one, for samples [Length]
	Channels  int       // of the blocks
	Blocks    int       // their number
	Patch     int       // neighbouring times that are one element of the blocks, a divisor of Length; 0 for 1
	Modulated bool      // whether sigma also scales the channels of the blocks
	Mean      float64   // of all numbers of the data
	Means     []float64 // with a Width, of each of the numbers, in place of Mean; may be nil
	Std       float64   // standard deviation of all numbers of the data about their mean

	Condition Condition // its embedding is added to the one of sigma
}

// Build records the network.
func (m Series) Build() (*Graph, error) {
	if m.Length < 1 || m.Channels < 1 || m.Blocks < 1 || !(m.Std > 0) {
		return nil, fmt.Errorf("nn: Series of %d elements, %d channels, %d blocks and standard deviation %g: "+
			"want all positive", m.Length, m.Channels, m.Blocks, m.Std)
	}
	if m.Patch < 0 || m.Length%max(1, m.Patch) != 0 {
		return nil, fmt.Errorf("nn: Series of %d elements in patches of %d: want a divisor", m.Length, m.Patch)
	}
	if m.Width == 0 {
		return BuildGiven([]int{m.Length}, m.Condition, func(b *Builder, x, sigma, c *Node) *Node {
			return m.denoised(b, x, b.Unsqueeze("sigma_column", sigma, 1), sigma, c)
		})
	}
	if m.Width < 0 || len(m.Means) > 0 && len(m.Means) != m.Width {
		return nil, fmt.Errorf("nn: Series of %d numbers with %d means: want a mean for each number, or none", m.Width,
			len(m.Means))
	}
	return BuildGiven([]int{m.Length, m.Width}, m.Condition, func(b *Builder, x, sigma, c *Node) *Node {
		if len(m.Means) > 0 {
			x = b.Sub("about_means", x, b.Unsqueeze("means", b.Row("mean_row", m.Means...), 1))
		}
		return m.denoised(b, x, b.Unsqueeze("sigma_column", sigma, 1, 2), sigma, c)
	})
}

// denoised adds the preconditioning to the layers. column is sigma with the axes of x.
func (m Series) denoised(b *Builder, x, column, sigma, c *Node) *Node {
	return preconditioned(b, x, column, m.Mean, m.Std, func(scaled *Node) *Node {
		return m.layers(b, scaled, embedding(b, sigma, c, 4*m.Channels))
	})
}

func (m Series) layers(b *Builder, x, embedding *Node) *Node {
	const dilations = 5
	patch := max(1, m.Patch)
	steps, numbers := m.Length/patch, max(1, m.Width)*patch
	if patch > 1 {
		x = b.Reshape("patches", x, steps, numbers)
	}
	if patch > 1 || m.Width > 0 {
		x = b.Transpose("numbers_first", x)
	}
	h := b.Conv("in", b.Reshape("line", x, numbers, 1, steps), Conv{Out: m.Channels, Size: 5, Flat: true})
	for i := range m.Blocks {
		name := fmt.Sprintf("block%d", i+1)
		inner := b.SiLU(name+"/act1", m.moved(b, name, h, embedding))
		inner = b.Conv(name+".conv", inner, Conv{Out: m.Channels, Dilation: 1 << (i % dilations), Flat: true})
		mix := Conv{Out: m.Channels, Size: 1, Flat: true}
		if m.Modulated {
			mix.Init = &Init{}
		}
		h = b.Add(name, h, b.Conv(name+".mix", b.SiLU(name+"/act2", inner), mix))
	}
	if m.Modulated {
		h = modulated(b, "out", h, embedding)
	}
	return m.series(b, b.Conv("out", b.SiLU("last", h), Conv{Out: numbers, Size: 1, Flat: true, Init: &Init{}}))
}

// moved returns the input of a block as sigma moves it.
func (m Series) moved(b *Builder, name string, h, embedding *Node) *Node {
	if m.Modulated {
		return modulated(b, name, h, embedding)
	}
	shift := b.Unsqueeze(name+"/shift_line", b.Dense(name+".shift", embedding, m.Channels), 2, 3)
	return b.Add(name+"/shifted", h, shift)
}

// series gives the output of the layers the shape of samples.
func (m Series) series(b *Builder, out *Node) *Node {
	patch := max(1, m.Patch)
	switch {
	case m.Width == 0 && patch == 1:
		return b.Reshape("series", out, m.Length)
	case patch == 1:
		return b.Transpose("series", b.Reshape("numbers", out, m.Width, m.Length))
	}
	shape := []int{m.Length}
	if m.Width > 0 {
		shape = append(shape, m.Width)
	}
	patches := b.Transpose("times_first", b.Reshape("numbers", out, max(1, m.Width)*patch, m.Length/patch))
	return b.Reshape("series", patches, shape...)
}
