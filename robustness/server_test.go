package robustness_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"

	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/models/modelstest"
	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
	"github.com/langevin-ml/langevin/robustness"
	"github.com/langevin-ml/langevin/robustness/process"
	"github.com/langevin-ml/langevin/robustness/proxy"
	"github.com/langevin-ml/langevin/robustness/testmain"
)

// attacked is a server in a process of its own, behind a proxy. Its methods are for one goroutine.
type attacked struct {
	*process.Server
	proxy  *proxy.Proxy
	args   []string
	folder string // of models
	shelf  int    // the variant in service
	drawn  map[string]robustness.Drawn
	fired  map[string]int
}

// attack starts a server that has the model points, and a proxy before it. Further arguments are those of serve.
func attack(t *testing.T, args ...string) *attacked {
	t.Helper()
	a := &attacked{folder: t.TempDir(), drawn: map[string]robustness.Drawn{}, fired: map[string]int{}}
	a.shelf = 1
	a.write(t, variant(t, a.shelf))
	a.args = append([]string{"--models-dir", a.folder, "--models-default", "points"}, args...)
	a.start(t, "")
	var err error
	if a.proxy, err = proxy.New(a.Address); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		a.proxy.Close()
		if !a.Ended() {
			_ = a.Thaw() // it runs already, unless the test has failed
			if err := a.Kill(); err != nil {
				t.Error(err)
			}
		}
		if t.Failed() {
			t.Logf("the server's log:\n%s", a.Log())
		}
	})
	return a
}

// executable returns the program that serves.
func executable(t *testing.T) string {
	t.Helper()
	if *program != "" {
		return *program
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return self
}

func (a *attacked) start(t *testing.T, listen string) {
	t.Helper()
	var err error
	if a.Server, err = process.Start(executable(t), listen, a.args...); err != nil {
		t.Fatal(err)
	}
	a.awaitModels(t)
}

// awaitModels waits until no model loads any more. A server is ready before that.
func (a *attacked) awaitModels(t *testing.T) {
	t.Helper()
	c := newCaller(t, a.Address, "127.0.0.1", 1)
	defer c.close()
	models := langevinv1.NewModelServiceClient(c.conns[0])
	waitFor(t, "a server that has loaded its models", func() bool {
		list, err := models.ListModels(t.Context(), &langevinv1.ListModelsRequest{PageSize: 1000})
		if err != nil {
			t.Fatal(err)
		}
		return !slices.ContainsFunc(list.GetModels(), func(m *langevinv1.Model) bool {
			return m.GetState() == langevinv1.ModelState_MODEL_STATE_LOADING
		})
	})
}

// variant returns one of several models whose samples differ.
func variant(t *testing.T, number int) []byte {
	t.Helper()
	m := modelstest.Manifest("points", dim)
	m.Prior.Std = float64(number)
	return modelstest.File(t, modelstest.Gaussian(dim), m)
}

// write replaces the file of the model points.
func (a *attacked) write(t *testing.T, file []byte) {
	t.Helper()
	a.writeModel(t, "points", file)
}

// writeModel replaces a model's file in one step.
func (a *attacked) writeModel(t *testing.T, name string, file []byte) {
	t.Helper()
	path := filepath.Join(a.folder, name, "1", models.FileName)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path+".new", file, 0o644),
		os.Rename(path+".new", path)); err != nil {
		t.Fatal(err)
	}
}

// connect returns a connection of its own.
func connect(t *testing.T, address string) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// orders are the requests that clients of real servers make, in the order of their size.
func orders() []*langevinv1.SampleRequest {
	var list []*langevinv1.SampleRequest
	for i, n := range []int64{1, 7, 40, 300} {
		list = append(list, &langevinv1.SampleRequest{
			Model: "points", N: proto.Int64(n), Seed: proto.Uint64(uint64(i)), FirstChain: uint64(100 * i),
			Sampler: &langevinv1.SampleRequest_Langevin{Langevin: &langevinv1.Langevin{Sigma: proto.Float64(1),
				Steps: proto.Int32(int32(40 * (i + 1))), StepSize: proto.Float64(0.25)}},
			Preview: &langevinv1.PreviewOptions{Chains: proto.Int64(min(n, 20)),
				Cadence: &langevinv1.PreviewOptions_EverySteps{EverySteps: 10}},
		})
	}
	return list
}

