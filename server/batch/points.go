package batch

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/langevin-ml/langevin/sampling"
)

// Evaluator is the model of a scheduler for one caller and one call. Its points wait in the same queue as the chains of
// all callers, and share ticks with them. It implements [sampling.Model]. Only one goroutine may use it at a time.
type Evaluator struct {
	s        *Scheduler
	caller   string
	admitted bool
}

// Evaluator returns the model for the given caller's next call.
func (s *Scheduler) Evaluator(caller string) *Evaluator { return &Evaluator{s: s, caller: caller} }

// Score implements [sampling.Model]. The first evaluation is admitted or refused as a job of Submit, of one step. Later
// ones belong to the same call and are not refused because of other work. When ctx ends, Score returns its cause.
// Otherwise its errors are those of [Stream.Poll].
func (e *Evaluator) Score(ctx context.Context, dst, x, sigma []float32) error {
	s := e.s
	j := s.newPoints(e.caller, dst, x, sigma)
	j.deadline, _ = ctx.Deadline()
	if err := e.enter(ctx, j); err != nil {
		return err
	}
	e.admitted = true
	defer func() {
		j.stopped.Store(true)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.release(j)
	}()
	for {
		event, err := j.out.poll()
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
		return e.s.enter(ctx, j)
	}
	e.s.mu.Lock()
	defer e.s.mu.Unlock()
	if e.s.stopped || e.s.closing && len(e.s.open) == 0 {
		return ErrClosed
	}
	e.s.insert(j)
	return nil
}

// newPoints returns a job whose chains are the rows of x. Their scores go straight to dst.
func (s *Scheduler) newPoints(caller string, dst, x, sigma []float32) *job {
	plan := make(sampling.Plan, len(sigma))
	for i, v := range sigma {
		plan[i].Sigma = v
	}
	j := &job{
		Job:       Job{Caller: caller, Plan: plan, N: len(sigma), Start: x},
		submitted: time.Now(),
		points:    true,
		window:    len(sigma),
		rows:      make([]int, s.config.Workers),
		path:      1,
		weight:    1,
		claim:     quantum,
		out: &output{
			dim:       s.dim,
			n:         len(sigma),
			chunkRows: len(sigma),
			chunks:    []*chunk{{Chunk{X: dst}, len(sigma)}},
			ready:     make(chan struct{}, 1),
			observer:  s.config.Observer,
		},
	}
	j.bytes = 8*int64(len(x)) + stepBytes*int64(len(sigma))
	return j
}
