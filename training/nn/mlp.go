package nn

import (
	"fmt"
	"slices"

	"github.com/langevin-ml/langevin/training/settings"
)

const (
	NameToy           = "toy"           // ToyMLP
	NameUnconditional = "unconditional" // UnconditionalMLP
	NameEmbedding     = "embedding"     // EmbeddingMLP
)

// Activation is the nonlinearity between dense layers.
type Activation string

const (
	SiLU     Activation = "silu"     // x·sigmoid(x): after tanh, the fastest smooth one in ONNX Runtime
	Softplus Activation = "softplus" // ln(1 + e^x): as in the papers' toy networks
	Tanh     Activation = "tanh"
)

// mlpKind is the kind of the networks for points.
type mlpKind struct {
	conditional
	network func(m MLP, sigmas []float64) (*Graph, error)
}

func (mlpKind) Keys() []string { return []string{"hidden", "activation"} }

func (mlpKind) check(c Config, bad *settings.Mistakes) {
	bad.Require(c.Hidden >= 1 && c.Hidden <= 1<<14, "network.hidden is %d: want 1 to %d", c.Hidden, 1<<14)
	known := []Activation{SiLU, Softplus, Tanh}
	bad.Require(slices.Contains(known, c.Activation), "network.activation is %q: want one of %q", c.Activation, known)
}

func (k mlpKind) build(c Config, s Samples) (*Graph, error) {
	if len(s.Shape) != 1 {
		return nil, fmt.Errorf("network %s on samples of shape %v: want one axis", c.Name, s.Shape)
	}
	m := MLP{Dim: s.Shape[0], Hidden: c.Hidden, Activation: c.Activation, Condition: s.Condition}
	return k.network(m, s.Sigmas)
}

// toyKind is the kind of ToyMLP, which has a scale.
type toyKind struct{ mlpKind }

func (k toyKind) Keys() []string { return append(k.mlpKind.Keys(), "scale") }

func (k toyKind) check(c Config, bad *settings.Mistakes) {
	bad.Require(settings.Positive(c.Scale), "network.scale is %g: want a finite number above 0", c.Scale)
	k.mlpKind.check(c, bad)
}

func (toyKind) build(c Config, s Samples) (*Graph, error) {
	toy := func(m MLP, _ []float64) (*Graph, error) { return ToyMLP(m, c.Scale) }
	return mlpKind{network: toy}.build(c, s)
}

func withoutSigma(m MLP, _ []float64) (*Graph, error) { return UnconditionalMLP(m) }

// MLP has the sizes that the toy networks share: dim - Hidden - Hidden - dim.
type MLP struct {
	Dim        int // number of elements of one sample
	Hidden     int // width of both hidden layers
	Activation Activation
	Condition  Condition // its embedding is added to the first hidden layer
}

// layers returns the output of the layers, given c unless it is nil. second is the activation after the second layer.
func (m MLP) layers(b *Builder, h, c *Node, second Activation) *Node {
	h = m.Activation.of(b, "hidden1", b.with("given", b.Dense("dense1", h, m.Hidden), c))
	h = second.of(b, "hidden2", b.Dense("dense2", h, m.Hidden))
	return b.Dense("dense3", h, m.Dim)
}

func (a Activation) of(b *Builder, name string, x *Node) *Node {
	switch a {
	case SiLU:
		return b.SiLU(name, x)
	case Softplus:
		return b.Softplus(name, x)
	case Tanh:
		return b.Tanh(name, x)
	}
	b.fail("activation is %q: want %q, %q or %q", a, SiLU, Softplus, Tanh)
	return nil
}

// build checks the conditions of define.
func (m MLP) build(define func(b *Builder, x, sigma, c *Node) *Node) (*Graph, error) {
	if m.Dim < 1 || m.Hidden < 1 {
		return nil, fmt.Errorf("nn: MLP of %d inputs and %d hidden units: want at least 1 of each", m.Dim, m.Hidden)
	}
	return BuildGiven([]int{m.Dim}, m.Condition, define)
}

// ToyMLP is a score network for all sigmas. With r = σ + scale, its layers take (x, σ)/r and return G in
//
//	s(x, σ) = (G - x)/r²
//
// This is the denoiser D = (1 - σ²/r²)·x + (σ²/r²)·G written as a score, s = (D - x)/σ². For large σ, D tends to G,
// which only has to guess where in the data x came from. For small σ, D tends to x. So the inputs and the outputs of
// the layers stay on the scale of the data at every σ, as with the preconditioning of Karras et al. (2022, section 5),
// but with a third of its operations. scale is best near the geometric mean of the standard deviations of all data and
// of one mode.
//
// The second activation is tanh, which bounds G. So far from all data, the score points back to the data, whatever was
// learned, and no chain can diverge.
func ToyMLP(m MLP, scale float64) (*Graph, error) {
	return m.build(func(b *Builder, x, sigma, c *Node) *Node {
		if !(scale > 0) {
			b.fail("scale is %g: want above 0", scale)
		}
		sigma = b.Unsqueeze("sigma_column", sigma, 1)
		r := b.Add("r", sigma, b.Constant("scale", scale))
		features := b.Div("features", b.Concat("x_sigma", 1, x, sigma), r)
		return b.Div("score", b.Sub("pull", m.layers(b, features, c, Tanh), x), b.Mul("r_squared", r, r))
	})
}

// UnconditionalMLP is the score network of the 2019 code's toy experiment. It ignores sigma, and is for one level only.
func UnconditionalMLP(m MLP) (*Graph, error) {
	return m.build(func(b *Builder, x, _, c *Node) *Node { return m.layers(b, x, c, m.Activation) })
}

// EmbeddingMLP is the conditional toy network of the ring experiment. In addition to x, its layers take a learned
// vector of width Hidden for the level whose sigma is nearest. sigmas are the levels of the training.
func EmbeddingMLP(m MLP, sigmas []float64) (*Graph, error) {
	return m.build(func(b *Builder, x, sigma, c *Node) *Node {
		level := b.Embedding("embedding", b.Nearest("level", sigma, sigmas), m.Hidden)
		return m.layers(b, b.Concat("x_embedding", 1, x, level), c, m.Activation)
	})
}