// remember draws every order undisturbed with the model in service.
func (a *attacked) remember(t *testing.T) {
	t.Helper()
	conn := connect(t, a.Address)
	defer conn.Close()
	for _, order := range orders() {
		c := drawOn(t.Context(), conn, "undisturbed", order)
		if c.Err != nil {
			t.Fatal(c)
		}
		states := map[int64][]float32{}
		for _, shown := range c.Shown {
			states[shown.Step] = shown.X
		}
		a.drawn[orderKey(c.Started.GetDigest(), order)] = robustness.Drawn{X: c.X,
			State: func(step int64) []float32 { return states[step] }}
	}
}

func orderKey(digest string, r *langevinv1.SampleRequest) string { return fmt.Sprint(digest, r.GetN()) }

func (a *attacked) undisturbed(digest string, r *langevinv1.SampleRequest, _ uint64) (robustness.Drawn, error) {
	drawn, ok := a.drawn[orderKey(digest, r)]
	if !ok {
		return drawn, fmt.Errorf("no undisturbed result for digest %s", digest)
	}
	return drawn, nil
}

// drawOn makes a call and records it.
func drawOn(ctx context.Context, conn *grpc.ClientConn, name string, r *langevinv1.SampleRequest) *robustness.Call {
	deadline, _ := ctx.Deadline()
	c := robustness.Begin(name, r, deadline)
	stream, err := langevinv1.NewSamplingServiceClient(conn).Sample(ctx, r)
	for err == nil {
		var event *langevinv1.SampleResponse
		if event, err = stream.Recv(); err == nil {
			c.Receive(event)
		}
	}
	c.End(err)
	return c
}

// customers make calls of all kinds until ctx ends. The calls are recorded.
func customers(t *testing.T, ctx context.Context, address string, seed uint64, clients int) *history {
	h := &history{}
	customersInto(t, ctx, h, address, seed, clients)
	return h
}

func customersInto(t *testing.T, ctx context.Context, h *history, address string, seed uint64, clients int) {
	var wg sync.WaitGroup
	for i := range clients {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(seed, uint64(i)))
			conn := connect(t, address)
			defer func() { conn.Close() }()
			for ctx.Err() == nil {
				kind, patience := random.IntN(5), 20*time.Second
				if kind == 0 {
					patience = time.Duration(random.Int64N(int64(100 * time.Millisecond)))
				}
				call, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
				if kind == 1 {
					time.AfterFunc(time.Duration(random.Int64N(int64(50*time.Millisecond))), cancel)
				}
				c := drawOn(call, conn, fmt.Sprint("customer ", i), orders()[random.IntN(4)])
				cancel()
				c.Left = kind == 1
				c.Expect = sound(codes.DeadlineExceeded, codes.Canceled)
				h.add(c)
				if kind == 2 { // it crashes after the call
					conn.Close()
					conn = connect(t, address)
				}
				time.Sleep(time.Duration(random.Int64N(int64(20 * time.Millisecond))))
			}
		})
	}
	wg.Wait()
}

