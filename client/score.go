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
	Sigma   []float32 // for every point, or one for all: finite, above 0
	Given   Given     // the condition of the model, for all points or [Each]; nil: none

	// GuidanceScale is the w of classifier-free guidance, as in [SampleRequest]; nil: 1.
	GuidanceScale *float64

	// Progress, unless nil, receives the number of rows that are done of a request that is too large for one call. One
	// goroutine at a time calls it, and it must return soon.
	Progress func(done, total int)
}

// Scores is the answer to a [ScoreRequest].
type Scores struct {
	Batch          // a row for each point
	Model   string // that answered
	Version int
	Digest  string // SHA-256 of the model file, in hexadecimal
}

// Score evaluates a model at given points. The result is the vector field that the samplers follow. It takes any number
// of points: if a server does not take them in one call, the client makes several and joins the answers.
func (c *Client) Score(ctx context.Context, req ScoreRequest) (*Scores, error) {
	op := operation("score", req.Model)
	version, err := toInt32("version", req.Version)
	if err != nil {
		return nil, during(op, err)
	}
	all := rows{op, req.Model, req.Version, "x", req.X, req.Shape, req.Progress, req.Given}
	ask := func(ctx context.Context, x *langevinv1.Tensor, p part) (*langevinv1.ScoreResponse, error) {
		sigma, err := req.sigmas(p)
		if err != nil {
			return nil, during(op, err)
		}
		given, err := all.givenOf(p)
		if err != nil {
			return nil, err
		}
		return unary(ctx, c, op, &langevinv1.ScoreRequest{
			Model: req.Model, Version: version, X: x, Sigma: sigma,
			Format: langevinv1.TensorFormat_TENSOR_FORMAT_RAW, Given: given, GuidanceScale: req.GuidanceScale,
		}, c.sampling.Score)
	}
	answers, err := inParts(ctx, c, all, ask)
	if err != nil {
		return nil, err
	}
	b, err := joined(op, tensorsOf(answers, (*langevinv1.ScoreResponse).GetScore), len(req.X))
	if err != nil {
		return nil, err
	}
	a := answers[0]
	return &Scores{b, a.GetModel(), int(a.GetVersion()), a.GetDigest()}, nil
}

// sigmas returns the noise levels of a part of the points.
func (r ScoreRequest) sigmas(p part) ([]float32, error) {
	if p.n == 0 || len(r.Sigma) == 1 {
		return r.Sigma, nil
	}
	if total := len(r.X) / (len(p.x) / p.n); len(r.Sigma) != total {
		return nil, invalid("sigma", "sigma has %d values: want one for all rows, or one for each of the %d",
			len(r.Sigma), total)
	}
	return r.Sigma[p.first : p.first+p.n], nil
}

// rowsTensor encodes rows of the given shape, or without a shape if it is nil, for the named field of a request.
func rowsTensor(field string, x []float32, shape []int) (*langevinv1.Tensor, error) {
	if shape == nil {
		return &langevinv1.Tensor{Data: encodeFloats(x)}, nil
	}
	width := elements(shape)
	if width < 1 || len(x)%width != 0 {
		return nil, notRows(field, len(x), shape)
	}
	return newTensor(Batch{X: x, Shape: shape, N: len(x) / width}), nil
}

func notRows(field string, given int, shape []int) error {
	return invalid(field, "%s has %d elements: want a multiple of the elements of one row of shape %v",
		field, given, shape)
}

// elements returns the number of elements in a row of the given shape.
func elements(shape []int) int {
	product := 1
	for _, n := range shape {
		product *= n
	}
	return product
}
