package batch_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/langevin-ml/langevin/sampling"
	"github.com/langevin-ml/langevin/server/batch"
)

// paced is a model whose call takes 2 ms and 0.05 ms for each row on the fake clock, times a factor that a test may
// change.
type paced struct {
	sampling.Model
	thousandths atomic.Int64
}

func newPaced() *paced {
	p := &paced{Model: sampling.TwoGaussians()}
	p.thousandths.Store(1000)
	return p
}

func (p *paced) Score(ctx context.Context, dst, x, sigma []float32) error {
	took := 2*time.Millisecond + time.Duration(len(sigma))*50*time.Microsecond
	time.Sleep(took * time.Duration(p.thousandths.Load()) / 1000)
	return p.Model.Score(ctx, dst, x, sigma)
}

// warmed runs a scheduler over a model and warms it up. The caller closes it.
func warmed(t *testing.T, m sampling.Model, config batch.Config) *batch.Scheduler {
	t.Helper()
	s := batch.New(m, 2, config)
	if err := s.Warm(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	return s
}

func closed(t *testing.T, s *batch.Scheduler) {
	t.Helper()
	if err := s.Close(t.Context()); err != nil {
		t.Errorf("close: %v", err)
	}
	if stats := s.Stats(); stats != (batch.Stats{}) {
		t.Errorf("after close: %+v still open", stats)
	}
}

// tally counts how the jobs of a load ended.
type tally struct{ served, refused, late, given atomic.Int64 }

func (c *tally) count(t *testing.T, err error) {
	var busy *batch.BusyError
	switch {
	case err == nil:
		c.served.Add(1)
	case errors.As(err, &busy):
		c.refused.Add(1)
		if busy.Retry < 50*time.Millisecond || busy.Retry > 10*time.Second {
			t.Errorf("told to try again after %v: want from 50 ms to the deadlines' length", busy.Retry)
		}
	case errors.Is(err, context.DeadlineExceeded):
		c.late.Add(1)
	case errors.Is(err, batch.ErrDeadline):
		c.given.Add(1)
	default:
		t.Errorf("a job of the load: %v", err)
	}
}

func (c *tally) String() string {
	return fmt.Sprintf("%d served, %d refused, %d late, %d given up", c.served.Load(), c.refused.Load(), c.late.Load(),
		c.given.Load())
}

// load submits jobs at even intervals for the given time and returns how they ended. The jobs come from the given
// number of callers in turn, half of whom begin in the second half of the time.
func load(t *testing.T, s *batch.Scheduler, job batch.Job, every, length, deadline time.Duration, callers int) *tally {
	var wg sync.WaitGroup
	result := &tally{}
	begun := time.Now()
	for i := 0; time.Since(begun) < length; i++ {
		present := callers
		if time.Since(begun) < length/2 {
			present = (callers + 1) / 2
		}
		job := job
		if callers > 1 {
			job.Caller = string(rune('a' + i%present))
		}
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), deadline)
			defer cancel()
			_, err := read(ctx, s, job)
			result.count(t, err)
		})
		time.Sleep(every)
	}
	wg.Wait()
	return result
}

// TestOverload: at up to ten times its capacity a scheduler serves at least 90 % of what it can, refuses the rest at
// once, and what it admits meets its deadline.
func TestOverload(t *testing.T) {
	const rows, steps, slowness, length, deadline = 64, 20, 4, 30 * time.Second, 5 * time.Second
	full := slowness * (2*time.Millisecond + rows*50*time.Microsecond)
	for _, n := range []int{16, 60, 300} {
		for _, c := range []struct {
			times   float64
			callers int
		}{{0.8, 1}, {2, 1}, {10, 1}, {10, 6}} {
			times, callers := c.times, c.callers
			t.Run(fmt.Sprintf("%d chains, %v times, %d callers", n, times, callers), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					model := newPaced()
					model.thousandths.Store(1000 * slowness)
					s := warmed(t, model, batch.Config{Workers: 2, Rows: rows})
					defer closed(t, s)
					capacity := float64(2*rows) / float64(n*steps) / full.Seconds() // jobs per second
					every := time.Duration(float64(time.Second) / (capacity * times))
					job := batch.Job{Plan: annealed(t, 1, steps), Prior: prior, N: n}
					got := load(t, s, job, every, length, deadline, callers)
					want := min(times, 1) * capacity * length.Seconds()
					if served := float64(got.served.Load()); served < 0.9*want {
						t.Errorf("%v: want at least 90 %% of %.0f served", got, want)
					}
					allowed := max(3, want/100) // few large jobs: the workers' race decides whose rows come first
					if callers > 1 {            // who comes later takes a share of what others were admitted for
						allowed = want / 5
					}
					if late := got.late.Load() + got.given.Load(); float64(late) > allowed {
						t.Errorf("%v: want at most %.0f admitted jobs to miss their deadlines", got, allowed)
					}
				})
			})
		}
	}
}

