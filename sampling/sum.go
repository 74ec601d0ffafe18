package sampling

import (
	"context"
	"fmt"
	"reflect"
	"slices"
)

// Sum is the weighted sum of scores that a chain follows instead of the score s of its own model, wherever the sampler
// evaluates the score:
//
//	Own·s(x, σ | Given) + Σ Weight·s'(x, σ | Given')
//
// The further terms are added in their order, in float32. The sum is the score of the density that is proportional to
// the product of the terms' densities, each to the power of its weight. It is not the score of that product with noise
// added. So samplers that only need a density at each σ (Langevin dynamics, correctors) draw from the product, and
// samplers that follow a diffusion draw from something else (Du et al. 2023).
//
// Sums cover classifier guidance (Song et al. 2021, appendix I.1: 1 and w for the classifier's gradient),
// classifier-free guidance (Ho & Salimans 2022: w with the condition and 1 - w without it), products and negations of
// models, and n independent observations (Geffner et al. 2023: 1 for each observation and 1 - n for the prior).
type Sum struct {
	Own   float32 // weight of the score of the chain's own model
	Terms []Term
}

// Term is a score in a [Sum].
type Term struct {
	Model  Model     // of a comparable type such as a pointer; nil: the model that the block is evaluated with
	Given  []float32 // the condition of a [Conditional] model, one row; nil for none
	Weight float32
}

// Validate returns a [FieldError] for the first field that is out of range.
func (s *Sum) Validate() error {
	if !finite(float64(s.Own)) {
		return &FieldError{Field: "own_weight", Given: s.Own, Want: "a finite number"}
	}
	for i, t := range s.Terms {
		if err := t.validate(fmt.Sprintf("terms[%d].", i)); err != nil {
			return err
		}
	}
	return nil
}

func (t *Term) validate(prefix string) error {
	switch {
	case t.Model != nil && !reflect.TypeOf(t.Model).Comparable():
		return &FieldError{Field: prefix + "model", Given: fmt.Sprintf("%T", t.Model), Want: "a pointer to a model"}
	case !finite(float64(t.Weight)):
		return &FieldError{Field: prefix + "weight", Given: t.Weight, Want: "a finite number"}
	}
	return nil
}

// Has reports whether a term of s has the given model. A nil Sum has no terms.
func (s *Sum) Has(m Model) bool {
	return s != nil && slices.ContainsFunc(s.Terms, func(t Term) bool { return t.Model == m })
}

// Evaluations returns how many scores a chain with the sum needs for a step. A nil Sum needs one.
func (s *Sum) Evaluations() int {
	if s == nil {
		return 1
	}
	return 1 + len(s.Terms)
}

// LargestWeight returns the largest size of a weight. A nil Sum has 0.
func (s *Sum) LargestWeight() float32 {
	if s == nil {
		return 0
	}
	largest := max(s.Own, -s.Own)
	for _, t := range s.Terms {
		largest = max(largest, t.Weight, -t.Weight)
	}
	return largest
}

// OwnEvaluations returns how many of the evaluations are of the chain's own model.
func (s *Sum) OwnEvaluations() int {
	n := s.Evaluations()
	for i := range n - 1 {
		if s.Terms[i].Model != nil {
			n--
		}
	}
	return n
}

// TermError reports a failure of a term's model. It does not concern chains without a term of that model.
type TermError struct {
	Model Model
	Err   error
}

func (e *TermError) Error() string { return fmt.Sprintf("term: %v", e.Err) }

// Unwrap returns the model's own error.
func (e *TermError) Unwrap() error { return e.Err }

// terms gathers the rows of further terms. The buffers are reused from tick to tick.
type terms struct {
	others          []otherTerm // of other models, in the order of the rows and of the rows' terms
	x, sigma, score []float32   // rows of other models, grouped by model
	c               []float32   // conditions of the group that is evaluated
}

// otherTerm is a term of another model than the block's.
type otherTerm struct {
	row  int
	term *Term
	at   int // its row in terms.score; -1 before it has one
}

