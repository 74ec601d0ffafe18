package data

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/langevin-ml/langevin/sampling"
	"github.com/langevin-ml/langevin/training/settings"
)

// mixtureKind is the kind of the mixtures of Gaussians.
type mixtureKind struct{}

func (mixtureKind) keys(name string) []string {
	switch name {
	case Ring:
		return []string{"modes", "radius", "std", "weights"}
	case Mixture:
		return []string{"means", "std", "weights"}
	}
	return []string{"std", "weights"}
}

func (mixtureKind) check(c Config, bad *settings.Mistakes) {
	modes := 2
	switch c.Name {
	case Ring:
		modes = c.Modes
		bad.Require(c.Modes >= 1 && c.Modes <= 1024, "data.modes is %d: want 1 to 1024", c.Modes)
		bad.Require(positive(c.Radius), "data.radius is %g: want a number above 0, at most 1e37", c.Radius)
	case Mixture:
		modes = len(c.Means)
		bad.Require(modes > 0, "data.means is empty: want the mean of each mode, as [[0, 0], [3, 1]]")
		for i, mean := range c.Means {
			bad.Require(len(mean) > 0 && len(mean) == len(c.Means[0]),
				"data.means[%d] has %d coordinates: want as many as data.means[0] has, at least 1", i, len(mean))
			for k, v := range mean {
				bad.Require(math.Abs(v) <= largest, "data.means[%d][%d] is %g: want a number from -1e37 to 1e37",
					i, k, v)
			}
		}
	}
	bad.Require(positive(c.Std), "data.std is %g: want a number above 0, at most 1e37", c.Std)
	bad.Require(c.Weights == nil || len(c.Weights) == modes,
		"data.weights has %d values: want one for each of %d modes", len(c.Weights), modes)
	for i, w := range c.Weights {
		bad.Require(positive(w), "data.weights[%d] is %g: want a number above 0, at most 1e37", i, w)
	}
}

func (mixtureKind) open(_ Reader, c Config, split Split, seed uint64) (Source, error) {
	m, err := c.mixture()
	if err != nil {
		return nil, err
	}
	if split == Test {
		seed = ^seed
	}
	return mixture{name: c.String(), Mixture: m, seed: seed}, nil
}

// mixture returns the distribution of c, which must be valid.
func (c Config) mixture() (sampling.Mixture, error) {
	switch c.Name {
	case Ring:
		return sampling.Ring(c.Modes, c.Radius, c.Std, c.Weights)
	case Mixture:
		weights := slices.Clone(c.Weights)
		if weights == nil {
			weights = slices.Repeat([]float64{1}, len(c.Means))
		}
		m := sampling.Mixture{Weights: weights, Means: c.Means, Std: c.Std}
		return m, m.Validate()
	}
	m := sampling.TwoGaussians()
	m.Std = c.Std
	if c.Weights != nil {
		m.Weights = slices.Clone(c.Weights)
	}
	return m, m.Validate()
}

func (mixtureKind) describe(c Config) string {
	parts := []string{c.Name}
	if c.Name == Ring {
		parts = append(parts, fmt.Sprintf("%d modes, radius %g", c.Modes, c.Radius))
	}
	if c.Name == Mixture {
		parts = append(parts, fmt.Sprintf("%d modes in %d dimensions", len(c.Means), len(c.Means[0])))
	}
	parts = append(parts, fmt.Sprintf("std %g", c.Std))
	if c.Weights != nil {
		parts = append(parts, fmt.Sprintf("weights %v", c.Weights))
	}
	return strings.Join(parts, ", ")
}

// mixture is a Source of a mixture of Gaussians.
type mixture struct {
	sampling.Mixture
	name string
	seed uint64
}

func (m mixture) Name() string { return m.name }

func (m mixture) Shape() []int { return []int{m.Dim()} }

// Condition implements [Conditional]: the class of a sample is its component.
func (m mixture) Condition() Condition { return Condition{Classes: len(m.Means)} }

// ReadCondition implements [Conditional].
func (m mixture) ReadCondition(c []float32, first uint64) error {
	for i := range c {
		c[i] = float32(m.Component(sampling.Noise{Seed: m.seed, Chain: first + uint64(i)}))
	}
	return nil
}

func (m mixture) Read(x []float32, first uint64) error {
	for d := m.Dim(); len(x) > 0; x, first = x[d:], first+1 {
		m.Sample(x[:d], sampling.Noise{Seed: m.seed, Chain: first})
	}
	return nil
}
