package rpc_test

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
	"github.com/langevin-ml/langevin/server/batch"
	"github.com/langevin-ml/langevin/server/rpc"
)

// TestBadRequests: each mistake has its code, its reason and a text that names the field, and the next call works.
func TestBadRequests(t *testing.T) {
	s := start(t)
	nan, inf := math.NaN(), math.Inf(1)
	annealed := func(a *langevinv1.AnnealedLangevin) *langevinv1.SampleRequest {
		return &langevinv1.SampleRequest{Sampler: &langevinv1.SampleRequest_AnnealedLangevin{AnnealedLangevin: a}}
	}
	plain := func(l *langevinv1.Langevin) *langevinv1.SampleRequest {
		return &langevinv1.SampleRequest{Sampler: &langevinv1.SampleRequest_Langevin{Langevin: l}}
	}
	preview := func(p *langevinv1.PreviewOptions) *langevinv1.SampleRequest {
		return &langevinv1.SampleRequest{Model: "points", N: proto.Int64(4), Preview: p}
	}
	invalid, reason := codes.InvalidArgument, langevinv1.ReasonInvalid
	tests := []struct {
		name   string
		req    *langevinv1.SampleRequest
		code   codes.Code
		reason string
		says   string
	}{
		{"n = 0", &langevinv1.SampleRequest{N: proto.Int64(0)}, invalid, reason, "n is 0: want 1 to 4000"},
		{"n < 0", &langevinv1.SampleRequest{N: proto.Int64(math.MinInt64)}, invalid, reason,
			"n is -9223372036854775808"},
		{"n too large", &langevinv1.SampleRequest{N: proto.Int64(4001)}, invalid, reason, "limits.max_chains"},
		{"chains past the end", &langevinv1.SampleRequest{N: proto.Int64(2), FirstChain: math.MaxUint64}, invalid,
			reason, "first_chain"},
		{"NaN step", annealed(&langevinv1.AnnealedLangevin{StepLr: &nan}), invalid, reason,
			"annealed_langevin.step_lr is NaN"},
		{"infinite step", plain(&langevinv1.Langevin{StepSize: &inf}), invalid, reason, "langevin.step_size is +Inf"},
		{"zero step", plain(&langevinv1.Langevin{StepSize: proto.Float64(0)}), invalid, reason,
			"langevin.step_size is 0"},
		{"NaN sigma", plain(&langevinv1.Langevin{Sigma: &nan}), invalid, reason, "langevin.sigma is NaN"},
		{"increasing sigmas", annealed(&langevinv1.AnnealedLangevin{Sigmas: []float64{1, 2}}), invalid, reason,
			"annealed_langevin.sigmas"},
		{"no steps", annealed(&langevinv1.AnnealedLangevin{StepsPerLevel: proto.Int32(0)}), invalid, reason,
			"steps_per_level is 0"},
		{"too many steps", annealed(&langevinv1.AnnealedLangevin{StepsPerLevel: proto.Int32(math.MaxInt32)}), invalid,
			reason, "limits.max_steps"},
		{"too many plain steps", plain(&langevinv1.Langevin{Steps: proto.Int32(2001)}), invalid, reason,
			"langevin.steps is 2001"},
		{"PNG of points", &langevinv1.SampleRequest{Format: langevinv1.TensorFormat_TENSOR_FORMAT_PNG}, invalid, reason,
			"format is"},
		{"unknown format", &langevinv1.SampleRequest{Format: 99}, invalid, reason, "format is 99"},
		{"negative cadence", preview(&langevinv1.PreviewOptions{
			Cadence: &langevinv1.PreviewOptions_EverySteps{EverySteps: -1}}),
			invalid, reason, "preview.every_steps is -1"},
		{"one frame", preview(&langevinv1.PreviewOptions{Cadence: &langevinv1.PreviewOptions_Frames{Frames: 1}}),
			invalid, reason, "preview.frames is 1"},
		{"too many frames", preview(&langevinv1.PreviewOptions{
			Cadence: &langevinv1.PreviewOptions_Frames{Frames: math.MaxInt32}}),
			invalid, reason, "preview.frames"},
		{"one frame at most", preview(&langevinv1.PreviewOptions{
			Cadence: &langevinv1.PreviewOptions_MaxFrames{MaxFrames: 1}}), invalid, reason, "preview.max_frames is 1"},
		{"preview of more chains than n", preview(&langevinv1.PreviewOptions{Chains: proto.Int64(5)}), invalid, reason,
			"preview.chains is 5"},
		{"path as a name", &langevinv1.SampleRequest{Model: "../../etc/passwd"}, invalid, reason,
			"model is \"../../etc/passwd\""},
		{"long name", &langevinv1.SampleRequest{Model: strings.Repeat("a", 1<<20)}, invalid, reason, "aaa...\": want"},
		{"negative version", &langevinv1.SampleRequest{Version: -1}, invalid, reason, "version is -1"},
		{"unknown model", &langevinv1.SampleRequest{Model: "pionts"}, codes.NotFound, langevinv1.ReasonModelNotFound,
			`did you mean "points"?`},
		{"unknown version", &langevinv1.SampleRequest{Version: 2}, codes.NotFound, langevinv1.ReasonModelNotFound,
			"[1 3]"},
		{"model that did not load", &langevinv1.SampleRequest{Model: "failed"}, codes.FailedPrecondition,
			langevinv1.ReasonModelFailed, "no kernel"},
		{"model file that is torn", &langevinv1.SampleRequest{Model: "torn"}, codes.FailedPrecondition,
			langevinv1.ReasonModelFailed, "torn"},
		{"divergence", plain(&langevinv1.Langevin{StepSize: proto.Float64(1e10)}), codes.FailedPrecondition,
			langevinv1.ReasonDiverged, "chain 0 diverged at step"},
	}
	for _, test := range tests {
		_, err := s.sample(t, t.Context(), test.req)
		got := status.Convert(err)
		if got.Code() != test.code || !strings.Contains(got.Message(), test.says) ||
			strings.Contains(got.Message(), "\n") || len(got.Message()) > 400 {
			t.Errorf("%s: %v, want one line with %v and %q", test.name, err, test.code, test.says)
		}
		if found := reasonOf(got); found != test.reason {
			t.Errorf("%s: reason %q, want %q", test.name, found, test.reason)
		}
		if test.code == invalid && violations(got) == 0 {
			t.Errorf("%s: no field violation in the details", test.name)
		}
		if _, err := s.sample(t, t.Context(), &langevinv1.SampleRequest{}); err != nil {
			t.Fatalf("after %s: %v", test.name, err)
		}
	}
	both := annealed(&langevinv1.AnnealedLangevin{StepLr: &nan})
	both.N = proto.Int64(0)
	if _, err := s.sample(t, t.Context(), both); violations(status.Convert(err)) != 2 {
		t.Errorf("two mistakes: %v, want both named", err)
	}
}

