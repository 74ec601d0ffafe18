package sampling

import (
	"context"
	"errors"
	"math"
	"slices"
	"testing"
)

// TestScoreNormsOfGaussian: the score of N(0, v) with noise σ is -x/(v + σ²). So every norm is known. Over samples it
// is σ√v/(v + σ²) times a number of the chi distribution.
func TestScoreNormsOfGaussian(t *testing.T) {
	const dim, n, v = 16, 20_000, 0.49
	r := NormRequest{Sigmas: []float64{5, 0.5, 0.01}, Dim: dim, N: n, X: make([]float32, dim*n)}
	Noise{Seed: 3}.Normal(r.X, 0)
	for i := range r.X {
		r.X[i] *= float32(math.Sqrt(v))
	}
	norms, err := ScoreNorms(t.Context(), gaussian(v), r)
	if err != nil || len(norms) != 3*n {
		t.Fatalf("%d norms, %v", len(norms), err)
	}
	square := make([]float64, 3) // mean of the square of the chi number
	for p, got := range norms {
		sigma := r.Sigmas[p%3]
		factor := sigma / (v + sigma*sigma)
		if want := factor * norm(r.X[p/3*dim:(p/3+1)*dim]); math.Abs(got-want) > 1e-5*want {
			t.Fatalf("norm of row %d at %g is %g, want %g", p/3, sigma, got, want)
		}
		square[p%3] += got * got / (factor * factor * v) / n
	}
	for i, mean := range square {
		if math.Abs(mean-dim) > 4*math.Sqrt(2*dim/float64(n)) {
			t.Errorf("level %d: mean square %.3f, want %d", i, mean, dim)
		}
	}
	alone := r
	alone.N, alone.X = 1, r.X[:dim]
	if got, err := ScoreNorms(t.Context(), gaussian(v), alone); err != nil || !slices.Equal(got, norms[:3]) {
		t.Errorf("the first row alone has %v, %v, and with others %v", got, err, norms[:3])
	}
}

// TestScoreNormsRefuse: mistakes name their field, and a score that is not finite its row.
func TestScoreNormsRefuse(t *testing.T) {
	good := NormRequest{Sigmas: []float64{1}, Dim: 2, N: 2, X: make([]float32, 4)}
	for field, change := range map[string]func(*NormRequest){
		"sigmas":    func(r *NormRequest) { r.Sigmas = nil },
		"sigmas[0]": func(r *NormRequest) { r.Sigmas = []float64{math.NaN()} },
		"dim":       func(r *NormRequest) { r.Dim = 0 },
		"n":         func(r *NormRequest) { r.N, r.X = 0, nil },
		"x":         func(r *NormRequest) { r.X = r.X[:3] },
		"given":     func(r *NormRequest) { r.Given = []float32{1} },
	} {
		r := good
		change(&r)
		var bad *FieldError
		if _, err := ScoreNorms(t.Context(), gaussian(1), r); !errors.As(err, &bad) || bad.Field != field {
			t.Errorf("%s: %v", field, err)
		}
	}
	second := ModelFunc(func(_ context.Context, dst, _, _ []float32) error {
		dst[2] = float32(math.Inf(1))
		return nil
	})
	const want = "row 1 at sigma 1: the score is not finite: chain diverged"
	if _, err := ScoreNorms(t.Context(), second, good); !errors.Is(err, ErrDiverged) || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}
