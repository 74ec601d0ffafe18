package client_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/langevin-ml/langevin/client"
	"github.com/langevin-ml/langevin/client/fake"
	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
)

// hang emits the given number of events and then nothing more until the client leaves.
func hang(events int, answer fake.SampleFunc) fake.SampleFunc {
	return func(ctx context.Context, req client.SampleRequest, emit func(client.Event) error) error {
		sent := 0
		return answer(ctx, req, func(e client.Event) error {
			if sent == events {
				<-ctx.Done()
				return ctx.Err()
			}
			sent++
			return emit(e)
		})
	}
}

// fleet is servers by their address. It counts the connections made to each.
type fleet struct {
	servers map[string]*fake.Server
	dials   map[string]*atomic.Int32
	wrap    func(address string, conn net.Conn) net.Conn // nil: as it is
}

// newFleet starts a server for each answer, at the addresses a:1, b:1 and so on. A nil answer is a server that refuses
// connections.
func newFleet(t *testing.T, answers ...fake.SampleFunc) *fleet {
	f := &fleet{servers: map[string]*fake.Server{}, dials: map[string]*atomic.Int32{}}
	for i, answer := range answers {
		address := fmt.Sprintf("%c:1", 'a'+i)
		f.dials[address] = new(atomic.Int32)
		if answer != nil {
			f.servers[address] = fake.New(fake.Script{Sample: answer})
			t.Cleanup(f.servers[address].Close)
		}
	}
	return f
}

// client returns a client of all servers.
func (f *fleet) client(t *testing.T, opts ...client.Option) *client.Client {
	t.Helper()
	var addresses []string
	for i := range len(f.dials) {
		addresses = append(addresses, fmt.Sprintf("%c:1", 'a'+i))
	}
	target := strings.Join(addresses, ",")
	if len(addresses) == 1 {
		target = "passthrough:///" + target
	}
	c, err := client.New(target, append(opts, client.WithDialOptions(grpc.WithContextDialer(f.dial)))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func (f *fleet) dial(ctx context.Context, address string) (net.Conn, error) {
	f.dials[address].Add(1)
	server := f.servers[address]
	if server == nil {
		return nil, errors.New("connection refused")
	}
	conn, err := server.Dial(ctx, address)
	if err == nil && f.wrap != nil {
		conn = f.wrap(address, conn)
	}
	return conn, err
}

// TestStall: a server that falls silent, after any event, is noticed within the stall timeout, and the call goes on
// with the same samples. Without WithResume it fails.
func TestStall(t *testing.T) {
	const timeout = 3 * time.Second
	req := client.SampleRequest{Model: "walk", N: 5, Seed: new(uint64(9)), FirstChain: 7}
	want, err := serve(t, fake.Script{Sample: walk("d")}).Sample(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		events int
		resume bool
		ok     bool
	}{
		{0, true, true}, {1, true, true}, {9, true, true}, {13, true, true}, {15, true, true},
		{0, false, true}, {1, false, false}, {15, false, false}, // a call that has not begun is always made again
	} {
		synctest.Test(t, func(t *testing.T) {
			opts := []client.Option{quick(), client.WithStallTimeout(timeout)}
			if tt.resume {
				opts = append(opts, client.WithResume())
			}
			c := newFleet(t, fake.Sequence(hang(tt.events, walk("d")), walk("d"))).client(t, opts...)
			begin := time.Now()
			got, err := c.Sample(t.Context(), req)
			if took := time.Since(begin); took < timeout*9/10 || took > timeout+timeout/10 {
				t.Errorf("silent after %d events: noticed after %s", tt.events, took)
			}
			switch {
			case !tt.ok:
				if !errors.Is(err, client.ErrUnreachable) || !contains(err, "sample walk: nothing came for 3s") {
					t.Errorf("silent after %d events, without WithResume: %v", tt.events, err)
				}
				return
			case err != nil:
				t.Fatalf("silent after %d events: %v", tt.events, err)
			}
			got.Resumed, got.NFE = want.Resumed, want.NFE
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("silent after %d events (-want +got):\n%s", tt.events, diff)
			}
		})
	}
}

// TestStallYieldsToCaller: a caller that gives up first gets its own error, at once and not at the stall timeout.
func TestStallYieldsToCaller(t *testing.T) {
	for events := range 3 {
		synctest.Test(t, func(t *testing.T) {
			c := newFleet(t, hang(events, walk("d"))).client(t, client.WithResume())
			for _, want := range []error{context.Canceled, context.DeadlineExceeded} {
				ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
				if errors.Is(want, context.Canceled) {
					time.AfterFunc(2*time.Second, cancel)
				}
				begin := time.Now()
				if _, err := c.Sample(ctx, client.SampleRequest{Seed: new(uint64(1))}); !errors.Is(err, want) {
					t.Errorf("after %d events: %v, want %v", events, err, want)
				}
				if took := time.Since(begin); took > 3*time.Second {
					t.Errorf("after %d events: %v took %s", events, want, took)
				}
				cancel()
			}
		})
	}
}

// TestStallBelongsToServer: long times in which the server is alive are no silence.
func TestStallBelongsToServer(t *testing.T) {
	queued := func(ctx context.Context, req client.SampleRequest, emit func(client.Event) error) error {
		events := sound()
		if err := emit(events[0]); err != nil {
			return err
		}
		return fake.Delay(250*time.Millisecond, fake.Events(append(sliceOf(400, client.Event(client.Progress{})),
			events[3], events[5], events[6])...))(ctx, req, emit)
	}
	for name, tt := range map[string]struct {
		answer fake.SampleFunc
		pause  time.Duration // of the reader, after every event
		opts   []client.Option
		took   time.Duration
	}{
		"waits in a queue": {answer: queued, took: 100 * time.Second},
		"reader is slow":   {answer: fake.Events(sound()...), pause: time.Minute, took: 7 * time.Minute},
		"told to wait": {fake.Delay(time.Hour, fake.Events(sound()...)), 0,
			[]client.Option{client.WithStallTimeout(-1), client.WithKeepalive(-1)}, 7 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now()
				c := newFleet(t, tt.answer).client(t, tt.opts...)
				stream := c.Stream(t.Context(), client.SampleRequest{Model: "g"})
				for _, err := range stream.Events() {
					if err != nil {
						t.Fatal(err)
					}
					time.Sleep(tt.pause)
				}
				if took := time.Since(begin); took < tt.took {
					t.Errorf("took %s, want %s", took, tt.took)
				}
			})
		})
	}
}

