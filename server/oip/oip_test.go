package oip

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/langevin-ml/langevin/models"
	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
	"github.com/langevin-ml/langevin/sampling"
	"github.com/langevin-ml/langevin/server/oip/inference"
)

type requestedOutput = inference.ModelInferRequest_InferRequestedOutputTensor

// fakeModels has one model, digits, whose samples are pictures of 2x3. It records the requests.
type fakeModels struct {
	columns []*langevinv1.Column
	sampled *langevinv1.SampleRequest
	scored  *langevinv1.ScoreRequest
}

func (e *fakeModels) Draw(_ context.Context, req *langevinv1.SampleRequest,
	send func(*langevinv1.SampleResponse) error) error {
	e.sampled = req
	if n := req.GetN(); n < 1 || n > 100 {
		return &sampling.FieldError{Field: "n", Given: n, Want: "1 to 100"}
	}
	part := &langevinv1.Tensor{Shape: []int64{req.GetN(), 1, 2, 3}, Data: make([]byte, 24*req.GetN())}
	if req.GetFormat() == langevinv1.TensorFormat_TENSOR_FORMAT_PNG {
		part = &langevinv1.Tensor{Shape: part.Shape}
		for range req.GetN() {
			part.Png = append(part.Png, []byte("picture"))
		}
	}
	return errors.Join(
		send(&langevinv1.SampleResponse{Event: &langevinv1.SampleResponse_Started{
			Started: &langevinv1.Started{N: req.GetN(), Seed: math.MaxUint64}}}),
		send(&langevinv1.SampleResponse{Event: &langevinv1.SampleResponse_Chunk{
			Chunk: &langevinv1.Chunk{Tensor: part}}}),
		send(&langevinv1.SampleResponse{Event: &langevinv1.SampleResponse_Done{Done: &langevinv1.Done{}}}))
}

func (e *fakeModels) Score(_ context.Context, req *langevinv1.ScoreRequest) (*langevinv1.ScoreResponse, error) {
	e.scored = req
	return &langevinv1.ScoreResponse{Score: req.GetX()}, nil
}

func (e *fakeModels) digits() *langevinv1.Model {
	return &langevinv1.Model{
		Name: "digits", Version: 2, Shape: []int64{1, 2,
			3}, Digest: "sha256:1", State: langevinv1.ModelState_MODEL_STATE_READY, Columns: e.columns,
	}
}

func (e *fakeModels) ListModels(context.Context, *langevinv1.ListModelsRequest) (*langevinv1.ListModelsResponse,
	error) {
	return &langevinv1.ListModelsResponse{Models: []*langevinv1.Model{e.digits()}}, nil
}

func (e *fakeModels) GetModel(_ context.Context, req *langevinv1.GetModelRequest) (*langevinv1.GetModelResponse,
	error) {
	if req.GetName() != "digits" || req.GetVersion() != 0 && req.GetVersion() != 2 {
		return nil, fmt.Errorf("%w: %q", models.ErrNotFound, req.GetName())
	}
	return &langevinv1.GetModelResponse{Model: e.digits()}, nil
}

func newService() (*Service, *fakeModels) {
	e := &fakeModels{}
	return New(e, e, Config{MaxMessageBytes: 1200, Ready: func() bool { return true }}), e
}

func input64(values ...int64) *inference.ModelInferRequest_InferInputTensor {
	return &inference.ModelInferRequest_InferInputTensor{
		Name: "num_samples", Datatype: "INT64", Shape: []int64{int64(len(values))},
		Contents: &inference.InferTensorContents{Int64Contents: values},
	}
}

func input32(name string, elements int, shape ...int64) *inference.ModelInferRequest_InferInputTensor {
	return &inference.ModelInferRequest_InferInputTensor{
		Name: name, Datatype: "FP32", Shape: shape,
		Contents: &inference.InferTensorContents{Fp32Contents: make([]float32, elements)},
	}
}

