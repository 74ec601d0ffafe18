package client

import (
	"context"

	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
)

// FlowOptions says how the probability flow dx/dσ = -σ·s(x, σ) is integrated. The method is adaptive and has order 5.
// Every row chooses its own steps, so its result does not depend on the other rows. Zero fields mean the defaults.
type FlowOptions struct {
	SigmaMax    float64 // sigma of latents: their prior is N(0, SigmaMax²); by default the model's largest sigma
	SigmaMin    float64 // sigma of samples; by default the model's smallest sigma
	RelativeTol float64 // the error of a step relative to the state, at least 1e-7; by default 1e-5
	AbsoluteTol float64 // the error of a step in units of x, at least 1e-7; by default 1e-5
}

// EncodeRequest asks for the latents of samples.
type EncodeRequest struct {
	Model   string    // empty: the server's default model
	Version int       // 0: the newest
	X       []float32 // the samples, one after the other
	Shape   []int     // of one sample, for the client and the server to check; nil: as the model's samples
	Flow    FlowOptions
	Given   Given // the condition of the model, for all rows or [Each]; nil: none

	// Progress, unless nil, receives the number of rows that are done of a request that is too large for one call. One
	// goroutine at a time calls it, and it must return soon.
	Progress func(done, total int)
}

// DecodeRequest asks for the samples of latents.
type DecodeRequest struct {
	Model   string    // empty: the server's default model
	Version int       // 0: the newest
	Latent  []float32 // the latents, one after the other
	Shape   []int     // of one latent, for the client and the server to check; nil: as the model's samples
	Flow    FlowOptions
	Given   Given // the condition of the model, for all rows or [Each]; nil: none
	Denoise bool  // end with the step to σ = 0, which [Client.Encode] does not invert

	// Progress, unless nil, receives the number of rows that are done of a request that is too large for one call. One
	// goroutine at a time calls it, and it must return soon.
	Progress func(done, total int)
}

// LogLikelihoodRequest asks for the log density of samples.
type LogLikelihoodRequest struct {
	Model   string    // empty: the server's default model
	Version int       // 0: the newest
	X       []float32 // the samples, one after the other
	Shape   []int     // of one sample, for the client and the server to check; nil: as the model's samples
	Flow    FlowOptions
	Given   Given // the condition of the model, for all rows or [Each]; nil: none

	// Exact computes the divergence along every axis, which takes as many evaluations as there are dimensions.
	// Otherwise the divergence is estimated along one random vector for each row (Hutchinson's estimator), drawn from
	// Seed.
	Exact bool
	Seed  uint64

	// FirstChain is the address of the first row's random vector. With it the densities do not depend on how rows are
	// divided among requests.
	FirstChain uint64

	// Progress, unless nil, receives the number of rows that are done of a request that is too large for one call. One
	// goroutine at a time calls it, and it must return soon.
	Progress func(done, total int)
}

