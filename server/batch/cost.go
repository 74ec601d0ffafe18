package batch

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/langevin-ml/langevin/sampling"
)

// Cost is the measured time of an evaluation. The scheduler uses it to refuse, at admission, deadlines that it cannot
// meet. It is a lower bound: the fastest of a few runs on an idle machine.
type Cost struct {
	Tick time.Duration // time of one padded batch with few chains
	Row  time.Duration // time of one chain in a full block
}

// least returns the shortest possible time, in nanoseconds, for the given number of steps of the given number of
// chains.
func (c Cost) least(steps, chains, workers int) float64 {
	return float64(steps) * max(float64(c.Tick), float64(c.Row)*float64(chains)/float64(workers))
}

// Cost returns the measured cost of the scheduler's model, or zero before Warm has run.
func (s *Scheduler) Cost() Cost {
	if c := s.cost.Load(); c != nil {
		return *c
	}
	return Cost{}
}

// Warm calls the model at the batch sizes of ticks and measures the calls. So the first request finds buffers and plans
// already made. sigma may be any noise level of the model. Before Warm has run, no deadline is refused.
func (s *Scheduler) Warm(ctx context.Context, sigma float32) error {
	few, err := Fastest(ctx, s.model, s.dim, min(quantum, s.config.Rows), sigma)
	if err != nil {
		return err
	}
	full, err := Fastest(ctx, s.model, s.dim, s.config.Rows, sigma)
	if err != nil {
		return err
	}
	s.cost.Store(&Cost{Tick: few, Row: full / time.Duration(s.config.Rows)})
	return nil
}

// longCall is the duration from which one measurement is enough.
const longCall = 5 * time.Millisecond

// Fastest calls the model a few times with the given number of rows of dim elements and returns the shortest time.
// Several calls are needed because the first has to allocate. Errors wrap [ErrModel].
func Fastest(ctx context.Context, model sampling.Model, dim, rows int, sigma float32) (time.Duration, error) {
	x, score, sigmas := make([]float32, rows*dim), make([]float32, rows*dim), make([]float32, rows)
	for i := range sigmas {
		sigmas[i] = sigma
	}
	fastest := time.Duration(math.MaxInt64)
	for calls := 0; calls < 2 || calls < 4 && fastest < longCall; calls++ {
		start := time.Now()
		if err := model.Score(ctx, score, x, sigmas); err != nil {
			return 0, fmt.Errorf("%w: warm-up with %d rows: %w", ErrModel, rows, err)
		}
		fastest = min(fastest, time.Since(start))
	}
	return fastest, nil
}

// checkDeadline returns ErrDeadline for a job that would outlive ctx even on an idle machine.
func (s *Scheduler) checkDeadline(ctx context.Context, spec Job) error {
	deadline, ok := ctx.Deadline()
	if !ok {
		return nil
	}
	steps := spec.Plan.NFE() - spec.StartStep
	least := s.Cost().least(steps, spec.N, s.config.Workers) + spec.GuideCost.least(steps, spec.N, s.config.Workers)
	need, left := time.Duration(min(least, math.MaxInt64/2)), time.Until(deadline)
	if need <= left {
		return nil
	}
	return fmt.Errorf("%w: %d chains of %d steps take at least %v here and %v is left", ErrDeadline,
		spec.N, steps, need.Round(time.Millisecond), left.Round(time.Millisecond))
}
