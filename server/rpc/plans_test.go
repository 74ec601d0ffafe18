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

func predictorCorrector(pc *langevinv1.PredictorCorrector) *langevinv1.SampleRequest {
	return &langevinv1.SampleRequest{Sampler: &langevinv1.SampleRequest_PredictorCorrector{PredictorCorrector: pc}}
}

func flow(f *langevinv1.ProbabilityFlow) *langevinv1.SampleRequest {
	return &langevinv1.SampleRequest{Sampler: &langevinv1.SampleRequest_ProbabilityFlow{ProbabilityFlow: f}}
}

// stdOf returns the standard deviation of samples of N(0, 1). Consistency narrows them, because the model is a plain
// denoiser, which multiplies by 1/(1 + σ²).
func stdOf(req *langevinv1.SampleRequest) float64 {
	if req.GetConsistency() == nil {
		return 1
	}
	var v float64
	for _, sigma := range req.GetConsistency().GetSigmas() {
		v = (v + sigma*sigma) / math.Pow(1+sigma*sigma, 2)
	}
	return math.Sqrt(v)
}

func few(c *langevinv1.Consistency) *langevinv1.SampleRequest {
	return &langevinv1.SampleRequest{Sampler: &langevinv1.SampleRequest_Consistency{Consistency: c}}
}

func reverse(r *langevinv1.ReverseSDE) *langevinv1.SampleRequest {
	return &langevinv1.SampleRequest{Sampler: &langevinv1.SampleRequest_ReverseSde{ReverseSde: r}}
}

// resolvedAs copies the sampler of a started event into a request.
func resolvedAs(t *testing.T, s *langevinv1.Started) *langevinv1.SampleRequest {
	t.Helper()
	switch sampler := s.GetSampler().(type) {
	case *langevinv1.Started_PredictorCorrector:
		return predictorCorrector(sampler.PredictorCorrector)
	case *langevinv1.Started_ProbabilityFlow:
		return flow(sampler.ProbabilityFlow)
	case *langevinv1.Started_ReverseSde:
		return reverse(sampler.ReverseSde)
	case *langevinv1.Started_Consistency:
		return few(sampler.Consistency)
	}
	t.Fatalf("started event without the sampler: %v", s)
	return nil
}

