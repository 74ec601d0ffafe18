package nn

import (
	"fmt"

	"github.com/langevin-ml/langevin/training/settings"
)

// NameResScore is the name of [ResScore].
const NameResScore = "resscore"

type resScoreKind struct{ unconditional }

func (resScoreKind) Keys() []string { return []string{"ngf"} }

func (resScoreKind) check(c Config, bad *settings.Mistakes) {
	bad.Require(c.Channels >= 8 && c.Channels <= 1<<12 && c.Channels%8 == 0,
		"network.ngf is %d: want a multiple of 8, 8 to %d", c.Channels, 1<<12)
}

func (resScoreKind) build(c Config, s Samples) (*Graph, error) {
	return ResScore{Shape: s.Shape, Channels: c.Channels}.Build()
}

// ResScore is the residual auto-encoder of figure 1 of Song & Ermon (2019), as in their code. Its blocks have group
// norm with 8 groups and ELU. It goes down to a quarter of the size, and up again with transposed convolutions. It has
// no noise levels: the score does not depend on sigma.
type ResScore struct {
	Shape    []int // of one image on [0, 1]: channels, height and width; height and width are multiples of 4
	Channels int   // of the first stage, nef, a multiple of 8; the next stages have two and four times this number
}

// Build records the network.
func (r ResScore) Build() (*Graph, error) {
	if len(r.Shape) != 3 || r.Shape[1]%4 != 0 || r.Shape[2]%4 != 0 {
		return nil, fmt.Errorf(
			"nn: ResScore of images of shape %v: want channels, height and width, the last two multiples of 4", r.Shape)
	}
	if r.Channels < 8 || r.Channels%8 != 0 {
		return nil, fmt.Errorf("nn: ResScore of %d channels: want a multiple of 8", r.Channels)
	}
	return Build(r.Shape, r.score)
}

func (r ResScore) score(b *Builder, x, _ *Node) *Node {
	n := r.Channels
	h := b.Sub("centred", b.Mul("doubled", x, b.Constant("two", 2)), b.Constant("one", 1))
	h = b.Conv("in", h, Conv{Out: n})
	for i, block := range []resBlock{
		{out: n}, {out: 2 * n, resize: true}, {out: 2 * n}, {out: 4 * n, resize: true}, {out: 4 * n},
		{out: 4 * n, up: true}, {out: 2 * n, up: true, resize: true}, {out: 2 * n, up: true}, {out: n, up: true,
			resize: true}, {out: n, up: true},
	} {
		h = block.record(b, fmt.Sprintf("block%d", i+1), h)
	}
	return b.Conv("out", h, Conv{Out: x.Shape[1]})
}

// resBlock is one block of a ResScore.
type resBlock struct {
	out    int
	up     bool // its convolutions are transposed
	resize bool // halve the size with the first convolution or, if up, double it with the second
}

func (r resBlock) record(b *Builder, name string, x *Node) *Node {
	plain, resizing := Conv{Out: r.out}, Conv{Out: r.out}
	if r.resize {
		resizing.Stride = 2
	}
	convolve, first, second := b.Conv, resizing, plain
	if r.up {
		convolve, first, second = b.ConvTranspose, plain, resizing
	}
	h := b.ELU(name+"/elu", b.GroupNorm(name+".norm1", convolve(name+".conv1", x, first), 8))
	h = b.GroupNorm(name+".norm2", convolve(name+".conv2", h, second), 8)
	if r.resize {
		x = convolve(name+".skip", x, resizing)
	}
	return b.ELU(name, b.Add(name+"/sum", x, h))
}
