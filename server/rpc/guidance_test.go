package rpc_test

import (
	"context"
	"math"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
	"github.com/langevin-ml/langevin/server/batch"
)

func guided(g *langevinv1.Guidance) *langevinv1.SampleRequest {
	return &langevinv1.SampleRequest{Model: "points", N: proto.Int64(3), Seed: proto.Uint64(1), Guidance: g}
}

// TestGuidance: a model mixed with itself gives the same samples, and its score added to itself does not. The guide of
// the started event gives the same samples again.
func TestGuidance(t *testing.T) {
	s := start(t)
	mix, add := langevinv1.GuidanceRule_GUIDANCE_RULE_MIX, langevinv1.GuidanceRule_GUIDANCE_RULE_ADD
	plain, err := s.sample(t, t.Context(), guided(nil))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		guidance *langevinv1.Guidance
		version  int32
		rule     langevinv1.GuidanceRule
		same     bool
	}{
		{&langevinv1.Guidance{Model: "points"}, 3, add, false},
		{&langevinv1.Guidance{Model: "points", Weight: proto.Float64(0)}, 3, add, true},
		{&langevinv1.Guidance{Model: "points", Version: 1, Rule: mix, Weight: proto.Float64(0.25)}, 1, mix, true},
	} {
		got, err := s.sample(t, t.Context(), guided(tt.guidance))
		if err != nil {
			t.Fatal(err)
		}
		said := got.started.GetGuidance()
		if said.GetVersion() != tt.version || said.GetRule() != tt.rule || said.Weight == nil ||
			len(said.GetDigest()) != 64 {
			t.Errorf("started says guidance %v of %v", said, tt.guidance)
		}
		if same := proto.Equal(got.chunks[0], plain.chunks[0]); same != tt.same {
			t.Errorf("guidance %v: same samples as without is %v", tt.guidance, same)
		}
		if again, err := s.sample(t, t.Context(), guided(said)); err != nil ||
			!proto.Equal(again.chunks[0], got.chunks[0]) {
			t.Errorf("the guidance of the started event gives other samples, or %v", err)
		}
	}
}

