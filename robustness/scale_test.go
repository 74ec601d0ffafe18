package robustness_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"github.com/langevin-ml/langevin/models/modelstest"
	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
	"github.com/langevin-ml/langevin/robustness"
	"github.com/langevin-ml/langevin/robustness/process"
)

// TestScale brings one server to its sizes. After each of them it holds as little as before.
func TestScale(t *testing.T) {
	inLongForm(t)
	a := attack(t, "--limits-max-wait", "10m")
	warm := newCaller(t, a.Address, "127.0.0.1", 1)
	for range 3 {
		warm.draw(t.Context(), 0, time.Minute, job(512, 100))
	}
	warm.close()
	before := a.idle(t, process.Usage{})
	for _, s := range []struct {
		name string
		run  func(t *testing.T, a *attacked)
	}{
		{"1,000 streams", thousandStreams},
		{"10,000 queued", tenThousandQueued},
		{"1,000,000 chains to a slow reader", millionChains},
		{"5,000 cancelled", fiveThousandCancelled},
	} {
		t.Run(s.name, func(t *testing.T) {
			s.run(t, a)
			after := a.idle(t, before)
			t.Logf("at most %.0f MB resident so far; afterwards %s; before the first %s", after.Peak/1e6,
				describe(after), describe(before))
		})
	}
	t.Run("100 models", hundredModels)
}

// crowd makes calls at once and returns them.
func crowd(t *testing.T, a *attacked, calls, connections int,
	r func(i int) *langevinv1.SampleRequest) []*robustness.Call {
	t.Helper()
	c := newCaller(t, a.Address, "127.0.0.1", connections)
	defer c.close()
	h := &history{}
	var wg sync.WaitGroup
	for i := range calls {
		wg.Go(func() { h.add(c.draw(t.Context(), i, 5*time.Minute, r(i))) })
	}
	wg.Wait()
	return h.calls
}

// checkCrowd fails the test unless all calls ended well, with the same bits where they asked for the same. It returns
// the times until they started.
func checkCrowd(t *testing.T, calls []*robustness.Call) (waited []time.Duration) {
	t.Helper()
	first := map[uint64][]float32{}
	for _, c := range calls {
		if c.Err != nil {
			t.Fatal(c)
		}
		waited = append(waited, c.Since.Sub(c.Begun))
		if x, seen := first[c.Request.GetSeed()]; !seen {
			first[c.Request.GetSeed()] = c.X
		} else if !slices.Equal(c.X, x) {
			t.Errorf("other bits than another call of its seed: %v", c)
		}
	}
	return waited
}

// thousandStreams has 1,000 calls open at once, each with previews.
func thousandStreams(t *testing.T, a *attacked) {
	const calls, chains, steps = 1000, 16, 1000
	most := a.mostOpen(t)
	begun := time.Now()
	done := crowd(t, a, calls, 20, func(i int) *langevinv1.SampleRequest {
		r := job(chains, steps)
		r.Seed = proto.Uint64(uint64(i % 10))
		r.Preview = &langevinv1.PreviewOptions{Cadence: &langevinv1.PreviewOptions_EverySteps{EverySteps: 100}}
		return r
	})
	elapsed := time.Since(begun)
	waited := checkCrowd(t, done)
	t.Logf("%d calls of %d chains, at most %.0f open at once, %.1f million chain steps/s; accepted in %s; done in %s",
		calls, chains, most(), calls*chains*steps/elapsed.Seconds()/1e6, robustness.Spread(waited),
		robustness.Spread(took(done)))
}

// tenThousandQueued has 10,000 small requests wait at once.
func tenThousandQueued(t *testing.T, a *attacked) {
	const calls = 10_000
	most := a.mostOpen(t)
	begun := time.Now()
	done := crowd(t, a, calls, 100, func(i int) *langevinv1.SampleRequest {
		return &langevinv1.SampleRequest{Model: "ring", Seed: proto.Uint64(uint64(i % 50))}
	})
	elapsed := time.Since(begun)
	waited := checkCrowd(t, done)
	peak := most()
	t.Logf("%d calls of one chain, at most %.0f open at once, %.0f calls/s; accepted in %s; done in %s", calls, peak,
		calls/elapsed.Seconds(), robustness.Spread(waited), robustness.Spread(took(done)))
	if peak < calls*9/10 {
		t.Errorf("at most %.0f calls were open at once, want nearly %d", peak, calls)
	}
}

