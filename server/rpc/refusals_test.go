package rpc_test

import (
	"math"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
)

// TestRefusalsReadWell: a refusal names one field and one value, in words and not as a dump of a program's state.
func TestRefusalsReadWell(t *testing.T) {
	s := start(t)
	edm := func(e *langevinv1.EDM) *langevinv1.SampleRequest {
		return &langevinv1.SampleRequest{Sampler: &langevinv1.SampleRequest_Edm{Edm: e}}
	}
	row := flow(&langevinv1.ProbabilityFlow{Steps: proto.Int32(2)})
	row.N, row.Interpolation = proto.Int64(6), &langevinv1.Interpolation{Columns: 3}
	still := edm(&langevinv1.EDM{Churn: proto.Float64(0)})
	still.N, still.Interpolation = row.N, row.Interpolation
	for name, tt := range map[string]struct {
		req  *langevinv1.SampleRequest
		want string
	}{
		"overflowing noise": {edm(&langevinv1.EDM{Noise: proto.Float64(1e300)}),
			"edm is out of range (plan: step 1 has a coefficient of +Inf: want a finite float32): " +
				"want values that float32 can hold"},
		"rho": {flow(&langevinv1.ProbabilityFlow{Rho: proto.Float64(1e300)}),
			"probability_flow.rho is 1e+300: want a value for which the 51 sigmas differ"},
		"sigmas, steps and rho": {flow(&langevinv1.ProbabilityFlow{
			Sigmas: []float64{10, 1}, Steps: proto.Int32(3), Rho: proto.Float64(2)}),
			"probability_flow.steps is set together with probability_flow.sigmas: want either of the two; " +
				"probability_flow.rho is set together with probability_flow.sigmas: want either of the two"},
		"order of sigmas": {flow(&langevinv1.ProbabilityFlow{Sigmas: []float64{3, 1, 2}}),
			"probability_flow.sigmas is 2 at element 2: want finite, positive, strictly decreasing numbers"},
		"NaN among sigmas": {flow(&langevinv1.ProbabilityFlow{Sigmas: []float64{3, math.NaN()}}),
			"probability_flow.sigmas is NaN at element 1: want finite, positive, strictly decreasing numbers"},
		"rows without noise": {row,
			"interpolation is set: want a sampler that adds noise: the chains of a row differ only by their noise"},
		"rows without churn": {still,
			"interpolation is set: want a sampler that adds noise: the chains of a row differ only by their noise"},
	} {
		_, err := s.sample(t, t.Context(), tt.req)
		if got := status.Convert(err); got.Code() != codes.InvalidArgument || got.Message() != tt.want {
			t.Errorf("%s: %s %q, want INVALID_ARGUMENT %q", name, got.Code(), got.Message(), tt.want)
		}
		if strings.ContainsAny(status.Convert(err).Message(), "{}") {
			t.Errorf("%s: %v shows a struct of the program", name, err)
		}
	}
}