// Flowed is the answer to an [EncodeRequest] or a [DecodeRequest].
type Flowed struct {
	Batch           // a row for each row of the request
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

// Encode takes samples along the probability flow to latents (Song et al. 2021, section 4.3). [Client.Decode] takes the
// latents back. Encode takes any number of rows, as [Client.Score] does. It returns [ErrTolerance] if a tolerance
// cannot be met.
func (c *Client) Encode(ctx context.Context, req EncodeRequest) (*Flowed, error) {
	op := operation("encode", req.Model)
	version, err := toInt32("version", req.Version)
	if err != nil {
		return nil, during(op, err)
	}
	all := rows{op, req.Model, req.Version, "x", req.X, req.Shape, req.Progress, req.Given}
	ask := func(ctx context.Context, x *langevinv1.Tensor, p part) (*langevinv1.EncodeResponse, error) {
		given, err := all.givenOf(p)
		if err != nil {
			return nil, err
		}
		return unary(ctx, c, op, &langevinv1.EncodeRequest{
			Model: req.Model, Version: version, X: x, Flow: req.Flow.wire(),
			Format: langevinv1.TensorFormat_TENSOR_FORMAT_RAW, Given: given,
		}, c.sampling.Encode)
	}
	answers, err := inParts(ctx, c, all, ask)
	if err != nil {
		return nil, err
	}
	return newFlowed(op, answers, (*langevinv1.EncodeResponse).GetLatent, len(req.X))
}

// Decode takes latents along the probability flow to samples. It is the inverse of [Client.Encode]. It takes any number
// of rows, as [Client.Score] does.
func (c *Client) Decode(ctx context.Context, req DecodeRequest) (*Flowed, error) {
	op := operation("decode", req.Model)
	version, err := toInt32("version", req.Version)
	if err != nil {
		return nil, during(op, err)
	}
	all := rows{op, req.Model, req.Version, "latent", req.Latent, req.Shape, req.Progress, req.Given}
	ask := func(ctx context.Context, x *langevinv1.Tensor, p part) (*langevinv1.DecodeResponse, error) {
		given, err := all.givenOf(p)
		if err != nil {
			return nil, err
		}
		return unary(ctx, c, op, &langevinv1.DecodeRequest{
			Model: req.Model, Version: version, Latent: x, Flow: req.Flow.wire(), Denoise: req.Denoise,
			Format: langevinv1.TensorFormat_TENSOR_FORMAT_RAW, Given: given,
		}, c.sampling.Decode)
	}
	answers, err := inParts(ctx, c, all, ask)
	if err != nil {
		return nil, err
	}
	return newFlowed(op, answers, (*langevinv1.DecodeResponse).GetSample, len(req.Latent))
}

// LogLikelihood returns the log density of samples under a model. It is the density of the data blurred by
// Flow.SigmaMin (Song et al. 2021, appendix D.2). It takes any number of rows, as [Client.Score] does.
func (c *Client) LogLikelihood(ctx context.Context, req LogLikelihoodRequest) (*LogLikelihoods, error) {
	op := operation("log likelihood", req.Model)
	version, err := toInt32("version", req.Version)
	if err != nil {
		return nil, during(op, err)
	}
	all := rows{op, req.Model, req.Version, "x", req.X, req.Shape, req.Progress, req.Given}
	ask := func(ctx context.Context, x *langevinv1.Tensor, p part) (*langevinv1.LogLikelihoodResponse, error) {
		given, err := all.givenOf(p)
		if err != nil {
			return nil, err
		}
		first := req.FirstChain + uint64(p.first)
		r, err := unary(ctx, c, op, &langevinv1.LogLikelihoodRequest{
			Model: req.Model, Version: version, X: x, Flow: req.Flow.wire(),
			Exact: req.Exact, Seed: req.Seed, FirstChain: first, Given: given,
		}, c.sampling.LogLikelihood)
		if err == nil && r.GetFirstChain() != first && !req.Exact {
			err = during(op, malformed(
				"it does not know first_chain, because it is older than this client: ask for fewer rows"))
		}
		if err == nil && p.n > 0 && len(r.GetLogLikelihood()) != p.n {
			err = during(op, malformed("%d densities for %d rows", len(r.GetLogLikelihood()), p.n))
		}
		return r, err
	}
	answers, err := inParts(ctx, c, all, ask)
	if err != nil {
		return nil, err
	}
	a := answers[0]
	judged := &LogLikelihoods{Model: a.GetModel(), Version: int(a.GetVersion()), Digest: a.GetDigest()}
	for _, r := range answers {
		judged.LogP = append(judged.LogP, r.GetLogLikelihood()...)
		judged.NFE = append(judged.NFE, r.GetNfe()...)
	}
	return judged, nil
}

func (f FlowOptions) wire() *langevinv1.FlowOptions {
	return &langevinv1.FlowOptions{
		SigmaMax: optional(f.SigmaMax), SigmaMin: optional(f.SigmaMin),
		Rtol: optional(f.RelativeTol), Atol: optional(f.AbsoluteTol),
	}
}

// flowMessage is the part that the answers of Encode and Decode share.
type flowMessage interface {
	rowsAnswer
	GetNfe() []int64
}

// newFlowed joins the answers of all parts, of a request with a number of elements. The rows of an answer may have
// another width: those of a table do, and its latents.
func newFlowed[A flowMessage](op string, answers []A, tensor func(A) *langevinv1.Tensor, elements int) (*Flowed,
	error) {
	b, err := joined(op, tensorsOf(answers, tensor), 0)
	if err != nil {
		return nil, err
	}
	if b.N == 0 || elements%b.N != 0 {
		return nil, during(op, malformed("%d rows for %d numbers", b.N, elements))
	}
	a := answers[0]
	flowed := &Flowed{Batch: b, Model: a.GetModel(), Version: int(a.GetVersion()), Digest: a.GetDigest()}
	for _, r := range answers {
		flowed.NFE = append(flowed.NFE, r.GetNfe()...)
	}
	return flowed, nil
}
