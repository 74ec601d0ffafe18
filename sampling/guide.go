package sampling

import (
	"context"
	"fmt"
	"reflect"
	"slices"
)

// GuideRule says how the score of a [Guide] joins that of the model, s.
type GuideRule int

// The rules of guidance, with g what the guide's model says and w its weight.
const (
	// GuideAdd, "add", follows s + w·g. The guide is the gradient ∇ log p_σ(y|x) of a classifier that knows noisy data
	// (Song et al. 2021, section 5 and appendix I.1); with w = 1 the samples are those of class y.
	GuideAdd GuideRule = iota

	// GuideMix, "mix", follows (1 - w)·s + w·g. The guide is a score model of what is wanted and the model one of
	// everything: classifier-free guidance (Ho & Salimans 2022, equation 6, whose w is one less). 0 is the model
	// alone, 1 the guide alone, and more goes beyond it.
	GuideMix
)

func (GuideRule) words() []string { return []string{"add", "mix"} }

// String returns the word of r.
func (r GuideRule) String() string { return word(r) }

// Guide bends the score of a chain by a second model. It acts wherever the sampler asks for the score.
type Guide struct {
	Model  Model // a pointer, or of another type that == can compare: chains of one model are evaluated together
	Weight float32
	Rule   GuideRule
}

// Validate returns a [FieldError] for the first setting of g out of range.
func (g *Guide) Validate() error {
	switch {
	case g.Model == nil || !reflect.TypeOf(g.Model).Comparable():
		return &FieldError{Field: "model", Given: fmt.Sprintf("%T", g.Model), Want: "a pointer to a model"}
	case !finite(float64(g.Weight)):
		return &FieldError{Field: "weight", Given: g.Weight, Want: "a finite number"}
	}
	return choose("rule", g.Rule)
}

// bend mixes what the guide says into a row's score.
func (g *Guide) bend(score, guide []float32) {
	keep := float32(1)
	if g.Rule == GuideMix {
		keep = 1 - g.Weight
	}
	for i, v := range guide {
		score[i] = float32(keep*score[i]) + float32(g.Weight*v)
	}
}

// GuideError is the failure of a guide's model. Chains without that guide are not concerned.
type GuideError struct {
	Model Model
	Err   error
}

func (e *GuideError) Error() string { return fmt.Sprintf("guide: %v", e.Err) }

// Unwrap returns the model's own error.
func (e *GuideError) Unwrap() error { return e.Err }

// guidance holds the rows of one guide while they are gathered for its model. The buffers are kept from tick to tick.
type guidance struct {
	asked           []Model // whose rows are done
	rows            []int
	x, sigma, score []float32
}

// guide bends the scores of the rows that have guides, with one call of each guide's model.
func (b *Block) guide(ctx context.Context) error {
	g := &b.guidance
	g.asked = g.asked[:0]
	for i := range b.rows {
		guide := b.rows[i].Guide
		if guide == nil || slices.Contains(g.asked, guide.Model) {
			continue
		}
		g.asked = append(g.asked, guide.Model)
		b.gather(guide.Model, i)
		if err := guide.Model.Score(ctx, g.score, g.x, g.sigma); err != nil {
			return &GuideError{guide.Model, err}
		}
		for k, row := range g.rows {
			b.rows[row].Guide.bend(b.Score(row), g.score[k*b.dim:(k+1)*b.dim])
		}
	}
	return nil
}

// gather copies the rows that m guides, the first of them known.
func (b *Block) gather(m Model, first int) {
	g := &b.guidance
	g.rows, g.x, g.sigma = g.rows[:0], g.x[:0], g.sigma[:0]
	for i := first; i < len(b.rows); i++ {
		if guide := b.rows[i].Guide; guide != nil && guide.Model == m {
			g.rows = append(g.rows, i)
			g.x = append(g.x, b.X(i)...)
			g.sigma = append(g.sigma, b.sigma[i])
		}
	}
	g.score = slices.Grow(g.score[:0], len(g.x))[:len(g.x)]
}
