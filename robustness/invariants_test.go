package robustness_test

import (
	"errors"
	"io"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"

	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
	"github.com/langevin-ml/langevin/robustness"
)

func started() *langevinv1.SampleResponse {
	return &langevinv1.SampleResponse{Event: &langevinv1.SampleResponse_Started{
		Started: &langevinv1.Started{Digest: "d", N: 2, Seed: 7, Shape: []int64{2}}}}
}

func progress(steps int64) *langevinv1.SampleResponse {
	return &langevinv1.SampleResponse{Event: &langevinv1.SampleResponse_Progress{
		Progress: &langevinv1.Progress{StepsDone: steps}}}
}

func preview(step int64, x ...float32) *langevinv1.SampleResponse {
	return &langevinv1.SampleResponse{Event: &langevinv1.SampleResponse_Preview{
		Preview: &langevinv1.Preview{Step: step, Tensor: &langevinv1.Tensor{Data: robustness.Bytes(x)}}}}
}

func chunk(first uint64, x ...float32) *langevinv1.SampleResponse {
	return &langevinv1.SampleResponse{Event: &langevinv1.SampleResponse_Chunk{
		Chunk: &langevinv1.Chunk{FirstChain: first, Tensor: &langevinv1.Tensor{Data: robustness.Bytes(x)}}}}
}

func done() *langevinv1.SampleResponse {
	return &langevinv1.SampleResponse{Event: &langevinv1.SampleResponse_Done{Done: &langevinv1.Done{N: 2}}}
}

// failure returns an error of the server.
func failure(t *testing.T, code codes.Code, reason string, more ...protoadapt.MessageV1) error {
	t.Helper()
	s, err := status.New(code, "").WithDetails(append(more, &errdetails.ErrorInfo{Reason: reason})...)
	if err != nil {
		t.Fatal(err)
	}
	return s.Err()
}

// TestCheck: the check of a history finds each kind of broken promise, and nothing in a history without any.
func TestCheck(t *testing.T) {
	whole := []*langevinv1.SampleResponse{started(), progress(1), preview(0, 5, 6), progress(3), preview(2, 7, 8),
		chunk(0, 1, 2), chunk(1, 3, 4), done()}
	type events = []*langevinv1.SampleResponse
	const order, bits = "steps increase, chunks have no gaps", "the undisturbed bits"
	left := failure(t, codes.Canceled, "")
	soon := &errdetails.RetryInfo{RetryDelay: durationpb.New(time.Second)}
	for name, c := range map[string]struct {
		want   string // the promise that is broken; empty for none
		events events
		end    error
		change func(c *robustness.Call)
	}{
		"whole":               {"", whole, io.EOF, nil},
		"refused, with hint":  {"", nil, failure(t, codes.ResourceExhausted, langevinv1.ReasonQueueFull, soon), nil},
		"left half-way":       {"", whole[:6], left, nil},
		"too slow":            {"", whole[:5], failure(t, codes.ResourceExhausted, langevinv1.ReasonSlowConsumer), nil},
		"nothing started":     {order, events{chunk(0, 1, 2)}, left, nil},
		"started twice":       {order, append(events{started()}, whole...), io.EOF, nil},
		"progress goes back":  {order, events{started(), progress(2), progress(1)}, left, nil},
		"a preview again":     {order, events{started(), preview(2, 7, 8), preview(2, 7, 8)}, left, nil},
		"a gap":               {order, events{started(), chunk(1, 3, 4)}, left, nil},
		"more after the end":  {order, append(whole[:8:8], progress(9)), io.EOF, nil},
		"OK without Done":     {"one outcome", whole[:7], io.EOF, nil},
		"OK with a row less":  {"one outcome", append(whole[:6:6], done()), io.EOF, nil},
		"Done and an error":   {"one outcome", whole, failure(t, codes.Internal, ""), nil},
		"no end":              {"one outcome", whole[:3], nil, nil},
		"a row of another":    {bits, events{started(), chunk(0, 1, 2), chunk(1, 3, 5), done()}, io.EOF, nil},
		"a state of another":  {bits, events{started(), preview(2, 7, 9)}, left, nil},
		"a cut part is wrong": {bits, events{started(), chunk(0, 1, 9)}, failure(t, codes.Unavailable, ""), nil},
		"refused, no hint": {"a retry hint", nil,
			failure(t, codes.ResourceExhausted, langevinv1.ReasonQueueFull), nil},
		"after its deadline": {"the deadline", whole, io.EOF,
			func(c *robustness.Call) { c.Deadline = c.Begun.Add(-time.Second) }},
		"an old version": {"a version in service", whole, io.EOF,
			func(c *robustness.Call) { c.Started.Digest = "old" }},
		"poison served": {"poison fails alone", whole, io.EOF, func(c *robustness.Call) {
			c.Request.Sampler = &langevinv1.SampleRequest_Langevin{Langevin: &langevinv1.Langevin{
				StepSize: proto.Float64(robustness.Poison)}}
		}},
		"poisoned by another": {"poison fails alone", whole[:3], failure(t, codes.FailedPrecondition,
			langevinv1.ReasonDiverged), nil},
		"not as expected": {"the expected outcome", whole, io.EOF, func(c *robustness.Call) {
			c.Expect = func(codes.Code, string) error { return errors.New("refuse it") }
		}},
	} {
		t.Run(name, func(t *testing.T) {
			call := robustness.Begin(name, &langevinv1.SampleRequest{N: proto.Int64(2)}, time.Time{})
			for _, e := range c.events {
				call.Receive(proto.CloneOf(e))
			}
			if c.end != nil {
				call.End(c.end)
			}
			if c.change != nil {
				c.change(call)
			}
			broken := exampleRules().Check([]*robustness.Call{call})
			if c.want == "" && len(broken) > 0 || c.want != "" && (len(broken) != 1 || broken[0].Promise != c.want) {
				t.Errorf("%v, want %q", broken, c.want)
			}
		})
	}
}