// mostOpen follows how many calls are open. The returned function ends that and returns the largest number.
func (a *attacked) mostOpen(t *testing.T) func() float64 {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	most := make(chan float64, 1)
	go func() {
		largest := 0.0
		for ctx.Err() == nil {
			if u, err := a.Usage(); err == nil {
				largest = max(largest, u.OpenCalls)
			}
			time.Sleep(50 * time.Millisecond)
		}
		most <- largest
	}()
	return func() float64 {
		cancel()
		return <-most
	}
}

// millionChains has a reader that takes its time between two messages.
func millionChains(t *testing.T, a *attacked) {
	const chains, steps, pause = 1_000_000, 10, 100 * time.Millisecond
	conn := connect(t, a.Address)
	defer conn.Close()
	before := a.usage(t)
	begun := time.Now()
	stream, err := langevinv1.NewSamplingServiceClient(conn).Sample(t.Context(), job(chains, steps),
		grpc.MaxCallRecvMsgSize(16<<20))
	if err != nil {
		t.Fatal(err)
	}
	c := robustness.Begin("slow reader", job(chains, steps), time.Time{})
	most, chunks := 0.0, 0
	for {
		event, err := stream.Recv()
		if err != nil {
			c.End(err)
			break
		}
		c.Receive(event)
		if event.GetChunk() != nil {
			chunks++
			time.Sleep(pause)
		}
		most = max(most, a.usage(t).Resident)
	}
	x := c.X
	rules := robustness.Rules{Undisturbed: func(string, *langevinv1.SampleRequest, uint64) (robustness.Drawn, error) {
		return robustness.Drawn{X: x}, nil // its bits are compared elsewhere
	}}
	for _, v := range rules.Check([]*robustness.Call{c}) {
		t.Error(v)
	}
	t.Logf("%d chains in %d messages, read every %v: %.1f s; resident memory %.0f MB before, %.0f MB at most", chains,
		chunks, pause, time.Since(begun).Seconds(), before.Resident/1e6, most/1e6)
	if most-before.Resident > 64e6 {
		t.Errorf("the server holds %.0f MB more for a slow reader of 8 MB", (most-before.Resident)/1e6)
	}
}

// fiveThousandCancelled begins calls that would take long, and cancels each within a fifth of a second.
func fiveThousandCancelled(t *testing.T, a *attacked) {
	const calls, together = 5000, 100
	c := newCaller(t, a.Address, "127.0.0.1", 10)
	defer c.close()
	var wg sync.WaitGroup
	h := &history{}
	begun := time.Now()
	for client := range together {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(9, uint64(client)))
			for range calls / together {
				ctx, cancel := context.WithCancel(t.Context())
				time.AfterFunc(time.Duration(random.Int64N(int64(200*time.Millisecond))), cancel)
				h.add(c.draw(ctx, client, time.Minute, job(100, 100_000)))
				cancel()
			}
		})
	}
	wg.Wait()
	ended := time.Now()
	waitFor(t, "a server without work", func() bool { u := a.usage(t); return u.OpenCalls+u.Running+u.OpenBytes == 0 })
	ends := map[string]int{}
	for _, call := range h.calls {
		ends[fmt.Sprint(call.Code(), " ", robustness.Reason(call.Err))]++
		if call.Code() != codes.Canceled && call.Code() != codes.ResourceExhausted {
			t.Error(call)
		}
	}
	t.Logf("%d calls in %.1f s: %v; without work %v after the last", len(h.calls), ended.Sub(begun).Seconds(), ends,
		time.Since(ended).Round(time.Millisecond))
}

// hundredModels serves 100 models at once and draws from each.
func hundredModels(t *testing.T) {
	const count = 100
	a := attack(t)
	for i := range count {
		name := fmt.Sprintf("model-%d", i)
		m := modelstest.Manifest(name, 2)
		a.writeModel(t, name, modelstest.File(t, modelstest.Gaussian(2), m))
	}
	one := a.idle(t, process.Usage{})
	if err := a.Kill(); err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	a.start(t, "")
	started := time.Since(begun)
	before := a.idle(t, process.Usage{})
	done := crowd(t, a, 4*count, 4, func(i int) *langevinv1.SampleRequest {
		return &langevinv1.SampleRequest{Model: fmt.Sprintf("model-%d", i%count), N: proto.Int64(16),
			Seed: proto.Uint64(uint64(i % count))}
	})
	waited := checkCrowd(t, done)
	after := a.idle(t, before)
	t.Logf("%d models loaded in %.1f s: %s; with one %s; %d calls at once: accepted in %s, done in %s; afterwards %s",
		count, started.Seconds(), describe(before), describe(one), len(done), robustness.Spread(waited),
		robustness.Spread(took(done)), describe(after))
}
