package sampling

import (
	"cmp"
	"context"
	"fmt"
	"math"
)

// NormRequest asks for the norms of scores of samples at several noise levels.
type NormRequest struct {
	Sigmas []float64 // the levels, each finite and above 0
	Dim    int       // elements in a sample
	N      int       // number of samples
	X      []float32 // N*Dim, row-major; no noise is added to them
	Given  []float32 // the model's condition: one row for all samples, or one for each; nil for none
}

// normElements bounds the elements that one evaluation of [ScoreNorms] has, if it has more than one row. It is several
// times what fills a processor.
const normElements = 1 << 18

// Elements returns how many float32 [ScoreNorms] holds at once, besides the samples.
func (r NormRequest) Elements() int { return 2 * r.points() * r.Dim }

// points returns the number of rows of one evaluation. A row is a sample at a level.
func (r NormRequest) points() int { return min(max(1, normElements/r.Dim), r.N*len(r.Sigmas)) }

// Validate returns a [FieldError] for the first field that is out of range.
func (r NormRequest) Validate() error {
	if len(r.Sigmas) == 0 {
		return &FieldError{Field: "sigmas", Given: "empty", Want: "at least one"}
	}
	for i, sigma := range r.Sigmas {
		if !finite(sigma) || sigma <= 0 {
			return fieldError(fmt.Sprintf("sigmas[%d]", i), sigma)
		}
	}
	if r.Dim < 1 {
		return &FieldError{Field: "dim", Given: r.Dim, Want: "at least 1"}
	}
	if r.N < 1 {
		return &FieldError{Field: "n", Given: r.N, Want: "at least 1"}
	}
	if len(r.X) != r.N*r.Dim {
		return &FieldError{
			Field: "x", Given: fmt.Sprint(len(r.X), " elements"), Want: fmt.Sprintf("%d rows of %d", r.N, r.Dim),
		}
	}
	return nil
}

// ScoreNorms returns the norms σ·‖s(x, σ)‖ of all samples, a row of len(Sigmas) for each. They say how far a sample is
// from where its neighbours with noise σ are denser, in units of σ. So they tell samples of the training data from
// others (multiscale score matching analysis, Mahmood et al. 2021, arXiv 2010.13132). Each sample takes len(Sigmas)
// evaluations. Its norms do not depend on the other samples.
//
// The error is a [FieldError], the model's error, ctx's error, or names the row, counted from 0, and wraps
// [ErrDiverged] if a score is not finite.
func ScoreNorms(ctx context.Context, m Model, r NormRequest) ([]float64, error) {
	if err := cmp.Or(r.Validate(), CheckGiven(m, r.Given, r.N)); err != nil {
		return nil, err
	}
	var (
		levels, total = len(r.Sigmas), r.N * len(r.Sigmas)
		most          = r.points()
		x, score      = make([]float32, 0, most*r.Dim), make([]float32, most*r.Dim)
		sigma, given  = make([]float32, 0, most), []float32(nil)
		norms         = make([]float64, total)
	)
	for first := 0; first < total; first += most {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		last := min(first+most, total)
		x, sigma, given = x[:0], sigma[:0], given[:0]
		for p := first; p < last; p++ {
			row := p / levels
			x = append(x, r.X[row*r.Dim:(row+1)*r.Dim]...)
			sigma = append(sigma, float32(r.Sigmas[p%levels]))
			given = append(given, GivenAt(WidthOf(m), r.Given, row)...)
		}
		if err := ScoreGiven(ctx, m, score[:len(x)], x, sigma, given); err != nil {
			return nil, fmt.Errorf("norms of scores: %w", err)
		}
		for p := first; p < last; p++ {
			s := score[(p-first)*r.Dim : (p-first+1)*r.Dim]
			norms[p] = r.Sigmas[p%levels] * norm(s)
			if math.IsNaN(norms[p]) || math.IsInf(norms[p], 0) {
				return nil, fmt.Errorf("row %d at sigma %.4g: the score is not finite: %w", p/levels,
					r.Sigmas[p%levels], ErrDiverged)
			}
		}
	}
	return norms, nil
}
