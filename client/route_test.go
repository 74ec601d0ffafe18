package client_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/langevin-ml/langevin/client"
	"github.com/langevin-ml/langevin/client/fake"
	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
)

// counting counts the calls of an answer.
func counting(calls *atomic.Int32, answer fake.SampleFunc) fake.SampleFunc {
	return func(ctx context.Context, req client.SampleRequest, emit func(client.Event) error) error {
		calls.Add(1)
		return answer(ctx, req, emit)
	}
}

// refusing answers as a server whose model has another file: it refuses states of the old one.
func refusing(field string, answer fake.SampleFunc) fake.SampleFunc {
	return func(ctx context.Context, req client.SampleRequest, emit func(client.Event) error) error {
		if req.Resume != nil {
			return &client.Error{Code: codes.InvalidArgument, Reason: langevinv1.ReasonInvalid, Message: "another file",
				Violations: []client.Violation{{Field: field, Message: "another file"}}}
		}
		return answer(ctx, req, emit)
	}
}

// updated returns what servers with a new version of a model may answer to the rest of a call of the old version.
func updated() map[string]fake.SampleFunc {
	missing := func(reason string, code codes.Code) fake.SampleFunc {
		return fake.Fail(&client.Error{Code: code, Reason: reason, Message: "no model walk version 1"})
	}
	return map[string]fake.SampleFunc{
		"another digest": walk("other"),
		"refuses states": refusing("resume.digest", walk("other")),
		"other settings": refusing("resume.step", walk("other")),
		"not found":      missing(langevinv1.ReasonModelNotFound, codes.NotFound),
		"failed to load": missing(langevinv1.ReasonModelFailed, codes.FailedPrecondition),
	}
}

// TestRollingUpdate: a call that breaks goes on with the one server that still has its model, and asks each of the
// others at most once. If there is none, it fails with the documented error.
func TestRollingUpdate(t *testing.T) {
	const others = 9
	for name, other := range updated() {
		for _, left := range []bool{true, false} {
			t.Run(name, func(t *testing.T) {
				var asked atomic.Int32
				// The first call goes to the old server, whichever address comes first: the others refuse a new call.
				var begun atomic.Bool
				next := func(answer fake.SampleFunc) fake.SampleFunc {
					return func(ctx context.Context, req client.SampleRequest, emit func(client.Event) error) error {
						if !begun.Load() {
							return &client.Error{Code: codes.Unavailable, Message: "not yet"}
						}
						return counting(&asked, answer)(ctx, req, emit)
					}
				}
				old := fake.Break(6, nil, walk("d"))
				if left {
					old = fake.Sequence(old, walk("d"))
				} else {
					old = fake.Sequence(old, next(other))
				}
				first := func(ctx context.Context, req client.SampleRequest, emit func(client.Event) error) error {
					return old(ctx, req, func(e client.Event) error { begun.Store(true); return emit(e) })
				}
				fleet := append(sliceOf(others, next(other)), first)
				c := newFleet(t, fleet...).client(t, client.WithResume(),
					client.WithRetry(client.RetryPolicy{
						Attempts: 20, BaseDelay: 5 * time.Millisecond, MaxDelay: 5 * time.Millisecond,
					}))
				req := client.SampleRequest{N: 5, Seed: new(uint64(1)),
					Preview: &client.PreviewOptions{EverySteps: 1, Chains: 5}}
				got, err := c.Sample(t.Context(), req)
				if !left {
					if !errors.Is(err, client.ErrChanged) {
						t.Errorf("no server has the model any more: %#v", err)
					}
					return
				}
				if err != nil || got.Digest != "d" || got.X[4] != 455 {
					t.Errorf("%+v, %v", got, err)
				}
				if n := asked.Load(); n > others {
					t.Errorf("asked the %d other servers %d times", others, n)
				}
			})
		}
	}
}

// TestSplitAgrees: all parts come from servers with one model, also in the middle of a rolling update.
func TestSplitAgrees(t *testing.T) {
	c := newFleet(t, walk("new"), walk("old"), walk("new")).client(t, client.WithSplit(6), quick())
	for range 10 {
		res, err := c.Sample(t.Context(), client.SampleRequest{N: 200})
		if err != nil || res.N != 200 {
			t.Fatalf("%+v, %v", res, err)
		}
	}
}

// TestRowsFromOneModel: all parts of a large Score come from servers with one model.
func TestRowsFromOneModel(t *testing.T) {
	f := newFleet(t, nil, nil, nil)
	for address, digest := range map[string]string{"a:1": "old", "b:1": "new", "c:1": "old"} {
		f.servers[address] = fake.New(fake.Script{
			Score: func(_ context.Context, req client.ScoreRequest) (*client.Scores, error) {
				return &client.Scores{Batch: row(req.X...), Model: "m", Version: 1, Digest: digest}, nil
			},
		})
		t.Cleanup(f.servers[address].Close)
	}
	c := f.client(t, quick())
	for range 5 {
		x := make([]float32, 400_000)
		x[len(x)-1] = 7
		got, err := c.Score(t.Context(), client.ScoreRequest{X: x, Shape: []int{1}, Sigma: []float32{1}})
		if err != nil {
			t.Fatal(err)
		}
		if got.X[len(x)-1] != 7 {
			t.Errorf("last row %g", got.X[len(x)-1])
		}
	}
}

// TestDeadServer: a server that refuses connections from the beginning costs no call.
func TestDeadServer(t *testing.T) {
	c := newFleet(t, walk("d"), nil, walk("d")).client(t, client.WithSplit(4), client.WithResume())
	for range 20 {
		if _, err := c.Sample(t.Context(), client.SampleRequest{N: 100}); err != nil {
			t.Fatal(err)
		}
	}
}