func str(v string) *inference.InferParameter {
	return &inference.InferParameter{ParameterChoice: &inference.InferParameter_StringParam{StringParam: v}}
}

// classes returns conditions that are classes.
func classes(indices ...int32) []*langevinv1.Given {
	list := make([]*langevinv1.Given, len(indices))
	for i, k := range indices {
		list[i] = &langevinv1.Given{Condition: &langevinv1.Given_Class{Class: k}}
	}
	return list
}

// TestParameters checks the effect of each parameter, in every form in which a client may send it.
func TestParameters(t *testing.T) {
	s, e := newService()
	for _, c := range []struct {
		given map[string]*inference.InferParameter
		want  *langevinv1.SampleRequest
	}{
		{nil, &langevinv1.SampleRequest{}},
		{map[string]*inference.InferParameter{"seed": uintParam(math.MaxUint64)},
			&langevinv1.SampleRequest{Seed: proto.Uint64(math.MaxUint64)}},
		{map[string]*inference.InferParameter{"seed": str("18446744073709551615")},
			&langevinv1.SampleRequest{Seed: proto.Uint64(math.MaxUint64)}},
		{map[string]*inference.InferParameter{"first_chain": intParam(3), "timeout": intParam(5e6)},
			&langevinv1.SampleRequest{FirstChain: 3}},
		{
			map[string]*inference.InferParameter{"step_lr": doubleParam(0.5), "steps_per_level": intParam(2),
				"denoise": boolParam(false), "consistent": boolParam(true)},
			&langevinv1.SampleRequest{Sampler: &langevinv1.SampleRequest_AnnealedLangevin{
				AnnealedLangevin: &langevinv1.AnnealedLangevin{
					StepLr: proto.Float64(0.5), StepsPerLevel: proto.Int32(2), Denoise: proto.Bool(false),
					Consistent: proto.Bool(true),
				}}},
		},
		{
			map[string]*inference.InferParameter{"step_lr": str("1e-3"),
				"request": str(`{"annealedLangevin": {"denoise": true}, "seed": "9"}`)},
			&langevinv1.SampleRequest{Seed: proto.Uint64(9),
				Sampler: &langevinv1.SampleRequest_AnnealedLangevin{AnnealedLangevin: &langevinv1.AnnealedLangevin{
					StepLr: proto.Float64(1e-3), Denoise: proto.Bool(true),
				}}},
		},
		{map[string]*inference.InferParameter{"class": intParam(3), "guidance_scale": doubleParam(2.5)},
			&langevinv1.SampleRequest{GuidanceScale: proto.Float64(2.5), Given: classes(3)}},
		{map[string]*inference.InferParameter{"class": uintParam(math.MaxInt32), "guidance_scale": intParam(-2)},
			&langevinv1.SampleRequest{GuidanceScale: proto.Float64(-2), Given: classes(math.MaxInt32)}},
		{
			map[string]*inference.InferParameter{"class": str("red"), "guidance_scale": str("1e-1")},
			&langevinv1.SampleRequest{GuidanceScale: proto.Float64(0.1), Given: []*langevinv1.Given{
				{Condition: &langevinv1.Given_ClassName{ClassName: "red"}},
			}},
		},
		{map[string]*inference.InferParameter{"guidance_scale": uintParam(2),
			"request": str(`{"given": [{"class": 1}, {"class": 2}]}`)},
			&langevinv1.SampleRequest{GuidanceScale: proto.Float64(2), Given: classes(1, 2)}},
		{
			map[string]*inference.InferParameter{"sampler": str("flow")},
			&langevinv1.SampleRequest{Sampler: &langevinv1.SampleRequest_ProbabilityFlow{
				ProbabilityFlow: &langevinv1.ProbabilityFlow{}}},
		},
		{
			map[string]*inference.InferParameter{
				"sampler": str("pc"), "times": uintParam(30), "corrector": str("langevin"), "snr": doubleParam(0.2),
				"sigma_max": intParam(5), "request": str(`{"predictorCorrector": {"correctorSteps": 2}}`),
			},
			&langevinv1.SampleRequest{Sampler: &langevinv1.SampleRequest_PredictorCorrector{
				PredictorCorrector: &langevinv1.PredictorCorrector{
					N: proto.Int32(30), Corrector: langevinv1.Corrector_CORRECTOR_LANGEVIN, Snr: proto.Float64(0.2),
					CorrectorSteps: proto.Int32(2), Sde: &langevinv1.Sde{SigmaMax: proto.Float64(5)},
				},
			}},
		},
	} {
		_, err := s.ModelInfer(t.Context(), &inference.ModelInferRequest{ModelName: "digits", Parameters: c.given})
		c.want.Model, c.want.Version, c.want.N = "digits", 2, proto.Int64(1)
		if err != nil || !proto.Equal(e.sampled, c.want) {
			t.Errorf("%v becomes %v, %v: want %v", c.given, e.sampled, err, c.want)
		}
	}
}

