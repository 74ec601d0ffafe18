package client_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"

	"github.com/langevin-ml/langevin/client"
	"github.com/langevin-ml/langevin/client/fake"
	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
)

// quick retries as often as a client does by default, without long waits.
func quick() client.Option {
	return client.WithRetry(client.RetryPolicy{
		BaseDelay: time.Millisecond, MaxDelay: 2 * time.Millisecond, Handover: -1})
}

// callIDs collects the request ids of the calls that a fake server receives.
type callIDs struct {
	mu  sync.Mutex
	all []string
}

func (c *callIDs) note(ctx context.Context) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all = append(c.all, metadata.ValueFromIncomingContext(ctx, langevinv1.RequestIDHeader)...)
}

func (c *callIDs) noting(answer fake.SampleFunc) fake.SampleFunc {
	return func(ctx context.Context, req client.SampleRequest, emit func(client.Event) error) error {
		c.note(ctx)
		return answer(ctx, req, emit)
	}
}

// TestRetry checks which failures are retried, and that all tries have one request id.
func TestRetry(t *testing.T) {
	sound := fake.Samples([]int{2}, points)
	hint := func(code codes.Code, reason string, wait time.Duration) *client.Error {
		return &client.Error{Code: code, Reason: reason, RetryAfter: wait, Message: reason}
	}
	for name, tt := range map[string]struct {
		first fake.SampleFunc
		tries int
	}{
		"nothing fails": {sound, 1},
		"draining":      {fake.Fail(hint(codes.Unavailable, langevinv1.ReasonDraining, 0)), 2},
		"proxy":         {fake.Fail(hint(codes.Unavailable, "", 0)), 2},
		"full, with a hint": {fake.Fail(hint(codes.ResourceExhausted, langevinv1.ReasonQueueFull, time.Millisecond)),
			2},
		"full, without a hint": {fake.Fail(hint(codes.ResourceExhausted, langevinv1.ReasonQueueFull, 0)), 1},
		"invalid":              {fake.Fail(hint(codes.InvalidArgument, langevinv1.ReasonInvalid, 0)), 1},
		"diverged":             {fake.Fail(hint(codes.FailedPrecondition, langevinv1.ReasonDiverged, 0)), 1},
		"broke after an event": {fake.Break(1, nil, sound), 1},
	} {
		t.Run(name, func(t *testing.T) {
			var ids callIDs
			c := serve(t, fake.Script{Sample: ids.noting(fake.Sequence(tt.first, sound))}, quick())
			res, err := c.Sample(t.Context(), client.SampleRequest{})
			if len(ids.all) != tt.tries || ids.all[0] == "" || ids.all[len(ids.all)-1] != ids.all[0] {
				t.Errorf("calls %q, want %d with one id", ids.all, tt.tries)
			}
			if tt.tries == 2 && (err != nil || res.N != 1) {
				t.Errorf("%+v, %v", res, err)
			}
			var e *client.Error
			if err != nil && (!errors.As(err, &e) || e.RequestID != ids.all[0]) {
				t.Errorf("%+v: want request id %q", err, ids.all[0])
			}
		})
	}
}

// TestRetryEnds: the number of tries is bounded, and no wait exceeds the deadline.
func TestRetryEnds(t *testing.T) {
	var ids callIDs
	fail := func(wait time.Duration) fake.SampleFunc {
		return ids.noting(fake.Fail(&client.Error{Code: codes.Unavailable, Reason: langevinv1.ReasonDraining,
			RetryAfter: wait}))
	}
	_, err := serve(t, fake.Script{Sample: fail(0)}, quick()).Sample(t.Context(), client.SampleRequest{})
	if !errors.Is(err, client.ErrDraining) || len(ids.all) != 4 {
		t.Errorf("%v after %d calls, want ErrDraining after 4", err, len(ids.all))
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, err = serve(t, fake.Script{Sample: fail(time.Hour)}, quick()).Sample(ctx, client.SampleRequest{})
	if !errors.Is(err, client.ErrDraining) || len(ids.all) != 5 {
		t.Errorf("%v after %d calls, want ErrDraining after 5", err, len(ids.all))
	}
}

func TestRetryUnary(t *testing.T) {
	var ids callIDs
	c := serve(t, fake.Script{Score: func(ctx context.Context, req client.ScoreRequest) (*client.Scores, error) {
		if ids.note(ctx); len(ids.all) < 3 {
			return nil, &client.Error{Code: codes.Unavailable}
		}
		return &client.Scores{Batch: client.Batch{X: req.X, Shape: []int{1}, N: 1}}, nil
	}}, quick())
	ctx := metadata.AppendToOutgoingContext(t.Context(), langevinv1.RequestIDHeader, "mine")
	if _, err := c.Score(ctx, client.ScoreRequest{X: []float32{1}}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"mine", "mine", "mine"}, ids.all); diff != "" {
		t.Errorf("request ids (-want +got):\n%s", diff)
	}
}

func TestOptionsRefused(t *testing.T) {
	for want, option := range map[string]client.Option{
		"WithSplit is 0: want 1 to 1024":                client.WithSplit(0),
		"WithKeepalive is 10s: want at least 35s":       client.WithKeepalive(10 * time.Second),
		"WithMaxMessageSize is -1: want more than 0":    client.WithMaxMessageSize(-1),
		"WithRetry is {Attempts:-1 ":                    client.WithRetry(client.RetryPolicy{Attempts: -1}),
		"a token over plaintext can be read by others":  client.WithToken("secret"),
		`client of "a:1": WithSplit is 2000: want 1 to`: client.WithSplit(2000),
		"delays above 0, the largest last":              client.WithRetry(client.RetryPolicy{MaxDelay: 1}),
	} {
		if _, err := client.New("a:1", option); err == nil || !contains(err, want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	if _, err := client.New("a:1,,b:2"); err == nil || !contains(err, "want addresses such as a:50051,b:50051") {
		t.Errorf("a list with nothing between commas: %v", err)
	}
}

// TestToken: unary calls and streams carry the token, and an invalid token is refused before it is sent.
func TestToken(t *testing.T) {
	var sent []string
	note := func(ctx context.Context) {
		sent = append(sent, metadata.ValueFromIncomingContext(ctx, "authorization")...)
	}
	c := serve(t, fake.Script{
		Sample: func(ctx context.Context, req client.SampleRequest, emit func(client.Event) error) error {
			note(ctx)
			return fake.Samples([]int{2}, points)(ctx, req, emit)
		},
		Score: func(ctx context.Context, req client.ScoreRequest) (*client.Scores, error) {
			note(ctx)
			return nil, &client.Error{Code: codes.PermissionDenied, Message: "scope sample is missing"}
		},
	}, client.WithToken("s3cret"), client.WithPlaintextToken())
	if _, err := c.Sample(t.Context(), client.SampleRequest{}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Score(t.Context(), client.ScoreRequest{}); !errors.Is(err, client.ErrForbidden) {
		t.Errorf("%v, want ErrForbidden", err)
	}
	if diff := cmp.Diff([]string{"Bearer s3cret", "Bearer s3cret"}, sent); diff != "" {
		t.Errorf("authorization (-want +got):\n%s", diff)
	}
	bad := serve(t, fake.Script{}, client.WithToken("two words\n"), client.WithPlaintextToken())
	if _, err := bad.Sample(t.Context(), client.SampleRequest{}); !errors.Is(err, client.ErrUnauthenticated) ||
		contains(err, "two") || !contains(err, ": token: want visible ASCII characters without spaces") ||
		contains(err, "creds") {
		t.Errorf("%v, want ErrUnauthenticated that says what a token has, without the token in it", err)
	}
}
