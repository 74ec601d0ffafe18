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

// TestConditionsAndResume: samples contain the fixed part, rows are interpolated, and a call that resumes from the
// states of a preview returns the same samples.
func TestConditionsAndResume(t *testing.T) {
	s := start(t)
	floats := langevinv1.TensorFormat_TENSOR_FORMAT_FLOATS
	denoised := func() *langevinv1.SampleRequest {
		return &langevinv1.SampleRequest{
			Model: "photos", N: proto.Int64(6), Seed: proto.Uint64(1), Format: floats,
			Sampler: &langevinv1.SampleRequest_AnnealedLangevin{
				AnnealedLangevin: &langevinv1.AnnealedLangevin{Denoise: proto.Bool(true)}},
		}
	}
	values := func(req *langevinv1.SampleRequest) []float32 {
		t.Helper()
		got, err := s.sample(t, t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		return got.chunks[0].GetTensor().GetValues()
	}

	inpaint := denoised()
	inpaint.Condition = &langevinv1.SampleRequest_Inpainting{Inpainting: &langevinv1.Inpainting{
		Values: &langevinv1.Tensor{Values: []float32{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}}, Mask: []bool{true, false,
			false, false},
	}}
	for i, v := range values(inpaint) {
		if pixel := i % 12; pixel%4 == 0 && v != float32(pixel+1) {
			t.Errorf("inpainted element %d is %g, want %d", i, v, pixel+1)
		}
	}
	colour := denoised()
	colour.Condition = &langevinv1.SampleRequest_Colourisation{Colourisation: &langevinv1.Colourisation{
		Grey: &langevinv1.Tensor{Values: []float32{0.1, 0.2, 0.3, 0.4}, Shape: []int64{2, 2}},
	}}
	x := values(colour)
	for i := 0; i < len(x); i += 12 {
		if grey := (x[i] + x[i+4] + x[i+8]) / 3; math.Abs(float64(grey)-0.1) > 1e-5 {
			t.Errorf("colourised pixel has grey %g, want 0.1", grey)
		}
	}
	rows := denoised()
	rows.Interpolation = &langevinv1.Interpolation{Columns: 3}
	if first, plain := values(rows)[:12], values(denoised())[:12]; !slices.Equal(first, plain) {
		t.Error("the first column of an interpolation is not the plain sample")
	}

	whole := denoised()
	whole.Preview = &langevinv1.PreviewOptions{Cadence: &langevinv1.PreviewOptions_Frames{Frames: 4},
		Chains: proto.Int64(6)}
	got, err := s.sample(t, t.Context(), whole)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range got.previews[:3] {
		again := denoised()
		again.Resume = &langevinv1.Resume{Digest: got.started.GetDigest(), Step: p.GetStep(), X: p.GetTensor()}
		if !slices.Equal(values(again), got.chunks[0].GetTensor().GetValues()) {
			t.Errorf("resumed at step %d: other samples", p.GetStep())
		}
	}

	state := got.previews[1]
	for says, change := range map[string]func(*langevinv1.SampleRequest){
		"inpainting.values is 3 elements": func(r *langevinv1.SampleRequest) {
			r.Condition = inpainting(3, true)
		},
		"inpainting.mask is 5 elements": func(r *langevinv1.SampleRequest) {
			r.Condition = inpainting(12, false, false, false, false, false)
		},
		"inpainting.refresh is 9": func(r *langevinv1.SampleRequest) {
			r.Condition = inpainting(12, true, true, true, true)
			r.GetInpainting().Refresh = 9
		},
		"colourisation.grey is 12 elements": func(r *langevinv1.SampleRequest) {
			r.Condition = &langevinv1.SampleRequest_Colourisation{
				Colourisation: &langevinv1.Colourisation{Grey: &langevinv1.Tensor{Values: make([]float32, 12)}}}
		},
		"interpolation.columns is 1": func(r *langevinv1.SampleRequest) {
			r.Interpolation = &langevinv1.Interpolation{Columns: 1}
		},
		"resume.digest is \"other\"": func(r *langevinv1.SampleRequest) {
			r.Resume = &langevinv1.Resume{Digest: "other", Step: state.GetStep(), X: state.GetTensor()}
		},
		"resume.step is -1": func(r *langevinv1.SampleRequest) {
			r.Resume = &langevinv1.Resume{Digest: got.started.GetDigest(), Step: -1, X: state.GetTensor()}
		},
		"resume.x is 1 rows": func(r *langevinv1.SampleRequest) {
			r.Resume = &langevinv1.Resume{Digest: got.started.GetDigest(),
				X: &langevinv1.Tensor{Values: make([]float32, 12)}}
		},
	} {
		req := denoised()
		change(req)
		if _, err := s.sample(t, t.Context(), req); status.Code(err) != codes.InvalidArgument ||
			!strings.Contains(err.Error(), says) {
			t.Errorf("got %v, want INVALID_ARGUMENT with %q", err, says)
		}
	}
}

// inpainting returns a condition with the given number of values and the given mask.
func inpainting(values int, mask ...bool) *langevinv1.SampleRequest_Inpainting {
	return &langevinv1.SampleRequest_Inpainting{Inpainting: &langevinv1.Inpainting{
		Values: &langevinv1.Tensor{Values: make([]float32, values)}, Mask: mask,
	}}
}
