package modelstest

import (
	"context"
	"testing"

	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/sampling"
	"github.com/langevin-ml/langevin/sampling/detect"
)

// WithDetector returns m, the manifest of a [Gaussian] without columns, with a detector for samples of N(0, 1). It is
// calibrated with 100 of them.
func WithDetector(t testing.TB, m models.Manifest) models.Manifest {
	t.Helper()
	exact := sampling.ModelFunc(func(_ context.Context, dst, x, sigma []float32) error {
		for i, v := range x {
			s := sigma[i*len(sigma)/len(x)]
			dst[i] = -v / (1 + s*s)
		}
		return nil
	})
	rows := make([]float32, detect.LeastRows*m.Dim())
	sampling.Noise{Seed: 3}.Normal(rows, 0)
	fitted, err := m.FitDetector(t.Context(), exact, models.HeldOut{Rows: rows})
	if err != nil {
		t.Fatal(err)
	}
	return fitted
}