// TestDrained: the check of a stop finds what started late, what ended late, and what ended in another way.
func TestDrained(t *testing.T) {
	stopped := time.Now()
	at := func(s float64) time.Time { return stopped.Add(time.Duration(s * float64(time.Second))) }
	draining, failed := failure(t, codes.Unavailable, langevinv1.ReasonDraining), failure(t, codes.Unavailable, "")
	for name, c := range map[string]struct {
		call robustness.Call
		kept bool
	}{
		"ended before":       {robustness.Call{Begun: at(-2), Ended: at(-1), Err: failed}, true},
		"finished":           {robustness.Call{Begun: at(-2), Ended: at(0.5)}, true},
		"ended at the timer": {robustness.Call{Begun: at(-2), Ended: at(1), Err: draining}, true},
		"too late":           {robustness.Call{Begun: at(-2), Ended: at(3), Err: draining}, false},
		"started late":       {robustness.Call{Begun: at(0.3), Ended: at(0.5)}, false},
		"broken":             {robustness.Call{Begun: at(-2), Ended: at(1), Err: failed}, false},
	} {
		c.call.Request, c.call.Started = &langevinv1.SampleRequest{}, &langevinv1.Started{}
		broken := robustness.Drained([]*robustness.Call{&c.call}, stopped, 100*time.Millisecond, 2*time.Second)
		if (len(broken) == 0) != c.kept {
			t.Errorf("%s: %v", name, broken)
		}
	}
}

// exampleRules draws two chains of two elements, with digest d in service.
func exampleRules() robustness.Rules {
	return robustness.Rules{
		Undisturbed: func(string, *langevinv1.SampleRequest, uint64) (robustness.Drawn, error) {
			states := map[int64][]float32{0: {5, 6}, 2: {7, 8}}
			return robustness.Drawn{X: []float32{1, 2, 3, 4},
				State: func(step int64) []float32 { return states[step] }}, nil
		},
		Served: func(digest string, _, _ time.Time) bool { return digest == "d" },
	}
}
