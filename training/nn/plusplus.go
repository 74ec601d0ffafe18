package nn

import (
	"fmt"
	"math"
	"slices"

	"github.com/langevin-ml/langevin/sampling"
)

// PlusPlus is the family of the networks NCSN++ and DDPM++ of Song et al. (2021, appendix H): a U-Net of residual
// blocks as in BigGAN, with group norms, SiLU, and self-attention at some sizes. The shapes, the connections, the
// initial weights and the numbers of parameters are the ones of the authors' code, and so is the order of the
// parameters.
//
// The layers F take the sample as the process has it, z = α·x at noise level σ, and their noise level, see level. Score
// and layers belong together as in the authors' code:
//
//	s(x, σ) = F(x)/σ for VE     s(x, σ) = -F(α·x)/σ for VP and sub-VP
//
// which is the same as -α·F/a with the standard deviation a = ασ of z, the score of x instead of the one of z. F starts
// near 0.
type PlusPlus struct {
	Shape       []int   // of one image: channels, height and width
	Channels    int     // of the first stage, nf; a multiple of 4
	Multipliers []int   // of Channels, for each stage; each stage has half the height and width of the one before
	Blocks      int     // residual blocks of a stage on the way down; there is one more on the way up
	Attention   []int   // widths of images at which every block of the way down, and the last one up, has attention
	Dropout     float64 // part of the numbers that each block drops in a training; 0: none
	Centred     bool    // images are on [-1, 1]; otherwise they are on [0, 1], and the network takes 2z - 1

	Process      sampling.Process
	FourierScale float64   // standard deviation of the frequencies of ln σ, for VE without Levels
	Levels       []float64 // sigmas with whole numbers, for networks of discrete levels; nil: the level is continuous

	FIR    bool    // sizes change with the filter of StyleGAN2, not by means and repetition
	Input  Pyramid // how smaller copies of the input join the stages on the way down
	Output bool    // the result is the sum of images of every stage on the way up, doubled in size ("output_skip")

	Condition Condition // its embedding is added to the one of the noise level
}

// Pyramid names how smaller copies of an image join the stages of a network. The words are the ones of the authors'
// code.
type Pyramid string

const (
	NoPyramid       Pyramid = ""           // not at all
	PyramidSkip     Pyramid = "input_skip" // halved and filtered images, each through a 1×1 convolution of its own
	PyramidResidual Pyramid = "residual"   // a chain of convolutions that halve, each added to the stage's result
)

const (
	groupNormEpsilon = 1e-6
	startsAtZero     = 1e-10 // as the scale of initial weights; DDPM's code takes it for 0
	startsSmall      = 0.1   // of the projections of attention
)

// Build records the network.
func (p PlusPlus) Build() (*Graph, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	return BuildGiven(p.Shape, p.Condition, p.score)
}

func (p PlusPlus) check() error {
	if len(p.Multipliers) == 0 || slices.Min(p.Multipliers) < 1 || p.Channels < 4 || p.Channels%4 != 0 || p.Blocks < 1 {
		return fmt.Errorf("nn: NCSN++ of %d channels, multipliers %v and %d blocks: "+
			"want a multiple of 4, and at least one multiplier and block", p.Channels, p.Multipliers, p.Blocks)
	}
	// Group norms have 32 groups, or one for every 4 channels. A block on the way up gets the channels of two.
	if most := 2 * p.Channels * slices.Max(p.Multipliers); most > 128 && p.Channels%32 != 0 {
		return fmt.Errorf("nn: NCSN++ of %d channels, and %d in one block: want a multiple of 32, or of 4 up to 128 "+
			"in each block", p.Channels, most)
	}
	if d := 1 << (len(p.Multipliers) - 1); len(p.Shape) != 3 || p.Shape[1]%d != 0 || p.Shape[2]%d != 0 {
		return fmt.Errorf("nn: NCSN++ of %d stages for images of shape %v: "+
			"want channels, height and width, the last two multiples of %d", len(p.Multipliers), p.Shape, d)
	}
	for _, width := range p.Attention {
		if widths := p.widths(); !slices.Contains(widths, width) {
			return fmt.Errorf("nn: NCSN++ with attention at width %d: want some of %v, the widths of its stages", width,
				widths)
		}
	}
	if p.continuousVE() && !(p.FourierScale > 0) {
		return fmt.Errorf("nn: NCSN++ with a Fourier scale of %g: want above 0", p.FourierScale)
	}
	return nil
}

// widths returns the width of images in each stage.
func (p PlusPlus) widths() []int {
	widths := make([]int, len(p.Multipliers))
	for i := range widths {
		widths[i] = p.Shape[2] >> i
	}
	return widths
}

func (p PlusPlus) score(b *Builder, x, sigma, c *Node) *Node {
	column := b.Unsqueeze("sigma_column", sigma, 1, 2, 3)
	w := plusWriter{Builder: b, PlusPlus: p, half: b.Constant("root_half", math.Sqrt(0.5))}
	w.embedding = w.level(sigma, c)
	z := w.shrunk(x, column)
	if !p.Centred {
		z = b.Sub("centred", b.Mul("doubled", z, b.Constant("two", 2)), b.Constant("one", 1))
	}
	f := w.layers(z)
	if p.Process != sampling.VE {
		column = b.Mul("minus_sigma", column, b.Constant("minus_one", -1))
	}
	return b.Div("over_sigma", f, column)
}

// plusWriter records a PlusPlus.
type plusWriter struct {
	*Builder
	PlusPlus
	embedding *Node // what blocks take for the noise level, [Batch, 4·Channels]
	half      *Node // √½
}