// TestGreedyCaller: a caller that asks for ten times the capacity does not make another one wait, whose work is a third
// of its share, nor does it get the other refused.
func TestGreedyCaller(t *testing.T) {
	for name, deadline := range map[string]time.Duration{"with deadlines": 2 * time.Second, "without": time.Hour} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := warmed(t, newPaced(), batch.Config{Workers: 1, Rows: 64, MaxWait: 3 * time.Second})
				defer closed(t, s)
				greedy := batch.Job{Caller: "greedy", Plan: annealed(t, 1, 50), Prior: prior, N: 16}
				var wg sync.WaitGroup
				wg.Go(func() {
					got := load(t, s, greedy, 6*time.Millisecond, 6*time.Second, deadline, 1)
					if got.refused.Load() < 400 {
						t.Errorf("greedy caller: %v, want most refused", got)
					}
				})
				modest := greedy
				modest.Caller, modest.N = "modest", 10
				alone := 50 * (2*time.Millisecond + 64*50*time.Microsecond)
				for range 12 {
					time.Sleep(400 * time.Millisecond)
					begun := time.Now()
					ctx, cancel := context.WithTimeout(t.Context(), 2*alone)
					if _, err := read(ctx, s, modest); err != nil {
						t.Errorf("modest caller: %v", err)
					}
					cancel()
					if took := time.Since(begun); took > alone*11/10 {
						t.Errorf("modest caller: %v, want at most the %v of 50 full ticks and a tenth", took, alone)
					}
				}
				wg.Wait()
			})
		})
	}
}

// TestSmallCallerTakesOnlyItsRows: beside a caller that always has a few chains, another one with work for all other
// rows gets them.
func TestSmallCallerTakesOnlyItsRows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const rows, steps, length = 64, 50, 10 * time.Second
		s := warmed(t, newPaced(), batch.Config{Workers: 1, Rows: rows})
		defer closed(t, s)
		greedy := batch.Job{Caller: "greedy", Plan: annealed(t, 1, steps), Prior: prior, N: 16}
		small := greedy
		small.Caller, small.N = "small", 4
		ctx, cancel := context.WithTimeout(t.Context(), length)
		defer cancel()
		var wg sync.WaitGroup
		wg.Go(func() {
			for ctx.Err() == nil {
				if _, err := read(t.Context(), s, small); err != nil {
					t.Error(err)
				}
			}
		})
		got := load(t, s, greedy, 6*time.Millisecond, length, 2*time.Second, 1)
		wg.Wait()
		full := 2*time.Millisecond + rows*50*time.Microsecond
		want := float64(rows-4) / 16 * length.Seconds() / (steps * full.Seconds())
		if served := float64(got.served.Load()); served < 0.9*want {
			t.Errorf("greedy caller: %v, want at least 90 %% of %.0f served", got, want)
		}
	})
}

