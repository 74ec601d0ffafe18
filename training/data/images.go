package data

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/langevin-ml/langevin/sampling"
	"github.com/langevin-ml/langevin/training/settings"
)

// Images is a set of pictures of one size, with the pixels of their files.
type Images struct {
	Channels, Height, Width int
	Pixels                  []byte // [N, Channels, Height, Width]
	Labels                  []byte // the class of each picture; nil if the dataset has none, or more than 256
}

// Len returns the number of pictures.
func (m *Images) Len() int { return len(m.Pixels) / m.size() }

// size returns the number of elements in a picture.
func (m *Images) size() int { return m.Channels * m.Height * m.Width }

// At returns picture i, [Channels, Height, Width]. The caller must not change it.
func (m *Images) At(i int) []byte { return m.Pixels[i*m.size() : (i+1)*m.size()] }

// Images reads a part of a dataset of pictures, in the order of its files. It is for measuring and classifying
// pictures, which the random draws of a Source are not for. It returns an error for mistakes in c, and for data that
// are not pictures.
func (c Config) Images(split Split) (*Images, error) {
	return Reader{}.Images(context.Background(), c, split)
}

// album returns a part of a dataset of pictures.
func (r Reader) album(c Config, split Split) (album, error) {
	load := loadIDX
	switch c.Name {
	case CelebA, Pictures:
		return r.pictureFiles(c, split)
	case CIFAR10:
		load = loadCIFAR10
	}
	all, err := load(c.Dir, split)
	if err == nil && c.ImageSize > 0 {
		all, err = all.resized(c.ImageSize)
	}
	return all, err
}

// pictureKind is the kind of the datasets of pictures.
type pictureKind struct{}

func (pictureKind) keys(name string) []string {
	keys := []string{"dir", "image_size", "random_flip", "dequantization", "transform"}
	if anySize(name) {
		keys = append(keys, "grey", "background", "skip_broken")
	}
	if name == Pictures {
		keys = append(keys, "class_folders")
	}
	return keys
}

func (pictureKind) check(c Config, bad *settings.Mistakes) {
	bad.Require(c.Dir != "", "data.dir is empty: want the folder of %s", c.Name)
	bad.Require(c.ImageSize >= 0 && c.ImageSize <= 1024 && (c.ImageSize > 0 || !anySize(c.Name)),
		"data.image_size is %d: want 1 to 1024", c.ImageSize)
	_, known := colour(c.Background)
	bad.Require(known, "data.background is %q: want black, white or a colour such as #ff8000", c.Background)
	checkLevels(c, bad)
}

// anySize reports whether the files of a dataset have pictures of any size and colour.
func anySize(name string) bool { return name == CelebA || name == Pictures }

// checkLevels checks the settings for the grey values of pictures.
func checkLevels(c Config, bad *settings.Mistakes) {
	ways := []Dequantization{"", DequantizeNone, DequantizeUniform, DequantizeGaussian}
	bad.Require(slices.Contains(ways, c.Dequantize), "data.dequantization is %q: want one of %q",
		c.Dequantize, ways[1:])
	maps := []Transform{"", TransformNone, TransformRescaled, TransformLogit}
	bad.Require(slices.Contains(maps, c.Transform), "data.transform is %q: want one of %q", c.Transform, maps[1:])
}

func (pictureKind) open(r Reader, c Config, split Split, seed uint64) (Source, error) {
	all, err := r.album(c, split)
	if err != nil {
		return nil, atDir(err)
	}
	return newPictures(all, c, seed), nil
}

func (pictureKind) describe(c Config) string {
	text := c.Name
	if c.ImageSize > 0 {
		text += fmt.Sprintf(" at %d x %d", c.ImageSize, c.ImageSize)
	}
	if c.Grey {
		text += " in grey"
	}
	if c.Background != "" {
		text += " on " + c.Background
	}
	if c.ClassFolders {
		text += ", with the classes of folders"
	}
	if c.RandomFlip {
		text += ", flipped at random"
	}
	if c.Dequantize != "" && c.Dequantize != DequantizeNone {
		text += ", dequantised " + string(c.Dequantize)
	}
	if c.Transform != "" && c.Transform != TransformNone {
		text += ", " + string(c.Transform)
	}
	return text
}

