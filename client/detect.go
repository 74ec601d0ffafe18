package client

import (
	"context"
	"slices"

	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
)

// DetectRequest asks how unlike a model's training data samples are.
type DetectRequest struct {
	Model   string    // empty: the server's default model
	Version int       // 0: the newest
	X       []float32 // the samples, one after the other; of a table, in the units of its columns
	Shape   []int     // of one sample, for the client and the server to check; nil: as the model's samples
	Given   Given     // the condition, for all rows or [Each], if [ModelDetector].Given; otherwise nil

	// Deviations asks for [Detected].Deviations.
	Deviations bool

	// Progress, unless nil, receives the number of rows that are done of a request that is too large for one call. One
	// goroutine at a time calls it, and it must return soon.
	Progress func(done, total int)
}

// Detected is the answer to a [DetectRequest].
type Detected struct {
	PValue     []float64 // for each row, the probability that a sample like the training data is at least as unlike it
	Distance   []float64 // from which PValue is computed; at least 0, and larger for rows that are more unlike
	Calibrated int       // samples that calibrate the detector; the smallest PValue is 1/(Calibrated+1)
	Model      string    // that answered
	Version    int
	Digest     string // SHA-256 of the model file, in hexadecimal

	// Deviations has, for each row and each noise level of [ModelDetector].Sigmas, how far the norm of the score is
	// from its mean for samples like the training data, in standard deviations. It is nil unless the request asks for
	// it.
	Deviations [][]float64
}

// Detect says how unlike the training data of a model samples are (Mahmood et al. 2021). Among independent samples of
// the training data's distribution, the share with a PValue of at most a is a, up to 1/(Calibrated+1). So a program
// that raises an alarm at PValue <= 0.01 raises it for 1 % of them. That says nothing of how many others it finds.
//
// The result of a row does not depend on the other rows. Detect takes any number of rows, as [Client.Score] does. It
// returns [ErrNoDetector] if the model has no detector; the command langevin detect fit adds one to its file.
func (c *Client) Detect(ctx context.Context, req DetectRequest) (*Detected, error) {
	op := operation("detect", req.Model)
	version, err := toInt32("version", req.Version)
	if err != nil {
		return nil, during(op, err)
	}
	all := rows{op, req.Model, req.Version, "x", req.X, req.Shape, req.Progress, req.Given}
	ask := func(ctx context.Context, x *langevinv1.Tensor, p part) (*langevinv1.DetectResponse, error) {
		given, err := all.givenOf(p)
		if err != nil {
			return nil, err
		}
		r, err := unary(ctx, c, op, &langevinv1.DetectRequest{
			Model: req.Model, Version: version, X: x, Given: given, Deviations: req.Deviations,
		}, c.sampling.Detect)
		if err != nil {
			return nil, err
		}
		n := len(r.GetPValue())
		if len(r.GetDistance()) != n || p.n > 0 && n != p.n {
			return nil, during(op, malformed("%d p-values and %d distances for %d rows", n, len(r.GetDistance()), p.n))
		}
		if d := len(r.GetDeviation()); req.Deviations && (n == 0 || d == 0 || d%n != 0) {
			return nil, during(op, malformed("%d deviations for %d rows", d, n))
		}
		return r, nil
	}
	answers, err := inParts(ctx, c, all, ask)
	if err != nil {
		return nil, err
	}
	a := answers[0]
	found := &Detected{
		Model: a.GetModel(), Version: int(a.GetVersion()), Digest: a.GetDigest(), Calibrated: int(a.GetCalibrated()),
	}
	for _, r := range answers {
		found.PValue = append(found.PValue, r.GetPValue()...)
		found.Distance = append(found.Distance, r.GetDistance()...)
		if req.Deviations {
			levels := len(r.GetDeviation()) / len(r.GetPValue())
			found.Deviations = slices.AppendSeq(found.Deviations, slices.Chunk(r.GetDeviation(), levels))
		}
	}
	return found, nil
}