// TestGuideMeetsDeadline: a request is refused if its model alone could answer in time but its guide could not. Only
// version 1 is measured; a model call takes 50 ms.
func TestGuideMeetsDeadline(t *testing.T) {
	s := start(t)
	guide, _ := s.loaded.Load(version{"points", 1})
	s.slow.Store(int64(50 * time.Millisecond))
	if err := guide.(*batch.Scheduler).Warm(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	s.slow.Store(0)
	request := guided(nil)
	request.Sampler = &langevinv1.SampleRequest_Langevin{Langevin: &langevinv1.Langevin{Steps: proto.Int32(2000)}}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := s.sample(t, ctx, request); err != nil {
		t.Errorf("without a guide: %v", err)
	}
	request.Guidance = &langevinv1.Guidance{Model: "points", Version: 1}
	if _, err := s.sample(t, ctx, request); status.Code(err) != codes.DeadlineExceeded ||
		!strings.Contains(err.Error(), "3 chains of 2000 steps take at least") {
		t.Errorf("with one that takes 100 s: %v, want a refusal", err)
	}
}

// TestConditionsInStarted: the started event has the fixed part of a request, so a request made from it draws the same
// samples.
func TestConditionsInStarted(t *testing.T) {
	s := start(t)
	request := func() *langevinv1.SampleRequest {
		return &langevinv1.SampleRequest{Model: "photos", N: proto.Int64(4), Seed: proto.Uint64(1)}
	}
	for name, change := range map[string]func(*langevinv1.SampleRequest){
		"nothing": func(*langevinv1.SampleRequest) {},
		"inpainting": func(r *langevinv1.SampleRequest) {
			r.Condition = &langevinv1.SampleRequest_Inpainting{Inpainting: &langevinv1.Inpainting{
				Values: &langevinv1.Tensor{Values: make([]float32, 12)}, Mask: []bool{true, false, false, true}}}
		},
		"colourisation": func(r *langevinv1.SampleRequest) {
			r.Condition = &langevinv1.SampleRequest_Colourisation{Colourisation: &langevinv1.Colourisation{
				Grey: &langevinv1.Tensor{Values: []float32{1, 2, 3, 4}}, Refresh: langevinv1.Refresh_REFRESH_STEP}}
		},
		"interpolation": func(r *langevinv1.SampleRequest) { r.Interpolation = &langevinv1.Interpolation{Columns: 2} },
	} {
		req, again := request(), request()
		change(req)
		got, err := s.sample(t, t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		switch c := got.started.GetCondition().(type) {
		case *langevinv1.Started_Inpainting:
			again.Condition = &langevinv1.SampleRequest_Inpainting{Inpainting: c.Inpainting}
			if c.Inpainting.GetRefresh() != langevinv1.Refresh_REFRESH_LEVEL {
				t.Errorf("%s: refresh %v, want the default filled in", name, c.Inpainting.GetRefresh())
			}
		case *langevinv1.Started_Colourisation:
			again.Condition = &langevinv1.SampleRequest_Colourisation{Colourisation: c.Colourisation}
		}
		again.Interpolation = got.started.GetInterpolation()
		if name != "nothing" && proto.Equal(again, request()) {
			t.Errorf("%s: the started event does not tell", name)
		}
		if second, err := s.sample(t, t.Context(), again); err != nil || !proto.Equal(second.chunks[0], got.chunks[0]) {
			t.Errorf("%s: what the started event tells gives other samples, or %v", name, err)
		}
	}
}

// TestBadSettings: settings that no chain can follow are refused with a text that names the field. The tables of other
// tests have the rest.
func TestBadSettings(t *testing.T) {
	s := start(t)
	langevin := langevinv1.Corrector_CORRECTOR_LANGEVIN
	annealed := func(sigmas ...float64) *langevinv1.SampleRequest {
		return &langevinv1.SampleRequest{Sampler: &langevinv1.SampleRequest_AnnealedLangevin{
			AnnealedLangevin: &langevinv1.AnnealedLangevin{Sigmas: sigmas}}}
	}
	plain := func(l *langevinv1.Langevin) *langevinv1.SampleRequest {
		return &langevinv1.SampleRequest{Sampler: &langevinv1.SampleRequest_Langevin{Langevin: l}}
	}
	snr := func(v float64) *langevinv1.SampleRequest {
		r := predictorCorrector(&langevinv1.PredictorCorrector{N: proto.Int32(100), Snr: &v,
			Corrector: langevinv1.Corrector_CORRECTOR_ANNEALED_LANGEVIN})
		return r
	}
	mask := func(mask ...bool) *langevinv1.SampleRequest {
		return &langevinv1.SampleRequest{Condition: &langevinv1.SampleRequest_Inpainting{
			Inpainting: &langevinv1.Inpainting{
				Values: &langevinv1.Tensor{Values: []float32{1, 2}}, Mask: mask}}}
	}
	nan := math.NaN()
	const pc = "predictor_corrector."
	for _, tt := range []struct {
		says string
		req  *langevinv1.SampleRequest
	}{
		{"annealed_langevin.sigmas", annealed(1, 2)},
		{"annealed_langevin.sigmas", annealed(1, 1)},
		{"annealed_langevin.sigmas", annealed(1, 0)},
		{"annealed_langevin.sigmas", annealed(1, -1)},
		{"annealed_langevin.sigmas", annealed(nan)},
		{"langevin.sigma is 0", plain(&langevinv1.Langevin{Sigma: proto.Float64(0)})},
		{"langevin.sigma is -1", plain(&langevinv1.Langevin{Sigma: proto.Float64(-1)})},
		{"langevin.steps is 0", plain(&langevinv1.Langevin{Steps: proto.Int32(0)})},
		{"langevin.steps is -5", plain(&langevinv1.Langevin{Steps: proto.Int32(-5)})},
		{pc + "n is 0", predictorCorrector(&langevinv1.PredictorCorrector{N: proto.Int32(0)})},
		{pc + "epsilon is NaN", predictorCorrector(&langevinv1.PredictorCorrector{Epsilon: &nan})},
		{pc + "epsilon is 1", predictorCorrector(&langevinv1.PredictorCorrector{Epsilon: proto.Float64(1)})},
		{pc + "sde.sigma_min is 0",
			predictorCorrector(&langevinv1.PredictorCorrector{Sde: &langevinv1.Sde{SigmaMin: proto.Float64(0)}})},
		{pc + "snr is NaN", snr(nan)},
		{pc + "snr is 0", snr(0)},
		{pc + "snr is -0.1", snr(-0.1)},
		{pc + "snr is 1", snr(1)},
		{pc + "corrector is langevin: want annealed_langevin for samples of 2 elements",
			predictorCorrector(&langevinv1.PredictorCorrector{Corrector: langevin})},
		{"probability_flow.sigmas", flow(&langevinv1.ProbabilityFlow{Sigmas: []float64{1, 0.5, 0.6}})},
		{"probability_flow.sigmas", flow(&langevinv1.ProbabilityFlow{Sigmas: []float64{1, 0}})},
		{"inpainting.mask is 1 elements", mask(true)},
		{"inpainting.mask is 3 elements", mask(true, false, true)},
		{"inpainting.mask is all unset", mask(false, false)},
		{"colourisation is points",
			&langevinv1.SampleRequest{Condition: &langevinv1.SampleRequest_Colourisation{
				Colourisation: &langevinv1.Colourisation{}}}},
		{"guidance.model is \"\"", guided(&langevinv1.Guidance{})},
		{"guidance.model is \"A/B\"", guided(&langevinv1.Guidance{Model: "A/B"})},
		{"guidance.version is -1", guided(&langevinv1.Guidance{Model: "points", Version: -1})},
		{"guidance.model is photos: want a model whose samples have shape [2]",
			guided(&langevinv1.Guidance{Model: "photos"})},
		{"guidance.weight is NaN", guided(&langevinv1.Guidance{Model: "points", Weight: &nan})},
		{"guidance.rule is 9", guided(&langevinv1.Guidance{Model: "points", Rule: 9})},
		{"guidance.digest is \"other\"", guided(&langevinv1.Guidance{Model: "points", Digest: "other"})},
		{"resume.digest is \"\"",
			&langevinv1.SampleRequest{Resume: &langevinv1.Resume{X: &langevinv1.Tensor{Values: []float32{1, 2}}}}},
	} {
		if _, err := s.sample(t, t.Context(), tt.req); status.Code(err) != codes.InvalidArgument ||
			!strings.Contains(err.Error(), tt.says) {
			t.Errorf("got %v, want INVALID_ARGUMENT with %q", err, tt.says)
		}
	}
	if _, err := s.sample(t, t.Context(),
		guided(&langevinv1.Guidance{Model: "pionts"})); status.Code(err) != codes.NotFound {
		t.Errorf("unknown guide: %v, want NOT_FOUND", err)
	}
}
