package oip

import (
	"context"
	"errors"
	"io"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"

	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
	"github.com/langevin-ml/langevin/server/oip/inference"
	"github.com/langevin-ml/langevin/server/rpc"
)

// statusHeader is the metadata key with which a client asks for statuses instead of error messages in the stream.
const statusHeader = "triton_grpc_error"

// ModelStreamInfer answers the requests of a stream in order. A request that fails is answered with an error message
// and the stream continues, as in Triton. With the header triton_grpc_error: true the stream ends with the status
// instead. It also ends if the failure is the server's own.
func (s *Service) ModelStreamInfer(stream grpc.BidiStreamingServer[inference.ModelInferRequest,
	inference.ModelStreamInferResponse]) error {
	ctx := stream.Context()
	wanted := metadata.ValueFromIncomingContext(ctx, statusHeader)
	strict := len(wanted) == 1 && wanted[0] == "true"
	for {
		req, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		var broken error // the error of the stream itself
		err = s.answer(ctx, req, func(resp *inference.ModelInferResponse) error {
			broken = stream.Send(&inference.ModelStreamInferResponse{InferResponse: resp})
			return broken
		})
		if err == nil {
			continue
		}
		status := rpc.StatusOf(err)
		if strict || broken != nil || ctx.Err() != nil || status.Code() == codes.Internal {
			return err
		}
		failed := &inference.ModelInferResponse{
			ModelName: req.GetModelName(), ModelVersion: req.GetModelVersion(), Id: req.GetId(),
			Parameters: map[string]*inference.InferParameter{finalResponse: boolParam(true)},
		}
		if err := stream.Send(&inference.ModelStreamInferResponse{ErrorMessage: status.Message(),
			InferResponse: failed}); err != nil {
			return err
		}
	}
}

// finalResponse is the parameter with which Triton marks the last answer to a request.
const finalResponse = "triton_final_response"

// answer runs a model for one request and sends the answers.
func (s *Service) answer(ctx context.Context, req *inference.ModelInferRequest,
	send func(*inference.ModelInferResponse) error) error {
	t, err := s.find(ctx, req.GetModelName(), req.GetModelVersion())
	if err != nil {
		return err
	}
	start := time.Now()
	rows, err := s.stream(ctx, t, req, send)
	s.counts.add(t, start, rows, err)
	return err
}

func (s *Service) stream(ctx context.Context, t target, req *inference.ModelInferRequest,
	send func(*inference.ModelInferResponse) error) (int, error) {
	q, err := s.read(t, req)
	if err != nil {
		return 0, err
	}
	if t.score {
		resp, err := s.inferScore(ctx, q)
		if err != nil {
			return 0, err
		}
		resp.Parameters[finalResponse] = boolParam(true)
		return q.rows, send(resp)
	}
	r := &relay{query: q, send: send}
	return q.rows, q.within(ctx, func(ctx context.Context) error { return s.sampler.Draw(ctx, q.sample, r.take) })
}

// relay turns the events of a request into answers. It keeps a chunk until it knows whether it is the last.
type relay struct {
	query   *query
	send    func(*inference.ModelInferResponse) error
	started *langevinv1.Started
	held    *langevinv1.Chunk
}

func (r *relay) take(resp *langevinv1.SampleResponse) error {
	switch e := resp.GetEvent().(type) {
	case *langevinv1.SampleResponse_Started:
		r.started = e.Started
	case *langevinv1.SampleResponse_Preview:
		return r.preview(e.Preview)
	case *langevinv1.SampleResponse_Chunk:
		held := r.held
		r.held = e.Chunk
		if held != nil {
			return r.result(held, false)
		}
	case *langevinv1.SampleResponse_Done:
		return r.result(r.held, true)
	}
	return nil
}

func (r *relay) preview(p *langevinv1.Preview) error {
	resp := r.query.response(r.started, r.query.output(p.GetTensor()))
	resp.Parameters["kind"] = stringParam("preview")
	resp.Parameters["step"] = intParam(p.GetStep())
	resp.Parameters["sigma"] = doubleParam(p.GetSigma())
	resp.Parameters["first_chain"] = uintParam(p.GetFirstChain())
	resp.Parameters["dropped"] = intParam(p.GetDropped())
	resp.Parameters[finalResponse] = boolParam(false)
	return r.send(resp)
}

func (r *relay) result(c *langevinv1.Chunk, last bool) error {
	resp := r.query.response(r.started, r.query.output(c.GetTensor()))
	resp.Parameters["kind"] = stringParam("samples")
	resp.Parameters["step"] = intParam(r.started.GetSteps())
	resp.Parameters["first_chain"] = uintParam(c.GetFirstChain())
	resp.Parameters[finalResponse] = boolParam(last)
	return r.send(resp)
}
