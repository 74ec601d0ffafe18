package sampling

import (
	"context"
	"fmt"
	"reflect"
	"slices"
)

// GuideRule says how to combine the output of a [Guide]'s model with the score of the chain's model.
type GuideRule int

// The guidance rules. Here s is the score of the chain's model, g the output of the guide's model, and w the weight.
const (
	// GuideAdd, "add", uses s + w·g. The guide is the gradient ∇ log p_σ(y|x) of a classifier that was trained on noisy
	// data (Song et al. 2021, section 5 and appendix I.1). With w = 1 the samples belong to class y.
	GuideAdd GuideRule = iota

	// GuideMix, "mix", uses (1 - w)·s + w·g. The guide is a score model of the wanted samples, and the chain's model is
	// a score model of all samples. This is classifier-free guidance (Ho & Salimans 2022, equation 6, whose w is
	// smaller by one). With w = 0 the result is the model alone, with w = 1 the guide alone. Larger weights go beyond
	// the guide.
	GuideMix
)

func (GuideRule) words() []string { return []string{"add", "mix"} }

// String returns the word for r.
func (r GuideRule) String() string { return word(r) }

// Guide combines the score of a chain with the output of a second model, wherever the sampler evaluates the score.
type Guide struct {
	Model  Model // of a comparable type such as a pointer: chains with equal models are evaluated together
	Weight float32
	Rule   GuideRule
}

// Validate returns a [FieldError] for the first field that is out of range.
func (g *Guide) Validate() error {
	switch {
	case g.Model == nil || !reflect.TypeOf(g.Model).Comparable():
		return &FieldError{Field: "model", Given: fmt.Sprintf("%T", g.Model), Want: "a pointer to a model"}
	case !finite(float64(g.Weight)):
		return &FieldError{Field: "weight", Given: g.Weight, Want: "a finite number"}
	}
	return checkWord("rule", g.Rule)
}

// combine mixes the guide's output into a row's score.
func (g *Guide) combine(score, guide []float32) {
	keep := float32(1)
	if g.Rule == GuideMix {
		keep = 1 - g.Weight
	}
	for i, v := range guide {
		score[i] = float32(keep*score[i]) + float32(g.Weight*v)
	}
}

// GuideError reports a failure of a guide's model. It does not concern chains without that guide.
type GuideError struct {
	Model Model
	Err   error
}

func (e *GuideError) Error() string { return fmt.Sprintf("guide: %v", e.Err) }

// Unwrap returns the model's own error.
func (e *GuideError) Unwrap() error { return e.Err }

// guidance gathers the rows of one guide for its model. The buffers are reused from tick to tick.
type guidance struct {
	evaluated       []Model // guides whose rows are done
	rows            []int
	x, sigma, score []float32
}

// guide adds the guides to the scores of the rows that have one. It calls each guide's model once.
func (b *Block) guide(ctx context.Context) error {
	g := &b.guidance
	g.evaluated = g.evaluated[:0]
	for i := range b.rows {
		guide := b.rows[i].Guide
		if guide == nil || slices.Contains(g.evaluated, guide.Model) {
			continue
		}
		g.evaluated = append(g.evaluated, guide.Model)
		b.gather(guide.Model, i)
		if err := guide.Model.Score(ctx, g.score, g.x, g.sigma); err != nil {
			return &GuideError{guide.Model, err}
		}
		for k, row := range g.rows {
			b.rows[row].Guide.combine(b.Score(row), g.score[k*b.dim:(k+1)*b.dim])
		}
	}
	return nil
}

// gather copies the rows that m guides. first is the first of them.
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
