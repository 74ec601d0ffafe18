package client_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/langevin-ml/langevin/client"
	"github.com/langevin-ml/langevin/client/fake"
	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
)

// once is for tests of a call's failure that shall not wait for other tries.
func once() client.Option { return client.WithRetry(client.RetryPolicy{Attempts: 1}) }

// TestErrorTravels sends every reason of the API and looks at what arrives.
func TestErrorTravels(t *testing.T) {
	for _, tt := range []struct {
		sent client.Error
		want []error
	}{
		{client.Error{Code: codes.InvalidArgument, Reason: langevinv1.ReasonInvalid, Message: "n is -1: want 1 to 5",
			Violations: []client.Violation{{"n", "n is -1: want 1 to 5"}, {"steps", "no"}}},
			[]error{client.ErrInvalid}},
		{client.Error{Code: codes.NotFound, Reason: langevinv1.ReasonModelNotFound, Message: "no model"},
			[]error{client.ErrModelNotFound}},
		{client.Error{Code: codes.FailedPrecondition, Reason: langevinv1.ReasonModelFailed},
			[]error{client.ErrModelFailed}},
		{client.Error{Code: codes.FailedPrecondition, Reason: langevinv1.ReasonDiverged, RequestID: "abc",
			Metadata: map[string]string{"step": "4"}}, []error{client.ErrDiverged}},
		{client.Error{Code: codes.ResourceExhausted, Reason: langevinv1.ReasonQueueFull, RetryAfter: 2 * time.Second},
			[]error{client.ErrQueueFull}},
		{client.Error{Code: codes.DeadlineExceeded, Reason: langevinv1.ReasonDeadlineTooShort},
			[]error{client.ErrDeadlineTooShort, context.DeadlineExceeded}},
		{client.Error{Code: codes.Unavailable, Reason: langevinv1.ReasonDraining}, []error{client.ErrDraining}},
		{client.Error{Code: codes.Unavailable, Reason: langevinv1.ReasonModelLoading, RetryAfter: time.Second},
			[]error{client.ErrModelLoading}},
		{client.Error{Code: codes.Internal, Reason: "FROM_THE_FUTURE", Message: "?"}, nil},
	} {
		c := serve(t, fake.Script{Sample: fake.Fail(fmt.Errorf("wrapped: %w", &tt.sent))}, once())
		_, err := c.Sample(t.Context(), client.SampleRequest{Model: "ring"})
		var got *client.Error
		if !errors.As(err, &got) {
			t.Errorf("%s: %v is not a *client.Error", tt.sent.Reason, err)
			continue
		}
		if tt.sent.RequestID == "" && got.RequestID != "" { // the client's own
			tt.sent.RequestID = got.RequestID
		}
		ignore := cmp.Options{cmpopts.IgnoreUnexported(client.Error{}),
			cmpopts.IgnoreFields(client.Error{}, "Op", "Message")}
		if diff := cmp.Diff(tt.sent, *got, ignore); diff != "" {
			t.Errorf("%s (-sent +got):\n%s", tt.sent.Reason, diff)
		}
		for _, want := range tt.want {
			if !errors.Is(err, want) {
				t.Errorf("%s: errors.Is(%v, %v) is false", tt.sent.Reason, err, want)
			}
		}
		if st, ok := status.FromError(fmt.Errorf("outer: %w", err)); !ok || st.Code() != tt.sent.Code {
			t.Errorf("%s: status %v, %t", tt.sent.Reason, st, ok)
		}
	}
}

// TestErrorOfOthers: a reason counts in our domain only, and UNAVAILABLE from a proxy is not a server that stops.
func TestErrorOfOthers(t *testing.T) {
	st, err := status.New(codes.Unavailable,
		"upstream").WithDetails(&errdetails.ErrorInfo{Reason: langevinv1.ReasonDraining, Domain: "example.com"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = serve(t, fake.Script{Sample: fake.Fail(st.Err())}, once()).Sample(t.Context(), client.SampleRequest{})
	if errors.Is(err, client.ErrDraining) || !errors.Is(err, client.ErrUnreachable) {
		t.Errorf("%v: want ErrUnreachable and not ErrDraining", err)
	}
}

// TestErrorNamesTheCall: the server names every call in the header, also one whose error has no details.
func TestErrorNamesTheCall(t *testing.T) {
	named := func(ctx context.Context) error {
		return errors.Join(grpc.SetHeader(ctx, metadata.Pairs(langevinv1.RequestIDHeader, "abc")),
			errors.New("internal"))
	}
	c := serve(t, fake.Script{
		Sample: func(ctx context.Context, _ client.SampleRequest,
			_ func(client.Event) error) error {
			return named(ctx)
		},
		Score: func(ctx context.Context, _ client.ScoreRequest) (*client.Scores, error) { return nil, named(ctx) },
	})
	_, sampling := c.Sample(t.Context(), client.SampleRequest{})
	_, scoring := c.Score(t.Context(), client.ScoreRequest{})
	for _, err := range []error{sampling, scoring} {
		var e *client.Error
		if !errors.As(err, &e) || e.RequestID != "abc" {
			t.Errorf("%+v: want request id abc", err)
		}
	}
}

func TestErrorText(t *testing.T) {
	for want, err := range map[string]error{
		"sample ring: queue is full": &client.Error{Op: "sample ring", Code: codes.ResourceExhausted,
			Message: "queue is full"},
		"queue is full":         &client.Error{Message: "queue is full"},
		"list models: Internal": &client.Error{Op: "list models", Code: codes.Internal},
	} {
		if err.Error() != want {
			t.Errorf("%q, want %q", err, want)
		}
	}
}