// TestServerFaults: a server in a process of its own is killed, frozen and restarted, its connections are delayed, cut
// and held back, and its models are replaced, well and badly, while clients use it. Every call keeps every promise, and
// afterwards the server holds nothing.
func TestServerFaults(t *testing.T) {
	seed := testmain.Seed(t, *seed, *long)
	a := attack(t, "--grpc-keepalive-time", "1s", "--grpc-keepalive-timeout", "1s", "--drain-timeout",
		drain.String())
	a.remember(t)
	a.replace(t)
	a.remember(t)
	before := a.idle(t, process.Usage{})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan *history, 1)
	go func() { done <- customers(t, ctx, a.proxy.Address(), seed, 6) }()
	random := rand.New(rand.NewPCG(seed, 99))
	rounds := 1
	if *long {
		rounds = 12
	}
	for range rounds {
		for _, i := range random.Perm(len(a.faults())) {
			time.Sleep(time.Duration(random.Int64N(int64(100 * time.Millisecond))))
			a.faults()[i](t)
		}
	}
	time.Sleep(100 * time.Millisecond)
	cancel()
	h := <-done
	a.check(t, h)
	a.idle(t, before)
	a.stop(t, seed)
}

// drain is how long running calls may continue after SIGTERM.
const drain = 500 * time.Millisecond

// stop sends SIGTERM while calls of all lengths run. The server starts no new call, ends those that it has started, and
// then itself.
func (a *attacked) stop(t *testing.T, seed uint64) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var h, outlasting *history
	var both sync.WaitGroup
	both.Go(func() { h = customers(t, ctx, a.Address, seed, 4) })
	both.Go(func() { outlasting = a.outlast(t) })
	time.Sleep(time.Duration(100+rand.New(rand.NewPCG(seed, 5)).IntN(200)) * time.Millisecond)
	if err := a.Terminate(); err != nil {
		t.Fatal(err)
	}
	if err := a.Wait(30 * time.Second); err != nil {
		t.Errorf("after SIGTERM: %v", err)
	}
	stopped, ended := a.Said("stopping"), a.Said("stopped")
	cancel()
	both.Wait()
	const notice, slack = 100 * time.Millisecond, 5 * time.Second // the machine may be busy
	calls := slices.Concat(h.calls, outlasting.calls)
	for _, v := range robustness.Drained(calls, stopped, notice, drain+slack) {
		t.Error(v)
	}
	rules := robustness.Rules{Undisturbed: a.undisturbed, Tardy: 2 * time.Second}
	for _, v := range rules.Check(h.calls) {
		t.Error(v)
	}
	finished, cutOff := 0, 0
	for _, c := range calls {
		switch {
		case c.Err == nil && c.Begun.Before(stopped) && c.Ended.After(stopped):
			finished++
		case robustness.Reason(c.Err) == langevinv1.ReasonDraining:
			cutOff++
		}
	}
	t.Logf("SIGTERM: stopped %v later; %d calls finished meanwhile and %d were ended", ended.Sub(stopped), finished,
		cutOff)
	if cutOff < len(outlasting.calls) {
		t.Errorf("%d calls were ended as the server stopped, want the %d that outlast it", cutOff,
			len(outlasting.calls))
	}
}

// outlast makes calls that take longer than a server waits that stops.
func (a *attacked) outlast(t *testing.T) *history {
	h := &history{}
	var wg sync.WaitGroup
	for i := range 2 {
		wg.Go(func() {
			conn := connect(t, a.Address)
			defer conn.Close()
			order := orders()[3]
			order.N, order.Preview, order.GetLangevin().Steps = proto.Int64(500), nil, proto.Int32(100_000)
			h.add(drawOn(t.Context(), conn, fmt.Sprint("outlasting ", i), order))
		})
	}
	wg.Wait()
	return h
}

// check compares the history with the promises.
func (a *attacked) check(t *testing.T, h *history) {
	t.Helper()
	rules := robustness.Rules{Undisturbed: a.undisturbed, Tardy: 2 * time.Second}
	for _, v := range rules.Check(h.calls) {
		t.Error(v)
	}
	ends := map[codes.Code]int{}
	for _, c := range h.calls {
		ends[c.Code()]++
	}
	hits := a.proxy.Hits()
	t.Logf("%d calls: %v\nfaults: %v, %+v", len(h.calls), ends, a.fired, hits)
	if ends[codes.OK] == 0 || ends[codes.Unavailable] == 0 {
		t.Errorf("%v: want calls that ended well, and calls that were broken", ends)
	}
	if hits.Delayed == 0 || hits.Held == 0 || hits.Cut == 0 {
		t.Errorf("%+v: a fault of the proxy hit nothing", hits)
	}
}

