package client_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/langevin-ml/langevin/client"
	"github.com/langevin-ml/langevin/client/fake"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve returns a client of a fake server that answers as scripted.
func serve(t *testing.T, script fake.Script, opts ...client.Option) *client.Client {
	t.Helper()
	others := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, others) })
	server := fake.New(script)
	t.Cleanup(server.Close)
	c, err := server.Client(opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// points has the chain's index in each of its rows.
func points(chain uint64) []float32 { return []float32{float32(chain), -float32(chain)} }

func TestNewTarget(t *testing.T) {
	for _, tt := range []struct{ given, environment, want string }{
		{"", "", "localhost:50051"},
		{"", "far:1", "far:1"},
		{"near:2", "far:1", "near:2"},
	} {
		t.Setenv("LANGEVIN_SERVER", tt.environment)
		c, err := client.New(tt.given)
		if err != nil {
			t.Fatal(err)
		}
		if c.Target() != tt.want {
			t.Errorf("New(%q) with LANGEVIN_SERVER=%q: target %q, want %q", tt.given, tt.environment, c.Target(),
				tt.want)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestSample(t *testing.T) {
	c := serve(t, fake.Script{Sample: fake.Samples([]int{2}, points)})
	res, err := c.Sample(t.Context(), client.SampleRequest{Model: "ring", N: 3, Seed: new(uint64(7)), FirstChain: 5})
	if err != nil {
		t.Fatal(err)
	}
	want := &client.Result{
		Batch: client.Batch{X: []float32{5, -5, 6, -6, 7, -7}, Shape: []int{2}, N: 3},
		Model: "ring", Version: 1, Digest: "fake", Engine: "fake", Seed: 7, FirstChain: 5, Steps: 2, NFE: 6,
		Sampler: client.AnnealedLangevin{Sigmas: []float64{1}, StepsPerLevel: 2, StepLR: 0.1},
	}
	if diff := cmp.Diff(want, res); diff != "" {
		t.Errorf("result (-want +got):\n%s", diff)
	}
	if got := res.Row(1); !cmp.Equal(got, []float32{6, -6}) {
		t.Errorf("row 1 is %v", got)
	}
}

// TestRequestTravels sends every field that a request has: what arrives is what was asked.
func TestRequestTravels(t *testing.T) {
	for _, want := range []client.SampleRequest{
		{},
		{Model: "ring", Version: 3, N: 9, Seed: new(uint64(0)), FirstChain: math.MaxUint64 - 8},
		{Sampler: client.AnnealedLangevin{}},
		{Sampler: client.AnnealedLangevin{Sigmas: []float64{2, 1}, StepsPerLevel: 3, StepLR: 0.5, Denoise: new(false),
			Consistent: new(true)}},
		{Sampler: client.Langevin{Sigma: 1, Steps: 2, StepSize: math.Inf(1), Denoise: new(true)}},
		{Sampler: client.PredictorCorrector{}},
		{Sampler: client.PredictorCorrector{Process: client.ProcessVE, SigmaMin: 0.1, SigmaMax: 5, Times: 7,
			Corrector:      client.CorrectorLangevin,
			CorrectorSteps: 2, SNR: 0.2, Epsilon: 1e-4, Denoise: new(false), Predictor: client.PredictorNone}},
		{Sampler: client.PredictorCorrector{Process: client.ProcessVP, BetaMin: 0.2, BetaMax: 10,
			Predictor: client.PredictorAncestral,
			Corrector: client.CorrectorAnnealed}},
		{Sampler: client.PredictorCorrector{Process: client.ProcessSubVP, Predictor: client.PredictorEulerMaruyama,
			Corrector: client.CorrectorNone}},
		{Sampler: client.PredictorCorrector{Predictor: client.PredictorReverseDiffusion}},
		{Sampler: client.ProbabilityFlow{}},
		{Sampler: client.ProbabilityFlow{Sigmas: []float64{3, 1}, Method: client.FlowEuler, Denoise: new(true)}},
		{Sampler: client.ProbabilityFlow{Steps: 8, Method: client.FlowHeun}},
		{Sampler: client.ProbabilityFlow{Method: client.FlowMultistep}},
		{Condition: client.Inpainting{Values: []float32{1, 2}, Mask: []bool{true, false}}},
		{Condition: client.Inpainting{Values: []float32{1, 2}, Shape: []int{1, 2, 1}, Mask: []bool{false, true},
			Refresh: client.RefreshStep}},
		{Condition: client.Colourisation{Grey: []float32{3, 4, 5}}},
		{Condition: client.Colourisation{Grey: []float32{3, 4}, Shape: []int{2, 1}, Refresh: client.RefreshLevel}},
		{Columns: 5},
		{Guidance: &client.Guidance{Model: "classifier"}},
		{Guidance: &client.Guidance{Model: "sevens", Version: 2, Rule: client.GuidanceMix, Weight: new(0.0),
			Digest: "d"}},
		{Guidance: &client.Guidance{Model: "classifier", Rule: client.GuidanceAdd, Weight: new(-1.5)}},
		{Resume: &client.Resume{Digest: "d", Step: 1 << 40, X: client.Batch{X: []float32{1, 2, 3, 4}, Shape: []int{2},
			N: 2}}},
		{Measurement: &client.Measurement{Operator: client.Pool(4), Values: []float32{1, 2}, NoiseStd: 0.5}},
		{Measurement: &client.Measurement{Operator: client.Mask{true, false}, Values: []float32{1},
			Method:             client.Particles{Count: 8, Threshold: new(0.0), Guided: new(false), Spread: new(2.0)},
			LeastEffectiveSize: new(3.0), RefuseCollapsed: true}},
		{Measurement: &client.Measurement{Operator: client.Blur{Kernel: []float32{1, 2, 3, 4, 5, 6}, Rows: 2},
			Values: []float32{1}, Method: client.DDRM{Eta: new(0.0), EtaB: new(0.5)}}},
		{Measurement: &client.Measurement{Operator: client.Blur{Kernel: []float32{1}, Rows: 1, ZeroEdge: true},
			Values: []float32{1}, Method: client.SNIPS{}}},
		{Measurement: &client.Measurement{Operator: client.Grey{}, Values: []float32{1},
			Method: client.LikelihoodLangevin{Weight: new(5.0)}}},
		{Measurement: &client.Measurement{Operator: client.Matrix{1, 2, 3}, Values: []float32{1}}},
		{Measurement: &client.Measurement{Operator: client.Fourier{0, 3}, Values: []float32{1, 2}}},
		{Measurement: &client.Measurement{Operator: client.Hadamard{2}, Values: []float32{1}}},
		{Preview: &client.PreviewOptions{EverySteps: 10, Chains: 4, Denoised: true}},
		{Preview: &client.PreviewOptions{EveryLevel: true}},
		{Preview: &client.PreviewOptions{Frames: 60}},
	} {
		var got client.SampleRequest
		c := serve(t, fake.Script{Sample: func(ctx context.Context, req client.SampleRequest,
			emit func(client.Event) error) error {
			got = req
			return fake.Samples([]int{1}, func(uint64) []float32 { return []float32{0} })(ctx, req, emit)
		}})
		if _, err := c.Sample(t.Context(), want); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("request (-sent +arrived):\n%s", diff)
		}
	}
}

func TestRequestRefused(t *testing.T) {
	c := serve(t, fake.Script{Sample: fake.Samples([]int{2}, points)})
	for _, tt := range []struct {
		field string
		req   client.SampleRequest
	}{
		{"version", client.SampleRequest{Version: math.MaxInt32 + 1}},
		{"langevin.steps", client.SampleRequest{Sampler: client.Langevin{Steps: math.MaxInt32 + 1}}},
		{"annealed_langevin.steps_per_level",
			client.SampleRequest{Sampler: client.AnnealedLangevin{StepsPerLevel: math.MinInt32 - 1}}},
		{"predictor_corrector.n", client.SampleRequest{Sampler: client.PredictorCorrector{Times: 1 << 40}}},
		{"predictor_corrector.corrector_steps",
			client.SampleRequest{Sampler: client.PredictorCorrector{CorrectorSteps: 1 << 40}}},
		{"predictor_corrector.sde.process",
			client.SampleRequest{Sampler: client.PredictorCorrector{Process: "vee", Corrector: "none",
				Times: -1 << 40}}},
		{"predictor_corrector.predictor", client.SampleRequest{Sampler: client.PredictorCorrector{Predictor: "VE"}}},
		{"predictor_corrector.corrector",
			client.SampleRequest{Sampler: client.PredictorCorrector{Corrector: "ancestral"}}},
		{"probability_flow.method", client.SampleRequest{Sampler: client.ProbabilityFlow{Method: "rk4"}}},
		{"probability_flow.steps", client.SampleRequest{Sampler: client.ProbabilityFlow{Steps: 1 << 40}}},
		{"inpainting.refresh", client.SampleRequest{Condition: client.Inpainting{Refresh: "often"}}},
		{"colourisation.refresh", client.SampleRequest{Condition: client.Colourisation{Refresh: "often"}}},
		{"guidance.version", client.SampleRequest{Guidance: &client.Guidance{Version: 1 << 40}}},
		{"guidance.rule", client.SampleRequest{Guidance: &client.Guidance{Rule: "multiply"}}},
		{"interpolation.columns", client.SampleRequest{Columns: 1 << 40}},
		{"preview.frames", client.SampleRequest{Preview: &client.PreviewOptions{Frames: 1 << 40}}},
		{"preview.every_steps", client.SampleRequest{Preview: &client.PreviewOptions{EverySteps: 1 << 40}}},
		{"preview.cadence", client.SampleRequest{Preview: &client.PreviewOptions{}}},
		{"preview.cadence", client.SampleRequest{Preview: &client.PreviewOptions{EveryLevel: true, Frames: 2}}},
	} {
		_, err := c.Sample(t.Context(), tt.req)
		var e *client.Error
		if !errors.Is(err, client.ErrInvalid) || !errors.As(err, &e) || e.Violations[0].Field != tt.field {
			t.Errorf("%+v: %v, want ErrInvalid naming %s", tt.req, err, tt.field)
		}
	}
}

// TestConditionsTravelBack: the started event has everything that changes the course of the chains.
func TestConditionsTravelBack(t *testing.T) {
	for _, want := range []client.Started{
		{Condition: client.Inpainting{Values: []float32{1, 2}, Shape: []int{2}, Mask: []bool{true, false},
			Refresh: client.RefreshStep}},
		{Condition: client.Colourisation{Grey: []float32{3}, Refresh: client.RefreshLevel}, Columns: 4},
		{Guidance: &client.Guidance{Model: "sevens", Version: 2, Rule: client.GuidanceMix, Weight: new(1.5),
			Digest: "d"}, ResumedAt: 7},
	} {
		events := sound()
		sent := events[0].(client.Started)
		sent.Condition, sent.Columns, sent.Guidance, sent.ResumedAt =
			want.Condition, want.Columns, want.Guidance, want.ResumedAt
		events[0] = sent
		for event, err := range serve(t, fake.Script{Sample: fake.Events(events...)}).Stream(t.Context(),
			client.SampleRequest{}).Events() {
			if err != nil {
				t.Fatal(err)
			}
			if got, ok := event.(client.Started); ok && !cmp.Equal(sent, got) {
				t.Errorf("started (-sent +arrived):\n%s", cmp.Diff(sent, got))
			}
		}
	}
}

// TestSamplersTravelBack: the event and the result have the sampler that the server reports.
func TestSamplersTravelBack(t *testing.T) {
	for _, want := range []client.Sampler{
		client.PredictorCorrector{Process: client.ProcessSubVP, BetaMin: 0.1, BetaMax: 20, Times: 500,
			Predictor: client.PredictorEulerMaruyama,
			Corrector: client.CorrectorAnnealed, CorrectorSteps: 1, SNR: 0.16, Epsilon: 1e-3, Denoise: new(true)},
		client.ProbabilityFlow{Sigmas: []float64{10, 1}, Method: client.FlowMultistep, Denoise: new(false)},
	} {
		events := sound()
		started := events[0].(client.Started)
		started.Sampler = want
		events[0] = started
		res, err := serve(t, fake.Script{Sample: fake.Events(events...)}).Sample(t.Context(), client.SampleRequest{})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, res.Sampler); diff != "" {
			t.Errorf("sampler (-sent +arrived):\n%s", diff)
		}
	}
}

func TestModels(t *testing.T) {
	want := []client.Model{
		{Name: "a", Version: 2, State: client.ModelReady, Default: true, Shape: []int{1, 28, 28},
			Sigmas: []float64{1, 0.1}, Low: -1,
			High: 1, Sampler: client.AnnealedLangevin{StepsPerLevel: 5, StepLR: 0.1,
				Denoise: new(true)}, Device: "cpu", Training: `{"seed":1}`,
			Condition: &client.ModelCondition{Classes: 2, Names: []string{"cat", "dog"}, Dropped: true}},
		{Name: "a", Version: 1, State: client.ModelFailed, Error: "truncated", Shape: []int{}},
		{Name: "b", Version: 1, State: client.ModelLoading, Description: "last page", Digest: "d", Shape: []int{2},
			Sampler: client.Langevin{Steps: 3}, Condition: &client.ModelCondition{Size: 3}},
	}
	c := serve(t, fake.Script{Models: want})
	var got []client.Model
	for m, err := range c.Models(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, m)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("models (-want +got):\n%s", diff)
	}
	for _, tt := range []struct {
		name    string
		version int
		want    int
	}{{"", 0, 0}, {"a", 1, 1}, {"b", 0, 2}} {
		m, err := c.Model(t.Context(), tt.name, tt.version)
		if err != nil || !cmp.Equal(m, want[tt.want]) {
			t.Errorf("model %q version %d: %+v, %v", tt.name, tt.version, m, err)
		}
	}
	if _, err := c.Model(t.Context(), "c", 0); !errors.Is(err, client.ErrModelNotFound) {
		t.Errorf("model c: %v, want ErrModelNotFound", err)
	}
}

func TestModelsStop(t *testing.T) {
	c := serve(t, fake.Script{Models: []client.Model{{Name: "a"}, {Name: "b"}, {Name: "c"}}})
	seen := 0
	for range c.Models(t.Context()) {
		seen++
		break
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, err := range c.Models(ctx) {
		seen++
		if !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
	}
	if seen != 2 {
		t.Errorf("loop bodies ran %d times, want once each", seen)
	}
}

func TestScore(t *testing.T) {
	c := serve(t, fake.Script{Score: func(_ context.Context, req client.ScoreRequest) (*client.Scores, error) {
		if want := (client.ScoreRequest{Model: "g", Version: 1, X: []float32{1, 2, 3, 4}, Shape: []int{2},
			Sigma: []float32{1, 2}}); !cmp.Equal(want, req) {
			return nil, fmt.Errorf("request: %s", cmp.Diff(want, req))
		}
		return &client.Scores{Batch: client.Batch{X: []float32{-1, -2, -3, -4}, Shape: req.Shape, N: 2}, Model: "g",
			Version: 1, Digest: "d"}, nil
	}})
	got, err := c.Score(t.Context(), client.ScoreRequest{Model: "g", Version: 1, X: []float32{1, 2, 3, 4},
		Shape: []int{2}, Sigma: []float32{1, 2}})
	if err != nil {
		t.Fatal(err)
	}
	if got.N != 2 || !cmp.Equal(got.Row(1), []float32{-3, -4}) || got.Digest != "d" {
		t.Errorf("scores %+v", got)
	}
	for _, shape := range [][]int{{3}, {0}, {-2}} {
		_, err := c.Score(t.Context(), client.ScoreRequest{X: make([]float32, 4), Shape: shape})
		if !errors.Is(err, client.ErrInvalid) {
			t.Errorf("4 elements of shape %v: %v, want ErrInvalid", shape, err)
		}
	}
}

func TestScoreOfWrongSize(t *testing.T) {
	c := serve(t, fake.Script{Score: func(context.Context, client.ScoreRequest) (*client.Scores, error) {
		return &client.Scores{Batch: client.Batch{X: []float32{1}, Shape: []int{1}, N: 1}}, nil
	}})
	if _, err := c.Score(t.Context(), client.ScoreRequest{X: []float32{1, 2}}); !errors.Is(err, client.ErrMalformed) {
		t.Errorf("1 score for 2 numbers: %v, want ErrMalformed", err)
	}
}

func TestUnreachable(t *testing.T) {
	c, err := client.New("127.0.0.1:1")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if _, err := c.Sample(ctx, client.SampleRequest{}); !errors.Is(err, client.ErrUnreachable) {
		t.Errorf("nothing listens: %v, want ErrUnreachable", err)
	}
}

func TestMaxMessageSize(t *testing.T) {
	rows := fake.Samples([]int{1000}, func(uint64) []float32 { return make([]float32, 1000) })
	c := serve(t, fake.Script{Sample: rows}, client.WithMaxMessageSize(1000))
	if _, err := c.Sample(t.Context(), client.SampleRequest{}); !errors.Is(err, client.ErrMessageTooLarge) {
		t.Errorf("4000 bytes where 1000 are allowed: %v, want ErrMessageTooLarge", err)
	}
}
