package batch

import (
	"context"
	"fmt"
	"math"
	"sync/atomic"
	"time"
)

// cost is the measured time of a tick, from which a deadline that cannot be met is refused at admission. It is a
// lower bound: the fastest of a few runs on an idle machine.
type cost struct {
	tick atomic.Int64 // ns for one padded batch of few chains
	row  atomic.Int64 // ns for one chain in a full block
}

// Warm calls the model at the batch sizes that ticks will have, so that the first request finds buffers and plans
// made, and measures them. sigma is any noise level of the model. Until Warm has run no deadline is refused.
func (s *Scheduler) Warm(ctx context.Context, sigma float32) error {
	small, err := s.measure(ctx, min(quantum, s.config.Rows), sigma)
	if err != nil {
		return err
	}
	full, err := s.measure(ctx, s.config.Rows, sigma)
	if err != nil {
		return err
	}
	s.cost.tick.Store(int64(small))
	s.cost.row.Store(int64(full) / int64(s.config.Rows))
	return nil
}

// longCall is one that need not be repeated to be measured.
const longCall = 5 * time.Millisecond

// measure returns the fastest of a few model calls of that many rows, after one that warms up.
func (s *Scheduler) measure(ctx context.Context, rows int, sigma float32) (time.Duration, error) {
	x, score, sigmas := make([]float32, rows*s.dim), make([]float32, rows*s.dim), make([]float32, rows)
	for i := range sigmas {
		sigmas[i] = sigma
	}
	fastest := time.Duration(math.MaxInt64)
	for calls := 0; calls < 2 || calls < 4 && fastest < longCall; calls++ {
		start := time.Now()
		if err := s.model.Score(ctx, score, x, sigmas); err != nil {
			return 0, fmt.Errorf("%w: warm-up with %d rows: %w", ErrModel, rows, err)
		}
		fastest = min(fastest, time.Since(start))
	}
	return fastest, nil
}

// Estimate is the least time that a job can take on an idle machine, or zero before Warm.
func (s *Scheduler) Estimate(steps, chains int) time.Duration {
	perStep := max(float64(s.cost.tick.Load()), float64(s.cost.row.Load())*float64(chains)/float64(s.config.Workers))
	return time.Duration(min(perStep*float64(steps), math.MaxInt64/2))
}

// checkDeadline refuses a job that would outlive ctx even alone.
func (s *Scheduler) checkDeadline(ctx context.Context, spec Job) error {
	deadline, ok := ctx.Deadline()
	if !ok {
		return nil
	}
	steps := spec.Plan.NFE() - spec.StartStep
	need, left := s.Estimate(steps, spec.N), time.Until(deadline)
	if need <= left {
		return nil
	}
	return fmt.Errorf("%w: %d chains of %d steps take at least %v here and %v is left", ErrDeadline,
		spec.N, steps, need.Round(time.Millisecond), left.Round(time.Millisecond))
}