// TestScoreConditions: the network takes a class, a scale, and conditions as JSON, and nothing that the protocol has
// its own field for.
func TestScoreConditions(t *testing.T) {
	s, e := newService()
	infer := func(given map[string]*inference.InferParameter) error {
		_, err := s.ModelInfer(t.Context(), &inference.ModelInferRequest{ModelName: "digits.score", Parameters: given,
			Inputs: []*inference.ModelInferRequest_InferInputTensor{input32("x", 6, 1, 1, 2, 3),
				input32("sigma", 1, 1)}})
		return err
	}
	for _, c := range []struct {
		given map[string]*inference.InferParameter
		want  *langevinv1.ScoreRequest
	}{
		{nil, &langevinv1.ScoreRequest{}},
		{map[string]*inference.InferParameter{"class": intParam(3), "guidance_scale": str("2")},
			&langevinv1.ScoreRequest{Given: classes(3), GuidanceScale: proto.Float64(2)}},
		{map[string]*inference.InferParameter{"request": str(`{"given": [{"vector": {"values": [0.5, 1]}}]}`)},
			&langevinv1.ScoreRequest{Given: []*langevinv1.Given{{Condition: &langevinv1.Given_Vector{
				Vector: &langevinv1.Vector{Values: []float32{0.5, 1}}}}}}},
	} {
		err := infer(c.given)
		got := &langevinv1.ScoreRequest{Given: e.scored.GetGiven(), GuidanceScale: e.scored.GuidanceScale}
		if err != nil || !proto.Equal(got, c.want) || len(e.scored.GetX().GetData()) != 24 {
			t.Errorf("%v becomes %v, %v: want %v", c.given, e.scored, err, c.want)
		}
	}
	for text, want := range map[string]string{
		`{"x": {"shape": [1]}}`: "parameters.request.x",
		`{"sigma": [1]}`:        "parameters.request.sigma",
		`{"n": 1}`:              "parameters.request",
	} {
		err := infer(map[string]*inference.InferParameter{"request": str(text)})
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v, want an error about %s", text, err, want)
		}
	}
}

