package batch

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/langevin-ml/langevin/sampling"
)

// Cost is what an evaluation of a model takes, as measured, from which a deadline that cannot be met is refused at
// admission. It is a lower bound: the fastest of a few runs on an idle machine.
type Cost struct {
	Tick time.Duration // of one padded batch of few chains
	Row  time.Duration // of one chain in a full block
}

// least is the least time, in nanoseconds, that so many steps of so many chains can take.
func (c Cost) least(steps, chains, workers int) float64 {
	return float64(steps) * max(float64(c.Tick), float64(c.Row)*float64(chains)/float64(workers))
}

// Cost is that of the scheduler's model; zero before Warm has run.
func (s *Scheduler) Cost() Cost {
	if c := s.cost.Load(); c != nil {
		return *c
	}
	return Cost{}
}

// Warm calls the model at the batch sizes that ticks will have, so that the first request finds buffers and plans
// made, and measures them. sigma is any noise level of the model. Until Warm has run no deadline is refused.
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

// longCall is one that need not be repeated to be measured.
const longCall = 5 * time.Millisecond

// Fastest returns the least time that a few calls of the model took, for so many rows of dim elements, of which the first
// finds nothing made. Errors wrap [ErrModel].
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

// checkDeadline refuses a job that would outlive ctx even alone on an idle machine.
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
