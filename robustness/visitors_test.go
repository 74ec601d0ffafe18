package robustness_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"

	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
	"github.com/langevin-ml/langevin/robustness"
)

// temper is a kind of client.
type temper struct {
	name    string
	clients int
	call    func(c *visitor, ctx context.Context) // makes one call
}

func tempers() []temper {
	return []temper{
		{"fast", 2, (*visitor).fast},
		{"slow reader", 2, (*visitor).slow},
		{"deaf reader", 2, (*visitor).unread},
		{"cancelling", 2, (*visitor).cancelling},
		{"crashing", 2, (*visitor).crashing},
		{"half-open", 3, (*visitor).halfOpen},
		{"hasty", 2, (*visitor).hasty},
		{"huge", 2, (*visitor).huge},
		{"invalid", 2, (*visitor).invalid},
		{"poisoned", 2, (*visitor).poisoned},
		{"scoring", 2, (*visitor).scoring},
	}
}

// visitor is a client of one temper. Everything about it belongs to its goroutine.
type visitor struct {
	name    string
	random  *rand.Rand
	service *service
	faults  *faults
	conn    *grpc.ClientConn
	wires   *wires
	history *history
}

// history collects calls. It is safe for concurrent use.
type history struct {
	mu     sync.Mutex
	calls  []*robustness.Call
	scores int // Score calls with the right answer
	wrong  []string
}

func (h *history) add(c *robustness.Call) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.calls = append(h.calls, c)
}

// newVisitor connects a client with connections of its own.
func newVisitor(t *testing.T, s *service, h *history, temper string, seed uint64, number int) *visitor {
	v := &visitor{name: fmt.Sprint(temper, " ", number), random: rand.New(rand.NewPCG(seed, uint64(number))),
		service: s, faults: s.faults, history: h, wires: &wires{}}
	var err error
	v.conn, err = grpc.NewClient("passthrough:///"+v.name, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			conn, err := s.dial(ctx)
			if err != nil {
				return nil, err
			}
			return v.wires.wrap(conn), nil
		}))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// visit makes calls until ctx ends.
func (v *visitor) visit(ctx context.Context, call func(*visitor, context.Context)) {
	defer v.conn.Close()
	for ctx.Err() == nil {
		call(v, ctx)
		time.Sleep(time.Duration(v.random.Int64N(int64(250 * time.Millisecond))))
	}
}

// request returns a random request that is sound. Few seeds and sizes recur, so that many calls have the same result.
func (v *visitor) request() *langevinv1.SampleRequest {
	r := &langevinv1.SampleRequest{
		N: proto.Int64(int64(1 + v.random.IntN(40))), Seed: proto.Uint64(v.random.Uint64N(3)),
		FirstChain: 1000 * v.random.Uint64N(2),
		Sampler: &langevinv1.SampleRequest_Langevin{Langevin: &langevinv1.Langevin{
			Sigma: proto.Float64(1), Steps: proto.Int32(int32(1 + v.random.IntN(60))),
			StepSize: proto.Float64(0.25), Denoise: proto.Bool(v.random.IntN(2) == 0),
		}},
	}
	if v.random.IntN(2) == 0 {
		r.Preview = &langevinv1.PreviewOptions{Chains: proto.Int64(1 + v.random.Int64N(r.GetN())),
			Cadence: &langevinv1.PreviewOptions_EverySteps{EverySteps: int32(1 + v.random.IntN(10))}}
	}
	return r
}

// soon returns a random time, at most the given one.
func (v *visitor) soon(most time.Duration) time.Duration {
	return time.Duration(1 + v.random.Int64N(int64(most)))
}

// draw makes a call and records it. pause is called before each event is read.
func (v *visitor) draw(ctx context.Context, r *langevinv1.SampleRequest, change func(*robustness.Call), pause func()) {
	deadline, _ := ctx.Deadline()
	c := robustness.Begin(v.name, r, deadline)
	change(c)
	defer v.history.add(c)
	stream, err := langevinv1.NewSamplingServiceClient(v.conn).Sample(ctx, r)
	for err == nil {
		pause()
		var event *langevinv1.SampleResponse
		if event, err = stream.Recv(); err == nil {
			c.Receive(event)
		}
	}
	c.End(err)
}

