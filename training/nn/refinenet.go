package nn

import (
	"fmt"

	"github.com/langevin-ml/langevin/training/settings"
)

const (
	NameNCSN          = "ncsn"           // NCSN, with norms for each noise level
	NameNCSNBaseline  = "ncsn-baseline"  // NCSNBaseline
	NameNCSNv2        = "ncsnv2"         // NCSNv2
	NameNCSNv2Deeper  = "ncsnv2-deeper"  // NCSNv2Deeper
	NameNCSNv2Deepest = "ncsnv2-deepest" // NCSNv2Deepest
)

// refineKind is the kind of the networks of the family [RefineNet].
type refineKind struct {
	unconditional
	network func(r RefineNet, sigmas []float64) (*Graph, error)
}

func (refineKind) Keys() []string { return []string{"ngf", "centred"} }

func (refineKind) check(c Config, bad *settings.Mistakes) {
	bad.Require(c.Channels >= 2 && c.Channels <= 1<<12, "network.ngf is %d: want 2 to %d", c.Channels, 1<<12)
}

func (k refineKind) build(c Config, s Samples) (*Graph, error) {
	return k.network(RefineNet{Shape: s.Shape, Channels: c.Channels, Centred: c.Centred}, s.Sigmas)
}

// shared adapts a network whose norms do not depend on the level. The result ignores the levels.
func shared(network func(RefineNet) (*Graph, error)) func(RefineNet, []float64) (*Graph, error) {
	return func(r RefineNet, _ []float64) (*Graph, error) { return network(r) }
}

// RefineNet is the family of networks of NCSN (Song & Ermon 2019, 2020): a stack of residual stages, the last ones
// dilated. RefineNet blocks (Lin et al. 2017) join their results from the deepest to the first. The nonlinearity is
// ELU. The sizes, the connections and the numbers of parameters are the ones of the authors' code.
type RefineNet struct {
	Shape    []int // of one image: channels, height and width
	Channels int   // of the first stage, ngf; at least 2
	Centred  bool  // images are on [-1, 1]; otherwise they are on [0, 1], and the network takes 2x - 1

	variant
}

// variant has the differences between the networks of the family.
type variant struct {
	stages  []stage
	outputs []int     // channels after each refine block, in units of Channels
	sigmas  []float64 // levels with their own norms; nil: all levels share the norms
	v2      bool      // no norm in the refine blocks, which use maxima; the score is divided by σ
}

// stage is one pair of residual blocks.
type stage struct {
	channels int // in units of RefineNet.Channels
	down     bool
	dilation int // if above 1, the size stays
}

// NCSN is CondRefineNetDilated, the network of Song & Ermon (2019). Every norm has parameters for each of the noise
// levels sigmas. Height and width must be even.
func NCSN(r RefineNet, sigmas []float64) (*Graph, error) {
	if len(sigmas) == 0 {
		return nil, fmt.Errorf("nn: NCSN without noise levels: want at least one")
	}
	r.variant = shallow(false)
	r.sigmas = sigmas
	return r.build(2)
}

// NCSNBaseline is RefineNetDilated: [NCSN] for a single noise level, with unconditional norms.
func NCSNBaseline(r RefineNet) (*Graph, error) {
	r.variant = shallow(false)
	return r.build(2)
}

// NCSNv2 is the network of Song & Ermon (2020) for images of 32 or 64 pixels. Height and width must be even.
func NCSNv2(r RefineNet) (*Graph, error) {
	r.variant = shallow(true)
	return r.build(2)
}

// NCSNv2Deeper is the network of Song & Ermon (2020) for images of 96 or 128 pixels. Height and width must be multiples
// of 4.
func NCSNv2Deeper(r RefineNet) (*Graph, error) {
	r.variant = variant{
		stages:  []stage{{1, false, 1}, {2, true, 1}, {2, true, 1}, {4, true, 2}, {4, true, 4}},
		outputs: []int{4, 2, 2, 1, 1},
		v2:      true,
	}
	return r.build(4)
}

// NCSNv2Deepest is the network of Song & Ermon (2020) for images of 256 pixels. Height and width must be multiples of
// 8.
func NCSNv2Deepest(r RefineNet) (*Graph, error) {
	r.variant = variant{
		stages:  []stage{{1, false, 1}, {2, true, 1}, {2, true, 1}, {2, true, 1}, {4, true, 2}, {4, true, 4}},
		outputs: []int{4, 2, 2, 2, 1, 1},
		v2:      true,
	}
	return r.build(8)
}

func shallow(v2 bool) variant {
	return variant{
		stages:  []stage{{1, false, 1}, {2, true, 1}, {2, true, 2}, {2, true, 4}},
		outputs: []int{2, 2, 1, 1},
		v2:      v2,
	}
}

// build checks the conditions of define.
func (r RefineNet) build(divisor int) (*Graph, error) {
	if len(r.Shape) != 3 || r.Shape[1]%divisor != 0 || r.Shape[2]%divisor != 0 {
		return nil, fmt.Errorf(
			"nn: RefineNet of images of shape %v: want channels, height and width, the last two multiples of %d",
			r.Shape, divisor)
	}
	if r.Channels < 2 {
		return nil, fmt.Errorf("nn: RefineNet of %d channels: want at least 2", r.Channels)
	}
	return Build(r.Shape, r.score)
}

