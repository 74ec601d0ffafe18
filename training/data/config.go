package data

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/langevin-ml/langevin/sampling"
	"github.com/langevin-ml/langevin/training/settings"
)

// These are the datasets of [Config].
const (
	TwoGaussians = "2gauss"        // two Gaussians in the plane, at (5, 5) and (-5, -5)
	Ring         = "ring"          // Gaussians evenly spaced on a circle
	Mixture      = "mixture"       // Gaussians at the points of means, in any dimension
	Annulus      = "annulus"       // a circle with noise: any angle, and a distance of N(radius, std²)
	Square       = "square"        // uniform on [-side/2, side/2]²
	Spirals      = "spirals"       // two arms with the given number of turns, out to radius
	MNIST        = "mnist"         // idx files
	FashionMNIST = "fashion-mnist" // idx files
	CIFAR10      = "cifar10"       // the binary version: data_batch_1.bin and so on
	CelebA       = "celeba"        // img_align_celeba and list_eval_partition.txt; the middle 140 x 140, resized
	Pictures     = "images"        // all PNG, JPEG, WebP, BMP, TIFF and GIF files below dir; the middle square, resized
	NPY          = "npy"           // a file of an array [rows, ...] of numbers or, as bytes, of pictures; see ReadArray
	CSV          = "csv"           // a synonym of npy: the file's content decides its format
	Tables       = "table"         // a file of rows with columns: numbers, which are standardized, and categories
)

// Names lists the datasets.
func Names() []string {
	return []string{
		TwoGaussians, Ring, Mixture, Annulus, Square, Spirals, MNIST, FashionMNIST, CIFAR10, CelebA, Pictures, NPY, CSV,
		Tables,
	}
}

// Config chooses a dataset. A key that the dataset does not have must be absent.
type Config struct {
	Name string `yaml:"name"` // one of the constants above

	// These keys are for known distributions.
	Modes   int         `yaml:"modes,omitempty"`   // of a ring: the number of modes
	Radius  float64     `yaml:"radius,omitempty"`  // of a ring, an annulus, spirals
	Std     float64     `yaml:"std,omitempty"`     // of each mode per axis, an annulus' radius, the noise on spirals
	Weights []float64   `yaml:"weights,omitempty"` // of the modes, any sum; absent: 0.8, 0.2 for 2gauss, else equal
	Means   [][]float64 `yaml:"means,omitempty"`   // of a mixture
	Side    float64     `yaml:"side,omitempty"`    // of a square
	Turns   float64     `yaml:"turns,omitempty"`   // of each arm of the spirals

	// These keys are for files. Pictures are in [0, 1], of shape [channels, height, width].
	Dir        string         `yaml:"dir,omitempty"`            // folder of the files, or the file of npy and csv
	ImageSize  int            `yaml:"image_size,omitempty"`     // height and width; absent: the size in the files
	Grey       bool           `yaml:"grey,omitempty"`           // of celeba and images: one channel instead of three
	Background string         `yaml:"background,omitempty"`     // of celeba, images: black, white or #rrggbb
	SkipBroken bool           `yaml:"skip_broken,omitempty"`    // of celeba, images: skip pictures that cannot be read
	Layout     Layout         `yaml:"layout,omitempty"`         // of npy: order of the axes; absent: channels first
	RandomFlip bool           `yaml:"random_flip,omitempty"`    // mirror every other picture, left to right
	Dequantize Dequantization `yaml:"dequantization,omitempty"` // of the 256 grey values; absent: none
	Transform  Transform      `yaml:"transform,omitempty"`      // of the pictures after dequantization; absent: none

	// ConditionColumns is for npy and csv: the first columns of each row are its condition, not part of the sample.
	ConditionColumns int `yaml:"condition_columns,omitempty"`

	// ClassFolders is for images: the class of a picture is the folder in dir, or in dir/test, that it is in.
	ClassFolders bool `yaml:"class_folders,omitempty"`

	// These keys are for table. Columns of the file that are not listed are left out.
	Columns      []Column `yaml:"columns,omitempty"`
	DecimalComma bool     `yaml:"decimal_comma,omitempty"` // a comma in a number is its decimal point
}

// Dequantization maps the whole numbers in a picture's file to a continuous range.
type Dequantization string

const (
	DequantizeNone     Dequantization = "none"     // k/255
	DequantizeUniform  Dequantization = "uniform"  // (k + u)/256, u uniform on [0, 1): Theis et al. (2016); NCSN's
	DequantizeGaussian Dequantization = "gaussian" // k/255 + 0.01 z, z standard normal, an option of NCSNv2
)

// Layout is the order of the axes of pictures in an array.
type Layout string

const (
	ChannelsFirst Layout = "channels_first" // [N, C, H, W]
	ChannelsLast  Layout = "channels_last"  // [N, H, W, C]
)

// Transform maps pictures from [0, 1] to the range on which a network is trained.
type Transform string

const (
	TransformNone     Transform = "none"
	TransformRescaled Transform = "rescaled" // 2x - 1
	TransformLogit    Transform = "logit"    // ln y - ln(1 - y) with y = λ + (1 - 2λ)x, λ = 1e-6
)

// Split is a part of a dataset.
type Split string

const (
	Train Split = "train" // for training
	Test  Split = "test"  // for measuring; of a known distribution, other draws
)

// kind is one kind of dataset.
type kind interface {
	keys(name string) []string // that the dataset has, except name
	check(c Config, bad *settings.Mistakes)
	open(r Reader, c Config, split Split, seed uint64) (Source, error) // of a folder only lists the pictures
	describe(c Config) string
}

// kind returns the dataset that c names, or nil if there is none.
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
	case Tables:
		return tableKind{}
	}
	return nil
}

// Validate returns all mistakes in c at once. It reads no file.
func (c Config) Validate() error {
	k := c.kind()
	if k == nil {
		names := Names()
		last := len(names) - 1
		return fmt.Errorf("data.name is %q: want %s or %s", c.Name, strings.Join(names[:last], ", "), names[last])
	}
	var bad settings.Mistakes
	for _, key := range c.given() {
		bad.Require(slices.Contains(k.keys(c.Name), key), "data.%s: %s has no such key", key, c.Name)
	}
	k.check(c, &bad)
	return bad.Err()
}

// Open returns a part of the dataset. Its draws are a pure function of seed. Open returns all mistakes in c at once,
// and the path of a file that is missing or corrupt.
func (c Config) Open(split Split, seed uint64) (Source, error) {
	return Reader{}.Open(context.Background(), c, split, seed)
}

// ErrNoMixture is wrapped by the error for data whose distribution is not a mixture of Gaussians.
var ErrNoMixture = errors.New("no mixture of Gaussians")

// Mixture returns the exact distribution of c, from which the exact score follows. It returns [ErrNoMixture] if c is
// not a mixture of Gaussians, and all mistakes in c at once.
func (c Config) Mixture() (sampling.Mixture, error) {
	if err := c.Validate(); err != nil {
		return sampling.Mixture{}, err
	}
	if _, ok := c.kind().(mixtureKind); !ok {
		return sampling.Mixture{}, fmt.Errorf("data.name is %q: %w", c.Name, ErrNoMixture)
	}
	return c.mixture()
}

// String describes c in one line: "ring, 8 modes, radius 5, std 1".
func (c Config) String() string {
	if k := c.kind(); k != nil {
		return k.describe(c)
	}
	return c.Name
}

// given lists the keys of c that are present, except name.
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

// largest is the largest distance from the origin of a known distribution. Draws of up to ten times this size fit
// float32.
const largest = 1e37

func positive(v float64) bool { return v > 0 && v <= largest }
