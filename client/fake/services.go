package fake

import (
	"context"
	"fmt"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/langevin-ml/langevin/client"
	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
)

type samplingService struct {
	langevinv1.UnimplementedSamplingServiceServer
	script Script
}

func (s samplingService) Sample(
	w *langevinv1.SampleRequest, stream langevinv1.SamplingService_SampleServer,
) error {
	if s.script.Sample == nil {
		return s.UnimplementedSamplingServiceServer.Sample(w, stream)
	}
	pictures := w.GetFormat() == langevinv1.TensorFormat_TENSOR_FORMAT_PNG
	return s.script.Sample(stream.Context(), sampleRequest(w), func(e client.Event) error {
		if pictures {
			var err error
			if e, err = drawn(e); err != nil {
				return err
			}
		}
		return stream.Send(response(e))
	})
}

func (s samplingService) Score(
	ctx context.Context, w *langevinv1.ScoreRequest,
) (*langevinv1.ScoreResponse, error) {
	if s.script.Score == nil {
		return s.UnimplementedSamplingServiceServer.Score(ctx, w)
	}
	scores, err := s.script.Score(ctx, scoreRequest(w))
	if err != nil {
		return nil, err
	}
	return &langevinv1.ScoreResponse{
		Model: scores.Model, Version: int32(scores.Version), Digest: scores.Digest, Score: tensor(scores.Batch),
	}, nil
}

func (s samplingService) Encode(
	ctx context.Context, w *langevinv1.EncodeRequest,
) (*langevinv1.EncodeResponse, error) {
	if s.script.Encode == nil {
		return s.UnimplementedSamplingServiceServer.Encode(ctx, w)
	}
	r, err := s.script.Encode(ctx, client.EncodeRequest{
		Model: w.GetModel(), Version: int(w.GetVersion()),
		X: floats(w.GetX()), Shape: rowShape(w.GetX()), Flow: flow(w.GetFlow()),
		Given: client.GivenOf(w.GetGiven()),
	})
	if err != nil {
		return nil, err
	}
	return &langevinv1.EncodeResponse{
		Model: r.Model, Version: int32(r.Version), Digest: r.Digest, Latent: tensor(r.Batch), Nfe: r.NFE,
	}, nil
}

func (s samplingService) Decode(
	ctx context.Context, w *langevinv1.DecodeRequest,
) (*langevinv1.DecodeResponse, error) {
	if s.script.Decode == nil {
		return s.UnimplementedSamplingServiceServer.Decode(ctx, w)
	}
	r, err := s.script.Decode(ctx, client.DecodeRequest{
		Model: w.GetModel(), Version: int(w.GetVersion()),
		Latent: floats(w.GetLatent()), Shape: rowShape(w.GetLatent()),
		Flow: flow(w.GetFlow()), Denoise: w.GetDenoise(),
		Given: client.GivenOf(w.GetGiven()),
	})
	if err != nil {
		return nil, err
	}
	return &langevinv1.DecodeResponse{
		Model: r.Model, Version: int32(r.Version), Digest: r.Digest, Sample: tensor(r.Batch), Nfe: r.NFE,
	}, nil
}

func (s samplingService) LogLikelihood(
	ctx context.Context, w *langevinv1.LogLikelihoodRequest,
) (*langevinv1.LogLikelihoodResponse, error) {
	if s.script.LogLikelihood == nil {
		return s.UnimplementedSamplingServiceServer.LogLikelihood(ctx, w)
	}
	r, err := s.script.LogLikelihood(ctx, client.LogLikelihoodRequest{
		Model: w.GetModel(), Version: int(w.GetVersion()), X: floats(w.GetX()), Shape: rowShape(w.GetX()),
		Flow: flow(w.GetFlow()), Exact: w.GetExact(), Seed: w.GetSeed(), FirstChain: w.GetFirstChain(),
		Given: client.GivenOf(w.GetGiven()),
	})
	if err != nil {
		return nil, err
	}
	return &langevinv1.LogLikelihoodResponse{
		Model: r.Model, Version: int32(r.Version), Digest: r.Digest, LogLikelihood: r.LogP, Nfe: r.NFE,
		FirstChain: w.GetFirstChain(),
	}, nil
}

func (s samplingService) Detect(
	ctx context.Context, w *langevinv1.DetectRequest,
) (*langevinv1.DetectResponse, error) {
	if s.script.Detect == nil {
		return s.UnimplementedSamplingServiceServer.Detect(ctx, w)
	}
	r, err := s.script.Detect(ctx, client.DetectRequest{
		Model: w.GetModel(), Version: int(w.GetVersion()), X: floats(w.GetX()), Shape: rowShape(w.GetX()),
		Given: client.GivenOf(w.GetGiven()),
	})
	if err != nil {
		return nil, err
	}
	return &langevinv1.DetectResponse{
		Model: r.Model, Version: int32(r.Version), Digest: r.Digest, PValue: r.PValue, Distance: r.Distance,
		Calibrated: int64(r.Calibrated),
	}, nil
}

type modelService struct {
	langevinv1.UnimplementedModelServiceServer
	models []client.Model
}

// ListModels pages by two, so that clients meet a second page.
func (s modelService) ListModels(
	_ context.Context, w *langevinv1.ListModelsRequest,
) (*langevinv1.ListModelsResponse, error) {
	const size = 2
	first := 0
	if token := w.GetPageToken(); token != "" {
		if _, err := fmt.Sscan(token, &first); err != nil || first < 0 || first > len(s.models) {
			return nil, status.Errorf(codes.InvalidArgument, "page_token is %q", token)
		}
	}
	last := min(first+size, len(s.models))
	page := &langevinv1.ListModelsResponse{}
	for _, m := range s.models[first:last] {
		page.Models = append(page.Models, model(m))
	}
	if last < len(s.models) {
		page.NextPageToken = fmt.Sprint(last)
	}
	return page, nil
}

func (s modelService) GetModel(
	_ context.Context, w *langevinv1.GetModelRequest,
) (*langevinv1.GetModelResponse, error) {
	for _, m := range s.models {
		named := m.Name == w.GetName() || w.GetName() == "" && m.Default
		if named && (w.GetVersion() == 0 || m.Version == int(w.GetVersion())) {
			return &langevinv1.GetModelResponse{Model: model(m)}, nil
		}
	}
	return nil, &client.Error{
		Code: codes.NotFound, Reason: langevinv1.ReasonModelNotFound,
		Message: fmt.Sprintf("no model is called %q", w.GetName()),
	}
}
