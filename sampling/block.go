package sampling

import (
	"context"
	"slices"
)

// Block holds the states of chains that advance together, one row for each chain. All chains have the same dimension.
// They may follow different plans and be at different steps. Rows are numbered from 0 without gaps: Remove moves the
// last row into the gap. A Block allocates nothing once its buffers have reached their capacity.
//
// A Block belongs to one goroutine.
type Block struct {
	dim     int
	rows    []row
	x       []float32
	h       []float32
	score   []float32
	sigma   []float32
	scratch []float32 // one row
	other   []float32 // one row, for blended noise
	given   []float32 // conditions of the rows, if they have any
	terms   terms

	measuring measuring
}

// Chain describes a sample to draw. Its pointers and slices refer to shared values that nobody changes.
type Chain struct {
	Plan  Plan
	Noise Noise
	Blend *Blend // mixes in the noise of another chain; nil for none
	Known *Known // fixes a part of the sample; nil for none
	Sum   *Sum   // is followed instead of the model's score; nil for none

	// Measured is what was measured of the sample; nil for nothing. With it there is no Blend, Known or Sum.
	Measured *Measured

	// Given is the condition of the block's model, one row; nil for none. Either all chains of a block and all terms of
	// the block's own model have a condition or none has.
	Given []float32
}

type row struct {
	Chain
	step  int
	cloud *cloud // further states of a chain that consists of several
}

// NewBlock returns an empty block for chains of dim elements, with room for capacity rows. Add grows the block when it
// is full.
func NewBlock(dim, capacity int) *Block {
	return &Block{
		dim:     dim,
		rows:    make([]row, 0, capacity),
		x:       make([]float32, 0, capacity*dim),
		h:       make([]float32, 0, capacity*dim),
		score:   make([]float32, 0, capacity*dim),
		sigma:   make([]float32, 0, capacity),
		scratch: separateLine(dim),
		other:   separateLine(dim),
	}
}

// separateLine returns a slice of dim elements that shares no cache line with another block's. Each block writes the
// noise of every row there, and the allocator places small slices next to each other.
func separateLine(dim int) []float32 { return make([]float32, dim, max(dim, 32)) }

// Len returns the number of rows.
func (b *Block) Len() int { return len(b.rows) }

// Start adds a chain at the beginning of its plan and draws its state from prior. It returns the chain's row.
func (b *Block) Start(c Chain, prior Prior) int {
	if c.Measured.Rows() > 1 {
		return b.startCloud(c, prior)
	}
	prior.Draw(b.scratch, c.Noise)
	if c.Measured != nil {
		c.Measured.By.start(b.scratch, c.Measured.Measurement, prior.Std, &b.measuring)
	}
	return b.Add(c, 0, b.scratch, nil)
}

// startCloud is Start for a chain of several states. They are one draw from the prior, one after the other.
func (b *Block) startCloud(c Chain, prior Prior) int {
	count := c.Measured.Rows()
	x := make([]float32, count*b.dim)
	prior.Draw(x, c.Noise)
	i := b.Add(c, 0, x[:b.dim], nil)
	b.rows[i].cloud = newCloud(count, b.dim)
	copy(b.rows[i].cloud.x, x[b.dim:])
	return i
}

// Paused is a chain that has been taken out of a block before its end.
type Paused struct {
	row
	x, h []float32
}

// Pause removes row i, as Remove does, and returns its chain for [Block.Continue].
func (b *Block) Pause(i int) Paused {
	p := Paused{row: b.rows[i], x: slices.Clone(b.X(i)), h: slices.Clone(b.History(i))}
	b.Remove(i)
	return p
}

// Continue adds a chain that was paused, in this block or in another one of the same dimension. It returns the chain's
// row.
func (b *Block) Continue(p Paused) int {
	i := b.Add(p.Chain, p.step, p.x, p.h)
	b.rows[i].cloud = p.cloud
	return i
}

// Diagnosis returns how far the particles of row i can be trusted.
func (b *Block) Diagnosis(i int) Diagnosis {
	if c := b.rows[i].cloud; c != nil {
		return c.Diagnosis
	}
	return Diagnosis{}
}