// sound says how a call may end that nobody ended early: well, or refused or failed by the server's faults.
func sound(also ...codes.Code) func(codes.Code, string) error {
	allowed := append(also, codes.OK, codes.ResourceExhausted, codes.Internal, codes.Unavailable)
	return func(code codes.Code, reason string) error {
		if !slices.Contains(allowed, code) {
			return fmt.Errorf("%v %s: want one of %v", code, reason, allowed)
		}
		return nil
	}
}

func (v *visitor) fast(ctx context.Context) {
	v.draw(context.WithoutCancel(ctx), v.request(), func(c *robustness.Call) { c.Expect = sound() }, func() {})
}

func (v *visitor) slow(ctx context.Context) {
	r := v.request()
	r.Preview = &langevinv1.PreviewOptions{Chains: proto.Int64(r.GetN()),
		Cadence: &langevinv1.PreviewOptions_EverySteps{EverySteps: 1}}
	v.draw(context.WithoutCancel(ctx), r, func(c *robustness.Call) { c.Expect = sound() },
		func() { time.Sleep(v.soon(100 * time.Millisecond)) })
}

// unread asks for more than connections hold and reads nothing for longer than the server waits.
func (v *visitor) unread(ctx context.Context) {
	r := v.request()
	r.N, r.GetLangevin().Steps = proto.Int64(1200), proto.Int32(5)
	r.Preview = &langevinv1.PreviewOptions{Chains: proto.Int64(1200),
		Cadence: &langevinv1.PreviewOptions_EverySteps{EverySteps: 1}}
	read := 0
	v.draw(context.WithoutCancel(ctx), r, func(c *robustness.Call) {
		c.Expect = sound() // OK if previews were dropped and the rest fits into the connection
	}, func() {
		if read++; read == 2 {
			time.Sleep(4 * maxUnread)
		}
	})
}

func (v *visitor) cancelling(ctx context.Context) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	timer := time.AfterFunc(v.soon(300*time.Millisecond), cancel)
	defer timer.Stop()
	v.draw(ctx, v.request(), func(c *robustness.Call) { c.Left, c.Expect = true, sound(codes.Canceled) }, func() {})
}

// crashing loses its connection in the middle of a call.
func (v *visitor) crashing(ctx context.Context) {
	timer := time.AfterFunc(v.soon(200*time.Millisecond), func() {
		if v.wires.cut() && v.faults.strikes(cutConnection) {
			return
		}
	})
	defer timer.Stop()
	v.draw(context.WithoutCancel(ctx), v.request(), func(c *robustness.Call) { c.Left = true }, func() {})
}

// halfOpen keeps its connection, but nothing passes it any more.
func (v *visitor) halfOpen(ctx context.Context) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	timer := time.AfterFunc(v.soon(50*time.Millisecond), func() {
		if v.wires.swallow() && v.faults.strikes(deafConnection) {
			time.AfterFunc(3*silence, func() {
				v.wires.cut()
				cancel()
			})
		}
	})
	defer timer.Stop()
	v.draw(ctx, v.request(), func(c *robustness.Call) { c.Left = true }, func() {})
}

// hasty has deadlines that are mostly too short.
func (v *visitor) hasty(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), v.soon(200*time.Millisecond))
	defer cancel()
	v.draw(ctx, v.request(), func(c *robustness.Call) { c.Expect = sound(codes.DeadlineExceeded) }, func() {})
}

// huge asks for as much as the service allows, and for more.
func (v *visitor) huge(ctx context.Context) {
	r := v.request()
	r.N, r.Preview = proto.Int64(int64(300+v.random.IntN(2500))), nil
	r.GetLangevin().Steps = proto.Int32(int32(1 + v.random.IntN(10)))
	v.draw(context.WithoutCancel(ctx), r, func(c *robustness.Call) {
		c.Expect = sound()
		if r.GetN() > 2000 {
			c.Expect = sound(codes.InvalidArgument)
		}
	}, func() {})
}