func sliceOf[T any](n int, value T) []T {
	all := make([]T, n)
	for i := range all {
		all[i] = value
	}
	return all
}

// trickle is a connection that delivers a few bytes at a time.
type trickle struct{ net.Conn }

func (c trickle) Read(p []byte) (int, error) {
	time.Sleep(100 * time.Millisecond)
	return c.Conn.Read(p[:min(len(p), 1<<10)])
}

// TestStallSlowNetwork: a chunk that takes longer than the stall timeout to arrive is not silence.
func TestStallSlowNetwork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, fake.Samples([]int{1 << 16}, func(uint64) []float32 { return make([]float32, 1<<16) }))
		f.wrap = func(_ string, conn net.Conn) net.Conn { return trickle{conn} }
		begin := time.Now()
		if _, err := f.client(t).Sample(t.Context(), client.SampleRequest{}); err != nil {
			t.Error(err)
		}
		if took := time.Since(begin); took < 20*time.Second {
			t.Errorf("took %s, so the test shows nothing", took)
		}
	})
}

// TestStallLoading: a server of version 0.1, which is silent while it loads a model, is asked again until it has.
func TestStallLoading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		loaded := time.Now().Add(25 * time.Second)
		c := newFleet(t, func(ctx context.Context, req client.SampleRequest, emit func(client.Event) error) error {
			select {
			case <-time.After(time.Until(loaded)):
				return walk("d")(ctx, req, emit)
			case <-ctx.Done():
				return ctx.Err()
			}
		}).client(t)
		if _, err := c.Sample(t.Context(), client.SampleRequest{Seed: new(uint64(1))}); err != nil {
			t.Error(err)
		}
	})
}

// waitingServer sends waiting events for a minute before it answers.
type waitingServer struct {
	langevinv1.UnimplementedSamplingServiceServer
}

func (waitingServer) Sample(req *langevinv1.SampleRequest,
	stream grpc.ServerStreamingServer[langevinv1.SampleResponse]) error {
	for i := range 240 {
		if !req.GetWaiting() {
			return errors.New("waiting is not set")
		}
		event := &langevinv1.Waiting{Elapsed: durationpb.New(time.Duration(i) * time.Second)}
		if err := stream.Send(&langevinv1.SampleResponse{
			Event: &langevinv1.SampleResponse_Waiting{Waiting: event}}); err != nil {
			return err
		}
		time.Sleep(250 * time.Millisecond)
	}
	return errors.New("enough")
}

