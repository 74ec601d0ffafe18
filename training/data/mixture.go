package data

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/langevin-ml/langevin/sampling"
)

// The names of [Config].
const (
	TwoGaussians = "2gauss"
	Ring         = "ring"
)

// Config chooses a dataset.
type Config struct {
	Name    string    `yaml:"name"`              // 2gauss: modes at (5, 5) and (-5, -5); ring: modes evenly spaced on a circle
	Modes   int       `yaml:"modes,omitempty"`   // of a ring: how many
	Radius  float64   `yaml:"radius,omitempty"`  // of a ring
	Std     float64   `yaml:"std"`               // of every mode, in each direction
	Weights []float64 `yaml:"weights,omitempty"` // of the modes, of any sum; none: 0.8 and 0.2 for 2gauss, equal for a ring
}

// Open returns the dataset, whose draws are a pure function of seed. It reports every mistake in c at once.
func (c Config) Open(seed uint64) (Source, error) {
	m, err := c.Mixture()
	if err != nil {
		return nil, err
	}
	return mixture{name: c.String(), Mixture: m, seed: seed}, nil
}

// Mixture is the exact distribution of c, which also has the exact score. It reports every mistake in c at once.
func (c Config) Mixture() (sampling.Mixture, error) {
	if err := c.check(); err != nil {
		return sampling.Mixture{}, err
	}
	if c.Name == Ring {
		return sampling.Ring(c.Modes, c.Radius, c.Std, c.Weights)
	}
	m := sampling.TwoGaussians()
	m.Std = c.Std
	if c.Weights != nil {
		m.Weights = slices.Clone(c.Weights)
	}
	return m, m.Validate()
}

func (c Config) check() error {
	var bad []error
	require := func(ok bool, format string, args ...any) {
		if !ok {
			bad = append(bad, fmt.Errorf(format, args...))
		}
	}
	modes := 2
	switch c.Name {
	case TwoGaussians:
		require(c.Modes == 0 && c.Radius == 0, "data.modes is %d and data.radius %g: 2gauss has neither", c.Modes, c.Radius)
	case Ring:
		modes = c.Modes
		require(c.Modes >= 1 && c.Modes <= 1024, "data.modes is %d: want 1 to 1024", c.Modes)
		require(positive(c.Radius), "data.radius is %g: want a finite number above 0", c.Radius)
	default:
		return fmt.Errorf("data.name is %q: want %s or %s", c.Name, TwoGaussians, Ring)
	}
	require(positive(c.Std), "data.std is %g: want a finite number above 0", c.Std)
	require(c.Weights == nil || len(c.Weights) == modes, "data.weights has %d values: want one for each of %d modes", len(c.Weights), modes)
	for i, w := range c.Weights {
		require(positive(w), "data.weights[%d] is %g: want a finite number above 0", i, w)
	}
	return errors.Join(bad...)
}

func positive(v float64) bool { return v > 0 && !math.IsInf(v, 1) }

// String describes c on one line: "ring, 8 modes, radius 5, std 1".
func (c Config) String() string {
	parts := []string{c.Name}
	if c.Name == Ring {
		parts = append(parts, fmt.Sprintf("%d modes, radius %g", c.Modes, c.Radius))
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

func (m mixture) Read(x []float32, first uint64) error {
	for d := m.Dim(); len(x) > 0; x, first = x[d:], first+1 {
		m.Sample(x[:d], sampling.Noise{Seed: m.seed, Chain: first})
	}
	return nil
}