func (r RefineNet) score(b *Builder, x, sigma *Node) *Node {
	w := refineWriter{Builder: b, RefineNet: r}
	if r.sigmas != nil {
		w.index = b.Nearest("level", sigma, r.sigmas)
	}
	if !r.Centred {
		x = b.Sub("centred", b.Mul("doubled", x, b.Constant("two", 2)), b.Constant("one", 1))
	}
	h := w.layers(x)
	h = b.ELU("out/elu", w.norm("out.norm", h))
	h = b.Conv("out.conv", h, Conv{Out: r.Shape[0]})
	if !r.v2 {
		return h
	}
	return b.Div("over_sigma", h, b.Unsqueeze("sigma_column", sigma, 1, 2, 3))
}

// refineWriter records a RefineNet.
type refineWriter struct {
	*Builder
	RefineNet
	index *Node // of the noise level; nil if norms do not depend on it
}

func (w refineWriter) layers(x *Node) *Node {
	h := w.Conv("in", x, Conv{Out: w.Channels})
	results := make([]*Node, len(w.stages))
	for i, s := range w.stages {
		name := fmt.Sprintf("res%d", i+1)
		h = w.residual(name+".1", h, s.channels*w.Channels, s.down, s.dilation)
		h = w.residual(name+".2", h, s.channels*w.Channels, false, s.dilation)
		results[i] = h
	}
	for i, out := range w.outputs {
		result := results[len(results)-1-i]
		inputs := []*Node{result, h}
		if i == 0 {
			inputs = inputs[:1]
		}
		blocks := 1
		if i == len(w.outputs)-1 {
			blocks = 3
		}
		h = w.refine(fmt.Sprintf("refine%d", i+1), inputs, out*w.Channels, blocks)
	}
	return h
}

func (w refineWriter) norm(name string, x *Node) *Node {
	if w.index != nil {
		return w.ConditionalInstanceNormPlus(name, x, w.index)
	}
	return w.InstanceNormPlus(name, x)
}

// residual has three forms. It keeps size and channels. Or it goes down, which halves the size. Or it goes down with
// dilation, which keeps the size and has a dilated convolution as the shortcut.
func (w refineWriter) residual(name string, x *Node, out int, down bool, dilation int) *Node {
	in := x.Shape[1]
	middle := out
	if down {
		middle = in
	}
	h := w.ELU(name+"/elu1", w.norm(name+".norm1", x))
	h = w.Conv(name+".conv1", h, Conv{Out: middle, Dilation: dilation})
	h = w.ELU(name+"/elu2", w.norm(name+".norm2", h))
	h = w.Conv(name+".conv2", h, Conv{Out: out, Dilation: dilation})
	switch {
	case !down:
		return w.Add(name, x, h)
	case dilation > 1:
		return w.Add(name, w.Conv(name+".shortcut", x, Conv{Out: out, Dilation: dilation}), h)
	}
	h = w.MeanPool(name+"/halved", h, 2, 2, 0)
	shortcut := w.MeanPool(name+"/shortcut_halved", w.Conv(name+".shortcut", x, Conv{Out: out, Size: 1}), 2, 2, 0)
	return w.Add(name, shortcut, h)
}

// refine joins inputs at the size of the first: residual convolution units, fusion, chained pooling, units.
func (w refineWriter) refine(name string, inputs []*Node, out, blocks int) *Node {
	adapted := make([]*Node, len(inputs))
	for i, x := range inputs {
		adapted[i] = w.units(fmt.Sprintf("%s.adapt%d", name, i+1), x, 2)
	}
	h := adapted[0]
	if len(adapted) > 1 {
		h = w.fuse(name+".fuse", adapted, out)
	}
	return w.units(name+".out", w.chainedPool(name+".crp", h), blocks)
}

// units is RCU: each unit adds two convolutions without bias to its input.
func (w refineWriter) units(name string, x *Node, blocks int) *Node {
	for i := range blocks {
		h := x
		for j := range 2 {
			part := fmt.Sprintf("%s.%d.%d", name, i+1, j+1)
			h = w.ELU(part+"/elu", w.refineNorm(part+".norm", h))
			h = w.Conv(part+".conv", h, Conv{Out: x.Shape[1], NoBias: true})
		}
		x = w.Add(fmt.Sprintf("%s.%d", name, i+1), h, x)
	}
	return x
}

// refineNorm is a norm in a refine block. NCSNv2 has none there.
func (w refineWriter) refineNorm(name string, x *Node) *Node {
	if w.v2 {
		return x
	}
	return w.norm(name, x)
}

// fuse is MSF: the sum of convolutions of the inputs, all resized to the size of the first.
func (w refineWriter) fuse(name string, inputs []*Node, out int) *Node {
	height, width := inputs[0].Shape[2], inputs[0].Shape[3]
	var sum *Node
	for i, x := range inputs {
		part := fmt.Sprintf("%s%d", name, i+1)
		h := w.Conv(part+".conv", w.refineNorm(part+".norm", x), Conv{Out: out})
		h = w.Resize(part+"/resized", h, height, width)
		if sum == nil {
			sum = h
		} else {
			sum = w.Add(part, sum, h)
		}
	}
	return sum
}

// chainedPool is CRP: two times a pool over 5×5 places and a convolution without bias, each added to the result so far.
func (w refineWriter) chainedPool(name string, x *Node) *Node {
	x = w.ELU(name+"/elu", x)
	path, pool := x, w.MeanPool
	if w.v2 {
		pool = w.MaxPool
	}
	for i := range 2 {
		part := fmt.Sprintf("%s.%d", name, i+1)
		path = pool(part+"/pool", w.refineNorm(part+".norm", path), 5, 1, 2)
		path = w.Conv(part+".conv", path, Conv{Out: x.Shape[1], NoBias: true})
		x = w.Add(part, x, path)
	}
	return x
}
