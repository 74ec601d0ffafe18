package client_test

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"

	"github.com/langevin-ml/langevin/client"
	"github.com/langevin-ml/langevin/client/fake"
)

// place is one address, behind which servers follow each other.
type place struct {
	now atomic.Pointer[fake.Server] // that new connections lead to; nil: they are refused
}

func newPlace(t *testing.T) *place {
	t.Helper()
	others := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, others) })
	return &place{}
}

func (p *place) dial(ctx context.Context, address string) (net.Conn, error) {
	if s := p.now.Load(); s != nil {
		return s.Dial(ctx, address)
	}
	return nil, errors.New("connection refused")
}

// server starts a server. It is not yet the one behind the address.
func (p *place) server(t *testing.T, answer fake.SampleFunc) *fake.Server {
	t.Helper()
	s := fake.New(fake.Script{Sample: answer, Models: []client.Model{{Name: "walk", Version: 1, Shape: []int{1}}}})
	t.Cleanup(s.Close)
	return s
}

func (p *place) client(t *testing.T, policy client.RetryPolicy, opts ...client.Option) *client.Client {
	t.Helper()
	policy.BaseDelay, policy.MaxDelay = time.Millisecond, 10*time.Millisecond
	quickly := backoff.Config{BaseDelay: time.Millisecond, MaxDelay: 10 * time.Millisecond, Multiplier: 1.5}
	params := grpc.ConnectParams{Backoff: quickly, MinConnectTimeout: 5 * time.Second}
	c, err := client.New("passthrough:///place", append(opts, client.WithRetry(policy), client.WithDialOptions(
		grpc.WithContextDialer(p.dial), grpc.WithConnectParams(params)))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// TestHandover: a server behind one address says that it is stopping. Calls reach its successor, and the call that runs
// on it is not disturbed.
func TestHandover(t *testing.T) {
	for name, gap := range map[string]time.Duration{
		"the next is there": 0, "the next comes later": 100 * time.Millisecond,
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlace(t)
			finish := make(chan struct{})
			old := p.server(t, func(ctx context.Context, r client.SampleRequest, emit func(client.Event) error) error {
				return walk("old")(ctx, r, func(e client.Event) error {
					if _, last := e.(client.Done); last && r.N == 3 {
						<-finish
					}
					return emit(e)
				})
			})
			next := p.server(t, walk("new"))
			p.now.Store(old)
			c := p.client(t, client.RetryPolicy{})
			running := c.Stream(t.Context(), client.SampleRequest{Model: "walk", N: 3, Seed: new(uint64(1))})
			for e := range running.Events() {
				if _, begun := e.(client.Started); begun {
					old.Drain()
					p.now.Store(next)
					if gap > 0 {
						p.now.Store(nil)
						time.AfterFunc(gap, func() { p.now.Store(next) })
					}
					callUntilNew(t, c)
					close(finish)
				}
			}
			if res, err := running.Result(); err != nil || res.Digest != "old" {
				t.Errorf("the call on the server that stops: %+v, %v", res, err)
			}
		})
	}
}

// callUntilNew makes calls, none of which may fail, until the new server answers.
func callUntilNew(t *testing.T, c *client.Client) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for {
		if m, err := c.Model(ctx, "walk", 1); err != nil || m.Name != "walk" {
			t.Fatalf("the model, during the handover: %+v, %v", m, err)
		}
		res, err := c.Sample(ctx, client.SampleRequest{Model: "walk", Seed: new(uint64(1))})
		if err != nil {
			t.Fatalf("during the handover: %v", err)
		}
		if res.Digest == "new" {
			return
		}
	}
}

// TestHandoverEnds: a server that never serves again is given up when the time is over, and at once by a policy without
// further tries.
func TestHandoverEnds(t *testing.T) {
	p := newPlace(t)
	for _, tt := range []struct {
		policy      client.RetryPolicy
		timeout     time.Duration
		least, most time.Duration
	}{
		{client.RetryPolicy{Attempts: 1}, time.Minute, 0, 5 * time.Second},
		{client.RetryPolicy{Handover: -1}, time.Minute, 0, 5 * time.Second},
		{client.RetryPolicy{Handover: 200 * time.Millisecond}, time.Minute, 200 * time.Millisecond, 10 * time.Second},
		{client.RetryPolicy{}, 200 * time.Millisecond, 150 * time.Millisecond, 10 * time.Second},
	} {
		old := p.server(t, walk("old"))
		old.Drain()
		p.now.Store(old)
		ctx, cancel := context.WithTimeout(t.Context(), tt.timeout)
		begun := time.Now()
		_, err := p.client(t, tt.policy).Sample(ctx, client.SampleRequest{Model: "walk", Seed: new(uint64(1))})
		took := time.Since(begun)
		cancel()
		if err == nil || took < tt.least || took > tt.most {
			t.Errorf("%+v with %s: %v after %s", tt.policy, tt.timeout, err, took)
		}
	}
}

// TestOutage: servers that are away for longer than four tries take are tried again, and a call that broke goes on to
// the same samples.
func TestOutage(t *testing.T) {
	p := newPlace(t)
	request := client.SampleRequest{Model: "walk", N: 5, Seed: new(uint64(1)),
		Preview: &client.PreviewOptions{EverySteps: 1, Chains: 5}}
	whole := p.server(t, walk("d"))
	p.now.Store(whole)
	want, err := p.client(t, client.RetryPolicy{}).Sample(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	broken := p.server(t, fake.Break(9, nil, walk("d")))
	p.now.Store(nil)
	c := p.client(t, client.RetryPolicy{Outage: 20 * time.Second}, client.WithResume())
	back := 100 * time.Millisecond // about twenty tries
	time.AfterFunc(back, func() { p.now.Store(broken) })
	var got *client.Result
	stream := c.Stream(t.Context(), request)
	for e := range stream.Events() {
		if _, breaks := e.(client.Resumed); breaks {
			p.now.Store(nil)
			broken.Close()
			time.AfterFunc(back, func() { p.now.Store(whole) })
		}
	}
	if got, err = stream.Result(); err != nil || got.Resumed == 0 {
		t.Fatalf("%+v, %v", got, err)
	}
	if diff := cmp.Diff(want.Batch, got.Batch); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	p.now.Store(nil)
	whole.Close()
	c = p.client(t, client.RetryPolicy{Outage: 100 * time.Millisecond})
	begun := time.Now()
	_, err = c.Sample(t.Context(), request)
	var e *client.Error
	if !errors.As(err, &e) || e.Code != codes.Unavailable || time.Since(begun) < 100*time.Millisecond {
		t.Errorf("away for good: %v after %s", err, time.Since(begun))
	}
}