// idle waits until the server holds nothing, and no more than before unless that is zero. It returns what it uses.
func (a *attacked) idle(t *testing.T, before process.Usage) process.Usage {
	t.Helper()
	const slack = 3 // goroutines and descriptors of connections that come and go, as the scrape's own
	var u process.Usage
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		var err error
		if u, err = a.Usage(); err != nil {
			t.Fatal(err)
		}
		held := u.OpenBytes + u.OpenCalls + u.Running + u.Waiting
		if held == 0 && (before == process.Usage{} ||
			u.Goroutines <= before.Goroutines+slack && u.Descriptors <= before.Descriptors+slack) {
			return u
		}
	}
	t.Errorf("20 s after the last client the server holds %+v, and before it held %+v", u, before)
	return u
}

// faults are what happens to the server, each at once.
func (a *attacked) faults() []func(t *testing.T) {
	return []func(t *testing.T){
		func(*testing.T) {
			a.proxy.Delay(20 * time.Millisecond)
			time.Sleep(150 * time.Millisecond)
			a.proxy.Delay(0)
		},
		func(t *testing.T) { waitFor(t, "a connection that is cut", func() bool { return a.proxy.Cut() > 0 }) },
		func(t *testing.T) {
			held, restore := a.proxy.Hits().Held, a.proxy.Blackhole()
			waitFor(t, "something that is held back", func() bool { return a.proxy.Hits().Held > held })
			time.Sleep(150 * time.Millisecond)
			restore()
		},
		a.freeze, a.kill, a.replace, a.replaceBadly,
	}
}

func waitFor(t *testing.T, what string, happened func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !happened(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Errorf("20 s without %s", what)
			return
		}
	}
}

func (a *attacked) freeze(t *testing.T) {
	if err := a.Freeze(); err != nil {
		t.Fatal(err)
	}
	a.fired["frozen"]++
	time.Sleep(200 * time.Millisecond)
	if err := a.Thaw(); err != nil {
		t.Fatal(err)
	}
}

func (a *attacked) kill(t *testing.T) {
	if err := a.Kill(); err != nil || !a.Ended() {
		t.Fatalf("killed: %v", err)
	}
	a.fired["killed"]++
	a.start(t, a.Address)
}

// replace puts the other variant in service, and waits until a new call gets it.
func (a *attacked) replace(t *testing.T) {
	old := a.digest(t)
	a.shelf = 3 - a.shelf
	a.write(t, variant(t, a.shelf))
	if err := a.Reload(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "a new version in service", func() bool { return a.digest(t) != old })
	a.fired["replaced"]++
}

// replaceBadly offers half a file. The old version stays in service.
func (a *attacked) replaceBadly(t *testing.T) {
	old, said := a.digest(t), a.Said("models changed")
	file := variant(t, a.shelf)
	a.write(t, file[:len(file)/2])
	if err := a.Reload(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the end of a reload", func() bool { return a.Said("models changed").After(said) })
	a.fired["replaced badly"]++
	if now := a.digest(t); now != old {
		t.Errorf("after a reload of half a file, version %s is in service, want %s", now, old)
	}
	a.write(t, file) // for a server that starts again
}

// digest returns the digest in service.
func (a *attacked) digest(t *testing.T) string {
	t.Helper()
	conn := connect(t, a.Address)
	defer conn.Close()
	c := drawOn(t.Context(), conn, "probe", orders()[0])
	if c.Err != nil {
		t.Fatal(c)
	}
	return c.Started.GetDigest()
}
