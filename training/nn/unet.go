package nn

import (
	"fmt"
	"math"
	"slices"

	"github.com/langevin-ml/langevin/training/settings"
)

// NameUNet is the name of [UNet].
const NameUNet = "unet"

type unetKind struct{ conditional }

func (unetKind) Keys() []string { return []string{"outer", "inner", "blocks", "mean", "std"} }

func (unetKind) check(c Config, bad *settings.Mistakes) {
	bad.Require(c.Outer >= 1 && c.Outer <= 1<<12, "network.outer is %d: want 1 to %d", c.Outer, 1<<12)
	bad.Require(c.Inner >= 1 && c.Inner <= 1<<12, "network.inner is %d: want 1 to %d", c.Inner, 1<<12)
	bad.Require(c.Blocks >= 1 && c.Blocks <= 64, "network.blocks is %d: want 1 to 64", c.Blocks)
	bad.Require(settings.Finite(c.Mean), "network.mean is %g: want a finite number", c.Mean)
	bad.Require(settings.Positive(c.Std), "network.std is %g: want a finite number above 0", c.Std)
}

func (unetKind) build(c Config, s Samples) (*Graph, error) {
	return UNet{Shape: s.Shape, Outer: c.Outer, Inner: c.Inner, Blocks: c.Blocks, Mean: c.Mean, Std: c.Std,
		Condition: s.Condition}.Build()
}

// UNet is a small denoising network for images. It spends its operations where they help most on a CPU. It moves blocks
// of 2×2 pixels to channels, so that only its first and last step use the full resolution. It has Outer channels at
// half the resolution and Inner channels at a quarter, and adds the results of the latter to the former.
//
// The layers F have the preconditioning of Karras et al. (2022, table 1) for data with mean Mean and standard deviation
// Std. With r = √(σ² + Std²), they take (x - Mean)/r, and the score is
//
//	s(x, σ) = (Std/σ·F - (x - Mean)/r)/r
//
// This is s = (D - x)/σ² for their denoiser D. The target of F has variance 1 at every sigma. F learns sigma from sines
// and cosines of ln σ, which scale and shift the channels in every block. A block is
//
//	x + conv(SiLU(conv(SiLU(scale(σ)·x/rms(x) + shift(σ)))))
//
// where rms is the root of the mean square over a whole image. The last convolution of a block starts at 0.
type UNet struct {
	Shape  []int   // of one image: channels, height and width; height and width are multiples of 4
	Outer  int     // channels at half the resolution
	Inner  int     // channels at a quarter of it
	Blocks int     // at each of the three stages: half, quarter and half the resolution
	Mean   float64 // of the pixels of all data
	Std    float64 // standard deviation of the pixels of all data

	Condition Condition // its embedding is added to the one of sigma
}

// Build records the network.
func (u UNet) Build() (*Graph, error) {
	if len(u.Shape) != 3 || u.Shape[1]%4 != 0 || u.Shape[2]%4 != 0 {
		return nil, fmt.Errorf(
			"nn: UNet of images of shape %v: want channels, height and width, the last two multiples of 4", u.Shape)
	}
	if u.Outer < 1 || u.Inner < 1 || u.Blocks < 1 || !(u.Std > 0) {
		return nil, fmt.Errorf("nn: UNet of %d and %d channels, %d blocks and standard deviation %g: want all positive",
			u.Outer, u.Inner, u.Blocks, u.Std)
	}
	return BuildGiven(u.Shape, u.Condition, u.score)
}

func (u UNet) score(b *Builder, x, sigma, c *Node) *Node {
	return preconditioned(b, x, b.Unsqueeze("sigma_column", sigma, 1, 2, 3), u.Mean, u.Std, func(scaled *Node) *Node {
		return u.layers(b, scaled, embedding(b, sigma, c, 4*u.Outer))
	})
}

