package nn

import (
	"fmt"

	"github.com/langevin-ml/langevin/training/settings"
)

// Config chooses and sizes a score network. A key that the network does not have must be absent.
type Config struct {
	Name string `yaml:"name"` // NameToy, NameUNet and so on

	// These keys are for the networks for points: toy, unconditional and embedding.
	Hidden     int        `yaml:"hidden,omitempty"`     // width of the hidden layers
	Activation Activation `yaml:"activation,omitempty"` // silu, softplus or tanh; for toy only after the first layer
	Scale      float64    `yaml:"scale,omitempty"`      // for toy: length scale of the data, see ToyMLP

	// These keys are for unet, see UNet.
	Outer  int     `yaml:"outer,omitempty"`  // channels at half the resolution
	Inner  int     `yaml:"inner,omitempty"`  // channels at a quarter of the resolution
	Blocks int     `yaml:"blocks,omitempty"` // number of blocks in each stage
	Mean   float64 `yaml:"mean,omitempty"`   // of the pixels of all data
	Std    float64 `yaml:"std,omitempty"`    // standard deviation of the pixels of all data

	// These keys are for the papers' networks for images: resscore and all that begin with ncsn.
	Channels int  `yaml:"ngf,omitempty"`     // channels of the first stage
	Centred  bool `yaml:"centred,omitempty"` // for names that begin with ncsn: the data are on [-1, 1], not on [0, 1]
}

// kind is one kind of network.
type kind interface {
	settings.Keyed
	check(c Config, bad *settings.Mistakes)
	// build implements [Config.Build].
	build(c Config, shape []int, sigmas []float64) (*Graph, error)
}

// table lists all score networks.
func table() settings.Table[kind] {
	return settings.Table[kind]{
		{Name: NameToy, Kind: toyKind{}},
		{Name: NameUnconditional, Kind: mlpKind{unconditional}},
		{Name: NameEmbedding, Kind: mlpKind{EmbeddingMLP}},
		{Name: NameUNet, Kind: unetKind{}},
		{Name: NameResScore, Kind: resScoreKind{}},
		{Name: NameNCSN, Kind: refineKind{NCSN}},
		{Name: NameNCSNBaseline, Kind: refineKind{shared(NCSNBaseline)}},
		{Name: NameNCSNv2, Kind: refineKind{shared(NCSNv2)}},
		{Name: NameNCSNv2Deeper, Kind: refineKind{shared(NCSNv2Deeper)}},
		{Name: NameNCSNv2Deepest, Kind: refineKind{shared(NCSNv2Deepest)}},
	}
}

// Validate returns all mistakes in c, one per line.
func (c Config) Validate() error {
	var bad settings.Mistakes
	k, ok := table().Known(&bad, "network", c.Name)
	if ok {
		settings.Foreign(table(), &bad, "network", c.Name, "network "+c.Name, c)
		k.check(c, &bad)
	}
	return bad.Err()
}

// Build returns the network for samples of the given shape, trained on the noise levels sigmas. It returns an error if
// c names no network or its network does not fit the shape.
func (c Config) Build(shape []int, sigmas []float64) (*Graph, error) {
	k, ok := table().Find(c.Name)
	if !ok {
		return nil, fmt.Errorf("network.name is %q: want one of %q", c.Name, table().Names())
	}
	return k.build(c, shape, sigmas)
}
