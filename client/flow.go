package client

import (
	"context"

	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
)

// FlowOptions says how the probability flow dx/dσ = -σ·s(x, σ) is solved: by an adaptive method of order 5, every row
// with its own steps, so that what becomes of it does not depend on the others. Zero fields mean the defaults.
type FlowOptions struct {
	SigmaMax    float64 // where latents are: their prior is N(0, SigmaMax²); by default the model's largest sigma
	SigmaMin    float64 // where samples are; by default the model's smallest sigma
	RelativeTol float64 // the error of a step relative to the state, at least 1e-7; by default 1e-5
	AbsoluteTol float64 // the error of a step in units of x, at least 1e-7; by default 1e-5
}

// EncodeRequest asks for the latents of samples.
type EncodeRequest struct {
	Model   string    // empty: the server's default model
	Version int       // 0: the newest
	X       []float32 // the samples, one after the other
	Shape   []int     // of one sample, for the client and the server to check; nil: that of the model's samples
	Flow    FlowOptions
}

// DecodeRequest asks for the samples of latents.
type DecodeRequest struct {
	Model   string    // empty: the server's default model
	Version int       // 0: the newest
	Latent  []float32 // the latents, one after the other
	Shape   []int     // of one latent, for the client and the server to check; nil: that of the model's samples
	Flow    FlowOptions
	Denoise bool // end with the step to σ = 0, which [Client.Encode] does not undo
}

// LogLikelihoodRequest asks how likely samples are.
type LogLikelihoodRequest struct {
	Model   string    // empty: the server's default model
	Version int       // 0: the newest
	X       []float32 // the samples, one after the other
	Shape   []int     // of one sample, for the client and the server to check; nil: that of the model's samples
	Flow    FlowOptions

	// Exact measures the divergence along every axis, for as many evaluations as there are dimensions. Otherwise it is
	// estimated along one random vector a row (Hutchinson's estimator), drawn from Seed.
	Exact bool
	Seed  uint64
}

// Flowed is where the probability flow took some rows.
type Flowed struct {
	Batch           // a row for each row asked for
	NFE     []int64 // score evaluations spent on each row
	Model   string  // that answered
	Version int
	Digest  string // SHA-256 of the model file, in hexadecimal
}

// LogLikelihoods is the answer to a [LogLikelihoodRequest].
type LogLikelihoods struct {
	LogP    []float64 // natural logarithm of the density at each row, in units of x
	NFE     []int64   // score evaluations spent on each row
	Model   string    // that answered
	Version int
	Digest  string // SHA-256 of the model file, in hexadecimal
}

// Encode takes samples along the probability flow to the latents that [Client.Decode] returns them from (Song et al.
// 2021, section 4.3). A tolerance that cannot be met is [ErrTolerance].
func (c *Client) Encode(ctx context.Context, req EncodeRequest) (*Flowed, error) {
	op := operation("encode", req.Model)
	version, x, err := flowWire(req.Version, "x", req.X, req.Shape)
	if err != nil {
		return nil, during(op, err)
	}
	response, err := unary(ctx, c, op, &langevinv1.EncodeRequest{
		Model: req.Model, Version: version, X: x, Flow: req.Flow.wire(), Format: langevinv1.TensorFormat_TENSOR_FORMAT_RAW,
	}, c.sampling.Encode)
	if err != nil {
		return nil, err
	}
	return newFlowed(op, response, response.GetLatent(), len(req.X))
}

// Decode takes latents along the probability flow to samples: the inverse of [Client.Encode].
func (c *Client) Decode(ctx context.Context, req DecodeRequest) (*Flowed, error) {
	op := operation("decode", req.Model)
	version, latent, err := flowWire(req.Version, "latent", req.Latent, req.Shape)
	if err != nil {
		return nil, during(op, err)
	}
	response, err := unary(ctx, c, op, &langevinv1.DecodeRequest{
		Model: req.Model, Version: version, Latent: latent, Flow: req.Flow.wire(), Denoise: req.Denoise,
		Format: langevinv1.TensorFormat_TENSOR_FORMAT_RAW,
	}, c.sampling.Decode)
	if err != nil {
		return nil, err
	}
	return newFlowed(op, response, response.GetSample(), len(req.Latent))
}

// LogLikelihood returns the log density that a model gives to samples, of the data blurred by Flow.SigmaMin (Song et
// al. 2021, appendix D.2).
func (c *Client) LogLikelihood(ctx context.Context, req LogLikelihoodRequest) (*LogLikelihoods, error) {
	op := operation("log likelihood", req.Model)
	version, x, err := flowWire(req.Version, "x", req.X, req.Shape)
	if err != nil {
		return nil, during(op, err)
	}
	r, err := unary(ctx, c, op, &langevinv1.LogLikelihoodRequest{
		Model: req.Model, Version: version, X: x, Flow: req.Flow.wire(), Exact: req.Exact, Seed: req.Seed,
	}, c.sampling.LogLikelihood)
	if err != nil {
		return nil, err
	}
	return &LogLikelihoods{
		LogP: r.GetLogLikelihood(), NFE: r.GetNfe(), Model: r.GetModel(), Version: int(r.GetVersion()), Digest: r.GetDigest(),
	}, nil
}

func flowWire(version int, field string, x []float32, shape []int) (int32, *langevinv1.Tensor, error) {
	v, err := toInt32("version", version)
	if err != nil {
		return 0, nil, err
	}
	rows, err := rowsTensor(field, x, shape)
	return v, rows, err
}

func (f FlowOptions) wire() *langevinv1.FlowOptions {
	return &langevinv1.FlowOptions{
		SigmaMax: optional(f.SigmaMax), SigmaMin: optional(f.SigmaMin),
		Rtol: optional(f.RelativeTol), Atol: optional(f.AbsoluteTol),
	}
}

// flowMessage is what the answers of Encode and Decode have in common.
type flowMessage interface {
	GetModel() string
	GetVersion() int32
	GetDigest() string
	GetNfe() []int64
}

func newFlowed(op string, m flowMessage, t *langevinv1.Tensor, elements int) (*Flowed, error) {
	b, err := newBatch(t)
	if err == nil && len(b.X) != elements {
		err = malformed("%d numbers for %d", len(b.X), elements)
	}
	if err != nil {
		return nil, during(op, err)
	}
	return &Flowed{b, m.GetNfe(), m.GetModel(), int(m.GetVersion()), m.GetDigest()}, nil
}
