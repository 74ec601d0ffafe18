package main

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/langevin-ml/langevin/client"
	"github.com/langevin-ml/langevin/client/fake"
	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
)

// slow makes calls that take a time each, any number of them at once. The result says its seed.
func slow(took time.Duration) drawFunc {
	return func(ctx context.Context, seed uint64, began func()) (*client.Result, error) {
		began()
		if !wait(ctx, took) {
			return nil, ctx.Err()
		}
		return &client.Result{Batch: client.Batch{X: []float32{float32(seed)}, N: 2}, NFE: 20}, nil
	}
}

// oneAtATime makes calls wait for each other.
func oneAtATime(draw drawFunc) drawFunc {
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
func measure(t *testing.T, l load, draw drawFunc) (r *benchReport) {
	t.Helper()
	if l.requests == 0 {
		l.requests = math.MaxInt
	}
	l.seeds = max(1, l.seeds)
	synctest.Test(t, func(t *testing.T) {
		m, err := l.run(t.Context(), draw)
		if err != nil {
			t.Fatal(err)
		}
		r = newBenchReport(l, &client.Result{Batch: client.Batch{N: 1}}, m)
	})
	return r
}

func near(got, want float64) bool { return math.Abs(got-want) <= 1e-9*want }

func TestClosedLoop(t *testing.T) {
	r := measure(t, load{clients: 4, warmup: time.Second, duration: 2 * time.Second}, slow(100*time.Millisecond))
	if r.PerSecond != (perSecond{40, 80, 800}) && !near(r.PerSecond.Requests, 40) {
		t.Errorf("4 clients of calls of 0.1 s: %+v a second, want 40 requests, 80 samples, 800 evaluations", r.PerSecond)
	}
	want := quantiles{0.1, 0.1, 0.1, 0.1}
	if r.Completed != 80 || r.Requests != 80 || r.Latency != want || r.FirstEvent != (quantiles{}) {
		t.Errorf("%+v\nwant 80 requests of 0.1 s", r)
	}
}

func TestRequestsEndTheLoad(t *testing.T) {
	l := load{clients: 1, warmup: time.Second, duration: time.Hour, requests: 5}
	r := measure(t, l, slow(100*time.Millisecond))
	if r.Completed != 5 || !near(r.Duration, 0.5) || !near(r.PerSecond.Requests, 10) {
		t.Errorf("%+v\nwant 5 requests in 0.5 s", r)
	}
}

// A server that takes calls one at a time at just the rate that they come in: each waits for those before it, and the
// wait counts.
func TestOpenLoopDoesNotExcuseASlowServer(t *testing.T) {
	const service = 10 * time.Millisecond
	r := measure(t, load{rate: 200, duration: 5 * time.Second, seed: 1}, oneAtATime(slow(service)))
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
	r := measure(t, load{rate: 50, duration: 100 * time.Second, seed: 2}, draw)
	mean := float64(sum.Load()) / float64(r.Requests)
	variance := float64(squares.Load())/float64(r.Requests) - mean*mean
	if math.Abs(mean-5) > 0.3 || math.Abs(variance-5) > 0.8 || !near(r.Latency.Max, 0.1) {
		t.Errorf("%d arrivals find %.2f calls in progress, variance %.2f: want 5 and 5", r.Requests, mean, variance)
	}
}

func TestOpenLoopBounds(t *testing.T) {
	r := measure(t, load{rate: 10_000, duration: time.Second, seed: 1}, slow(time.Hour))
	if r.Completed != 0 || r.Errors[outcomeUnfinished] != mostOpen || r.Errors[outcomeNotMade] != r.Requests-mostOpen {
		t.Errorf("a server that answers nothing: %+v", r)
	}
}

func TestCancel(t *testing.T) {
	l := load{clients: 10, duration: 100 * time.Second, cancel: 0.25, seed: 1}
	r := measure(t, l, slow(time.Second))
	if share := float64(r.Cancelled) / float64(r.Requests); math.Abs(share-0.25) > 0.06 || len(r.Errors) > 0 {
		t.Errorf("%d of %d cancelled, errors %v: want a quarter and none", r.Cancelled, r.Requests, r.Errors)
	}
	if r.Latency != (quantiles{1, 1, 1, 1}) {
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
	r := measure(t, load{clients: 1, duration: time.Second}, draw)
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
	if got, want := newQuantiles(values), (quantiles{500, 900, 990, 1000}); got != want {
		t.Errorf("of 1 to 1000: %+v, want %+v", got, want)
	}
	if got, want := newQuantiles([]float64{3}), (quantiles{3, 3, 3, 3}); got != want {
		t.Errorf("of one value: %+v, want %+v", got, want)
	}
}

func TestBenchTakesTurnsWithSeeds(t *testing.T) {
	r := measure(t, load{clients: 1, duration: time.Second, requests: 10, seed: 7, seeds: 4}, slow(time.Millisecond))
	if r.Compared != 6 || r.Differing != 0 {
		t.Errorf("10 results of 4 seeds: %d compared, %d differ; want 6 and 0", r.Compared, r.Differing)
	}
}

const briefly = " --duration 50ms --warmup 10ms "

func TestBenchCommand(t *testing.T) {
	got := langevin(t, fake.Script{Sample: points()},
		strings.Fields("bench --model ring --clients 2 --chains 3 --steps-per-level 5 --json"+briefly)...)
	var r benchReport
	if err := json.Unmarshal([]byte(got.stdout), &r); err != nil || got.code != exitOK || got.stderr != "" {
		t.Fatalf("%+v: %v", got, err)
	}
	if r.Model != "ring" || r.Chains != 3 || r.Clients != 2 || r.Completed == 0 || r.PerSecond.Samples == 0 || r.Compared == 0 {
		t.Errorf("%+v", r)
	}
	got = langevin(t, fake.Script{Sample: points()}, strings.Fields("bench --rate 500"+briefly)...)
	for _, want := range []string{"open loop of 500 requests a second", "latency", "first event", "completed", "0 differ"} {
		if !strings.Contains(got.stdout, want) {
			t.Errorf("%+v\nwant %q in it", got, want)
		}
	}
}

func TestBenchFindsResultsThatDiffer(t *testing.T) {
	var calls atomic.Int64
	fickle := fake.Samples([]int{1}, func(uint64) []float32 { return []float32{float32(calls.Add(1))} })
	got := langevin(t, fake.Script{Sample: fickle}, strings.Fields("bench --seeds 1"+briefly)...)
	if got.code != exitFailed || !oneLineWith(got.stderr, "differ from another of the same seed") {
		t.Errorf("%+v", got)
	}
}

func TestBenchUsage(t *testing.T) {
	for line, want := range map[string]string{
		"--clients 2 --rate 3": "--clients and --rate: want one of them",
		"--clients 0":          "--clients is 0: want a whole number from 1",
		"--rate=-1":            "--rate is -1: want a finite number above 0",
		"--cancel 1.5":         "--cancel is 1.5: want a share from 0 to 1",
		"--cancel NaN":         "--cancel is NaN: want a share from 0 to 1",
		"--duration 0s":        "--duration is 0s: want more than 0s",
		"--warmup=-1s":         "--warmup is -1s: want 0s or more",
		"--model ring@x":       "model is ring@x: want a name",
		"ring":                 "unknown command",
	} {
		got := langevin(t, fake.Script{}, append([]string{"bench"}, strings.Fields(line)...)...)
		if got.code != exitUsage || !oneLineWith(got.stderr, want) {
			t.Errorf("bench %s: %+v\nwant code 2 and %q", line, got, want)
		}
	}
}

// The whole of it on the real engine: equal seeds give equal bits, in whatever company.
func TestBenchLocal(t *testing.T) {
	args := append([]string{"bench", "--local", "--clients", "8", "--chains", "5", "--cancel", "0.2", "--json"}, inside(t, modelFolder(t))...)
	got := runAlone(t, append(args, strings.Fields("--duration 300ms --warmup 0s")...)...)
	var r benchReport
	if err := json.Unmarshal([]byte(got.stdout), &r); err != nil || got.code != exitOK {
		t.Fatalf("%+v: %v", got, err)
	}
	if r.Model != "gauss" || r.Compared < 10 || r.Differing != 0 || len(r.Errors) != 0 {
		t.Errorf("%+v", r)
	}
}