// Leading returns the state and the score of row i: those of the particle with the largest weight, if there are
// several.
func (b *Block) Leading(i int) (x, score []float32) {
	best, c := 0, b.rows[i].cloud
	for k := 1; c != nil && k < len(c.weight); k++ {
		if c.weight[k] > c.weight[best] {
			best = k
		}
	}
	x, _, score = b.particle(i, best)
	return x, score
}

// Add adds a chain whose next step is Plan[step]. It copies the state x and the history h; a nil h means zero. The plan
// must be valid, step must be below its length, and Known must have the block's dimension. Add returns the chain's row.
func (b *Block) Add(c Chain, step int, x, h []float32) int {
	i := len(b.rows)
	b.rows = append(b.rows, row{Chain: c, step: step})
	b.x = append(b.x, x[:b.dim]...)
	b.score = append(b.score, x[:b.dim]...) // overwritten by Evaluate before anyone reads it
	b.sigma = append(b.sigma, 0)
	b.h = append(b.h, b.x[len(b.x)-b.dim:]...)
	if clear(b.History(i)); h != nil {
		copy(b.History(i), h)
	}
	return i
}

// Remove removes row i and moves the last row into its place.
func (b *Block) Remove(i int) {
	last := len(b.rows) - 1
	if i != last {
		b.rows[i] = b.rows[last]
		copy(b.X(i), b.X(last))
		copy(b.History(i), b.History(last))
		copy(b.Score(i), b.Score(last))
	}
	b.rows[last] = row{}
	b.rows = b.rows[:last]
	b.x, b.h, b.score = b.x[:last*b.dim], b.h[:last*b.dim], b.score[:last*b.dim]
	b.sigma = b.sigma[:last]
}

// X returns the state of row i. The slice changes with Advance, and Remove moves its contents.
func (b *Block) X(i int) []float32 { return b.x[i*b.dim : (i+1)*b.dim] }

// History returns the history slot of row i.
func (b *Block) History(i int) []float32 { return b.h[i*b.dim : (i+1)*b.dim] }

// Score returns the score of row i from the last Evaluate.
func (b *Block) Score(i int) []float32 { return b.score[i*b.dim : (i+1)*b.dim] }

// Step returns the number of steps that row i has taken.
func (b *Block) Step(i int) int { return b.rows[i].step }

// Evaluate computes the scores of all rows, each at the sigma of its next step. It first sets the known parts. Then it
// calls the model once, for the rows and their further terms, and each other model of a term once. After an error it
// may be called again. A [TermError] concerns only the rows with a term of that model.
func (b *Block) Evaluate(ctx context.Context, m Model) error {
	plain := true
	for i := range b.rows {
		r := &b.rows[i]
		plain = plain && r.Sum == nil && r.Given == nil && r.cloud == nil
		b.sigma[i] = r.Plan[r.step].Sigma
		if r.Known != nil {
			r.Known.before(b.X(i), b.scratch, r.Plan, r.step, r.Noise)
		}
	}
	if plain {
		return m.Score(ctx, b.score, b.x, b.sigma)
	}
	return b.evaluateSums(ctx, m)
}

// Outcome is the result of [Block.Advance] for a row.
type Outcome int

// The outcomes of a step.
const (
	Running  Outcome = iota // the plan has more steps
	Done                    // the plan has ended: X is the sample
	Diverged                // the state is no longer finite: X is not a sample
)

// Advance takes the next step of row i with the score that Evaluate computed for it.
func (b *Block) Advance(i int) Outcome {
	r := &b.rows[i]
	if r.Measured != nil {
		return r.took(r.Measured.By.advance(b, i))
	}
	step := &r.Plan[r.step]
	if step.noisy() {
		r.Noise.Normal(b.scratch, uint32(r.step))
		if r.Blend != nil {
			r.Blend.mix(b.scratch, b.other, uint32(r.step))
		}
	}
	ok := step.apply(b.X(i), b.History(i), b.Score(i), b.scratch)
	if r.Known != nil {
		r.Known.after(b.X(i), b.scratch, r.Plan, r.step, r.Noise)
	}
	return r.took(ok)
}

// took counts a step, after which the state is finite or not.
func (r *row) took(ok bool) Outcome {
	r.step++
	switch {
	case !ok:
		return Diverged
	case r.step == len(r.Plan):
		return Done
	}
	return Running
}
