package nn

import (
	"fmt"

	"github.com/langevin-ml/langevin/training/settings"
)

// NameResidual is the name of [Residual].
const NameResidual = "residual"

type residualKind struct{ conditional }

func (residualKind) Keys() []string { return []string{"hidden", "blocks", "std", "softmax"} }

func (residualKind) check(c Config, bad *settings.Mistakes) {
	bad.Require(c.Hidden >= 1 && c.Hidden <= 1<<14, "network.hidden is %d: want 1 to %d", c.Hidden, 1<<14)
	bad.Require(c.Blocks >= 1 && c.Blocks <= 64, "network.blocks is %d: want 1 to 64", c.Blocks)
	bad.Require(settings.Positive(c.Std), "network.std is %g: want a finite number above 0", c.Std)
}

func (residualKind) build(c Config, s Samples) (*Graph, error) {
	if len(s.Shape) != 1 {
		return nil, fmt.Errorf("network %s on samples of shape %v: want one axis", c.Name, s.Shape)
	}
	m := Residual{Dim: s.Shape[0], Hidden: c.Hidden, Blocks: c.Blocks, Std: c.Std, Condition: s.Condition}
	if c.Softmax {
		m.Choices = s.Choices
	}
	return m.Build()
}

// Residual is a denoising network for rows of numbers that are standardized, such as those of tables. Its layers have
// the preconditioning of Karras et al. (2022) for data of mean 0, and learn sigma from sines and cosines of ln σ, both
// as in [UNet]. A block is
//
//	x + W₂ SiLU(W₁ SiLU(x) + shift(σ))
type Residual struct {
	Dim    int     // number of elements of a row
	Hidden int     // width of the blocks
	Blocks int     // their number
	Std    float64 // standard deviation of all numbers of the data

	Condition Condition // its embedding is added to the one of sigma
	Choices   []Choices // categories, in the order of a row; their denoised estimate is a softmax
}

// Build records the network.
func (m Residual) Build() (*Graph, error) {
	if m.Dim < 1 || m.Hidden < 1 || m.Blocks < 1 || !(m.Std > 0) {
		return nil, fmt.Errorf("nn: Residual of %d inputs, %d hidden units, %d blocks and standard deviation %g: "+
			"want all positive", m.Dim, m.Hidden, m.Blocks, m.Std)
	}
	return BuildGiven([]int{m.Dim}, m.Condition, func(b *Builder, x, sigma, c *Node) *Node {
		var f *Node
		column := b.Unsqueeze("sigma_column", sigma, 1)
		score := preconditioned(b, x, column, 0, m.Std, func(scaled *Node) *Node {
			f = m.layers(b, scaled, embedding(b, sigma, c, m.Hidden))
			return f
		})
		return decided(b, x, column, f, score, m.Choices)
	})
}

func (m Residual) layers(b *Builder, x, embedding *Node) *Node {
	h := b.Dense("in", x, m.Hidden)
	for i := range m.Blocks {
		name := fmt.Sprintf("block%d", i+1)
		shift := b.Dense(name+".shift", embedding, m.Hidden)
		inner := b.Add(name+"/shifted", b.Dense(name+".dense1", b.SiLU(name+"/act1", h), m.Hidden), shift)
		h = b.Add(name, h, b.Dense(name+".dense2", b.SiLU(name+"/act2", inner), m.Hidden))
	}
	return b.Dense("out", b.SiLU("last", h), m.Dim)
}