// TestCostFollowsTicks: a scheduler that was warmed up while its machine was busy learns the true cost, from its ticks
// if it has any, and from a measurement of its own if it refuses everything. One slow tick changes nothing.
func TestCostFollowsTicks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		model := newPaced()
		model.thousandths.Store(40_000)
		s := warmed(t, model, batch.Config{Workers: 1, Rows: 64})
		defer closed(t, s)
		model.thousandths.Store(1000)
		job := batch.Job{Plan: annealed(t, 1, 300), Prior: prior, N: 16} // 0.84 s
		try := func() error {
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			defer cancel()
			_, err := read(ctx, s, job)
			return err
		}
		if err := try(); !errors.Is(err, batch.ErrDeadline) {
			t.Errorf("right after a slow warm-up: %v, want ErrDeadline", err)
		}
		time.Sleep(time.Minute)
		if err := try(); !errors.Is(err, batch.ErrDeadline) {
			t.Errorf("a minute later: %v, want ErrDeadline", err)
		}
		time.Sleep(time.Second)
		if err := try(); err != nil {
			t.Errorf("after the refusal had the cost measured: %v", err)
		}
		model.thousandths.Store(3000)
		job.N = 64
		if _, err := read(t.Context(), s, job); err != nil {
			t.Fatal(err)
		}
		full := s.Cost().Row * 64
		if want := 3 * (2*time.Millisecond + 64*50*time.Microsecond); full < want*9/10 || full > want*11/10 {
			t.Errorf("after 300 slow ticks a full one is estimated at %v, want %v ± 10 %%", full, want)
		}
		stream, err := s.Submit(t.Context(), job)
		if err != nil {
			t.Fatal(err)
		}
		defer stream.Close()
		time.Sleep(100 * time.Millisecond)
		model.thousandths.Store(100_000)
		time.Sleep(50 * time.Millisecond)
		model.thousandths.Store(3000)
		if _, err := drain(stream); err != nil {
			t.Error(err)
		}
		var busy *batch.BusyError
		if err := try(); !errors.As(err, &busy) || busy.Retry < time.Second {
			t.Errorf("a call that fits on a quiet machine only: %v, want a BusyError that says when to try again", err)
		}
		if now := s.Cost().Row * 64; now < full*9/10 || now > full*11/10 {
			t.Errorf("one slow tick moved the estimate from %v to %v", full, now)
		}
	})
}

// TestEstimateFallsWhileAllIsRefused: callers who are all refused can slow the measurements of the cost themselves. So
// the estimate falls towards the least cost until a job is admitted. Every refusal before it has a hint. The least cost
// is that of the fastest ticks if the machine was busy when the scheduler was warmed up.
func TestEstimateFallsWhileAllIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		model := newPaced()
		model.thousandths.Store(2000)
		s := warmed(t, model, batch.Config{Workers: 1, Rows: 64})
		defer closed(t, s)
		job := batch.Job{Plan: annealed(t, 1, 300), Prior: prior, N: 16} // 0.84 s, and 4.2 s while it is slowed
		for _, thousandths := range []int64{1000, 5000, 5000, 5000} {
			model.thousandths.Store(thousandths)
			if _, err := read(t.Context(), s, job); err != nil {
				t.Fatal(err)
			}
		}
		try := func() (*batch.Stream, error) {
			ctx, cancel := context.WithTimeout(t.Context(), 1200*time.Millisecond)
			t.Cleanup(cancel)
			return s.Submit(ctx, job)
		}
		begun := time.Now()
		stream, err := try()
		for ; err != nil && time.Since(begun) < 15*time.Second; stream, err = try() {
			var busy *batch.BusyError
			if !errors.As(err, &busy) || busy.Retry < time.Second {
				t.Fatalf("a call that fits on a quiet machine: %v, want a BusyError that says when to try again", err)
			}
			time.Sleep(100 * time.Millisecond)
		}
		if err != nil {
			t.Fatalf("after 15 s: %v, want a job admitted", err)
		}
		defer stream.Close()
		model.thousandths.Store(1000)
		if _, err := drain(stream); err != nil {
			t.Error(err)
		}
		short, cancel := context.WithTimeout(t.Context(), 800*time.Millisecond)
		defer cancel()
		var busy *batch.BusyError
		if _, err := s.Submit(short, job); !errors.Is(err, batch.ErrDeadline) || errors.As(err, &busy) {
			t.Errorf("a call that never fits: %v, want ErrDeadline without a hint", err)
		}
	})
}

// TestHopelessJobEndsEarly: when the machine becomes slower, a running job that can no longer meet its deadline ends
// long before it, and leaves its rows to others.
func TestHopelessJobEndsEarly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		model := newPaced()
		s := warmed(t, model, batch.Config{Workers: 1, Rows: 64})
		defer closed(t, s)
		job := batch.Job{Plan: annealed(t, 1, 1000), Prior: prior, N: 16} // 2.8 s
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		begun := time.Now()
		time.AfterFunc(time.Second, func() { model.thousandths.Store(5000) })
		_, err := read(ctx, s, job)
		var given *batch.GivenUpError
		took := time.Since(begun)
		if !errors.Is(err, batch.ErrDeadline) || !errors.As(err, &given) || given.Retry <= 0 || took > 3*time.Second {
			t.Errorf("%v after %v: want a GivenUpError that says when to try again, within 3 s", err, took)
		}
	})
}

