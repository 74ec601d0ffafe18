package sampling

import (
	"context"
	"errors"
	"fmt"
)

// Request is what [Run] draws.
type Request struct {
	Plan       Plan
	Prior      Prior
	Dim        int       // elements of one sample
	Seed       uint64    // of every chain's noise
	FirstChain uint64    // index of the first chain
	N          int       // chains
	Start      []float32 // N*Dim initial states, row-major; nil draws them from Prior
	Known      *Known    // a part held fixed in every chain; nil for none
	Guide      *Guide    // bends the score of every chain; nil for none
	Columns    int       // above 1: chains are rows of so many samples between two, see ChainAt

	// Observe, unless nil, sees the states of all N chains, row-major, before the first step (step 0) and after
	// each step. It must not keep or change x. With Observe all chains stand in one block.
	Observe func(step int, x []float32)
}

// ErrDiverged is wrapped by the [DivergedError] of a chain whose state stopped being finite.
var ErrDiverged = errors.New("chain diverged")

// DivergedError says where a chain left the finite numbers.
type DivergedError struct {
	Chain uint64  // its index
	Step  int     // the step that did it, from 0
	Sigma float32 // at that step
}

func (e *DivergedError) Error() string {
	return fmt.Sprintf("chain %d diverged at step %d (sigma %g): its state is not finite; try a smaller step size", e.Chain, e.Step, e.Sigma)
}

// Unwrap makes errors.Is(err, ErrDiverged) true.
func (e *DivergedError) Unwrap() error { return ErrDiverged }

// runRows is how many chains Run advances together: enough to fill a batched model, few enough for its cache.
const runRows = 256

// Run draws chains FirstChain to FirstChain+N-1 in this goroutine and returns N*Dim elements, row-major, in chain
// order. The bits do not depend on N or on how the chains were grouped. It returns the model's error, ctx's error,
// or a [DivergedError]; then there are no samples.
func Run(ctx context.Context, m Model, r Request) ([]float32, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	out := make([]float32, r.N*r.Dim)
	rows := runRows
	if r.Observe != nil {
		rows = r.N
	}
	block := NewBlock(r.Dim, min(rows, r.N))
	for first := 0; first < r.N; first += rows {
		n := min(rows, r.N-first)
		for i := range n {
			chain := ChainAt(r.Seed, r.FirstChain+uint64(first+i), r.Columns)
			chain.Plan, chain.Known, chain.Guide = r.Plan, r.Known, r.Guide
			if r.Start == nil {
				block.Start(chain, r.Prior)
			} else {
				block.Add(chain, 0, r.Start[(first+i)*r.Dim:(first+i+1)*r.Dim], nil)
			}
		}
		if err := runBlock(ctx, m, block, r, first); err != nil {
			return nil, err
		}
		copy(out[first*r.Dim:], block.x)
		for block.Len() > 0 {
			block.Remove(block.Len() - 1)
		}
	}
	return out, nil
}

func (r Request) check() error {
	if err := r.Plan.Validate(); err != nil {
		return err
	}
	if r.Dim < 1 || r.N < 1 {
		return fmt.Errorf("run: %d chains of %d elements: want at least 1 of each", r.N, r.Dim)
	}
	if r.Known != nil && !r.Known.Fits(r.Dim) {
		return fmt.Errorf("run: the known part is not of samples of %d elements", r.Dim)
	}
	if r.Guide != nil {
		if err := r.Guide.Validate(); err != nil {
			return fmt.Errorf("run: guide: %w", err)
		}
	}
	if r.Start != nil {
		if len(r.Start) != r.N*r.Dim {
			return fmt.Errorf("run: start has %d elements, want %d chains of %d", len(r.Start), r.N, r.Dim)
		}
		return nil
	}
	return r.Prior.Validate()
}

// runBlock takes all rows, which follow one plan in step, to its end.
func runBlock(ctx context.Context, m Model, b *Block, r Request, first int) error {
	if r.Observe != nil {
		r.Observe(0, b.x)
	}
	for step := range r.Plan {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := b.Evaluate(ctx, m); err != nil {
			return fmt.Errorf("step %d: %w", step, err)
		}
		for i := range b.Len() {
			if b.Advance(i) == Diverged {
				return &DivergedError{Chain: r.FirstChain + uint64(first+i), Step: step, Sigma: r.Plan[step].Sigma}
			}
		}
		if r.Observe != nil {
			r.Observe(step+1, b.x)
		}
	}
	return nil
}