func (v *visitor) invalid(ctx context.Context) {
	r := v.request()
	want := codes.InvalidArgument
	switch v.random.IntN(5) {
	case 0:
		r.N = proto.Int64(-1)
	case 1:
		r.GetLangevin().Steps = proto.Int32(0)
	case 2:
		r.GetLangevin().StepSize = proto.Float64(-1)
	case 3:
		r.Preview = &langevinv1.PreviewOptions{Chains: proto.Int64(r.GetN() + 1)}
	case 4:
		r.Model, want = "nobody", codes.NotFound
	}
	v.draw(context.WithoutCancel(ctx), r, func(c *robustness.Call) {
		c.Expect = func(code codes.Code, reason string) error {
			if code == codes.OK {
				return errors.New("accepted")
			}
			return sound(want)(code, reason)
		}
	}, func() {})
}

// poisoned makes numbers that are not finite in the middle of full blocks.
func (v *visitor) poisoned(ctx context.Context) {
	r := v.request()
	r.GetLangevin().StepSize, r.GetLangevin().Steps = proto.Float64(robustness.Poison), proto.Int32(30)
	v.draw(context.WithoutCancel(ctx), r, func(c *robustness.Call) {
		c.Expect = func(code codes.Code, reason string) error {
			if reason == langevinv1.ReasonDiverged {
				return nil
			}
			return sound()(code, reason)
		}
	}, func() {})
}

// scoring asks for the scores of points and compares them with the exact ones.
func (v *visitor) scoring(ctx context.Context) {
	rows := 1 + v.random.IntN(100)
	x, sigma := make([]float32, dim*rows), make([]float32, rows)
	for i := range x {
		x[i], sigma[i/dim] = v.random.Float32(), 1+v.random.Float32()
	}
	answer, err := langevinv1.NewSamplingServiceClient(v.conn).Score(context.WithoutCancel(ctx),
		&langevinv1.ScoreRequest{X: &langevinv1.Tensor{Shape: []int64{int64(rows), dim}, Data: robustness.Bytes(x)},
			Sigma: sigma})
	want := make([]float32, len(x))
	score(meanOf(answer.GetDigest()), want, x, sigma)
	v.history.mu.Lock()
	defer v.history.mu.Unlock()
	switch {
	case err == nil && slices.Equal(robustness.Floats(answer.GetScore().GetData()), want):
		v.history.scores++
	case err == nil:
		v.history.wrong = append(v.history.wrong, fmt.Sprintf("%d points of %s have other scores", rows, v.name))
	}
}

// wires are the connections of a client.
type wires struct {
	mu   sync.Mutex
	last *wire
}

func (w *wires) wrap(conn net.Conn) net.Conn {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.last = &wire{Conn: conn, closed: make(chan struct{})}
	return w.last
}

// cut closes the connection without a farewell.
func (w *wires) cut() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.last != nil && w.last.Close() == nil
}

// swallow lets nothing pass any more. It reports whether it is new.
func (w *wires) swallow() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.last != nil && w.last.swallow()
}

// wire is a connection that can lose everything while it stays open.
type wire struct {
	net.Conn
	mu     sync.Mutex
	deaf   bool
	once   sync.Once
	closed chan struct{}
}

func (w *wire) swallow() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	was := w.deaf
	w.deaf = true
	return !was
}

func (w *wire) isDeaf() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.deaf
}

func (w *wire) Read(b []byte) (int, error) {
	n, err := w.Conn.Read(b)
	if w.isDeaf() {
		<-w.closed
		return 0, io.EOF
	}
	return n, err
}

func (w *wire) Write(b []byte) (int, error) {
	if w.isDeaf() {
		return len(b), nil
	}
	return w.Conn.Write(b)
}

func (w *wire) Close() error {
	err := net.ErrClosed
	w.once.Do(func() {
		close(w.closed)
		err = w.Conn.Close()
	})
	return err
}
