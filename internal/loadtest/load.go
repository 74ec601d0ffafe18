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
	drainTime = 10 * time.Second      // what calls under way at the end are given
	pause     = 20 * time.Millisecond // between a failed call of a closed loop and its client's next
	mostOpen  = 4096                  // calls at once of an open loop; those due beyond are not made, and counted
)

// Load is how a server is loaded: by clients that each wait for a result before they ask again, or, if clients is 0,
// at a rate a second.
type Load struct {
	Clients  int
	Rate     float64
	Requests int // made at most after warmup
	Warmup   time.Duration
	Duration time.Duration
	Cancel   float64 // share of the calls that their clients leave half-way
	Seed     uint64
	Seeds    uint64 // calls take turns with so many seeds, from seed on
}

// drawFunc makes one call. It calls began at every event, or only the first.
type drawFunc func(ctx context.Context, seed uint64, began func()) (*client.Result, error)

// loader is a load at work.
type loader struct {
	Load
	draw  drawFunc
	start time.Time
	seen  measurement

	mu      sync.Mutex
	random  *rand.Rand
	made    int           // calls
	counted int           // of those, after warmup
	usual   time.Duration // how long the last complete call took
}

// Run loads the server for warmup and duration, and gives the calls then under way drainTime to end.
func (l Load) Run(ctx context.Context, draw drawFunc) (*measurement, error) {
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

// open makes calls when they are due, each in a goroutine of its own.
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

// wait reports false if ctx ended first.
func wait(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return ctx.Err() == nil
	}
}

// callPlan is what is decided about a call before it is made.
type callPlan struct {
	seed   uint64
	leave  bool
	moment float64 // when the client leaves, as a share of what a call takes
}

// next decides about the call that is due then; there is none once enough have been made.
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

// call makes one call, due at the given time, and books it. It reports false if the server failed it.
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
