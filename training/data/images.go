package data

import (
	"fmt"
	"math/rand/v2"

	"github.com/langevin-ml/langevin/sampling"
)

// Images is a set of pictures of one size, as their files have them.
type Images struct {
	Channels, Height, Width int
	Pixels                  []byte // [N, Channels, Height, Width]
	Labels                  []byte // the class of each picture; nil if the dataset has none
}

// Len is the number of pictures.
func (m *Images) Len() int { return len(m.Pixels) / m.size() }

// size is the number of elements of a picture.
func (m *Images) size() int { return m.Channels * m.Height * m.Width }

// At is picture i, [Channels, Height, Width]. The caller must not change it.
func (m *Images) At(i int) []byte { return m.Pixels[i*m.size() : (i+1)*m.size()] }

// Images reads a part of a dataset of pictures, in the order of its files: to measure or to classify them, which is
// not done on the random draws of a Source. It reports mistakes in c, and data that are no pictures.
func (c Config) Images(split Split) (*Images, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if _, ok := c.kind().(pictureKind); !ok {
		return nil, fmt.Errorf("data.name is %q: want pictures", c.Name)
	}
	images, err := loadIDX(c.Dir, split)
	if err != nil {
		return nil, fmt.Errorf("data.dir: %w", err)
	}
	return images, nil
}

// pictureKind is the datasets of pictures.
type pictureKind struct{}

func (pictureKind) check(c Config, bad *mistakes) {
	bad.require(c.Dir != "", "data.dir is empty: want the folder of %s", c.Name)
	switch c.Dequantize {
	case "", DequantizeNone, DequantizeUniform:
	default:
		bad.require(false, "data.dequantization is %q: want %s or %s", c.Dequantize, DequantizeNone, DequantizeUniform)
	}
	bad.noMixture(c)
}

// noPictures refuses the keys of pictures.
func (bad *mistakes) noPictures(c Config) {
	bad.require(c.Dir == "", "data.dir is %q: %s has no files", c.Dir, c.Name)
	bad.require(!c.RandomFlip, "data.random_flip: %s has no pictures", c.Name)
	bad.require(c.Dequantize == "", "data.dequantization is %q: %s has no pictures", c.Dequantize, c.Name)
}

func (pictureKind) open(c Config, split Split, seed uint64) (Source, error) {
	images, err := c.Images(split)
	if err != nil {
		return nil, err
	}
	return &pictures{Images: images, config: c, name: c.String(), seed: seed}, nil
}

func (pictureKind) describe(c Config) string {
	text := c.Name
	if c.RandomFlip {
		text += ", flipped at random"
	}
	if c.Dequantize != "" && c.Dequantize != DequantizeNone {
		text += ", dequantised " + string(c.Dequantize)
	}
	return text
}

// pictures is a Source of pictures. They come in epochs, each of which has every picture once, in an order of its own.
type pictures struct {
	*Images
	config Config
	name   string
	seed   uint64

	epoch uint64 // that order belongs to
	order []int
}

func (p *pictures) Name() string { return p.name }

func (p *pictures) Shape() []int { return []int{p.Channels, p.Height, p.Width} }

func (p *pictures) Read(x []float32, first uint64) error {
	for d := p.size(); len(x) > 0; x, first = x[d:], first+1 {
		p.draw(x[:d], first)
	}
	return nil
}

// The steps of the noise of a sample: what is drawn for what.
const (
	stepDequantize = iota
	stepFlip
)

// draw writes sample i.
func (p *pictures) draw(x []float32, i uint64) {
	noise := sampling.Noise{Seed: p.seed, Chain: i}
	levels := p.At(p.pick(i))
	if p.config.Dequantize == DequantizeUniform {
		noise.Uniform(x, stepDequantize)
		for j, k := range levels {
			x[j] = (float32(k) + x[j]) / 256
		}
	} else {
		for j, k := range levels {
			x[j] = float32(k) / 255
		}
	}
	if p.config.RandomFlip {
		var coin [1]float32
		if noise.Uniform(coin[:], stepFlip); coin[0] < 0.5 {
			mirror(x, p.Width)
		}
	}
}

// mirror turns rows of the given width round.
func mirror(x []float32, width int) {
	for ; len(x) > 0; x = x[width:] {
		for a, b := 0, width-1; a < b; a, b = a+1, b-1 {
			x[a], x[b] = x[b], x[a]
		}
	}
}

// pick is the picture that sample i shows.
func (p *pictures) pick(i uint64) int {
	n := uint64(p.Len())
	if epoch := i / n; p.order == nil || p.epoch != epoch {
		p.epoch, p.order = epoch, rand.New(rand.NewPCG(p.seed, epoch)).Perm(int(n))
	}
	return p.order[i%n]
}
