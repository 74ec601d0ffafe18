package client

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
)

// ScoreRequest asks for the score ∇ₓ log p_σ(x) at points x.
type ScoreRequest struct {
	Model   string    // empty: the server's default model
	Version int       // 0: the newest
	X       []float32 // the points, one after the other
	Shape   []int     // of one point; nil: the points are vectors of the model's size
	Sigma   []float32 // of every point, or one for all: finite, above 0
}

// Scores is the answer to a [ScoreRequest].
type Scores struct {
	Batch          // a row for each point
	Model   string // that answered
	Version int
	Digest  string // SHA-256 of the model file, in hexadecimal
}

// Score evaluates a model: the vector field that the samplers follow.
func (c *Client) Score(ctx context.Context, req ScoreRequest) (*Scores, error) {
	op := operation("score", req.Model)
	w, err := req.wire()
	if err != nil {
		return nil, during(op, err)
	}
	var header metadata.MD
	response, err := c.sampling.Score(ctx, w, grpc.Header(&header))
	if err != nil {
		return nil, fromRPC(op, err, header)
	}
	b, err := newBatch(response.GetScore())
	if err == nil && len(b.X) != len(req.X) {
		err = malformed("%d scores for %d numbers", len(b.X), len(req.X))
	}
	if err != nil {
		return nil, during(op, err)
	}
	return &Scores{b, response.GetModel(), int(response.GetVersion()), response.GetDigest()}, nil
}

func (r ScoreRequest) wire() (*langevinv1.ScoreRequest, error) {
	version, err := toInt32("version", r.Version)
	if err != nil {
		return nil, err
	}
	x := &langevinv1.Tensor{Data: encodeFloats(r.X)}
	if r.Shape != nil {
		width := elements(r.Shape)
		if width < 1 || len(r.X)%width != 0 {
			return nil, invalid("x", "x has %d elements: want a multiple of those of one point of shape %v", len(r.X), r.Shape)
		}
		x = newTensor(Batch{X: r.X, Shape: r.Shape, N: len(r.X) / width})
	}
	return &langevinv1.ScoreRequest{
		Model:   r.Model,
		Version: version,
		X:       x,
		Sigma:   r.Sigma,
		Format:  langevinv1.TensorFormat_TENSOR_FORMAT_RAW,
	}, nil
}

// elements is how many numbers a row of the given shape has.
func elements(shape []int) int {
	product := 1
	for _, n := range shape {
		product *= n
	}
	return product
}