// preconditioned returns the score of layers with the preconditioning that [UNet] describes. column is sigma with the
// rank of x.
func preconditioned(b *Builder, x, column *Node, mean, dataStd float64, layers func(scaled *Node) *Node) *Node {
	std := b.Constant("data_std", dataStd)
	variance := b.Add("variance", b.Mul("sigma_squared", column, column), b.Constant("data_variance", dataStd*dataStd))
	r := b.Sqrt("r", variance)
	scaled := b.Div("scaled", b.Sub("centred", x, b.Constant("data_mean", mean)), r)
	f := layers(scaled)
	gain := b.Div("gain", std, column)
	return b.Div("unscaled", b.Sub("residual", b.Mul("learned", gain, f), scaled), r)
}

// embedding returns the input of the blocks from sigma, [Batch, width]. It has sines and cosines of ln σ with periods
// between 2 and 64, which is more than the range of ln σ, and a hidden layer, to which the condition is added.
func embedding(b *Builder, sigma, c *Node, width int) *Node {
	const periods = 16
	frequencies := make([]float64, periods)
	for i := range frequencies {
		frequencies[i] = 2 * math.Pi / (64 * math.Pow(1.0/32, float64(i)/(periods-1)))
	}
	// The logarithm is computed after sigma fills a whole vector register for every image. The logarithm of fewer
	// numbers than a register has is rounded differently, so an image would depend on the number of images.
	row := b.Mul("sigma_row", b.Unsqueeze("sigma_alone", sigma, 1),
		b.Row("periods", slices.Repeat([]float64{1}, periods)...))
	angle := b.Mul("angle", b.Log("log_sigma", row), b.Row("frequencies", frequencies...))
	waves := b.Concat("waves", 1, b.Sin("sin", angle), b.Cos("cos", angle))
	return b.SiLU("embedding", b.with("given", b.Dense("embed", waves, width), c))
}

func (u UNet) layers(b *Builder, x, embedding *Node) *Node {
	h := b.Conv("in", b.SpaceToDepth("patches", x, 2), Conv{Out: u.Outer})
	outer := u.blocks(b, "fine", h, embedding)
	h = b.Conv("down", b.MeanPool("halved", outer, 2, 2, 0), Conv{Out: u.Inner})
	h = u.blocks(b, "coarse", h, embedding)
	h = b.Upsample("doubled", b.Conv("up", h, Conv{Out: u.Outer}), 2)
	h = u.blocks(b, "merged", b.Add("merge", outer, h), embedding)
	h = b.SiLU("last", modulated(b, "out", h, embedding))
	return b.DepthToSpace("pixels", b.Conv("out", h, Conv{Out: 4 * x.Shape[1], Init: &Init{}}), 2)
}

func (u UNet) blocks(b *Builder, stage string, h, embedding *Node) *Node {
	for i := range u.Blocks {
		h = u.block(b, fmt.Sprintf("%s%d", stage, i+1), h, embedding)
	}
	return h
}

func (u UNet) block(b *Builder, name string, x, embedding *Node) *Node {
	channels := x.Shape[1]
	h := b.SiLU(name+"/act1", modulated(b, name, x, embedding))
	h = b.SiLU(name+"/act2", b.Conv(name+".conv1", h, Conv{Out: channels}))
	return b.Add(name, x, b.Conv(name+".conv2", h, Conv{Out: channels, Init: &Init{}}))
}

// modulated returns scale(σ)·x/rms(x) + shift(σ), where scale starts near 1.
func modulated(b *Builder, name string, x, embedding *Node) *Node {
	channels := x.Shape[1]
	square := b.ReduceMean(name+"/mean_square", b.Mul(name+"/square", x, x), 1, 2, 3)
	rms := b.Sqrt(name+"/rms", b.Add(name+"/above_zero", square, b.Constant(name+"/epsilon", InstanceNormEpsilon)))
	scale := b.Add(name+"/scale", b.Dense(name+".scale", embedding, channels), b.Constant(name+"/one", 1))
	gain := b.Div(name+"/gain", b.Unsqueeze(name+"/scale_image", scale, 2, 3), rms)
	shift := b.Unsqueeze(name+"/shift_image", b.Dense(name+".shift", embedding, channels), 2, 3)
	return b.Add(name+"/modulated", b.Mul(name+"/scaled", x, gain), shift)
}
