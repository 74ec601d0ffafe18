package eval

import (
	"context"
	"fmt"

	"github.com/langevin-ml/langevin/sampling"
)

// ScoreReport says how far a model's score is from the exact one at one sigma.
type ScoreReport struct {
	Sigma    float64
	Data     float64 // at the data with noise: E σ²‖s - s*‖² / dim, the excess of the denoising loss times 2/dim
	Relative float64 // the same, divided by E σ²‖s*‖² / dim
	Grid     float64 // mean of σ²‖s - s*‖² / dim over an even grid of the square; 0 if there is no square
}

// ScoreError compares a model with the exact score of m at sigma. It uses n exact samples of m with noise sigma, which
// are a pure function of seed. If m has two dimensions and high > low, it also uses the centres of 50 by 50 cells of
// [low, high]².
func ScoreError(
	ctx context.Context, model sampling.Model, m sampling.Mixture, sigma float64, n int, seed uint64, low, high float64,
) (ScoreReport, error) {
	if n < 1 || !(sigma > 0) {
		return ScoreReport{}, fmt.Errorf("score error: %d points at sigma %g: want at least 1, above 0", n, sigma)
	}
	x, z := Draw(m, n, seed), make([]float32, m.Dim())
	for i := range n {
		sampling.Noise{Seed: seed, Chain: uint64(i)}.Normal(z, 1)
		for j, v := range z {
			x.Row(i)[j] += float32(float32(sigma) * v)
		}
	}
	r := ScoreReport{Sigma: sigma}
	var size float64
	var err error
	if r.Data, size, err = scoreDifference(ctx, model, m, x, sigma); err != nil {
		return ScoreReport{}, fmt.Errorf("score error: %w", err)
	}
	r.Relative = r.Data / size
	if m.Dim() == 2 && high > low {
		if r.Grid, _, err = scoreDifference(ctx, model, m, grid(low, high), sigma); err != nil {
			return ScoreReport{}, fmt.Errorf("score error: %w", err)
		}
	}
	return r, nil
}

// grid is the middles of the cells of a square.
func grid(low, high float64) Rows {
	const side = 50
	rows := Rows{Dim: 2}
	for k := range side * side {
		unit := (high - low) / side
		x, y := low+(float64(k%side)+0.5)*unit, low+(float64(k/side)+0.5)*unit
		rows.X = append(rows.X, float32(x), float32(y))
	}
	return rows
}

// scoreDifference is the mean of σ²‖s - s*‖²/dim and of σ²‖s*‖²/dim over x.
func scoreDifference(
	ctx context.Context, model sampling.Model, m sampling.Mixture, x Rows, sigma float64,
) (difference, size float64, err error) {
	sigmas := make([]float32, x.Len())
	for i := range sigmas {
		sigmas[i] = float32(sigma)
	}
	got, want := make([]float32, len(x.X)), make([]float32, len(x.X))
	if err := model.Score(ctx, got, x.X, sigmas); err != nil {
		return 0, 0, err
	}
	if err := m.Score(ctx, want, x.X, sigmas); err != nil {
		return 0, 0, err
	}
	scale := sigma * sigma / float64(len(x.X))
	difference = scale * squaredDistance(got, want)
	size = scale * squaredDistance(want, make([]float64, len(want)))
	return difference, size, nil
}