// evaluateSums is Evaluate for a block with conditions, sums or particles. The rows of further terms of the block's own
// model, and of further particles, come after the rows of the block, in one evaluation.
func (b *Block) evaluateSums(ctx context.Context, m Model) error {
	n := len(b.rows)
	defer func() { b.x, b.sigma, b.score = b.x[:n*b.dim], b.sigma[:n], b.score[:n*b.dim] }()
	b.given, b.terms.others = b.given[:0], b.terms.others[:0]
	for i := range b.rows {
		b.given = append(b.given, b.rows[i].Given...)
	}
	for i := range b.rows {
		if b.rows[i].Sum != nil {
			b.appendTerms(i)
		}
		b.appendParticles(i)
	}
	b.score = slices.Grow(b.score, len(b.x)-len(b.score))[:len(b.x)]
	if err := ScoreGiven(ctx, m, b.score, b.x, b.sigma, b.given); err != nil {
		return err
	}
	if err := b.evaluateOthers(ctx); err != nil {
		return err
	}
	b.addUp()
	return nil
}

// appendTerms puts the terms of row i where they are evaluated.
func (b *Block) appendTerms(i int) {
	sum := b.rows[i].Sum
	for k := range sum.Terms {
		t := &sum.Terms[k]
		if t.Model != nil {
			b.terms.others = append(b.terms.others, otherTerm{i, t, -1})
			continue
		}
		b.x = append(b.x, b.X(i)...)
		b.sigma = append(b.sigma, b.sigma[i])
		b.given = append(b.given, t.Given...)
	}
}

// appendParticles puts the further particles of row i where they are evaluated.
func (b *Block) appendParticles(i int) {
	r := &b.rows[i]
	if r.cloud == nil {
		return
	}
	b.x = append(b.x, r.cloud.x...)
	for range len(r.cloud.weight) - 1 {
		b.sigma = append(b.sigma, b.sigma[i])
		b.given = append(b.given, r.Given...)
	}
}

// evaluateOthers evaluates each other model once. Terms of one model with and without conditions are two evaluations.
func (b *Block) evaluateOthers(ctx context.Context) error {
	t := &b.terms
	t.x, t.sigma = t.x[:0], t.sigma[:0]
	elements := len(t.others) * b.dim
	t.score = slices.Grow(t.score[:0], elements)[:elements]
	for i := range t.others {
		if t.others[i].at >= 0 {
			continue
		}
		m, from := t.others[i].term.Model, len(t.sigma)
		b.gather(i)
		at := from * b.dim
		if err := ScoreGiven(ctx, m, t.score[at:len(t.x)], t.x[at:], t.sigma[from:], t.c); err != nil {
			return &TermError{m, err}
		}
	}
	return nil
}

// gather appends the rows of the other terms that are evaluated together with the one at index first.
func (b *Block) gather(first int) {
	t := &b.terms
	t.c = t.c[:0]
	like := t.others[first].term
	for i := first; i < len(t.others); i++ {
		o := &t.others[i]
		if o.term.Model != like.Model || len(o.term.Given) != len(like.Given) {
			continue
		}
		o.at = len(t.sigma)
		t.x = append(t.x, b.X(o.row)...)
		t.sigma = append(t.sigma, b.sigma[o.row])
		t.c = append(t.c, o.term.Given...)
	}
}

// addUp replaces the score of each row with a sum by the sum, and hands out the scores of particles. It takes both in
// the order in which they were appended.
func (b *Block) addUp() {
	own, other := len(b.rows), 0
	for i := range b.rows {
		if c := b.rows[i].cloud; c != nil {
			own += copy(c.score, b.score[own*b.dim:]) / b.dim
		}
		sum := b.rows[i].Sum
		if sum == nil {
			continue
		}
		score := b.Score(i)
		for j, v := range score {
			score[j] = float32(sum.Own * v)
		}
		for k := range sum.Terms {
			var s []float32
			if sum.Terms[k].Model == nil {
				s = b.Score(own)
				own++
			} else {
				at := b.terms.others[other].at * b.dim
				s = b.terms.score[at : at+b.dim]
				other++
			}
			w := sum.Terms[k].Weight
			for j, v := range s {
				score[j] += float32(w * v)
			}
		}
	}
}
