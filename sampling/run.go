package sampling

import (
	"context"
	"errors"
	"fmt"
)

// Request describes the chains that [Run] draws.
type Request struct {
	Plan       Plan
	Prior      Prior
	Dim        int       // elements in a sample
	Seed       uint64    // seed of every chain's noise
	FirstChain uint64    // index of the first chain
	N          int       // number of chains
	Start      []float32 // N*Dim initial states, row-major; nil draws them from Prior
	Known      *Known    // fixes a part of every chain; nil for none
	Measured   *Measured // is what was measured of every sample; nil for nothing
	Sum        *Sum      // is followed by every chain instead of the model's score; nil for none
	Given      []float32 // the model's condition: one row for all chains, or one for each; nil for none
	Columns    int       // if above 1, chains form rows of this many interpolated samples; see ChainAt

	// Diagnosed, if not nil, gets a [Diagnosis] for each of the N chains.
	Diagnosed []Diagnosis

	// Observe, if not nil, is called with the states of all N chains, row-major, before the first step (step 0) and
	// after each step. It must not keep or change x. With Observe all chains share one block.
	Observe func(step int, x []float32)
}

// ErrDiverged is wrapped by the [DivergedError] of a chain whose state is no longer finite.
var ErrDiverged = errors.New("chain diverged")

// DivergedError reports the step at which a chain's state stopped being finite.
type DivergedError struct {
	Chain uint64  // index of the chain
	Step  int     // the step that made it diverge, counted from 0
	Sigma float32 // sigma of that step

	// Weight is the largest size of a weight of the scores that the chain follows; 0 if it follows the model's alone.
	Weight float32
}

func (e *DivergedError) Error() string {
	text := fmt.Sprintf("chain %d diverged at step %d (sigma %.4g): its state is not finite; try ", e.Chain, e.Step,
		e.Sigma)
	if e.Weight > 1 {
		text += fmt.Sprintf("a smaller guidance scale or smaller weights, of which the largest is %.4g, or ", e.Weight)
	}
	return text + "a smaller step size"
}

// Unwrap makes errors.Is(err, ErrDiverged) true.
func (e *DivergedError) Unwrap() error { return ErrDiverged }

// runRows is the number of chains that Run advances together. It is large enough to fill a batch and small enough for
// the cache.
const runRows = 256

// Run draws chains FirstChain to FirstChain+N-1 in the calling goroutine. It returns N*Dim elements, row-major, in
// chain order. The bits do not depend on N or on how chains are grouped. On failure it returns no samples, and the
// model's error, ctx's error or a [DivergedError].
func Run(ctx context.Context, m Model, r Request) ([]float32, error) {
	if err := r.check(m); err != nil {
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
			chain.Plan, chain.Known, chain.Sum, chain.Measured = r.Plan, r.Known, r.Sum, r.Measured
			chain.Given = GivenAt(WidthOf(m), r.Given, first+i)
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
		for i := range min(n, len(r.Diagnosed)-first) {
			r.Diagnosed[first+i] = block.Diagnosis(i)
		}
		for block.Len() > 0 {
			block.Remove(block.Len() - 1)
		}
	}
	return out, nil
}

func (r Request) check(m Model) error {
	if err := r.Plan.Validate(); err != nil {
		return err
	}
	if r.Dim < 1 || r.N < 1 {
		return fmt.Errorf("run: %d chains of %d elements: want at least 1 of each", r.N, r.Dim)
	}
	if r.Known != nil && !r.Known.Fits(r.Dim) {
		return fmt.Errorf("run: the known part does not fit samples of %d elements", r.Dim)
	}
	if err := CheckGiven(m, r.Given, r.N); err != nil {
		return fmt.Errorf("run: %w", err)
	}
	if err := r.checkMeasured(); err != nil {
		return fmt.Errorf("run: %w", err)
	}
	if r.Sum != nil {
		if err := r.Sum.Validate(); err != nil {
			return fmt.Errorf("run: %w", err)
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

// checkMeasured returns an error if the chains cannot follow the measurement.
func (r Request) checkMeasured() error {
	if r.Measured == nil {
		return nil
	}
	if r.Known != nil || r.Sum != nil || r.Columns > 1 || r.Start != nil && r.Measured.Rows() > 1 {
		return fmt.Errorf("a measurement together with a known part, a sum, columns, or one start for many particles")
	}
	return r.Measured.Validate(r.Dim)
}

// runBlock advances all rows to the end of the plan. All rows follow the same plan and are at the same step.
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
				return &DivergedError{
					Chain: r.FirstChain + uint64(first+i), Step: step, Sigma: r.Plan[step].Sigma,
					Weight: r.Sum.LargestWeight(),
				}
			}
		}
		if r.Observe != nil {
			r.Observe(step+1, b.x)
		}
	}
	return nil
}
