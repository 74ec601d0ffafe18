// Package loadtest loads a server with requests and measures throughput and latency.
package loadtest

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/langevin-ml/langevin/client"
)

const (
	drainTime = 10 * time.Second      // for calls that run at the end
	pause     = 20 * time.Millisecond // between a failed call of a closed loop and its client's next
	mostOpen  = 4096                  // calls at once of an open loop; those due beyond are not made, and counted
)

// Load describes how to load a server: with clients that each wait for a result before they ask again, or, if Clients
// is 0, with requests at a rate per second.
type Load struct {
	Clients  int
	Rate     float64
	Requests int // made at most after warmup
	Warmup   time.Duration
	Duration time.Duration
	Cancel   float64 // share of the calls that their clients leave half-way
	Seed     uint64
	Seeds    uint64 // how many seeds, from Seed on, calls take turns with
}

// DrawFunc makes one call. It calls began at least at the first event, and may call it at every event.
type DrawFunc func(ctx context.Context, seed uint64, began func()) (*client.Result, error)

// loader is a running load.
type loader struct {
	Load
	draw  DrawFunc
	start time.Time
	seen  Measurement

	mu      sync.Mutex
	random  *rand.Rand
	made    int           // calls
	counted int           // of those, after warmup
	usual   time.Duration // how long the last complete call took
}

// Run loads the server for Warmup and Duration. Calls that run then have drainTime to end.
func (l Load) Run(ctx context.Context, draw DrawFunc) (*Measurement, error) {
	w := &loader{Load: l, draw: draw, start: time.Now(), random: rand.New(rand.NewPCG(l.Seed, 0))}
	calls, cut := context.WithTimeoutCause(ctx, l.Warmup+l.Duration+drainTime, errUnfinished)
	defer cut()
	if l.Rate > 0 {
		w.open(calls)
	} else {
		w.closed(calls)
	}
	w.seen.measured = min(w.since()-l.Warmup, l.Duration)
	return &w.seen, ctx.Err()
}

var (
	errUnfinished = errors.New("not done when bench was")
	errLeft       = errors.New("the client left")
)

func (w *loader) since() time.Duration { return time.Since(w.start) }

func (w *loader) end() time.Duration { return w.Warmup + w.Duration }

// closed runs the clients of a closed loop.
func (w *loader) closed(ctx context.Context) {
	var clients sync.WaitGroup
	for range w.Clients {
		clients.Go(func() {
			for due := w.since(); due < w.end() && ctx.Err() == nil; due = w.since() {
				plan, ok := w.next(due)
				if !ok {
					return
				}
				if !w.call(ctx, due, plan) {
					wait(ctx, pause)
				}
			}
		})
	}
	clients.Wait()
}

// open makes each call when it is due, in a new goroutine.
func (w *loader) open(ctx context.Context) {
	var calls sync.WaitGroup
	defer calls.Wait()
	places := make(chan struct{}, mostOpen)
	for due := w.gap(); due < w.end(); due += w.gap() {
		plan, ok := w.next(due)
		if !ok || !wait(ctx, due-w.since()) {
			return
		}
		select {
		case places <- struct{}{}:
			calls.Go(func() {
				defer func() { <-places }()
				w.call(ctx, due, plan)
			})
		default:
			w.seen.add(call{due: due, end: due, outcome: outcomeNotMade})
		}
	}
}

// gap is the time between two arrivals of a Poisson process.
func (w *loader) gap() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return time.Duration(w.random.ExpFloat64() / w.Rate * float64(time.Second))
}

// wait waits for d. It returns false if ctx ended first.
func wait(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return ctx.Err() == nil
	}
}

// callPlan is what is decided about a call in advance.
type callPlan struct {
	seed   uint64
	leave  bool
	moment float64 // when the client leaves, as a share of what a call takes
}

// next plans the call that is due at the given time. ok is false once enough calls have been made.
func (w *loader) next(due time.Duration) (plan callPlan, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.counted >= w.Requests {
		return plan, false
	}
	if due >= w.Warmup {
		w.counted++
	}
	plan.seed = w.Seed + uint64(w.made)%w.Seeds
	w.made++
	if w.Cancel > 0 {
		plan.leave = w.random.Float64() < w.Cancel
		plan.moment = w.random.Float64()
	}
	return plan, true
}

// call makes one call, which is due at the given time, and records it. It returns false if the server failed it.
func (w *loader) call(ctx context.Context, due time.Duration, plan callPlan) bool {
	began := w.since()
	ctx, leave := context.WithCancelCause(ctx)
	defer leave(nil)
	if plan.leave {
		w.mu.Lock()
		stay := time.Duration(plan.moment * float64(w.usual))
		w.mu.Unlock()
		defer time.AfterFunc(stay, func() { leave(errLeft) }).Stop()
	}
	c := call{due: due}
	res, err := w.draw(ctx, plan.seed, func() {
		if c.first == 0 {
			c.first = w.since()
		}
	})
	c.end = w.since()
	if err != nil {
		c.outcome = outcomeOf(err, context.Cause(ctx))
		w.seen.add(c)
		return c.outcome == OutcomeLeft
	}
	w.mu.Lock()
	w.usual = c.end - began
	w.mu.Unlock()
	c.chains, c.nfe = res.N, res.NFE
	w.seen.add(c)
	w.seen.compare(plan.seed, res)
	return true
}