func reasonOf(s *status.Status) string {
	for _, d := range s.Details() {
		if info, ok := d.(*errdetails.ErrorInfo); ok && info.GetDomain() == langevinv1.ErrorDomain {
			return info.GetReason()
		}
	}
	return ""
}

func violations(s *status.Status) int {
	for _, d := range s.Details() {
		if bad, ok := d.(*errdetails.BadRequest); ok {
			return len(bad.GetFieldViolations())
		}
	}
	return 0
}

// TestBusyAndDeadline: an overloaded server says when to try again, and only the log has the cause of an internal
// error.
func TestBusyAndInternal(t *testing.T) {
	s := start(t)
	s.slow.Store(int64(time.Millisecond))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	hold, err := s.sampling.Sample(ctx, &langevinv1.SampleRequest{N: proto.Int64(4000)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := hold.Recv(); err != nil {
		t.Fatal(err)
	}
	_, err = s.sample(t, t.Context(), &langevinv1.SampleRequest{N: proto.Int64(1001)})
	got := status.Convert(err)
	retry := slices.ContainsFunc(got.Details(), func(d any) bool {
		r, ok := d.(*errdetails.RetryInfo)
		return ok &&
			r.GetRetryDelay().AsDuration() > 0
	})
	if got.Code() != codes.ResourceExhausted || reasonOf(got) != langevinv1.ReasonQueueFull || !retry {
		t.Errorf("past the limit: %v with %v, want RESOURCE_EXHAUSTED with a RetryInfo", err, got.Details())
	}
	cancel()
	if _, err := hold.Recv(); status.Code(err) != codes.Canceled {
		t.Errorf("cancelled call: %v", err)
	}
	given := rpc.StatusOf(fmt.Errorf("call: %w", &batch.GivenUpError{Left: time.Second, Retry: 2 * time.Second}))
	if given.Code() != codes.DeadlineExceeded || !slices.ContainsFunc(given.Details(), func(d any) bool {
		r, ok := d.(*errdetails.RetryInfo)
		return ok && r.GetRetryDelay().AsDuration() == 2*time.Second
	}) {
		t.Errorf("given up: %v with %v, want DEADLINE_EXCEEDED with a RetryInfo", given, given.Details())
	}
	s.slow.Store(0)
	s.broken.Store(true)
	_, err = s.sample(t, metadata.AppendToOutgoingContext(t.Context(), langevinv1.RequestIDHeader, "find-me"),
		&langevinv1.SampleRequest{})
	if got := status.Convert(err); got.Code() != codes.Internal || strings.Contains(got.Message(), "secret") {
		t.Errorf("model failure: %v, want INTERNAL without the cause", err)
	}
	s.broken.Store(false)
	if log := s.log.String(); !strings.Contains(log, "secret cause") || !strings.Contains(log, "request_id=find-me") {
		t.Errorf("the log lacks the cause or the id:\n%s", log)
	}
}