// TestWaiting: a call whose server says that it waits is not broken, and its reader does not see these events.
func TestWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pipe, server := bufconn.Listen(1<<20), grpc.NewServer()
		langevinv1.RegisterSamplingServiceServer(server, waitingServer{})
		go func() { _ = server.Serve(pipe) }()
		defer server.Stop()
		dial := func(ctx context.Context, _ string) (net.Conn, error) { return pipe.DialContext(ctx) }
		c, err := client.New("passthrough:///waiting", client.WithDialOptions(grpc.WithContextDialer(dial)))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		for e, err := range c.Stream(t.Context(), client.SampleRequest{}).Events() {
			if e != nil || !contains(err, "enough") {
				t.Errorf("%v, %v", e, err)
			}
		}
	})
}

// freezing is a connection from which nothing comes once it is frozen, as from a stopped process.
type freezing struct {
	net.Conn
	frozen *atomic.Bool
	closed context.Context
	close  context.CancelFunc
}

func newFreezing(conn net.Conn, frozen *atomic.Bool) freezing {
	closed, end := context.WithCancel(context.Background())
	return freezing{conn, frozen, closed, end}
}

func (c freezing) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if c.frozen.Load() {
		<-c.closed.Done()
		return 0, net.ErrClosed
	}
	return n, err
}

func (c freezing) Close() error {
	c.close()
	return c.Conn.Close()
}

// TestStallLeavesServer: after one server of three has frozen, the calls that it has notice. The following ones go to
// the others, also if every call is shorter than the stall timeout.
func TestStallLeavesServer(t *testing.T) {
	for _, deadline := range []time.Duration{30 * time.Second, 4 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			var frozen atomic.Bool
			f := newFleet(t, walk("d"), walk("d"), walk("d"))
			f.wrap = func(address string, conn net.Conn) net.Conn {
				if address == "b:1" {
					return newFreezing(conn, &frozen)
				}
				return conn
			}
			c := f.client(t, quick())
			late := 0
			for i := range 60 {
				if i == 10 {
					synctest.Wait() // until there is a connection to each server
					frozen.Store(true)
				}
				ctx, cancel := context.WithTimeout(t.Context(), deadline)
				begin := time.Now()
				if _, err := c.Sample(ctx, client.SampleRequest{Seed: new(uint64(1))}); err != nil {
					t.Errorf("with a deadline of %s: %v after %s", deadline, err, time.Since(begin))
				}
				if time.Since(begin) > time.Second {
					late++
				}
				cancel()
			}
			if most := int(10 * time.Second / min(10*time.Second, deadline/2)); late < 1 || late > most {
				t.Errorf("with a deadline of %s: %d of 50 calls are late, want at most %d", deadline, late, most)
			}
		})
	}
}

// TestStallCloses: a frozen server ends all calls on its connection at once, also those that send no events.
func TestStallCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var frozen atomic.Bool
		f := newFleet(t, hang(1, walk("d")))
		f.wrap = func(_ string, conn net.Conn) net.Conn { return newFreezing(conn, &frozen) }
		c := f.client(t, client.WithRetry(client.RetryPolicy{Attempts: 1}))
		begin, ended := time.Now(), make(chan error)
		for e, err := range c.Stream(t.Context(), client.SampleRequest{Seed: new(uint64(1))}).Events() {
			if e != nil {
				frozen.Store(true)
				go func() { _, err := c.Model(t.Context(), "walk", 0); ended <- err }()
				continue
			}
			if !errors.Is(err, client.ErrUnreachable) {
				t.Error(err)
			}
		}
		if err := <-ended; !errors.Is(err, client.ErrUnreachable) || !contains(err, "nothing came for 10s") {
			t.Error(err)
		}
		if took := time.Since(begin); took > 11*time.Second {
			t.Errorf("noticed after %s", took)
		}
	})
}

// TestKeepaliveByDefault: a call without events, alone on a frozen connection, is ended by a ping without an answer.
func TestKeepaliveByDefault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var frozen atomic.Bool
		f := newFleet(t, walk("d"))
		f.wrap = func(_ string, conn net.Conn) net.Conn { return newFreezing(conn, &frozen) }
		c := f.client(t, client.WithRetry(client.RetryPolicy{Attempts: 1}))
		if _, err := c.Model(t.Context(), "walk", 0); !errors.Is(err, client.ErrModelNotFound) {
			t.Fatal(err)
		}
		frozen.Store(true)
		begin := time.Now()
		if _, err := c.Model(t.Context(), "walk", 0); !errors.Is(err, client.ErrUnreachable) {
			t.Error(err)
		}
		if took := time.Since(begin); took > 46*time.Second {
			t.Errorf("noticed after %s", took)
		}
	})
}
