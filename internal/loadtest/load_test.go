package loadtest

import (
	"context"
	"errors"
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/langevin-ml/langevin/client"
	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
)

// slow makes calls that take a time each, any number of them at once. The result says its seed.
func slow(took time.Duration) DrawFunc {
	return func(ctx context.Context, seed uint64, began func()) (*client.Result, error) {
		began()
		if !wait(ctx, took) {
			return nil, ctx.Err()
		}
		return &client.Result{Batch: client.Batch{X: []float32{float32(seed)}, N: 2}, NFE: 20}, nil
	}
}

// oneAtATime makes calls wait for each other.
func oneAtATime(draw DrawFunc) DrawFunc {
	turns := sync.OnceValue(func() chan struct{} { return make(chan struct{}, 1) }) // inside the bubble
	return func(ctx context.Context, seed uint64, began func()) (*client.Result, error) {
		turn := turns()
		select {
		case turn <- struct{}{}:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		defer func() { <-turn }()
		return draw(ctx, seed, began)
	}
}

// measure runs a load on fake time, which is exact.
func measure(t *testing.T, l Load, draw DrawFunc) (r *Report) {
	t.Helper()
	if l.Requests == 0 {
		l.Requests = math.MaxInt
	}
	l.Seeds = max(1, l.Seeds)
	synctest.Test(t, func(t *testing.T) {
		m, err := l.Run(t.Context(), draw)
		if err != nil {
			t.Fatal(err)
		}
		r = NewReport(l, &client.Result{Batch: client.Batch{N: 1}}, m)
	})
	return r
}

func near(got, want float64) bool { return math.Abs(got-want) <= 1e-9*want }

func TestClosedLoop(t *testing.T) {
	r := measure(t, Load{Clients: 4, Warmup: time.Second, Duration: 2 * time.Second}, slow(100*time.Millisecond))
	if r.PerSecond != (Rates{40, 80, 800}) && !near(r.PerSecond.Requests, 40) {
		t.Errorf("4 clients of calls of 0.1 s: %+v a second, want 40 requests, 80 samples, 800 evaluations",
			r.PerSecond)
	}
	want := Quantiles{0.1, 0.1, 0.1, 0.1}
	if r.Completed != 80 || r.Requests != 80 || r.Latency != want || r.FirstEvent != (Quantiles{}) {
		t.Errorf("%+v\nwant 80 requests of 0.1 s", r)
	}
}

func TestRequestsEndTheLoad(t *testing.T) {
	l := Load{Clients: 1, Warmup: time.Second, Duration: time.Hour, Requests: 5}
	r := measure(t, l, slow(100*time.Millisecond))
	if r.Completed != 5 || !near(r.Duration, 0.5) || !near(r.PerSecond.Requests, 10) {
		t.Errorf("%+v\nwant 5 requests in 0.5 s", r)
	}
}

// A server that takes calls one at a time at just the rate that they come in: each waits for those before it, and the
// wait counts.
func TestOpenLoopDoesNotExcuseASlowServer(t *testing.T) {
	const service = 10 * time.Millisecond
	r := measure(t, Load{Rate: 200, Duration: 5 * time.Second, Seed: 1}, oneAtATime(slow(service)))
	if n := float64(r.Requests); math.Abs(n-1000) > 4*math.Sqrt(1000) {
		t.Errorf("%g requests: want about 1000", n)
	}
	if !near(r.PerSecond.Requests, 100) && math.Abs(r.PerSecond.Requests-100) > 0.5 {
		t.Errorf("%g a second are done: want 100, all that the server can", r.PerSecond.Requests)
	}
	// The last call waits for about 1000 calls of 10 ms and comes at 5 s.
	if math.Abs(r.Latency.Max-5) > 1.5 || math.Abs(r.Latency.P50-2.5) > 0.8 {
		t.Errorf("latency %+v: want about 2.5 s in the middle and 5 s at most", r.Latency)
	}
}

// The arrivals of an open loop do not wait for anything but time, and are those of a Poisson process: of a server that
// is never busy, calls in progress are Poisson distributed too.
func TestOpenLoopIsPoisson(t *testing.T) {
	var open, sum, squares atomic.Int64
	draw := func(ctx context.Context, seed uint64, began func()) (*client.Result, error) {
		n := open.Add(1) - 1 // what an arrival finds
		defer open.Add(-1)
		sum.Add(n)
		squares.Add(n * n)
		return slow(100*time.Millisecond)(ctx, seed, began)
	}
	r := measure(t, Load{Rate: 50, Duration: 100 * time.Second, Seed: 2}, draw)
	mean := float64(sum.Load()) / float64(r.Requests)
	variance := float64(squares.Load())/float64(r.Requests) - mean*mean
	if math.Abs(mean-5) > 0.3 || math.Abs(variance-5) > 0.8 || !near(r.Latency.Max, 0.1) {
		t.Errorf("%d arrivals find %.2f calls in progress, variance %.2f: want 5 and 5", r.Requests, mean, variance)
	}
}

func TestOpenLoopBounds(t *testing.T) {
	r := measure(t, Load{Rate: 10_000, Duration: time.Second, Seed: 1}, slow(time.Hour))
	if r.Completed != 0 || r.Errors[outcomeUnfinished] != mostOpen || r.Errors[outcomeNotMade] != r.Requests-mostOpen {
		t.Errorf("a server that answers nothing: %+v", r)
	}
}

func TestCancel(t *testing.T) {
	l := Load{Clients: 10, Duration: 100 * time.Second, Cancel: 0.25, Seed: 1}
	r := measure(t, l, slow(time.Second))
	if share := float64(r.Cancelled) / float64(r.Requests); math.Abs(share-0.25) > 0.06 || len(r.Errors) > 0 {
		t.Errorf("%d of %d cancelled, errors %v: want a quarter and none", r.Cancelled, r.Requests, r.Errors)
	}
	if r.Latency != (Quantiles{1, 1, 1, 1}) {
		t.Errorf("latency %+v: want that of complete calls alone", r.Latency)
	}
}

func TestErrorsAreCounted(t *testing.T) {
	var mu sync.Mutex
	made := 0
	draw := func(context.Context, uint64, func()) (*client.Result, error) {
		mu.Lock()
		defer mu.Unlock()
		if made++; made%2 == 0 {
			return nil, errors.New("odd")
		}
		return nil, &client.Error{Code: codes.ResourceExhausted, Reason: langevinv1.ReasonQueueFull}
	}
	r := measure(t, Load{Clients: 1, Duration: time.Second}, draw)
	each := int(time.Second / pause / 2)
	if r.Errors["odd"] != each || r.Errors["ResourceExhausted QUEUE_FULL"] != each || r.Completed != 0 {
		t.Errorf("errors %v: want %d of each", r.Errors, each)
	}
}

func TestQuantilesAreExact(t *testing.T) {
	var values []float64
	for i := range 1000 {
		values = append(values, float64((i*7)%1000+1))
	}
	if got, want := newQuantiles(values), (Quantiles{500, 900, 990, 1000}); got != want {
		t.Errorf("of 1 to 1000: %+v, want %+v", got, want)
	}
	if got, want := newQuantiles([]float64{3}), (Quantiles{3, 3, 3, 3}); got != want {
		t.Errorf("of one value: %+v, want %+v", got, want)
	}
}

func TestBenchTakesTurnsWithSeeds(t *testing.T) {
	r := measure(t, Load{Clients: 1, Duration: time.Second, Requests: 10, Seed: 7, Seeds: 4}, slow(time.Millisecond))
	if r.Compared != 6 || r.Differing != 0 {
		t.Errorf("10 results of 4 seeds: %d compared, %d differ; want 6 and 0", r.Compared, r.Differing)
	}
}
