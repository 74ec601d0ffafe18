package data

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/langevin-ml/langevin/sampling"
)

// The datasets of [Config].
const (
	TwoGaussians = "2gauss"        // two Gaussians in the plane, at (5, 5) and (-5, -5)
	Ring         = "ring"          // Gaussians evenly spaced on a circle
	Mixture      = "mixture"       // Gaussians at the points of means, in any dimension
	Annulus      = "annulus"       // a blurred circle: any angle, a distance of N(radius, std²)
	Square       = "square"        // uniform on [-side/2, side/2]²
	Spirals      = "spirals"       // two arms of turns turns, out to radius
	MNIST        = "mnist"         // idx files
	FashionMNIST = "fashion-mnist" // idx files
	CIFAR10      = "cifar10"       // the binary version: data_batch_1.bin and so on
	CelebA       = "celeba"        // img_align_celeba and list_eval_partition.txt; the middle 140 x 140, resized
	Pictures     = "images"        // all pictures below dir: PNG, JPEG, WebP, BMP, TIFF, GIF; the middle square, resized
	NPY          = "npy"           // a file of an array, [rows, ...], of numbers or, as bytes, pictures; see ReadArray
	CSV          = "csv"           // another name of npy: the file says itself what it is
)

// Names lists the datasets.
func Names() []string {
	return []string{
		TwoGaussians, Ring, Mixture, Annulus, Square, Spirals, MNIST, FashionMNIST, CIFAR10, CelebA, Pictures, NPY, CSV,
	}
}

// Config chooses a dataset. A key that the dataset does not have must be absent.
type Config struct {
	Name string `yaml:"name"` // one of the constants above

	// Of known distributions.
	Modes   int         `yaml:"modes,omitempty"`   // of a ring: how many
	Radius  float64     `yaml:"radius,omitempty"`  // of a ring, an annulus, spirals
	Std     float64     `yaml:"std,omitempty"`     // of every mode in each direction, of an annulus along its radius, of the noise on spirals
	Weights []float64   `yaml:"weights,omitempty"` // of the modes, of any sum; none: 0.8 and 0.2 for 2gauss, equal for others
	Means   [][]float64 `yaml:"means,omitempty"`   // of a mixture
	Side    float64     `yaml:"side,omitempty"`    // of a square
	Turns   float64     `yaml:"turns,omitempty"`   // of each arm of the spirals

	// Of files. Pictures are in [0, 1], of shape [channels, height, width].
	Dir        string         `yaml:"dir,omitempty"`            // folder of the files, or the file of npy and csv
	ImageSize  int            `yaml:"image_size,omitempty"`     // height and width; none: as the files of mnist, fashion-mnist and cifar10 have them
	Grey       bool           `yaml:"grey,omitempty"`           // of celeba and images: one channel instead of three
	Background string         `yaml:"background,omitempty"`     // of celeba, images: what shows through, black, white or #rrggbb
	SkipBroken bool           `yaml:"skip_broken,omitempty"`    // of celeba, images: leave out what cannot be read
	Layout     Layout         `yaml:"layout,omitempty"`         // of npy: where channels are; absent: first, 1 or 3
	RandomFlip bool           `yaml:"random_flip,omitempty"`    // mirror every other picture, left to right
	Dequantize Dequantization `yaml:"dequantization,omitempty"` // of the 256 grey values; none if absent
	Transform  Transform      `yaml:"transform,omitempty"`      // of the pictures after that; none if absent
}

// Dequantization is what turns the whole numbers of a picture's file into points of a continuous range.
type Dequantization string

const (
	DequantizeNone     Dequantization = "none"     // k/255
	DequantizeUniform  Dequantization = "uniform"  // (k + u)/256, u uniform on [0, 1): Theis et al. (2016), as NCSN has it
	DequantizeGaussian Dequantization = "gaussian" // k/255 + 0.01 z, z standard normal, an option of NCSNv2
)

// Layout is the order of the axes of pictures in an array.
type Layout string

const (
	ChannelsFirst Layout = "channels_first" // [N, C, H, W]
	ChannelsLast  Layout = "channels_last"  // [N, H, W, C]
)

// Transform maps pictures from [0, 1] to the range that a network is trained on.
type Transform string

const (
	TransformNone     Transform = "none"
	TransformRescaled Transform = "rescaled" // 2x - 1
	TransformLogit    Transform = "logit"    // ln y - ln(1 - y) with y = λ + (1 - 2λ)x, λ = 1e-6
)

// A Split is a part of a dataset.
type Split string

const (
	Train Split = "train" // what networks are trained on
	Test  Split = "test"  // what they have not seen; of a known distribution, other draws of it
)

// kind is what a dataset has for a Config.
type kind interface {
	keys(name string) []string // that the dataset has, beside name
	check(c Config, bad *mistakes)
	open(ctx context.Context, r Reader, c Config, split Split, seed uint64) (Source, error)
	describe(c Config) string
}

// kind finds the dataset that c names, nil if there is none.
func (c Config) kind() kind {
	switch c.Name {
	case TwoGaussians, Ring, Mixture:
		return mixtureKind{}
	case Annulus, Square, Spirals:
		return planeKind{}
	case MNIST, FashionMNIST, CIFAR10, CelebA, Pictures:
		return pictureKind{}
	case NPY, CSV:
		return arrayKind{}
	}
	return nil
}

// Validate reports every mistake in c at once, without a look at any file.
func (c Config) Validate() error {
	k := c.kind()
	if k == nil {
		names := Names()
		last := len(names) - 1
		return fmt.Errorf("data.name is %q: want %s or %s", c.Name, strings.Join(names[:last], ", "), names[last])
	}
	var bad mistakes
	for _, key := range c.given() {
		bad.require(slices.Contains(k.keys(c.Name), key), "data.%s: %s has no such key", key, c.Name)
	}
	k.check(c, &bad)
	return errors.Join(bad...)
}

// Open returns a part of the dataset, whose draws are a pure function of seed. It reports every mistake in c at once,
// and a file that is missing or corrupt by its path.
func (c Config) Open(split Split, seed uint64) (Source, error) {
	return Reader{}.Open(context.Background(), c, split, seed)
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

// given lists the keys of c that are not absent, but for name.
func (c Config) given() []string {
	var keys []string
	v := reflect.ValueOf(c)
	for i := range v.NumField() {
		key, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("yaml"), ",")
		if key != "name" && !v.Field(i).IsZero() {
			keys = append(keys, key)
		}
	}
	return keys
}

// mistakes gathers what is wrong with a Config.
type mistakes []error

func (bad *mistakes) require(ok bool, format string, args ...any) {
	if !ok {
		*bad = append(*bad, fmt.Errorf(format, args...))
	}
}

// largest is how far from the origin a known distribution may reach: what is drawn, up to ten times as far, fits
// float32.
const largest = 1e37

func positive(v float64) bool { return v > 0 && v <= largest }
