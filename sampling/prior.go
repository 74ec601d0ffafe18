package sampling

import (
	"fmt"
	"math"
)

// PriorKind names a distribution of initial states.
type PriorKind string

// The kinds of [Prior].
const (
	PriorUniform PriorKind = "uniform" // every element from U[Low, High)
	PriorNormal  PriorKind = "normal"  // every element from N(0, Std²)
)

// Prior is the distribution of a chain's initial state.
type Prior struct {
	Kind PriorKind `json:"kind" yaml:"kind"`
	Low  float64   `json:"low,omitempty" yaml:"low,omitempty"`   // of a uniform prior
	High float64   `json:"high,omitempty" yaml:"high,omitempty"` // of a uniform prior
	Std  float64   `json:"std,omitempty" yaml:"std,omitempty"`   // of a normal prior
}

// Validate returns an error if a field of p is out of range.
func (p Prior) Validate() error {
	switch p.Kind {
	case PriorUniform:
		if !finite(p.Low) || !finite(p.High) || p.Low >= p.High {
			return fmt.Errorf("prior: uniform from %g to %g: want finite bounds with low < high", p.Low, p.High)
		}
	case PriorNormal:
		if !finite(p.Std) || p.Std <= 0 {
			return fmt.Errorf("prior: normal with std %g: want a finite number above 0", p.Std)
		}
	default:
		return fmt.Errorf("prior: kind %q: want %q or %q", p.Kind, PriorUniform, PriorNormal)
	}
	return nil
}

// Draw writes the initial state of the chain with noise n. p must be valid.
func (p Prior) Draw(dst []float32, n Noise) {
	switch p.Kind {
	case PriorNormal:
		n.normal(dst, 0, lanePrior)
		for i := range dst {
			dst[i] *= float32(p.Std)
		}
	default:
		n.uniform(dst, 0, lanePrior)
		low, width := float32(p.Low), float32(p.High-p.Low)
		for i, u := range dst {
			dst[i] = low + float32(u*width)
		}
	}
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }
