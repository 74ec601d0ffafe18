package data

import (
	"fmt"
	"math"

	"github.com/langevin-ml/langevin/sampling"
	"github.com/langevin-ml/langevin/training/settings"
)

// planeKind is the kind of the known distributions in the plane that are not mixtures.
type planeKind struct{}

func (planeKind) keys(name string) []string {
	switch name {
	case Square:
		return []string{"side"}
	case Spirals:
		return []string{"radius", "std", "turns"}
	}
	return []string{"radius", "std"}
}

func (planeKind) check(c Config, bad *settings.Mistakes) {
	if c.Name == Square {
		bad.Require(positive(c.Side), "data.side is %g: want a number above 0, at most 1e37", c.Side)
		return
	}
	bad.Require(positive(c.Radius), "data.radius is %g: want a number above 0, at most 1e37", c.Radius)
	bad.Require(positive(c.Std), "data.std is %g: want a number above 0, at most 1e37", c.Std)
	bad.Require(c.Name != Spirals || positive(c.Turns), "data.turns is %g: want a number above 0, at most 1e37",
		c.Turns)
}

func (planeKind) open(_ Reader, c Config, split Split, seed uint64) (Source, error) {
	if split == Test {
		seed = ^seed
	}
	return plane{config: c, seed: seed}, nil
}

func (planeKind) describe(c Config) string {
	switch c.Name {
	case Square:
		return fmt.Sprintf("square, side %g", c.Side)
	case Spirals:
		return fmt.Sprintf("spirals, %g turns, radius %g, std %g", c.Turns, c.Radius, c.Std)
	}
	return fmt.Sprintf("annulus, radius %g, std %g", c.Radius, c.Std)
}

// plane is a Source of points.
type plane struct {
	config Config
	seed   uint64
}

func (p plane) Name() string { return p.config.String() }

func (p plane) Shape() []int { return []int{2} }

func (p plane) Read(x []float32, first uint64) error {
	for ; len(x) > 0; x, first = x[2:], first+1 {
		p.draw(x[:2], sampling.Noise{Seed: p.seed, Chain: first})
	}
	return nil
}

// draw writes one point.
func (p plane) draw(x []float32, noise sampling.Noise) {
	var u, z [2]float32
	noise.Uniform(u[:], 0)
	noise.Normal(z[:], 0)
	c, turn := p.config, 2*math.Pi*float64(u[0])
	switch c.Name {
	case Square:
		x[0], x[1] = float32(c.Side*(float64(u[0])-0.5)), float32(c.Side*(float64(u[1])-0.5))
	case Spirals:
		out := math.Sqrt(float64(u[0])) // the square root spreads the points evenly along the arm
		sin, cos := math.Sincos(2 * math.Pi * c.Turns * out)
		r := math.Copysign(c.Radius*out, float64(u[1])-0.5)
		x[0], x[1] = float32(r*cos+c.Std*float64(z[0])), float32(r*sin+c.Std*float64(z[1]))
	default:
		sin, cos := math.Sincos(turn)
		r := c.Radius + c.Std*float64(z[0])
		x[0], x[1] = float32(r*cos), float32(r*sin)
	}
}