// TestProcessSamplers draws from data N(0, 1) with each sampler. It checks the spread, the announced number of
// evaluations, and that the settings of the started event give the same samples.
func TestProcessSamplers(t *testing.T) {
	s := start(t)
	small := func(p langevinv1.Process, pred langevinv1.Predictor,
		corr langevinv1.Corrector) *langevinv1.SampleRequest {
		return predictorCorrector(&langevinv1.PredictorCorrector{
			Sde: &langevinv1.Sde{Process: p, SigmaMin: proto.Float64(0.01),
				SigmaMax: proto.Float64(20)}, N: proto.Int32(500), Predictor: pred, Corrector: corr,
		})
	}
	const chains = 400
	wide := []float64{20, 8, 3, 1.5, 0.8, 0.4, 0.2, 0.1, 0.05}
	for name, req := range map[string]*langevinv1.SampleRequest{
		"defaults": predictorCorrector(&langevinv1.PredictorCorrector{N: proto.Int32(500)}),
		"ve ancestral": small(langevinv1.Process_PROCESS_VE, langevinv1.Predictor_PREDICTOR_ANCESTRAL,
			langevinv1.Corrector_CORRECTOR_NONE),
		"ve corrected": small(langevinv1.Process_PROCESS_VE, langevinv1.Predictor_PREDICTOR_REVERSE_DIFFUSION,
			langevinv1.Corrector_CORRECTOR_ANNEALED_LANGEVIN),
		"vp euler-maruyama": small(langevinv1.Process_PROCESS_VP, langevinv1.Predictor_PREDICTOR_EULER_MARUYAMA,
			langevinv1.Corrector_CORRECTOR_NONE),
		"sub-vp": small(langevinv1.Process_PROCESS_SUB_VP, langevinv1.Predictor_PREDICTOR_UNSPECIFIED,
			langevinv1.Corrector_CORRECTOR_UNSPECIFIED),
		"flow defaults": flow(&langevinv1.ProbabilityFlow{}),
		"flow heun": flow(&langevinv1.ProbabilityFlow{Sigmas: wide,
			Method: langevinv1.FlowMethod_FLOW_METHOD_HEUN}),
		"flow multistep, 40": flow(&langevinv1.ProbabilityFlow{Steps: proto.Int32(40),
			Method: langevinv1.FlowMethod_FLOW_METHOD_MULTISTEP}),
		"flow euler, no denoise": flow(&langevinv1.ProbabilityFlow{Steps: proto.Int32(400),
			Method: langevinv1.FlowMethod_FLOW_METHOD_EULER, Denoise: proto.Bool(false)}),
		"sde defaults": reverse(&langevinv1.ReverseSDE{Steps: proto.Int32(60)}),
		"consistency":  few(&langevinv1.Consistency{Sigmas: []float64{2, 0.4}}),
		"sde ancestral": reverse(&langevinv1.ReverseSDE{Steps: proto.Int32(200), Eta: proto.Float64(1),
			Method: langevinv1.ReverseMethod_REVERSE_METHOD_EULER}),
	} {
		req.N, req.Seed, req.Format = proto.Int64(chains), proto.Uint64(1), langevinv1.TensorFormat_TENSOR_FORMAT_FLOATS
		got, err := s.sample(t, t.Context(), req)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		x := got.chunks[0].GetTensor().GetValues()
		var v float64
		for _, e := range x {
			v += float64(e) * float64(e) / float64(len(x))
		}
		// The prior has finite width and sampling stops at a finite sigma, so the error is some percent.
		if want := stdOf(req); math.Abs(math.Sqrt(v)/want-1) > 0.12 {
			t.Errorf("%s: std %.3f, want %.3f ± 12 %%", name, math.Sqrt(v), want)
		}
		if got.done.GetNfe() != chains*got.started.GetSteps() {
			t.Errorf("%s: %d evaluations, announced were %d a chain", name, got.done.GetNfe(), got.started.GetSteps())
		}
		again := resolvedAs(t, got.started)
		again.N, again.Seed, again.Format = req.N, req.Seed, req.Format
		if second, err := s.sample(t, t.Context(), again); err != nil || !proto.Equal(second.chunks[0], got.chunks[0]) {
			t.Errorf("%s: the settings of the started event give other samples, or %v", name, err)
		}
	}
}

