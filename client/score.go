package client

import (
	"context"

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
	response, err := unary(ctx, c, op, w, c.sampling.Score)
	if err != nil {
		return nil, err
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
	x, err := rowsTensor("x", r.X, r.Shape)
	if err != nil {
		return nil, err
	}
	return &langevinv1.ScoreRequest{
		Model:   r.Model,
		Version: version,
		X:       x,
		Sigma:   r.Sigma,
		Format:  langevinv1.TensorFormat_TENSOR_FORMAT_RAW,
	}, nil
}

// rowsTensor encodes rows of the given shape, or without one if it is nil, for the named field of a request.
func rowsTensor(field string, x []float32, shape []int) (*langevinv1.Tensor, error) {
	if shape == nil {
		return &langevinv1.Tensor{Data: encodeFloats(x)}, nil
	}
	width := elements(shape)
	if width < 1 || len(x)%width != 0 {
		return nil, invalid(field, "%s has %d elements: want a multiple of those of one row of shape %v", field, len(x), shape)
	}
	return newTensor(Batch{X: x, Shape: shape, N: len(x) / width}), nil
}

// elements is how many numbers a row of the given shape has.
func elements(shape []int) int {
	product := 1
	for _, n := range shape {
		product *= n
	}
	return product
}
