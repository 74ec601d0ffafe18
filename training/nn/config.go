package nn

import (
	"fmt"

	"github.com/langevin-ml/langevin/sampling"
	"github.com/langevin-ml/langevin/training/settings"
)

// Config chooses and sizes a score network. A key that the network does not have must be absent.
type Config struct {
	Name string `yaml:"name"` // NameToy, NameUNet and so on

	// These keys are for the networks for rows: toy, unconditional and embedding. Hidden is also for residual.
	Hidden     int        `yaml:"hidden,omitempty"`     // width of the hidden layers
	Activation Activation `yaml:"activation,omitempty"` // silu, softplus or tanh; for toy only after the first layer
	Scale      float64    `yaml:"scale,omitempty"`      // for toy: length scale of the data, see ToyMLP

	Softmax bool `yaml:"softmax,omitempty"` // for residual: categories are a softmax, see Choices

	// These keys are for unet, see UNet. Blocks and Std are also for residual and series, and Mean for series.
	Outer  int     `yaml:"outer,omitempty"`  // channels at half the resolution
	Inner  int     `yaml:"inner,omitempty"`  // channels at a quarter of the resolution
	Blocks int     `yaml:"blocks,omitempty"` // number of blocks in each stage; also for ncsnpp and ddpmpp
	Mean   float64 `yaml:"mean,omitempty"`   // of the pixels of all data
	Std    float64 `yaml:"std,omitempty"`    // standard deviation of the pixels of all data

	// These keys are for series. Means is for several numbers, in place of Mean: the mean of each number.
	Means     []float64 `yaml:"means,omitempty"`
	Patch     int       `yaml:"patch,omitempty"`     // neighbouring times that are one element of the blocks
	Modulated bool      `yaml:"modulated,omitempty"` // sigma also scales the channels of the blocks

	// These keys are for the papers' networks for images: resscore, ddpmpp and all that begin with ncsn. Channels is
	// also for series.
	Channels int  `yaml:"ngf,omitempty"`     // channels of the first stage
	Centred  bool `yaml:"centred,omitempty"` // not for resscore: the data are on [-1, 1], not on [0, 1]

	// These keys are for ncsnpp and ddpmpp, see PlusPlus. The last two are for ncsnpp only.
	Multipliers  []int             `yaml:"multipliers,omitempty"`       // of ngf, for each size of images
	Attention    []int             `yaml:"attention,omitempty"`         // widths of images with attention
	Dropout      float64           `yaml:"dropout,omitempty"`           // part of the numbers that a block drops
	Process      *sampling.Process `yaml:"process,omitempty"`           // ve, vp or sub_vp
	Discrete     bool              `yaml:"discrete,omitempty"`          // takes the number of a level, not the level
	FourierScale float64           `yaml:"fourier_scale,omitempty"`     // of the frequencies of ln sigma; for ve
	Input        Pyramid           `yaml:"progressive_input,omitempty"` // input_skip or residual
	Progressive  string            `yaml:"progressive,omitempty"`       // output_skip
}

// kind is one kind of network.
type kind interface {
	settings.Keyed
	check(c Config, bad *settings.Mistakes)
	// given reports whether the network can be given a condition.
	given() bool
	// build implements [Config.BuildFor].
	build(c Config, s Samples) (*Graph, error)
}

// conditional is shared by the kinds that can be given a condition, and unconditional by the others.
type (
	conditional   struct{}
	unconditional struct{}
)

func (conditional) given() bool   { return true }
func (unconditional) given() bool { return false }

// Samples describes what a network is trained on.
type Samples struct {
	Shape     []int     // of one sample
	Sigmas    []float64 // noise levels
	Condition Condition // of each sample
	Choices   []Choices // categories of a row, in its order
}

// table lists all score networks.
func table() settings.Table[kind] {
	return settings.Table[kind]{
		{Name: NameToy, Kind: toyKind{}},
		{Name: NameUnconditional, Kind: mlpKind{network: withoutSigma}},
		{Name: NameEmbedding, Kind: mlpKind{network: EmbeddingMLP}},
		{Name: NameResidual, Kind: residualKind{}},
		{Name: NameSeries, Kind: seriesKind{}},
		{Name: NameUNet, Kind: unetKind{}},
		{Name: NameResScore, Kind: resScoreKind{}},
		{Name: NameNCSN, Kind: refineKind{network: NCSN}},
		{Name: NameNCSNBaseline, Kind: refineKind{network: shared(NCSNBaseline)}},
		{Name: NameNCSNv2, Kind: refineKind{network: shared(NCSNv2)}},
		{Name: NameNCSNv2Deeper, Kind: refineKind{network: shared(NCSNv2Deeper)}},
		{Name: NameNCSNv2Deepest, Kind: refineKind{network: shared(NCSNv2Deepest)}},
		{Name: NameNCSNpp, Kind: plusKind{fir: true}},
		{Name: NameDDPMpp, Kind: plusKind{}},
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

// Build is [Config.BuildFor] of samples without a condition.
func (c Config) Build(shape []int, sigmas []float64) (*Graph, error) {
	return c.BuildFor(Samples{Shape: shape, Sigmas: sigmas})
}

// BuildFor returns the network for samples. It returns an error if c names no network or its network does not fit them.
func (c Config) BuildFor(s Samples) (*Graph, error) {
	k, ok := table().Find(c.Name)
	if !ok {
		return nil, fmt.Errorf("network.name is %q: want one of %q", c.Name, table().Names())
	}
	if s.Condition.Width() > 0 {
		if err := c.CheckGiven(); err != nil {
			return nil, err
		}
	}
	return k.build(c, s)
}

// CheckGiven returns an error if the network that c names cannot be given a condition. Validate reports an unknown
// name.
func (c Config) CheckGiven() error {
	if k, ok := table().Find(c.Name); !ok || k.given() {
		return nil
	}
	var able []string
	for _, row := range table() {
		if row.Kind.given() {
			able = append(able, row.Name)
		}
	}
	return fmt.Errorf("network.name is %q, which takes no condition: want one of %q", c.Name, able)
}
