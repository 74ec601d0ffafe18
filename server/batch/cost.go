package batch

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/langevin-ml/langevin/sampling"
)

// Cost is the measured time of an evaluation. It is measured when the model loads, and ticks correct it.
type Cost struct {
	Tick time.Duration // time of one padded batch with few chains
	Row  time.Duration // time of one chain in a full block
}

// least is [pace.least].
func (c Cost) least(steps, chains, workers int) float64 {
	return pace{few: float64(c.Tick), full: float64(c.Row)}.least(steps, chains, 1, workers)
}

// pace is a [Cost] that ticks correct: the times in nanoseconds of a tick with few chains and of one with a full block.
// Zero means unknown.
type pace struct{ few, full float64 }

// least returns the shortest possible time, in nanoseconds, for the given number of steps of the given number of
// chains, in blocks of the given number of rows.
func (p pace) least(steps, chains, rows, workers int) float64 {
	return float64(steps) * max(p.few, p.full*float64(chains)/float64(rows)/float64(workers))
}

// fullness returns where n chains are between few, at 0, and a full block of the given number of rows, at 1.
func fullness(n, rows int) float64 {
	few := min(quantum, rows)
	if n <= few {
		return 0
	}
	return min(1, float64(n-few)/float64(rows-few))
}

// at returns the time of a tick with n chains in a block of the given number of rows.
func (p pace) at(n, rows int) float64 {
	f := fullness(n, rows)
	return p.few + f*(p.full-p.few)
}

// correct moves the estimate by a part of the difference to the time that a tick took. So it follows the mean of the
// last half second or 128 ticks, in both directions. The mean decides how much work gets done, and where other
// processes interrupt short ticks it is far above the median. A single slow tick moves the estimate by less than 6 %.
func (p *pace) correct(n, rows int, took time.Duration) {
	const memory, slice = float64(500 * time.Millisecond), float64(20 * time.Millisecond)
	f, estimate := fullness(n, rows), p.at(n, rows)
	counts := min(float64(took), max(8*estimate, estimate+slice))
	change := min(1./128, estimate/memory) * (counts/estimate - 1)
	p.few *= 1 + change*(1-f)
	p.full *= 1 + change*f
}

// Cost returns the cost of the scheduler's model as it is now, or zero before Warm has run.
func (s *Scheduler) Cost() Cost {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Cost{Tick: time.Duration(s.pace.few), Row: time.Duration(s.pace.full) / time.Duration(s.config.Rows)}
}

// Warm calls the model at the batch sizes of ticks and measures the calls. So the first request finds buffers and plans
// already made. sigma may be any noise level of the model. Before Warm has run, no deadline is refused.
func (s *Scheduler) Warm(ctx context.Context, sigma float32) error {
	p, err := s.measure(ctx, sigma)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pace, s.quiet, s.sigma, s.measured = p, p, sigma, time.Now()
	return nil
}

func (s *Scheduler) measure(ctx context.Context, sigma float32) (pace, error) {
	few, err := Fastest(ctx, s.model, s.dim, min(quantum, s.config.Rows), sigma)
	if err != nil {
		return pace{}, err
	}
	full, err := Fastest(ctx, s.model, s.dim, s.config.Rows, sigma)
	return pace{float64(few), float64(full)}, err
}

// doubt asks an idle worker to measure the cost again if the last measurement is old, for a job that it refuses. The
// cost may come from a time when the machine was busy, and while everything is refused there are no ticks that correct
// it. Measurements take at most a twentieth of the time. The caller holds mu.
func (s *Scheduler) doubt(now time.Time) {
	age := max(time.Second, inTime(80*(s.pace.few+s.pace.full)))
	if now.Sub(s.measured) >= age {
		s.measured, s.doubted = now, true
		s.work.Broadcast()
	}
}