// TestPointsWaitTheirTurn: many calls of one caller's points do not delay another's; a call that is cancelled or past
// its deadline returns at once, and what is too much is refused.
func TestPointsWaitTheirTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := warmed(t, newPaced(), batch.Config{Workers: 1, Rows: 64, MaxWait: 5 * time.Second})
		defer closed(t, s)
		score := func(ctx context.Context, caller string, rows int) error {
			x, sigma := make([]float32, 2*rows), make([]float32, rows)
			for i := range sigma {
				sigma[i] = 1 + float32(i)
				x[2*i] = float32(i)
			}
			got, want := make([]float32, 2*rows), make([]float32, 2*rows)
			call := s.Evaluator(batch.Call{Caller: caller})
			defer call.Close()
			if err := call.Score(ctx, got, x, sigma); err != nil {
				return err
			}
			if err := sampling.TwoGaussians().Score(ctx, want, x, sigma); err != nil {
				return err
			}
			if !slices.Equal(got, want) {
				t.Errorf("%d points of %s have other scores than alone", rows, caller)
			}
			return nil
		}
		result := &tally{}
		var wg sync.WaitGroup
		for range 200 { // 1.3 s of work each at a time
			wg.Go(func() { result.count(t, score(t.Context(), "greedy", 1600)) })
		}
		synctest.Wait()
		time.Sleep(100 * time.Millisecond)
		begun := time.Now()
		if err := score(t.Context(), "modest", 4); err != nil || time.Since(begun) > 16*time.Millisecond {
			t.Errorf("another caller's points: %v after %v, want at most three ticks", err, time.Since(begun))
		}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Millisecond, cancel)
		begun = time.Now()
		err := score(ctx, "greedy two", 1600)
		if !errors.Is(err, context.Canceled) || time.Since(begun) > time.Millisecond {
			t.Errorf("cancelled: %v after %v, want context.Canceled at once", err, time.Since(begun))
		}
		short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		if err := score(short, "greedy", 16); !errors.Is(err, batch.ErrBusy) {
			t.Errorf("behind the work of its own caller: %v, want ErrBusy", err)
		}
		wg.Wait()
		if result.served.Load() < 20 || result.refused.Load() < 100 || result.late.Load() > 0 {
			t.Errorf("%v: want as many served as 5 s have room for", result)
		}
	})
}

// TestQueueIsBoundedByTime: jobs without a deadline are admitted until the work before them takes longer than MaxWait,
// and again after the time that the refusal tells. Large jobs that share the blocks do not count as work before a small
// one.
func TestQueueIsBoundedByTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := warmed(t, newPaced(), batch.Config{Workers: 1, Rows: 64, MaxWait: 3 * time.Second})
		job := batch.Job{Plan: annealed(t, 1, 50), Prior: prior, N: 16} // four of them take 0.26 s
		var wg sync.WaitGroup
		admitted := 0
		submit := func(job batch.Job) error {
			stream, err := s.Submit(t.Context(), job)
			if err != nil {
				return err
			}
			admitted++
			wg.Go(func() {
				defer stream.Close()
				if _, err := drain(stream); err != nil && !errors.Is(err, batch.ErrClosed) {
					t.Error(err)
				}
			})
			return nil
		}
		var err error
		for admitted < 100 && err == nil {
			err = submit(job)
		}
		var busy *batch.BusyError
		if !errors.As(err, &busy) || admitted < 44 || admitted > 50 {
			t.Fatalf("%v after %d jobs: want a BusyError after about 47, which take 3 s", err, admitted)
		}
		if !strings.HasPrefix(busy.Cause, "it cannot start at once") || !strings.HasSuffix(busy.Cause, "is 3s") {
			t.Errorf("refused because %s: want why the bound of 3 s holds for it", busy.Cause)
		}
		if busy.Retry > 100*time.Millisecond {
			t.Errorf("told to try again after %v: want when the next job ends", busy.Retry)
		}
		time.Sleep(busy.Retry)
		for err = submit(job); errors.As(err, &busy); err = submit(job) {
			time.Sleep(busy.Retry)
		}
		if err != nil {
			t.Errorf("after the time that was told: %v", err)
		}
		wg.Wait()
		job.N = 10_000 // 40 s
		for range 2 {
			if err := submit(job); err != nil {
				t.Errorf("large jobs: %v", err)
			}
		}
		time.Sleep(time.Second)
		job.N = 4
		for range 20 {
			if err := submit(job); err != nil {
				t.Errorf("small jobs next to large ones: %v", err)
			}
		}
		now, cancel := context.WithCancel(t.Context())
		cancel()
		_ = s.Close(now) // its error says that it ended jobs
		wg.Wait()
	})
}
