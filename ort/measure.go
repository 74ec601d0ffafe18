package ort

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/sampling"
)

// ScoreScale returns the norm of a model's score on pure noise at its first sigma, in units of 1/sigma: about 1 if the
// network computes a score. The error wraps [models.ErrInvalid] if that score is not finite.
func ScoreScale(ctx context.Context, model sampling.Model, m models.Manifest) (scale float64, err error) {
	x, score := make([]float32, m.Dim()), make([]float32, m.Dim())
	sampling.Prior{Kind: sampling.PriorNormal, Std: m.Sigmas[0]}.Draw(x, sampling.Noise{Seed: 1})
	if err := scoreOf(ctx, model, m, score, x, []float32{float32(m.Sigmas[0])}); err != nil {
		return 0, err
	}
	squares := 0.0
	for _, s := range score {
		squares += float64(s) * float64(s)
	}
	scale = math.Sqrt(squares) * m.Sigmas[0] / math.Sqrt(float64(m.Dim()))
	if math.IsNaN(scale) || math.IsInf(scale, 0) {
		return 0, fmt.Errorf("%w: the score of pure noise is not finite at sigma %.6g", models.ErrInvalid, m.Sigmas[0])
	}
	return scale, nil
}

// ScoreError is how far two models' scores are apart at a sigma: ‖difference‖ / ‖score‖.
type ScoreError struct {
	Sigma float64 `json:"sigma"`
	Error float64 `json:"error"`
}

// ScoreErrors compares the scores of two models with the same shape, at up to ten sigmas from all over the schedule of
// m, the manifest of the first.
func ScoreErrors(ctx context.Context, exact, other sampling.Model, m models.Manifest) (found []ScoreError, err error) {
	const most = 10
	sigmas := m.Sigmas
	every := (len(sigmas) + most - 1) / most
	for level := 0; level < len(sigmas); level += every {
		e, err := scoreError(ctx, exact, other, m, sigmas[level])
		if err != nil {
			return nil, err
		}
		found = append(found, ScoreError{sigmas[level], e})
	}
	return found, nil
}

// scoreError returns ‖difference‖ / ‖score‖ at points that are uniform in the range of m, with noise of size sigma.
func scoreError(ctx context.Context, exact, other sampling.Model, m models.Manifest, sigma float64) (float64, error) {
	const rows = 8
	dim := m.Dim()
	x, sigmas := make([]float32, rows*dim), make([]float32, rows)
	blur := make([]float32, dim)
	for i := range rows {
		row, noise := x[i*dim:(i+1)*dim], sampling.Noise{Seed: 1, Chain: uint64(i)}
		sampling.Prior{Kind: sampling.PriorUniform, Low: m.Range.Low, High: m.Range.High}.Draw(row, noise)
		noise.Normal(blur, 0)
		for j, z := range blur {
			row[j] += float32(sigma) * z
		}
		sigmas[i] = float32(sigma)
	}
	want, got := make([]float32, len(x)), make([]float32, len(x))
	if err := errors.Join(
		scoreOf(ctx, exact, m, want, x, sigmas), scoreOf(ctx, other, m, got, x, sigmas)); err != nil {
		return 0, err
	}
	var off, norm float64
	for i, w := range want {
		off += math.Pow(float64(got[i]-w), 2)
		norm += float64(w) * float64(w)
	}
	return math.Sqrt(off / max(norm, math.SmallestNonzeroFloat64)), nil
}
