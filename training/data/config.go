package data

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/langevin-ml/langevin/sampling"
)

// The datasets of [Config].
const (
	TwoGaussians = "2gauss"
	Ring         = "ring"
	MNIST        = "mnist"
	FashionMNIST = "fashion-mnist"
)

// Config chooses a dataset. A key that the dataset does not have must be absent.
type Config struct {
	Name string `yaml:"name"` // one of the constants above

	// Mixtures of Gaussians: 2gauss, modes at (5, 5) and (-5, -5); ring, modes evenly spaced on a circle.
	Modes   int       `yaml:"modes,omitempty"`   // of a ring: how many
	Radius  float64   `yaml:"radius,omitempty"`  // of a ring
	Std     float64   `yaml:"std,omitempty"`     // of every mode, in each direction
	Weights []float64 `yaml:"weights,omitempty"` // of the modes, of any sum; none: 0.8 and 0.2 for 2gauss, equal for a ring

	// Pictures, in [0, 1], of shape [channels, height, width]: mnist and fashion-mnist.
	Dir        string         `yaml:"dir,omitempty"`            // folder of the files
	RandomFlip bool           `yaml:"random_flip,omitempty"`    // mirror every other picture, left to right
	Dequantize Dequantization `yaml:"dequantization,omitempty"` // of the 256 grey values; none if absent
}

// Dequantization is what turns the whole numbers of a picture's file into points of a continuous range.
type Dequantization string

const (
	DequantizeNone    Dequantization = "none"    // k/255
	DequantizeUniform Dequantization = "uniform" // (k + u)/256, u uniform on [0, 1): Theis et al. (2016), as NCSN has it
)

// A Split is a part of a dataset.
type Split string

const (
	Train Split = "train" // what networks are trained on
	Test  Split = "test"  // what they have not seen; of a known distribution, other draws of it
)

// kind is what a dataset has for a Config.
type kind interface {
	check(c Config, bad *mistakes)
	open(c Config, split Split, seed uint64) (Source, error)
	describe(c Config) string
}

// kind finds the dataset that c names, nil if there is none.
func (c Config) kind() kind {
	switch c.Name {
	case TwoGaussians, Ring:
		return mixtureKind{}
	case MNIST, FashionMNIST:
		return pictureKind{}
	}
	return nil
}

// Names lists the datasets.
func Names() []string { return []string{TwoGaussians, Ring, MNIST, FashionMNIST} }

// Validate reports every mistake in c at once, without a look at any file.
func (c Config) Validate() error {
	k := c.kind()
	if k == nil {
		names := Names()
		last := len(names) - 1
		return fmt.Errorf("data.name is %q: want %s or %s", c.Name, strings.Join(names[:last], ", "), names[last])
	}
	var bad mistakes
	k.check(c, &bad)
	return errors.Join(bad...)
}

// Open returns a part of the dataset, whose draws are a pure function of seed. It reports every mistake in c at once,
// and a file that is missing or corrupt by its path.
func (c Config) Open(split Split, seed uint64) (Source, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	return c.kind().open(c, split, seed)
}

// ErrNoMixture is wrapped by the error of data whose distribution is no mixture of Gaussians.
var ErrNoMixture = errors.New("no mixture of Gaussians")

// Mixture is the exact distribution of c, which also has the exact score, if c is a mixture of Gaussians, and
// [ErrNoMixture] if it is not. It reports every mistake in c at once.
func (c Config) Mixture() (sampling.Mixture, error) {
	if err := c.Validate(); err != nil {
		return sampling.Mixture{}, err
	}
	if _, ok := c.kind().(mixtureKind); !ok {
		return sampling.Mixture{}, fmt.Errorf("data.name is %q: %w", c.Name, ErrNoMixture)
	}
	return c.mixture()
}

// String describes c on one line: "ring, 8 modes, radius 5, std 1".
func (c Config) String() string {
	if k := c.kind(); k != nil {
		return k.describe(c)
	}
	return c.Name
}

// mistakes gathers what is wrong with a Config.
type mistakes []error

func (bad *mistakes) require(ok bool, format string, args ...any) {
	if !ok {
		*bad = append(*bad, fmt.Errorf(format, args...))
	}
}

func positive(v float64) bool { return v > 0 && !math.IsInf(v, 1) }
