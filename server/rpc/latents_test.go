package rpc_test

import (
	"math"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
)

// TestFlow: on data N(0, 1) the flow from σ to σ' multiplies by √((1+σ'²)/(1+σ²)), and decoding inverts encoding. The
// log density is that of N(0, 1 + σ_min²), up to the effect of the prior's finite width.
func TestFlow(t *testing.T) {
	s := start(t)
	floats := langevinv1.TensorFormat_TENSOR_FORMAT_FLOATS
	options := &langevinv1.FlowOptions{SigmaMax: proto.Float64(100), SigmaMin: proto.Float64(0.1)}
	x := []float32{0.5, -1, 2, 0.25, 0, 0}
	encoded, err := s.sampling.Encode(t.Context(), &langevinv1.EncodeRequest{X: &langevinv1.Tensor{Values: x},
		Flow: options, Format: floats})
	if err != nil {
		t.Fatal(err)
	}
	factor := math.Sqrt((1 + 100*100) / (1 + 0.1*0.1))
	for i, v := range encoded.GetLatent().GetValues() {
		if want := float64(x[i]) * factor; math.Abs(float64(v)-want) > 1e-3*(1+math.Abs(want)) {
			t.Errorf("latent %d is %g, want %g", i, v, want)
		}
	}
	decoded, err := s.sampling.Decode(t.Context(), &langevinv1.DecodeRequest{Latent: encoded.GetLatent(), Flow: options,
		Format: floats})
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range decoded.GetSample().GetValues() {
		if math.Abs(float64(v-x[i])) > 1e-3 {
			t.Errorf("element %d encodes and decodes to %g, want %g", i, v, x[i])
		}
	}
	for _, exact := range []bool{true, false} {
		judged, err := s.sampling.LogLikelihood(t.Context(),
			&langevinv1.LogLikelihoodRequest{X: &langevinv1.Tensor{Values: x}, Flow: options, Exact: exact})
		if err != nil {
			t.Fatal(err)
		}
		const v = 1 + 0.1*0.1
		for i, got := range judged.GetLogLikelihood() {
			q := float64(x[2*i])*float64(x[2*i]) + float64(x[2*i+1])*float64(x[2*i+1])
			if want := -math.Log(2*math.Pi*v) - q/(2*v); math.Abs(got-want) > 0.01 {
				t.Errorf("exact %v: log density of row %d is %.4f, want %.4f", exact, i, got, want)
			}
		}
		if n := judged.GetNfe(); len(n) != 3 || n[0] < 20 {
			t.Errorf("evaluations %v", n)
		}
	}
}

// TestFirstChain: densities are bit for bit the same in one request and in two, if each request has the address of its
// first row. Addresses past the last one are refused.
func TestFirstChain(t *testing.T) {
	s := start(t)
	judge := func(first uint64, x ...float32) []float64 {
		t.Helper()
		r, err := s.sampling.LogLikelihood(t.Context(), &langevinv1.LogLikelihoodRequest{
			X: &langevinv1.Tensor{Values: x}, Seed: 3, FirstChain: first,
			Flow: &langevinv1.FlowOptions{SigmaMax: proto.Float64(10)},
		})
		if err != nil || r.GetFirstChain() != first {
			t.Fatalf("first_chain %d, want %d: %v", r.GetFirstChain(), first, err)
		}
		return r.GetLogLikelihood()
	}
	x := []float32{0.5, -1, 2, 0.25, 0, 0, -3, 1}
	whole, parts := judge(7, x...), append(judge(7, x[:4]...), judge(9, x[4:]...)...)
	if !slices.Equal(whole, parts) {
		t.Errorf("%v in one request, %v in two", whole, parts)
	}
	if judge(math.MaxUint64, 1, 2); len(judge(math.MaxUint64-1, 1, 2, 3, 4)) != 2 {
		t.Error("the last addresses are refused")
	}
	_, err := s.sampling.LogLikelihood(t.Context(), &langevinv1.LogLikelihoodRequest{
		X: &langevinv1.Tensor{Values: x}, FirstChain: math.MaxUint64 - 2,
	})
	const want = "first_chain is 18446744073709551613: want at most 2^64 less the 4 rows"
	if status.Code(err) != codes.InvalidArgument || !strings.Contains(err.Error(), want) {
		t.Errorf("addresses past the end: %v", err)
	}
}

func TestBadFlowRequests(t *testing.T) {
	s := start(t)
	point := &langevinv1.Tensor{Values: []float32{1, 2}}
	for says, req := range map[string]*langevinv1.EncodeRequest{
		"x is 0 elements":         {},
		"flow.rtol is 0":          {X: point, Flow: &langevinv1.FlowOptions{Rtol: proto.Float64(0)}},
		"flow.atol is NaN":        {X: point, Flow: &langevinv1.FlowOptions{Atol: proto.Float64(math.NaN())}},
		"flow.sigma_min is -1":    {X: point, Flow: &langevinv1.FlowOptions{SigmaMin: proto.Float64(-1)}},
		"flow.sigma_max is 1e-09": {X: point, Flow: &langevinv1.FlowOptions{SigmaMax: proto.Float64(1e-9)}},
		"flow.sigma_max is 1e+300: want at most 1000, 100 times the largest sigma of points": {
			X: point, Flow: &langevinv1.FlowOptions{SigmaMax: proto.Float64(1e300)}},
		"flow.sigma_min is 1e-300: want at least": {
			X: point, Flow: &langevinv1.FlowOptions{SigmaMin: proto.Float64(1e-300)}},
		"format is": {X: point, Format: langevinv1.TensorFormat_TENSOR_FORMAT_PNG},
	} {
		if _, err := s.sampling.Encode(t.Context(), req); status.Code(err) != codes.InvalidArgument ||
			!strings.Contains(err.Error(), says) {
			t.Errorf("got %v, want INVALID_ARGUMENT with %q", err, says)
		}
	}
	bad := &langevinv1.DecodeRequest{Latent: &langevinv1.Tensor{Values: []float32{1}}}
	_, err := s.sampling.Decode(t.Context(), bad)
	if !strings.Contains(err.Error(), "latent is 1 elements") {
		t.Errorf("half a latent: %v", err)
	}
}
