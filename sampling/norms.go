package sampling

import (
	"cmp"
	"context"
	"fmt"
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
	most := r.points()
	e := normEvaluation{NormRequest: r, model: m, score: make([]float32, most*r.Dim)}
	norms := make([]float64, r.N*len(r.Sigmas))
	for first := 0; first < len(norms); first += most {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := e.evaluate(ctx, norms[first:min(first+most, len(norms))], first); err != nil {
			return nil, err
		}
	}
	return norms, nil
}

// normEvaluation evaluates the rows of a NormRequest in parts. A row is a sample at a level.
type normEvaluation struct {
	NormRequest
	model                  Model
	x, score, sigma, given []float32
}

// evaluate computes the norms of the rows from the given index on.
func (e *normEvaluation) evaluate(ctx context.Context, norms []float64, first int) error {
	levels := len(e.Sigmas)
	e.x, e.sigma, e.given = e.x[:0], e.sigma[:0], e.given[:0]
	for i := range norms {
		sample := (first + i) / levels
		e.x = append(e.x, e.X[sample*e.Dim:(sample+1)*e.Dim]...)
		e.sigma = append(e.sigma, float32(e.Sigmas[(first+i)%levels]))
		e.given = append(e.given, GivenAt(WidthOf(e.model), e.Given, sample)...)
	}
	if err := ScoreGiven(ctx, e.model, e.score[:len(e.x)], e.x, e.sigma, e.given); err != nil {
		return fmt.Errorf("norms of scores: %w", err)
	}
	for i := range norms {
		sigma := e.Sigmas[(first+i)%levels]
		norms[i] = sigma * norm(e.score[i*e.Dim:(i+1)*e.Dim])
		if !finite(norms[i]) {
			return fmt.Errorf("row %d at sigma %.4g: the score is not finite: %w", (first+i)/levels, sigma, ErrDiverged)
		}
	}
	return nil
}