// TestPictures: in raw contents, BYTES elements have their length before them.
func TestPictures(t *testing.T) {
	s, _ := newService()
	resp, err := s.ModelInfer(t.Context(), &inference.ModelInferRequest{
		ModelName: "digits", Inputs: []*inference.ModelInferRequest_InferInputTensor{{Name: "num_samples",
			Datatype: "INT64", Shape: []int64{1}}},
		RawInputContents: [][]byte{{2, 0, 0, 0, 0, 0, 0, 0}},
		Outputs:          []*inference.ModelInferRequest_InferRequestedOutputTensor{{Name: "png"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	out := resp.GetOutputs()[0]
	if got, want := string(resp.GetRawOutputContents()[0]), "\a\x00\x00\x00picture\a\x00\x00\x00picture"; got != want ||
		out.GetDatatype() != "BYTES" || len(out.GetShape()) != 1 || out.GetShape()[0] != 2 {
		t.Errorf("%v with %q: want BYTES [2] with %q", out, got, want)
	}
}

// TestTablesHaveNoStates: rows of a table are no states in which chains could start.
func TestTablesHaveNoStates(t *testing.T) {
	s, e := newService()
	e.columns = []*langevinv1.Column{{Name: "age"}}
	_, err := s.ModelInfer(t.Context(), &inference.ModelInferRequest{ModelName: "digits",
		Inputs: []*inference.ModelInferRequest_InferInputTensor{input32("init", 6, 1, 1, 2, 3)}})
	if err == nil || !strings.HasPrefix(err.Error(), "inputs.init is set: want none: digits is a model of a table") {
		t.Errorf("init: %v", err)
	}
	m, err := s.ModelMetadata(t.Context(), &inference.ModelMetadataRequest{Name: "digits"})
	if err != nil || len(m.GetInputs()) != 1 || m.GetInputs()[0].GetName() != "num_samples" {
		t.Errorf("metadata %v, %v: want num_samples alone", m, err)
	}
}

// TestInputsAreNamed: an error about an input says which, what was given, and what is allowed.
func TestInputsAreNamed(t *testing.T) {
	s, _ := newService()
	typed := func(name, datatype string, shape ...int64) *inference.ModelInferRequest_InferInputTensor {
		return &inference.ModelInferRequest_InferInputTensor{Name: name, Datatype: datatype, Shape: shape,
			Contents: &inference.InferTensorContents{IntContents: []int32{1}, Int64Contents: []int64{1}}}
	}
	for want, c := range map[string]struct {
		model  string
		inputs []*inference.ModelInferRequest_InferInputTensor
	}{
		"inputs is none: want x and sigma": {"digits.score", nil},
		`inputs is "sigma": want x and sigma`: {"digits.score",
			[]*inference.ModelInferRequest_InferInputTensor{input32("sigma", 1, 1)}},
		`inputs.num_samples.datatype is "INT32": want INT64`: {"digits",
			[]*inference.ModelInferRequest_InferInputTensor{typed("num_samples", "INT32", 1)}},
		"inputs.num_samples.shape is [-1]: want [1]": {"digits",
			[]*inference.ModelInferRequest_InferInputTensor{typed("num_samples", "INT64", -1)}},
		"inputs.init.shape is [-1 1 2 3]: want [n, 1, 2, 3], n at least 1": {"digits",
			[]*inference.ModelInferRequest_InferInputTensor{input32("init", 6, -1, 1, 2, 3)}},
	} {
		_, err := s.ModelInfer(t.Context(), &inference.ModelInferRequest{ModelName: c.model, Inputs: c.inputs})
		if err == nil || err.Error() != want {
			t.Errorf("got %v: want %s", err, want)
		}
	}
}

// TestInferRefuses: the error names the field with the mistake.
func TestInferRefuses(t *testing.T) {
	s, _ := newService()
	type request = inference.ModelInferRequest
	inputs := func(all ...*inference.ModelInferRequest_InferInputTensor) *request { return &request{Inputs: all} }
	with := func(name string, p *inference.InferParameter) *request {
		return &request{Parameters: map[string]*inference.InferParameter{name: p}}
	}
	raw := func(shape []int64, bytes int) *request {
		return &request{
			Inputs: []*inference.ModelInferRequest_InferInputTensor{{Name: "init", Datatype: "FP32",
				Shape: shape}},
			RawInputContents: [][]byte{make([]byte, bytes)},
		}
	}
	for name, c := range map[string]struct {
		req   *request
		field string
	}{
		"no rows":            {inputs(input64(0)), "inputs.num_samples"},
		"more rows than fit": {inputs(input64(51)), "inputs.num_samples"},
		"two numbers":        {inputs(input64(1, 2)), "inputs.num_samples.shape"},
		"no number":          {inputs(input64()), "inputs.num_samples.shape"},
		"wrong type": {inputs(&inference.ModelInferRequest_InferInputTensor{Name: "num_samples",
			Datatype: "INT32", Shape: []int64{1}, Contents: &inference.InferTensorContents{IntContents: []int32{1}}}),
			"inputs.num_samples.datatype"},
		"unknown input":     {inputs(input32("x", 6, 1, 1, 2, 3)), "inputs"},
		"input twice":       {inputs(input64(1), input64(1)), "inputs[1].name"},
		"rows disagree":     {inputs(input64(2), input32("init", 6, 1, 1, 2, 3)), "inputs.num_samples"},
		"wrong shape":       {inputs(input32("init", 6, 1, 2, 1, 3)), "inputs.init.shape"},
		"too few elements":  {inputs(input32("init", 5, 1, 1, 2, 3)), "inputs.init"},
		"no elements":       {inputs(input32("init", 0, 0, 1, 2, 3)), "inputs.init.shape"},
		"negative":          {inputs(input32("init", 6, -1, 1, 2, 3)), "inputs.init.shape"},
		"2^62 rows":         {raw([]int64{1 << 62, 1, 2, 3}, 24), "inputs.init"},
		"a product of 2^64": {raw([]int64{(1 << 63) - 1, 1, 2, 3}, 0), "inputs.init"},
		"torn":              {raw([]int64{1, 1, 2, 3}, 23), "inputs.init"},
		"many dimensions":   {raw(make([]int64, 100_000), 24), "inputs.init.shape"},
		"no raw contents": {&request{Inputs: []*inference.ModelInferRequest_InferInputTensor{{Name: "init"}}},
			"raw_input_contents"},
		"raw contents of nothing": {&request{RawInputContents: [][]byte{{1}}}, "raw_input_contents"},
		"raw and typed": {&request{Inputs: []*inference.ModelInferRequest_InferInputTensor{input64(1)},
			RawInputContents: [][]byte{{1}}}, "inputs[0].contents"},
		"unknown, of an input": {inputs(&inference.ModelInferRequest_InferInputTensor{Name: "init",
			Parameters: with("a", str("b")).Parameters}), `inputs[0].parameters."a"`},
		"unknown parameter":        {with("sed", intParam(1)), `parameters."sed"`},
		"negative seed":            {with("seed", intParam(-1)), "parameters.seed"},
		"seed of no kind":          {with("seed", &inference.InferParameter{}), "parameters.seed"},
		"seed in words":            {with("seed", str("one")), "parameters.seed"},
		"denoise in words":         {with("denoise", str("yes")), "parameters.denoise"},
		"step size in words":       {with("step_lr", str("small")), "parameters.step_lr"},
		"no JSON":                  {with("request", str("{")), "parameters.request"},
		"unknown field":            {with("request", str(`{"sampler": 1}`)), "parameters.request"},
		"model in request":         {with("request", str(`{"model": "other"}`)), "parameters.request.model"},
		"previews of a unary call": {with("stream_every", intParam(1)), "parameters.stream_every"},
		"two samplers": {&request{Parameters: map[string]*inference.InferParameter{
			"request": str(`{"langevin": {}}`), "step_lr": doubleParam(1),
		}}, "parameters.step_lr"},
		"negative class":     {with("class", intParam(-1)), "parameters.class"},
		"class of 2^31":      {with("class", uintParam(1<<31)), "parameters.class"},
		"class in halves":    {with("class", doubleParam(0.5)), "parameters.class"},
		"scale in words":     {with("guidance_scale", str("large")), "parameters.guidance_scale"},
		"scale of no number": {with("guidance_scale", doubleParam(math.NaN())), "parameters.guidance_scale"},
		"scale of a switch":  {with("guidance_scale", boolParam(true)), "parameters.guidance_scale"},
		"two classes": {&request{Parameters: map[string]*inference.InferParameter{
			"request": str(`{"given": [{"class": 1}]}`), "class": intParam(1),
		}}, "parameters.class"},
		"two scales": {&request{Parameters: map[string]*inference.InferParameter{
			"request": str(`{"guidanceScale": 2}`), "guidance_scale": intParam(2),
		}}, "parameters.guidance_scale"},
		"unknown sampler":    {with("sampler", str("pcs")), "parameters.sampler"},
		"sampler of no kind": {with("sampler", boolParam(true)), "parameters.sampler"},
		"count in halves":    {with("steps_per_level", doubleParam(1.5)), "parameters.steps_per_level"},
		"count of 2^63":      {with("steps_per_level", uintParam(1<<63)), "parameters.steps_per_level"},
		"setting of nothing": {with("denoise", &inference.InferParameter{}), "parameters.denoise"},
		"setting of another": {with("snr", doubleParam(0.2)), "parameters.snr"},
		"setting of a network": {&request{ModelName: "digits.score",
			Inputs: []*inference.ModelInferRequest_InferInputTensor{input32("x", 6, 1, 1, 2, 3),
				input32("sigma", 1, 1)},
			Parameters: with("denoise", boolParam(true)).Parameters}, `parameters."denoise"`},
		"sampler beside request": {&request{Parameters: map[string]*inference.InferParameter{
			"request": str(`{"langevin": {}}`), "sampler": str("pc")}}, "parameters.sampler"},
		"setting without effect": {&request{Parameters: map[string]*inference.InferParameter{"sampler": str("pc"),
			"snr": doubleParam(0.2)}}, "parameters.snr"},
		"setting beside its other": {&request{Parameters: map[string]*inference.InferParameter{
			"sampler": str("flow"), "steps": intParam(9), "sigmas": str("3,1"),
		}}, "parameters.steps"},
		"unknown output":     {&request{Outputs: []*requestedOutput{{Name: "x"}}}, "outputs"},
		"two outputs":        {&request{Outputs: []*requestedOutput{{Name: "samples"}, {Name: "png"}}}, "outputs"},
		"version in words":   {&request{ModelVersion: "new"}, "model_version"},
		"version 2^40":       {&request{ModelVersion: "1099511627776"}, "model_version"},
		"network, no inputs": {&request{ModelName: "digits.score"}, "inputs"},
		"network, seed": {&request{ModelName: "digits.score",
			Inputs: []*inference.ModelInferRequest_InferInputTensor{input32("x", 6, 1, 1, 2, 3),
				input32("sigma", 1, 1)}, Parameters: with("seed", intParam(1)).Parameters}, `parameters."seed"`},
	} {
		if c.req.ModelName == "" {
			c.req.ModelName = "digits"
		}
		_, err := s.ModelInfer(t.Context(), c.req)
		var field *sampling.FieldError
		if !errors.As(err, &field) || field.Field != c.field {
			t.Errorf("%s: %v: want it to name %s", name, err, c.field)
		} else if len(err.Error()) > 600 || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: not one short line: %v", name, err)
		}
	}
	if _, err := s.ModelInfer(t.Context(), &request{ModelName: "nobody.score"}); !errors.Is(err, models.ErrNotFound) {
		t.Errorf("an unknown network gives %v", err)
	}
	if got := s.counts.of(target{(&fakeModels{}).digits(), false}); got.GetInferenceStats().GetFail().GetCount() < 20 ||
		got.GetInferenceStats().GetSuccess().GetCount() != 0 {
		t.Errorf("counted %v", got)
	}
}

// TestClientParameters: a parameter that does not change the answer is accepted wherever clients put it. A parameter
// that would change it is refused by name.
func TestClientParameters(t *testing.T) {
	s, _ := newService()
	for _, c := range []struct {
		name  string
		value *inference.InferParameter
		want  string // in the error; empty if it is accepted
	}{
		{"binary_data_size", intParam(8), ""}, // KServe's client sends it with every input
		{"binary_data", boolParam(false), ""},
		{"binary_data_output", boolParam(true), ""},
		{"content_type", str("np"), ""},
		{"content_type", str("base64"), `is "base64": want "np"`},
		{"headers", str("{}"), ""},
		{"triton_enable_empty_final_response", boolParam(true), ""},
		{"priority", uintParam(0), ""},
		{"priority", uintParam(1), "is 1: want 0: there are no priorities"},
		{"priority", intParam(1), "is 1: want 0"},
		{"sequence_id", intParam(0), ""},
		{"sequence_id", str(""), ""},
		{"sequence_id", str("a"), `is "a": want 0 or ""`},
		{"sequence_start", boolParam(false), ""},
		{"sequence_start", boolParam(true), "is true: want false: there are no sequences"},
		{"sequence_end", boolParam(true), "is true: want false"},
		{"classification", intParam(0), ""},
		{"classification", intParam(3), "is 3: want 0: there are no classes"},
		{"shared_memory_region", str("a"), `is "a": want none: shared memory is not served`},
		{"shared_memory_byte_size", intParam(0), "is 0: want none"},
		{"shared_memory_offset", intParam(0), "is 0: want none"},
		{"triton_other", boolParam(true), "is set: want one of"},
		{"sequence_start", &inference.InferParameter{}, "is nothing: want false"},
	} {
		given := map[string]*inference.InferParameter{c.name: c.value}
		in := input64(1)
		in.Parameters = given
		out := &inference.ModelInferRequest_InferRequestedOutputTensor{Name: "samples", Parameters: given}
		for where, req := range map[string]*inference.ModelInferRequest{
			"parameters.":            {Parameters: given},
			"inputs[0].parameters.":  {Inputs: []*inference.ModelInferRequest_InferInputTensor{in}},
			"outputs[0].parameters.": {Outputs: []*inference.ModelInferRequest_InferRequestedOutputTensor{out}},
		} {
			req.ModelName = "digits"
			_, err := s.ModelInfer(t.Context(), req)
			text := fmt.Sprint(err)
			said := strings.Contains(text, where) && strings.Contains(text, c.name) && strings.Contains(text, c.want)
			if c.want == "" && err != nil || c.want != "" && !said {
				t.Errorf("%s%s: %v, want it to contain %q", where, c.name, err, c.want)
			}
		}
	}
}

// FuzzModelInferRequest: no request makes the service panic or answer with more than the limit.
func FuzzModelInferRequest(f *testing.F) {
	for _, req := range []*inference.ModelInferRequest{
		{ModelName: "digits", Inputs: []*inference.ModelInferRequest_InferInputTensor{input64(3)},
			Parameters: map[string]*inference.InferParameter{"seed": intParam(1)}},
		{ModelName: "digits", Inputs: []*inference.ModelInferRequest_InferInputTensor{input32("init", 6, 1, 1, 2, 3)},
			Parameters: map[string]*inference.InferParameter{"request": str(`{"langevin": {"steps": 4}}`)}},
		{ModelName: "digits.score",
			Inputs: []*inference.ModelInferRequest_InferInputTensor{{Name: "x", Datatype: "FP32",
				Shape: []int64{1, 1, 2, 3}}, {Name: "sigma", Datatype: "FP32", Shape: []int64{1}}},
			RawInputContents: [][]byte{make([]byte, 24), make([]byte, 4)}},
		{ModelName: "digits", Outputs: []*inference.ModelInferRequest_InferRequestedOutputTensor{{Name: "png"}}},
	} {
		data, err := proto.Marshal(req)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		req := &inference.ModelInferRequest{}
		if proto.Unmarshal(data, req) != nil {
			return
		}
		s, _ := newService()
		if resp, err := s.ModelInfer(t.Context(), req); err == nil && proto.Size(resp) > 3000 {
			t.Errorf("an answer of %d bytes", proto.Size(resp))
		}
	})
}