func (w plusWriter) layers(x *Node) *Node {
	stack := []*Node{w.Conv("in", x, Conv{Out: w.Channels, Scale: 1})}
	stack = w.down(x, stack)
	h := w.block("middle.1", stack[len(stack)-1], w.channelsOf(len(w.Multipliers)-1), nil)
	h = w.attend("middle.attention", h)
	h = w.block("middle.2", h, h.Shape[1], nil)
	return w.up(h, stack, x.Shape[1])
}

func (w plusWriter) channelsOf(stage int) int { return w.Channels * w.Multipliers[stage] }

// down appends the result of every block on the way down to stack.
func (w plusWriter) down(x *Node, stack []*Node) []*Node {
	pyramid := x
	for i := range w.Multipliers {
		h := stack[len(stack)-1]
		for j := range w.Blocks {
			name := fmt.Sprintf("down%d.%d", i+1, j+1)
			h = w.attendAt(name+".attention", w.block(name, h, w.channelsOf(i), nil))
			stack = append(stack, h)
		}
		if i == len(w.Multipliers)-1 {
			break
		}
		name := fmt.Sprintf("down%d", i+1)
		h, pyramid = w.joined(name+".input", w.block(name+".half", h, h.Shape[1], w.halve), pyramid)
		stack = append(stack, h)
	}
	return stack
}

// joined returns h with the smaller copy of the input, and this copy.
func (w plusWriter) joined(name string, h, pyramid *Node) (stage, smaller *Node) {
	switch w.Input {
	case PyramidSkip:
		smaller = w.halve(name+"/halved", pyramid)
		return w.Add(name+"/sum", w.Conv(name, smaller, Conv{Out: h.Shape[1], Size: 1, Scale: 1}), h), smaller
	case PyramidResidual:
		sum := w.rescaled(name+"/sum", w.halvedConv(name, pyramid, h.Shape[1]), h)
		return sum, sum
	}
	return h, pyramid
}

// up takes the results of the way down off stack, and returns the layers' result, an image of the given channels.
func (w plusWriter) up(h *Node, stack []*Node, channels int) *Node {
	var result *Node
	for i := len(w.Multipliers) - 1; i >= 0; i-- {
		for j := range w.Blocks + 1 {
			name := fmt.Sprintf("up%d.%d", i+1, j+1)
			top := len(stack) - 1
			h = w.block(name, w.Concat(name+"/joined", 1, h, stack[top]), w.channelsOf(i), nil)
			stack = stack[:top]
		}
		name := fmt.Sprintf("up%d", i+1)
		h = w.attendAt(name+".attention", h)
		if w.Output {
			result = w.summed(name+".output", result, w.image(name+".output", h, channels))
		}
		if i > 0 {
			h = w.block(name+".twice", h, h.Shape[1], w.twice)
		}
	}
	if w.Output {
		return result
	}
	return w.image("out", h, channels)
}

// summed returns part plus the doubled sum so far, which is nil for the first part.
func (w plusWriter) summed(name string, sum, part *Node) *Node {
	if sum == nil {
		return part
	}
	return w.Add(name+"/sum", w.twice(name+"/doubled", sum), part)
}

// image turns the channels of a stage into an image, which starts at 0.
func (w plusWriter) image(name string, h *Node, channels int) *Node {
	return w.Conv(name, w.SiLU(name+"/act", w.norm(name+".norm", h)), Conv{Out: channels, Scale: startsAtZero})
}

// block is a residual block. resize, which may be nil, changes the size of both of its ways.
func (w plusWriter) block(name string, x *Node, out int, resize func(name string, x *Node) *Node) *Node {
	in := x.Shape[1]
	h := w.SiLU(name+"/act1", w.norm(name+".norm1", x))
	if resize != nil {
		h, x = resize(name+"/resized", h), resize(name+"/resized_skip", x)
	}
	h = w.Conv(name+".conv1", h, Conv{Out: out, Scale: 1})
	shift := w.Unsqueeze(name+"/shift", w.DenseScaled(name+".embed", w.embedding, out), 2, 3)
	h = w.SiLU(name+"/act2", w.norm(name+".norm2", w.Add(name+"/shifted", h, shift)))
	h = w.Builder.Dropout(name+"/dropped", h, w.PlusPlus.Dropout)
	h = w.Conv(name+".conv2", h, Conv{Out: out, Scale: startsAtZero})
	if in != out || resize != nil {
		x = w.Conv(name+".skip", x, Conv{Out: out, Size: 1, Scale: 1})
	}
	return w.rescaled(name, x, h)
}

func (w plusWriter) halve(name string, x *Node) *Node {
	if w.FIR {
		return w.halved(name, x)
	}
	return w.MeanPool(name, x, 2, 2, 0)
}

func (w plusWriter) twice(name string, x *Node) *Node {
	if w.FIR {
		return w.doubled(name, x)
	}
	return w.Upsample(name, x, 2)
}

// attendAt is attend for images of a width in Attention, and x itself for others.
func (w plusWriter) attendAt(name string, x *Node) *Node {
	if !slices.Contains(w.Attention, x.Shape[3]) {
		return x
	}
	return w.attend(name, x)
}

func (w plusWriter) attend(name string, x *Node) *Node {
	h := w.attention(name+".heads", w.norm(name+".norm", x), startsSmall)
	return w.rescaled(name, x, w.Conv(name+".out", h, Conv{Out: x.Shape[1], Size: 1, Scale: startsAtZero}))
}

func (w plusWriter) norm(name string, x *Node) *Node {
	return w.groupNorm(name, x, min(x.Shape[1]/4, 32), groupNormEpsilon)
}

// rescaled returns (x + y)/√2, whose variance is the mean of theirs.
func (w plusWriter) rescaled(name string, x, y *Node) *Node {
	return w.Mul(name, w.Add(name+"/unscaled", x, y), w.half)
}
