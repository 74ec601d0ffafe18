package robustness_test

import (
	"context"
	"fmt"
	"math"
	"net"
	"runtime"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"

	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
	"github.com/langevin-ml/langevin/robustness"
	"github.com/langevin-ml/langevin/robustness/process"
)

// The jobs of the overload: 16 chains of 5,000 steps with a deadline of 5 s.
const (
	jobChains   = 16
	jobSteps    = 5000
	jobDeadline = 5 * time.Second
)

func job(chains, steps int) *langevinv1.SampleRequest {
	return &langevinv1.SampleRequest{Model: "ring", N: proto.Int64(int64(chains)), Seed: proto.Uint64(1),
		Sampler: &langevinv1.SampleRequest_Langevin{Langevin: &langevinv1.Langevin{
			Sigma: proto.Float64(1), Steps: proto.Int32(int32(steps)), StepSize: proto.Float64(0.01)}}}
}

// caller has connections from an address of its own, which is what a server without tokens tells callers by.
type caller struct{ conns []*grpc.ClientConn }

// newCaller opens connections from a loopback address, such as 127.0.0.2.
func newCaller(t *testing.T, target, from string, connections int) *caller {
	t.Helper()
	c := &caller{}
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	for range connections {
		conn, err := grpc.NewClient(target, grpc.WithTransportCredentials(insecure.NewCredentials()),
			grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) {
				return dialer.DialContext(ctx, "tcp", address)
			}))
		if err != nil {
			t.Fatal(err)
		}
		c.conns = append(c.conns, conn)
	}
	return c
}

func (c *caller) close() {
	for _, conn := range c.conns {
		conn.Close()
	}
}

// draw makes the i-th call.
func (c *caller) draw(ctx context.Context, i int, deadline time.Duration,
	r *langevinv1.SampleRequest) *robustness.Call {
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	return drawOn(ctx, c.conns[i%len(c.conns)], "caller", r)
}

// closedLoop keeps a number of jobs running for a time and returns those that ended well, per second.
func (c *caller) closedLoop(ctx context.Context, jobs int, length time.Duration) float64 {
	var wg sync.WaitGroup
	h := &history{}
	begun := time.Now()
	for i := range jobs {
		wg.Go(func() {
			for time.Since(begun) < length {
				if call := c.draw(ctx, i, time.Minute, job(jobChains, jobSteps)); call.Err == nil {
					h.add(call)
				}
			}
		})
	}
	wg.Wait()
	return float64(len(h.calls)) / time.Since(begun).Seconds()
}

// openLoop makes calls at even intervals, whatever becomes of them. late is by how much each was made too late, because
// the machine was busy.
func (c *caller) openLoop(ctx context.Context, rate float64, length time.Duration) (h *history, late []time.Duration) {
	h = &history{}
	var wg sync.WaitGroup
	every := time.Duration(float64(time.Second) / rate)
	begun := time.Now()
	for i := 0; time.Since(begun) < length; i++ {
		due := begun.Add(time.Duration(i) * every)
		time.Sleep(time.Until(due))
		late = append(late, time.Since(due))
		wg.Go(func() { h.add(c.draw(ctx, i, jobDeadline, job(jobChains, jobSteps))) })
	}
	wg.Wait()
	return h, late
}

// outcomes sorts calls by how they ended.
type outcomes struct {
	served, refused, late []*robustness.Call
	others                []*robustness.Call
}

func sorted(calls []*robustness.Call) (o outcomes) {
	for _, c := range calls {
		switch {
		case c.Err == nil:
			o.served = append(o.served, c)
		case c.Started == nil && (c.Code() == codes.ResourceExhausted || robustness.Reason(c.Err) != ""):
			o.refused = append(o.refused, c)
		case c.Code() == codes.DeadlineExceeded:
			o.late = append(o.late, c)
		default:
			o.others = append(o.others, c)
		}
	}
	return o
}

func took(calls []*robustness.Call) []time.Duration {
	times := make([]time.Duration, len(calls))
	for i, c := range calls {
		times[i] = c.Ended.Sub(c.Begun)
	}
	return times
}