// remeasure is what an idle worker does about doubt. The refused callers themselves may slow the measurement. So the
// estimate falls at least halfway to the least cost. If it is then too low, the ticks of the next job correct it. The
// caller holds mu, which is free meanwhile.
func (s *Scheduler) remeasure(ctx context.Context) {
	s.doubted = false
	sigma := s.sigma
	s.mu.Unlock()
	s.config.Cores.acquire()
	p, err := s.measure(ctx, sigma)
	s.config.Cores.release()
	s.mu.Lock()
	if err == nil { // a model that fails says so to the next job
		s.quiet = s.quiet.atMost(p)
		s.pace = p.atMost(s.pace.halfwayTo(s.quiet))
	}
}

// atMost returns the lower of two paces, for few chains and for a full block.
func (p pace) atMost(q pace) pace { return pace{min(p.few, q.few), min(p.full, q.full)} }

// halfwayTo returns the mean of two paces.
func (p pace) halfwayTo(q pace) pace { return pace{(p.few + q.few) / 2, (p.full + q.full) / 2} }

// longCall is the duration from which one measurement is enough.
const longCall = 5 * time.Millisecond

// Fastest calls the model a few times with the given number of rows of dim elements and returns the shortest time.
// Several calls are needed because the first has to allocate. Errors wrap [ErrModel].
func Fastest(ctx context.Context, model sampling.Model, dim, rows int, sigma float32) (time.Duration, error) {
	x, score, sigmas := make([]float32, rows*dim), make([]float32, rows*dim), make([]float32, rows)
	given := make([]float32, rows*sampling.WidthOf(model)) // class 0, or no condition: a model that has one takes it
	for i := range sigmas {
		sigmas[i] = sigma
	}
	fastest := time.Duration(math.MaxInt64)
	for calls := 0; calls < 2 || calls < 4 && fastest < longCall; calls++ {
		start := time.Now()
		if err := sampling.ScoreGiven(ctx, model, score, x, sigmas, given); err != nil {
			return 0, fmt.Errorf("%w: warm-up with %d rows: %w", ErrModel, rows, err)
		}
		fastest = min(fastest, time.Since(start))
	}
	return fastest, nil
}

// clock measures the ticks of one worker. A tick lasts until the next one begins, if the worker does not wait between
// them. So it includes everything that a step takes, and the turns of other models.
type clock struct {
	pace   pace      // the worker's own, so that a tick writes to no memory that others read
	joined pace      // the scheduler's when the two were last joined
	quiet  pace      // the scheduler's least cost, or that of a faster tick
	ticks  int       // measured since then
	begun  time.Time // when the last tick began; zero if it is not to be measured
	rows   int       // of it
}

// begin notes the beginning of a tick of n rows, and so the end of the last one.
func (c *clock) begin(now time.Time, n, rows int) {
	if !c.begun.IsZero() && c.pace.few > 0 && c.pace.full > 0 && now.After(c.begun) {
		took := now.Sub(c.begun)
		c.pace.correct(c.rows, rows, took)
		c.quiet = c.quiet.atMost(fastest(c.rows, rows, took))
		c.ticks++
	}
	c.begun, c.rows = now, n
}

// fastest returns what a tick with n chains says about the least cost: something only if it has as many chains as one
// of the batches that [Scheduler.measure] calls the model with.
func fastest(n, rows int, took time.Duration) pace {
	p := pace{math.Inf(1), math.Inf(1)}
	if n == min(quantum, rows) {
		p.few = float64(took)
	}
	if n == rows {
		p.full = float64(took)
	}
	return p
}

// join changes the scheduler's pace as the worker's has changed, and makes both the same. The caller holds mu.
func (w *worker) join() {
	const every = 16
	s, c := w.s, &w.clock
	switch {
	case c.pace.full == 0 || c.ticks == 0:
		c.pace, c.joined, c.quiet = s.pace, s.pace, s.quiet
	case c.ticks >= every || w.block.Len() == 0:
		s.pace.few *= c.pace.few / c.joined.few
		s.pace.full *= c.pace.full / c.joined.full
		s.quiet = s.quiet.atMost(c.quiet)
		c.pace, c.joined, c.quiet, c.ticks = s.pace, s.pace, s.quiet, 0
		if c.begun.After(s.measured) {
			s.measured = c.begun
		}
	}
}