func TestBadDiffusionRequests(t *testing.T) {
	s := start(t)
	nan := math.NaN()
	const pc, fl, sde = "predictor_corrector.", "probability_flow.", "reverse_sde."
	heun := flow(&langevinv1.ProbabilityFlow{})
	got, err := s.sample(t, t.Context(), &langevinv1.SampleRequest{})
	if err != nil {
		t.Fatal(err)
	}
	heun.Resume = &langevinv1.Resume{Digest: got.started.GetDigest(), Step: 3,
		X: &langevinv1.Tensor{Values: []float32{1, 2}}}
	for says, req := range map[string]*langevinv1.SampleRequest{
		pc + "n is 1":    predictorCorrector(&langevinv1.PredictorCorrector{N: proto.Int32(1)}),
		pc + "n is 3000": predictorCorrector(&langevinv1.PredictorCorrector{N: proto.Int32(3000)}),
		pc + "snr is NaN": predictorCorrector(&langevinv1.PredictorCorrector{Snr: &nan,
			Corrector: langevinv1.Corrector_CORRECTOR_LANGEVIN}),
		pc + "epsilon is 0": predictorCorrector(&langevinv1.PredictorCorrector{Epsilon: proto.Float64(0)}),
		pc + "epsilon is 2": predictorCorrector(&langevinv1.PredictorCorrector{Epsilon: proto.Float64(2)}),
		pc + "corrector_steps is 0": predictorCorrector(&langevinv1.PredictorCorrector{
			CorrectorSteps: proto.Int32(0), Corrector: langevinv1.Corrector_CORRECTOR_LANGEVIN}),
		pc + "predictor is 9": predictorCorrector(&langevinv1.PredictorCorrector{Predictor: 9}),
		pc + "predictor is ancestral": predictorCorrector(&langevinv1.PredictorCorrector{
			Predictor: langevinv1.Predictor_PREDICTOR_ANCESTRAL,
			Sde:       &langevinv1.Sde{Process: langevinv1.Process_PROCESS_SUB_VP}}),
		pc + "sde.process is 7": predictorCorrector(&langevinv1.PredictorCorrector{
			Sde: &langevinv1.Sde{Process: 7}}),
		pc + "sde.sigma_max is 0.0001": predictorCorrector(&langevinv1.PredictorCorrector{
			Sde: &langevinv1.Sde{SigmaMax: proto.Float64(0.0001)}}),
		fl + "steps is 0":                             flow(&langevinv1.ProbabilityFlow{Steps: proto.Int32(0)}),
		fl + "steps is 1500":                          flow(&langevinv1.ProbabilityFlow{Steps: proto.Int32(1500)}),
		fl + "sigmas is 2 at element 1":               flow(&langevinv1.ProbabilityFlow{Sigmas: []float64{1, 2}}),
		fl + "sigmas is 10 alone: want at least two":  flow(&langevinv1.ProbabilityFlow{Sigmas: []float64{10}}),
		sde + "sigmas is 10 alone: want at least two": reverse(&langevinv1.ReverseSDE{Sigmas: []float64{10}}),
		"consistency.sigmas is 2001 numbers: want at most 2000 (limits.max_steps)": few(&langevinv1.Consistency{
			Sigmas: make([]float64, 2001)}),
		fl + "method is 8":    flow(&langevinv1.ProbabilityFlow{Method: 8}),
		fl + "rho is -1":      flow(&langevinv1.ProbabilityFlow{Rho: proto.Float64(-1)}),
		sde + "steps is 1":    reverse(&langevinv1.ReverseSDE{Steps: proto.Int32(1)}),
		sde + "steps is 3000": reverse(&langevinv1.ReverseSDE{Steps: proto.Int32(3000)}),
		sde + "sigmas is 2 at element 1": reverse(&langevinv1.ReverseSDE{
			Sigmas: []float64{1, 2}}),
		sde + "method is 3":                    reverse(&langevinv1.ReverseSDE{Method: 3}),
		sde + "eta is -1":                      reverse(&langevinv1.ReverseSDE{Eta: proto.Float64(-1)}),
		sde + "noise is 0":                     reverse(&langevinv1.ReverseSDE{Noise: proto.Float64(0)}),
		sde + "rho is NaN":                     reverse(&langevinv1.ReverseSDE{Rho: &nan}),
		"consistency.steps is 0":               few(&langevinv1.Consistency{Steps: proto.Int32(0)}),
		"consistency.steps is 3000":            few(&langevinv1.Consistency{Steps: proto.Int32(3000)}),
		"consistency.sigmas is 2 at element 1": few(&langevinv1.Consistency{Sigmas: []float64{1, 2}}),
		"consistency.rho is NaN":               few(&langevinv1.Consistency{Rho: &nan}),
		"resume.step is 3":                     heun,
	} {
		if _, err := s.sample(t, t.Context(), req); status.Code(err) != codes.InvalidArgument ||
			!strings.Contains(err.Error(), says) {
			t.Errorf("got %v, want INVALID_ARGUMENT with %q", err, says)
		}
	}
}

// TestFlowRho compares the sigmas of a request that gives rho with equation 5 of Karras et al. (2022).
func TestFlowRho(t *testing.T) {
	const rho, steps = 3.0, 4
	s := start(t)
	req := flow(&langevinv1.ProbabilityFlow{Rho: proto.Float64(rho), Steps: proto.Int32(steps)})
	got, err := s.sample(t, t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	model, err := s.models.GetModel(t.Context(), &langevinv1.GetModelRequest{})
	if err != nil {
		t.Fatal(err)
	}
	of := model.GetModel().GetSigmas()
	high, low := of[0], of[len(of)-1]
	sigmas := got.started.GetProbabilityFlow().GetSigmas()
	if len(sigmas) != steps+1 {
		t.Fatalf("%d sigmas, want %d", len(sigmas), steps+1)
	}
	for i, sigma := range sigmas {
		root := math.Cbrt(high) + float64(i)/steps*(math.Cbrt(low)-math.Cbrt(high))
		if want := root * root * root; math.Abs(sigma/want-1) > 1e-9 {
			t.Errorf("sigma %d is %g, want %g", i, sigma, want)
		}
	}
}