// Described returns what a description of pictures, as [Config.String] gives it, says of how their files are read: not
// where they are, nor what a training makes of them.
func Described(text string) Config {
	files, _, _ := strings.Cut(text, ", ")
	name, words, _ := strings.Cut(files, " ")
	c := Config{Name: name, ClassFolders: strings.Contains(text, ", with the classes of folders")}
	for words != "" {
		var word, value string
		word, words, _ = strings.Cut(words, " ")
		value, _, _ = strings.Cut(words, " ")
		switch word {
		case "at":
			c.ImageSize, _ = strconv.Atoi(value) // 0, and so no valid Config, for what String does not give
		case "in":
			c.Grey = value == "grey"
		case "on":
			c.Background = value
		}
	}
	return c
}

// pictures is a Source of pictures. They come in epochs. Each epoch has every picture once, in its own order.
type pictures struct {
	album  album
	size   Images // of each; no pixels
	config Config
	name   string
	seed   uint64

	order deal
}

func newPictures(all album, c Config, seed uint64) *pictures {
	return &pictures{album: all, size: all.frame(), config: c, name: c.String(), seed: seed,
		order: deal{seed: seed}}
}

func (p *pictures) Name() string { return p.name }

// Pictured is a [Source] of pictures.
type Pictured interface {
	Source

	// Images returns all its pictures, without noise and mirrors. The caller must not change them.
	Images() (*Images, error)
}

func (p *pictures) Images() (*Images, error) {
	if m, ok := p.album.(*Images); ok {
		return m, nil
	}
	m := p.size
	indices := make([]int, p.album.Len())
	for i := range indices {
		indices[i] = i
	}
	all, err := p.album.fetch(indices)
	m.Pixels, m.Labels = slices.Concat(all...), labels(p.album)
	return &m, err
}

// Len implements [Finite].
func (p *pictures) Len() int { return p.album.Len() }

func (p *pictures) Shape() []int { return []int{p.size.Channels, p.size.Height, p.size.Width} }

func (p *pictures) Read(x []float32, first uint64) error {
	d := p.size.size()
	picks := make([]int, len(x)/d)
	for k := range picks {
		picks[k] = p.order.pick(first+uint64(k), p.album.Len())
	}
	levels, err := p.album.fetch(picks)
	if err != nil {
		return err
	}
	for k, picture := range levels {
		p.draw(x[k*d:(k+1)*d], first+uint64(k), picture)
	}
	return nil
}

// Condition implements [Conditional]: the class of a picture is its label, if the dataset has labels.
func (p *pictures) Condition() Condition {
	return Condition{Classes: p.album.classes()}
}

// ReadCondition implements [Conditional].
func (p *pictures) ReadCondition(c []float32, first uint64) error {
	for i := range c {
		c[i] = float32(p.album.label(p.order.pick(first+uint64(i), p.album.Len())))
	}
	return nil
}

// These are the steps of the noise of a sample.
const (
	stepDequantize = iota
	stepFlip
)

// draw writes sample i, made of picture, to x.
func (p *pictures) draw(x []float32, i uint64, picture []byte) {
	noise := sampling.Noise{Seed: p.seed, Chain: i}
	dequantize(x, picture, p.config.Dequantize, noise)
	if p.config.RandomFlip {
		var coin [1]float32
		if noise.Uniform(coin[:], stepFlip); coin[0] < 0.5 {
			mirror(x, p.size.Width)
		}
	}
	transform(x, p.config.Transform)
}

// dequantize writes grey values as numbers.
func dequantize(x []float32, levels []byte, way Dequantization, noise sampling.Noise) {
	switch way {
	case DequantizeUniform:
		noise.Uniform(x, stepDequantize)
		for j, k := range levels {
			x[j] = (float32(k) + x[j]) / 256
		}
	case DequantizeGaussian:
		noise.Normal(x, stepDequantize)
		for j, k := range levels {
			x[j] = float32(k)/255 + 0.01*x[j]
		}
	default:
		for j, k := range levels {
			x[j] = float32(k) / 255
		}
	}
}

// transform maps numbers from [0, 1] to another range.
func transform(x []float32, to Transform) {
	const lambda = 1e-6
	for j, v := range x {
		switch to {
		case TransformRescaled:
			x[j] = 2*v - 1
		case TransformLogit:
			y := lambda + (1-2*lambda)*min(max(float64(v), 0), 1)
			x[j] = float32(math.Log(y) - math.Log1p(-y))
		}
	}
}

// mirror reverses rows of the given width.
func mirror(x []float32, width int) {
	for ; len(x) > 0; x = x[width:] {
		for a, b := 0, width-1; a < b; a, b = a+1, b-1 {
			x[a], x[b] = x[b], x[a]
		}
	}
}