// TestOverload loads a server with ten times its capacity for a minute, while a modest caller asks for a little. What
// depends on how busy this machine is otherwise is judged only if it is quiet. The peak is the mean of the peaks before
// and after, less what the client takes of the processors that it shares with the server.
func TestOverload(t *testing.T) {
	inLongForm(t)
	a := attack(t)
	ctx := t.Context()
	greedy, modest := newCaller(t, a.Address, "127.0.0.1", 40), newCaller(t, a.Address, "127.0.0.2", 1)
	defer greedy.close()
	defer modest.close()
	greedy.closedLoop(ctx, 32, 3*time.Second)
	var peak float64
	ownAtPeak := processors(t, func() { peak = greedy.closedLoop(ctx, 64, 15*time.Second) })
	before := a.usage(t)

	const length = time.Minute
	polite := make(chan []*robustness.Call, 1)
	flooding, stop := context.WithCancel(ctx)
	defer stop()
	go func() { polite <- modest.politely(flooding) }()
	flooded := time.Now()
	var h *history
	var late []time.Duration
	ownInFlood := processors(t, func() { h, late = greedy.openLoop(ctx, 10*peak, length) })
	ended := time.Now()
	stop()
	lines := <-polite
	after := a.usage(t)
	recovery := recoveryOf(ctx, greedy, ended)
	peakAfter := greedy.closedLoop(ctx, 64, 15*time.Second)

	o, m := sorted(h.calls), sorted(lines)
	throughput := rate(o.served, flooded.Add(jobDeadline), flooded.Add(length))
	missed := float64(len(o.late)) / float64(max(1, len(o.served)+len(o.late)))
	between := (peak + peakAfter) / 2
	cores := float64(runtime.NumCPU())
	left := (cores - ownInFlood) / (cores - ownAtPeak)
	t.Logf("overload of 10 times the capacity for %v, %d chains of %d steps, deadlines of %v\n"+
		"peak before: %.1f calls/s, after: %.1f calls/s; offered: %.0f calls/s; served: %.1f calls/s, %.0f %% of the "+
		"peak, %.0f %% of its part that the client leaves\n"+
		"%d served, %d refused, %d missed their deadline or were given up (%.1f %% of the accepted), %d others\n"+
		"served in %s; refused in %s; this machine woke the client too late by %s\n"+
		"modest caller: %d of %d served, in %s\nresident memory: %.0f MB before, %.0f MB at most\n"+
		"recovery: %v after the last call\n"+
		"the client took %.2f processors at the peak and %.2f in the overload, of %d that it shares with the server",
		length, jobChains, jobSteps, jobDeadline, peak, peakAfter, 10*peak, throughput, 100*throughput/between,
		100*throughput/between/left,
		len(o.served), len(o.refused), len(o.late), 100*missed, len(o.others), robustness.Spread(took(o.served)),
		robustness.Spread(took(o.refused)), robustness.Spread(late), len(m.served), len(lines),
		robustness.Spread(took(m.served)), before.Resident/1e6, after.Peak/1e6, recovery.Round(time.Millisecond),
		ownAtPeak, ownInFlood, runtime.NumCPU())

	rules := robustness.Rules{Undisturbed: a.ringUndisturbed(t), Tardy: time.Second}
	for i, v := range rules.Check(h.calls) {
		if i < 5 {
			t.Error(v)
		}
	}
	judge(t, "memory", after.Peak < before.Resident+256e6)
	judge(t, "the modest caller is served", len(m.served) == len(lines) && len(lines) > 20)
	judge(t, "other errors", len(o.others)+len(m.others) == 0)
	judge(t, "refusals there are", len(o.refused) > len(o.served))
	if robustness.Quantile(late, 0.99) > 15*time.Millisecond || math.Abs(peak-peakAfter) > 0.15*between {
		t.Logf("this machine is too busy to judge times: not judged are the times of refusals, deadlines, throughput " +
			"and recovery")
	} else {
		judge(t, "refusals within 50 ms", robustness.Quantile(took(o.refused), 0.99) <= 50*time.Millisecond)
		judge(t, "accepted work within its deadline", missed < 0.05)
		judge(t, "throughput", throughput >= 0.9*between*left)
		judge(t, "recovery", recovery < 2*time.Second)
	}
	a.idle(t, process.Usage{})
}

// rate returns how many calls ended in a time, per second.
func rate(calls []*robustness.Call, from, to time.Time) float64 {
	n := 0
	for _, c := range calls {
		if c.Ended.After(from) && c.Ended.Before(to) {
			n++
		}
	}
	return float64(n) / to.Sub(from).Seconds()
}

// processors returns how many processors this process takes while it does some work.
func processors(t *testing.T, work func()) float64 {
	t.Helper()
	begun, before := time.Now(), process.OwnTime(t)
	work()
	return (process.OwnTime(t) - before).Seconds() / time.Since(begun).Seconds()
}

func judge(t *testing.T, what string, kept bool) {
	t.Helper()
	if !kept {
		t.Errorf("%s: not as promised", what)
	}
}

// usage is Usage for a server that must answer.
func (a *attacked) usage(t *testing.T) process.Usage {
	t.Helper()
	u, err := a.Usage()
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// politely asks for a little, twice a second.
func (c *caller) politely(ctx context.Context) (calls []*robustness.Call) {
	for ctx.Err() == nil {
		calls = append(calls, c.draw(context.WithoutCancel(ctx), 0, jobDeadline, job(4, 500)))
		time.Sleep(500 * time.Millisecond)
	}
	return calls
}

// recoveryOf returns how long after the end of a load a call of the same caller is served at once.
func recoveryOf(ctx context.Context, c *caller, ended time.Time) time.Duration {
	for {
		call := c.draw(ctx, 0, time.Second, job(jobChains, 200))
		if call.Err == nil || time.Since(ended) > time.Minute {
			return call.Ended.Sub(ended)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// ringUndisturbed draws the job alone and returns it for every request.
func (a *attacked) ringUndisturbed(t *testing.T) func(string, *langevinv1.SampleRequest, uint64) (robustness.Drawn,
	error) {
	t.Helper()
	conn := connect(t, a.Address)
	defer conn.Close()
	c := drawOn(t.Context(), conn, "undisturbed", job(jobChains, jobSteps))
	if c.Err != nil {
		t.Fatal(c)
	}
	return func(digest string, _ *langevinv1.SampleRequest, _ uint64) (robustness.Drawn, error) {
		if digest != c.Started.GetDigest() {
			return robustness.Drawn{}, fmt.Errorf("drawn by version %s", digest)
		}
		return robustness.Drawn{X: c.X}, nil
	}
}
