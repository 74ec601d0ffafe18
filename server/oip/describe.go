package oip

import (
	"context"

	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
	"github.com/langevin-ml/langevin/server/oip/inference"
)

// ServerLive returns true, because the server answers.
func (s *Service) ServerLive(context.Context, *inference.ServerLiveRequest) (*inference.ServerLiveResponse, error) {
	return &inference.ServerLiveResponse{Live: true}, nil
}

// ServerReady reports whether models can be served.
func (s *Service) ServerReady(context.Context, *inference.ServerReadyRequest) (*inference.ServerReadyResponse, error) {
	return &inference.ServerReadyResponse{Ready: s.config.Ready()}, nil
}

// ServerMetadata returns the server's name and its extensions of Triton's protocol.
func (s *Service) ServerMetadata(context.Context, *inference.ServerMetadataRequest) (*inference.ServerMetadataResponse,
	error) {
	return &inference.ServerMetadataResponse{
		Name: "langevin", Version: s.config.Version,
		Extensions: []string{"model_configuration", "model_repository", "model_repository(unload_dependents)",
			"model_stream_infer", "statistics"},
	}, nil
}

// ModelReady reports whether a model can be used.
func (s *Service) ModelReady(ctx context.Context, req *inference.ModelReadyRequest) (*inference.ModelReadyResponse,
	error) {
	t, err := s.find(ctx, req.GetName(), req.GetVersion())
	if err != nil {
		return nil, err
	}
	return &inference.ModelReadyResponse{Ready: t.ready()}, nil
}

// tensor is an input or output of a model.
type tensor struct {
	name, datatype string
	kind           inference.DataType
	shape          []int64
	optional       bool
}

func fp32(name string, shape []int64, optional bool) tensor {
	return tensor{name, "FP32", inference.DataType_TYPE_FP32, shape, optional}
}

func (t target) inputs() []tensor {
	rows := withRows(-1, t.GetShape())
	if t.score {
		return []tensor{fp32("x", rows, false), fp32("sigma", []int64{-1}, false)}
	}
	count := tensor{"num_samples", "INT64", inference.DataType_TYPE_INT64, []int64{1}, true}
	if len(t.GetColumns()) > 0 { // its states are not rows
		return []tensor{count}
	}
	return []tensor{count, fp32("init", rows, true)}
}

func (t target) outputs() []tensor {
	rows := withRows(-1, t.GetShape())
	switch {
	case t.score:
		return []tensor{fp32("score", rows, false)}
	case t.pictures():
		return []tensor{fp32("samples", rows, false), {"png", "BYTES", inference.DataType_TYPE_STRING, []int64{-1},
			false}}
	}
	return []tensor{fp32("samples", rows, false)}
}

// ModelMetadata describes the inputs and outputs of a model.
func (s *Service) ModelMetadata(ctx context.Context,
	req *inference.ModelMetadataRequest) (*inference.ModelMetadataResponse, error) {
	t, err := s.find(ctx, req.GetName(), req.GetVersion())
	if err != nil {
		return nil, err
	}
	return &inference.ModelMetadataResponse{
		Name: t.name(), Versions: []string{t.version()}, Platform: "langevin",
		Inputs: metadataOf(t.inputs()), Outputs: metadataOf(t.outputs()),
		Properties: map[string]string{"digest": t.GetDigest(), "device": t.GetDevice(),
			"description": t.GetDescription()},
	}, nil
}

func metadataOf(tensors []tensor) []*inference.ModelMetadataResponse_TensorMetadata {
	var all []*inference.ModelMetadataResponse_TensorMetadata
	for _, t := range tensors {
		all = append(all, &inference.ModelMetadataResponse_TensorMetadata{Name: t.name, Datatype: t.datatype,
			Shape: t.shape})
	}
	return all
}

// ModelConfig describes a model in Triton's form. A model that streams previews is decoupled in Triton's terms, but it
// answers ModelInfer too.
func (s *Service) ModelConfig(ctx context.Context, req *inference.ModelConfigRequest) (*inference.ModelConfigResponse,
	error) {
	t, err := s.find(ctx, req.GetName(), req.GetVersion())
	if err != nil {
		return nil, err
	}
	c := &inference.ModelConfig{
		Name: t.name(), Platform: "langevin", Backend: "langevin",
		ModelTransactionPolicy: &inference.ModelTransactionPolicy{Decoupled: !t.score},
	}
	for _, in := range t.inputs() {
		c.Input = append(c.Input, &inference.ModelInput{Name: in.name, DataType: in.kind, Dims: in.shape,
			Optional: in.optional})
	}
	for _, out := range t.outputs() {
		c.Output = append(c.Output, &inference.ModelOutput{Name: out.name, DataType: out.kind, Dims: out.shape})
	}
	return &inference.ModelConfigResponse{Config: c}, nil
}

// RepositoryIndex lists the models and their networks.
func (s *Service) RepositoryIndex(ctx context.Context,
	req *inference.RepositoryIndexRequest) (*inference.RepositoryIndexResponse, error) {
	all, err := s.all(ctx)
	if err != nil {
		return nil, err
	}
	index := &inference.RepositoryIndexResponse{}
	for _, t := range all {
		if t.ready() || !req.GetReady() {
			index.Models = append(index.Models, &inference.RepositoryIndexResponse_ModelIndex{
				Name: t.name(), Version: t.version(), State: stateOf(t), Reason: t.GetError(),
			})
		}
	}
	return index, nil
}

// stateOf returns a model's state in Triton's terms.
func stateOf(t target) string {
	switch t.GetState() {
	case langevinv1.ModelState_MODEL_STATE_READY:
		return "READY"
	case langevinv1.ModelState_MODEL_STATE_LOADING:
		return "LOADING"
	}
	return "UNAVAILABLE"
}

// ModelStatistics returns this service's counts for one model, or for all models with requests.
func (s *Service) ModelStatistics(ctx context.Context,
	req *inference.ModelStatisticsRequest) (*inference.ModelStatisticsResponse, error) {
	if req.GetName() == "" {
		return &inference.ModelStatisticsResponse{ModelStats: s.counts.all()}, nil
	}
	t, err := s.find(ctx, req.GetName(), req.GetVersion())
	if err != nil {
		return nil, err
	}
	return &inference.ModelStatisticsResponse{ModelStats: []*inference.ModelStatistics{s.counts.of(t)}}, nil
}
