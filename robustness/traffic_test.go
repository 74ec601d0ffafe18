package robustness_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/langevin-ml/langevin/models/modelstest"
	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
	"github.com/langevin-ml/langevin/robustness"
	"github.com/langevin-ml/langevin/robustness/testmain"
)

// modelFile returns a model of points whose file, and so whose digest, differs for every number.
func modelFile(t *testing.T, number int) []byte {
	t.Helper()
	m := modelstest.Manifest("points", dim)
	m.Description = fmt.Sprintf("number %d", number)
	return modelstest.File(t, modelstest.Gaussian(dim), m)
}

// TestTraffic: clients of every temper use a service at once, while faults strike at every place and models are
// replaced. Every call keeps every promise, and afterwards nothing is left. It runs on a fake clock, in a
// bubble that ends only when each of its goroutines has.
func TestTraffic(t *testing.T) {
	first, runs, length := testmain.Seed(t, *seed, *long), uint64(1), 6*time.Second
	if *long {
		runs, length = 30, 40*time.Second
	}
	for s := first; s < first+runs; s++ {
		t.Run(fmt.Sprint("seed ", s), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { traffic(t, s, length) })
		})
	}
}

func traffic(t *testing.T, seed uint64, length time.Duration) {
	f := newFaults(seed)
	s := newService(t, f, 2*time.Second)
	shelf := &shelf{service: s}
	shelf.install(s.digest())
	h := &history{}
	ctx, cancel := context.WithTimeout(t.Context(), length)
	defer cancel()
	f.arm(true)
	var clients, others sync.WaitGroup
	for number, kind := range tempers() {
		for i := range kind.clients {
			v := newVisitor(t, s, h, kind.name, seed, 10*number+i)
			clients.Go(func() { v.visit(ctx, kind.call) })
		}
	}
	others.Go(func() { shelf.change(t, ctx) })
	others.Go(func() { s.watchBounds(t, ctx) })
	clients.Wait()
	others.Wait()
	f.arm(false)
	s.settle(t)
	checkTraffic(t, s, h, shelf)
	s.close(t)
}

// TestWaitingCallsReport: a call that waits tells that it is alive once a second, and one that runs more often.
func TestWaitingCallsReport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(t, newFaults(1), time.Hour)
		defer s.close(t)
		h := &history{}
		v := newVisitor(t, s, h, "fast", 1, 1)
		defer v.conn.Close()
		var calls sync.WaitGroup
		order := func(n int64, steps int32) *langevinv1.SampleRequest {
			r := v.request()
			r.N, r.Preview, r.GetLangevin().Steps = proto.Int64(n), nil, proto.Int32(steps)
			return r
		}
		count := func(r *langevinv1.SampleRequest) (waiting, running int) {
			stream, err := langevinv1.NewSamplingServiceClient(v.conn).Sample(t.Context(), r)
			for err == nil {
				var event *langevinv1.SampleResponse
				event, err = stream.Recv()
				if p := event.GetProgress(); p.GetStepsDone() > 0 {
					running++
				} else if p != nil {
					waiting++
				}
			}
			return waiting, running
		}
		for range 8 { // as many rows as the service has
			r := order(100, 1000)
			calls.Go(func() { count(r) })
		}
		time.Sleep(100 * time.Millisecond)
		waiting, running := count(order(1, 1500))
		calls.Wait()
		t.Logf("%d events while it waited and %d while it ran", waiting, running)
		if waiting < 8 || waiting > 20 || running < 12 {
			t.Error("want an event a second while it waits, for some 15 s, and more while it runs, for some 4 s")
		}
	})
}

// checkTraffic compares what was recorded with what is promised.
func checkTraffic(t *testing.T, s *service, h *history, shelf *shelf) {
	reference := &reference{drawn: map[string]robustness.Drawn{}}
	rules := robustness.Rules{Undisturbed: reference.draw, Served: shelf.served, Tardy: time.Millisecond}
	for i, v := range rules.Check(h.calls) {
		if i == 10 {
			t.Errorf("and more")
			break
		}
		t.Error(v)
	}
	for _, text := range slices.Concat(h.wrong, s.watch.errors) {
		t.Error(text)
	}
	for place, n := range s.faults.counts() {
		if n == 0 {
			t.Errorf("%s: never happened", place)
		}
	}
	ends := map[string]int{}
	for _, c := range h.calls {
		temper := strings.TrimRight(c.Client, " 0123456789")
		ends[fmt.Sprint(temper, ": ", c.Code(), " ", robustness.Reason(c.Err))]++
	}
	t.Logf("%d calls compared with %d undisturbed ones: %v\nfaults: %v\n%d versions of the model; %d jobs given up, "+
		"the last chain gone within %v; handlers ended within %v of their deadline; %d previews dropped",
		len(h.calls), len(reference.drawn), ends, s.faults.counts(), s.loaded, s.watch.freed, s.watch.freedLate,
		s.watch.late, s.watch.dropped)
	ends["scoring: OK "] = h.scores
	for _, end := range []string{"fast: OK ", "slow reader: OK ", "deaf reader: ResourceExhausted SLOW_CONSUMER",
		"cancelling: Canceled ", "crashing: Unavailable ", "half-open: Canceled ",
		"hasty: DeadlineExceeded DEADLINE_TOO_SHORT", "huge: OK ", "huge: ResourceExhausted QUEUE_FULL",
		"huge: InvalidArgument INVALID", "invalid: InvalidArgument INVALID", "invalid: NotFound MODEL_NOT_FOUND",
		"poisoned: FailedPrecondition DIVERGED", "scoring: OK "} {
		if ends[end] == 0 {
			t.Errorf("no call ended with %s", end)
		}
	}
	if s.watch.freed == 0 || s.watch.freedLate > longTick {
		t.Errorf("%d jobs were given up; the last chain was gone after %v, want within the longest tick of %v",
			s.watch.freed, s.watch.freedLate, longTick)
	}
	if most := 2 * longPause; s.watch.late > most {
		t.Errorf("a handler ran for %v after its deadline: want at most %v, two pauses", s.watch.late, most)
	}
}

// settle waits until the server has noticed that everybody is gone, and checks that it holds nothing.
func (s *service) settle(t *testing.T) {
	t.Helper()
	time.Sleep(2*silence + 2*maxUnread)
	synctest.Wait()
	jobs, rows, bytes := s.open()
	if jobs+rows+int(bytes)+s.watch.running > 0 {
		t.Errorf("after the last client: %d jobs, %d chains, %d bytes and %d handlers are left", jobs, rows, bytes,
			s.watch.running)
	}
	if live := int64(s.loaded) - s.closings.Load(); live != 1 {
		t.Errorf("after the last client: %d sessions are open, want the newest", live)
	}
}

// watchBounds checks that the limits of open work hold at every moment.
func (s *service) watchBounds(t *testing.T, ctx context.Context) {
	for ctx.Err() == nil {
		if _, rows, bytes := s.open(); rows > maxRows || bytes > maxBytes {
			time.Sleep(time.Microsecond) // a refused job takes its bytes for an instant
			if _, rows, bytes := s.open(); rows > maxRows || bytes > maxBytes {
				t.Errorf("%d chains and %d bytes are open: want at most %d and %d", rows, bytes, maxRows, maxBytes)
			}
		}
		time.Sleep(7 * time.Millisecond)
	}
}

// digest returns the digest in service.
func (s *service) digest() string { return s.host.List()[0].Entry.Digest }
