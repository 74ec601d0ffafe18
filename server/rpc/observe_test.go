package rpc_test

import (
	"maps"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
	"github.com/langevin-ml/langevin/server/rpc"
)

// recorder is an observer that records calls.
type recorder struct {
	mu          sync.Mutex
	calls       map[string]int // by method, model and outcome
	samples     int
	firstEvents int
	pValues     int
}

func (r *recorder) CallEnded(method, model, outcome string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.calls == nil {
		r.calls = map[string]int{}
	}
	r.calls[method+" "+model+" "+outcome]++
}

func (r *recorder) SampleEnded(string, time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.samples++
}

func (r *recorder) FirstEvent(string, time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.firstEvents++
}

func (r *recorder) Detected(_ string, p []float64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pValues += len(p)
}

// TestOutcomes: every call ends in one of the outcomes, under a model that the host has.
func TestOutcomes(t *testing.T) {
	s := start(t)
	const sample = "langevin.v1.SamplingService/Sample "
	want := map[string]int{}
	for _, c := range []struct {
		req  *langevinv1.SampleRequest
		want string
	}{
		{&langevinv1.SampleRequest{Seed: proto.Uint64(1)}, "points " + rpc.OutcomeOK},
		{&langevinv1.SampleRequest{Model: "digits"}, "digits " + rpc.OutcomeOK},
		{&langevinv1.SampleRequest{Model: "made-up"}, rpc.OtherModel + " " + rpc.OutcomeInvalid},
		{&langevinv1.SampleRequest{Model: "NO NAME"}, rpc.OtherModel + " " + rpc.OutcomeInvalid},
		{&langevinv1.SampleRequest{N: proto.Int64(-1)}, "points " + rpc.OutcomeInvalid},
		{&langevinv1.SampleRequest{N: proto.Int64(4000), Sampler: &langevinv1.SampleRequest_Langevin{
			Langevin: &langevinv1.Langevin{Steps: proto.Int32(2000), StepSize: proto.Float64(1e30)}}}, "points " +
			rpc.OutcomeDiverged},
	} {
		stream, err := s.sampling.Sample(t.Context(), c.req)
		for err == nil {
			_, err = stream.Recv()
		}
		want[sample+c.want]++
	}
	if _, err := s.models.ListModels(t.Context(), &langevinv1.ListModelsRequest{}); err != nil {
		t.Fatal(err)
	}
	want["langevin.v1.ModelService/ListModels  "+rpc.OutcomeOK]++
	s.seen.mu.Lock()
	defer s.seen.mu.Unlock()
	if !maps.Equal(s.seen.calls, want) {
		t.Errorf("observed %v\nwant     %v", s.seen.calls, want)
	}
	if s.seen.samples != 2 || s.seen.firstEvents != 2 {
		t.Errorf("%d samples and %d first events, want 2 of each", s.seen.samples, s.seen.firstEvents)
	}
}
