package batch

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/langevin-ml/langevin/sampling"
)

// Evaluator is the model of a scheduler for one caller and one call. Its points wait in the same queue as the chains of
// all callers, and share ticks with them. It implements [sampling.Conditional], with a Width of 0 if the model has no
// conditions. Only one goroutine may use it at a time.
type Evaluator struct {
	s        *Scheduler
	call     Call
	admitted bool
}

// Call describes a call that evaluates points.
type Call struct {
	Caller string                 // as in Job
	Held   int64                  // bytes that the call holds until its Evaluator is closed, besides the points
	Charge func(points int) error // as in Job, for every evaluation

	Sum      *sampling.Sum // as in Job; nil for the model's score
	TermCost Cost          // as in Job
}

// Evaluator returns the model for a call. The caller must close it.
func (s *Scheduler) Evaluator(call Call) *Evaluator { return &Evaluator{s: s, call: call} }

// Close releases the call's part of the limits.
func (e *Evaluator) Close() {
	if e.admitted {
		e.s.config.Memory.release(e.call.Held)
	}
	e.admitted = false
}

// Width returns the number of elements of a condition of the model; 0 if it has none.
func (e *Evaluator) Width() int { return sampling.WidthOf(e.s.model) }

// Score implements [sampling.Model].
func (e *Evaluator) Score(ctx context.Context, dst, x, sigma []float32) error {
	return e.ScoreGiven(ctx, dst, x, sigma, nil)
}

// ScoreGiven implements [sampling.Conditional]. The first evaluation is admitted or refused as a job of Submit, of one
// step. Later ones belong to the same call and are not refused because of other work. When ctx ends, Score returns its
// cause. Otherwise its errors are those of [Stream.Poll].
func (e *Evaluator) ScoreGiven(ctx context.Context, dst, x, sigma, c []float32) error {
	s := e.s
	j := s.newPoints(e.call, dst, x, sigma, c)
	if err := checkGiven(s.model, c, j.N); err != nil {
		return err
	}
	j.deadline, _ = ctx.Deadline()
	if err := e.enter(ctx, j); err != nil {
		return err
	}
	defer func() {
		j.stopped.Store(true)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.release(j)
	}()
	for {
		event, _, err := j.out.poll()
		if event != nil || errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		select {
		case <-j.out.ready:
		case <-ctx.Done():
			s.drop(j, context.Cause(ctx))
		}
	}
}

func (e *Evaluator) enter(ctx context.Context, j *job) error {
	if !e.admitted {
		return e.enterFirst(ctx, j)
	}
	s := e.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped || s.closing && len(s.open) == 0 {
		return ErrClosed
	}
	if err := j.charge(); err != nil {
		return err
	}
	s.rows += j.N
	s.config.Memory.used.Add(j.bytes)
	s.insert(j)
	return nil
}

// enterFirst is enter for the first evaluation. It also reserves what the call holds.
func (e *Evaluator) enterFirst(ctx context.Context, j *job) error {
	own := j.bytes
	j.bytes += e.call.Held
	err := e.s.enter(ctx, j)
	e.admitted = err == nil
	if e.admitted {
		j.bytes = own
	}
	return err
}

// newPoints returns a job whose chains are the rows of x. Their scores go straight to dst.
func (s *Scheduler) newPoints(call Call, dst, x, sigma, c []float32) *job {
	plan := make(sampling.Plan, len(sigma))
	for i, v := range sigma {
		plan[i].Sigma = v
	}
	charge := func() error { return nil }
	if call.Charge != nil {
		charge = func() error { return call.Charge(len(sigma) * call.Sum.Evaluations()) }
	}
	spec := Job{
		Caller: call.Caller, Plan: plan, N: len(sigma), Start: x, Charge: charge,
		Given: c, Sum: call.Sum, TermCost: call.TermCost,
	}
	j := &job{
		Job:       spec,
		submitted: time.Now(),
		points:    true,
		window:    len(sigma),
		rows:      make([]int, s.config.Workers),
		path:      1,
		each:      call.Sum.Evaluations(),
		given:     sampling.WidthOf(s.model),
		weight:    s.weight(spec),
		claim:     quantum,
		out: &output{
			dim:       s.dim,
			n:         len(sigma),
			chunkRows: len(sigma),
			chunks:    []*chunk{newChunk(0, len(sigma), dst)},
			ready:     make(chan struct{}, 1),
			observer:  s.config.Observer,
		},
	}
	j.bytes = 8*int64(len(x)) + 4*int64(len(c)) + sampling.StepBytes*int64(len(sigma))
	return j
}
