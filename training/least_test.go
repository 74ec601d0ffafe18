package training

import (
	"errors"
	"math"
	"testing"

	"github.com/langevin-ml/langevin/training/data"
)

// TestLeastLosses uses one Gaussian N(μ, τ²I). Its least denoising loss is half the posterior variance of the noise,
// D/2·τ²/(τ²+σ²), times σ^(power-2). The square of its score has the mean D/(τ²+σ²).
func TestLeastLosses(t *testing.T) {
	const tau, dim = 1.5, 2.0
	for l, want := range map[string]func(sigma float64) float64{
		"{name: dsm, power: 2}": func(s float64) float64 { return dim / 2 * tau * tau / (tau*tau + s*s) },
		"{name: dsm, power: 0}": func(s float64) float64 { return dim / 2 * tau * tau / (tau*tau + s*s) / (s * s) },
		"{name: annealed-ssm-vr, power: 0, projections: 1}": func(s float64) float64 {
			return -dim / 2 * s * s / (tau*tau + s*s)
		},
		"{name: ssm-vr, power: 0, projections: 1}": func(float64) float64 { return -dim / 2 / (tau * tau) },
		"{name: ssm, power: 0, projections: 1}":    func(float64) float64 { return -0.5 / (tau * tau) },
	} {
		// Given its class, each of several Gaussians is a single one.
		for _, data := range []string{
			"data={modes: 1, radius: 3, std: 1.5}", "data={modes: 5, radius: 3, std: 1.5}",
		} {
			c := preset(t, "toy-ring")
			set(t, &c, data, "noise={first: 10, last: 0.1, levels: 5}", "loss="+l)
			if c.Data.Modes > 1 {
				set(t, &c, "condition={kind: class}")
			}
			least, err := LeastLosses(t.Context(), c)
			if err != nil {
				t.Fatal(err)
			}
			for level, got := range least {
				sigma := mustSchedule(t, c).Sigma(level)
				// The mean of 100,000 squares with relative deviation 1 is exact to 0.3 %.
				if math.Abs(got/want(sigma)-1) > 0.02 {
					t.Errorf("loss %s, %s, sigma %g: %g, want %g", l, data, sigma, got, want(sigma))
				}
			}
		}
	}
	pictures := preset(t, "toy-ring")
	pictures.Data = data.Config{Name: data.MNIST, Dir: "x"}
	if _, err := LeastLosses(t.Context(), pictures); !errors.Is(err, data.ErrNoMixture) {
		t.Errorf("pictures: error %v, want ErrNoMixture", err)
	}
}
