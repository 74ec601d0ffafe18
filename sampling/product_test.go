package sampling

import (
	"context"
	"math"
	"testing"
)

// largestError returns the largest difference of two weights.
func largestError(a, b []float64) float64 {
	var most float64
	for k := range a {
		most = max(most, math.Abs(a[k]-b[k]))
	}
	return most
}

// TestProduct: chains that follow the sum of two scores find the weights of all 16 modes of the product within 0.02. A
// reverse diffusion of the same sum with as many evaluations does not (Du et al. 2023). With -v it prints the largest
// error of a weight for docs/conditions.md.
func TestProduct(t *testing.T) {
	ring, err := Ring(8, 5, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	other := &Mixture{Weights: []float64{0.6, 0.4}, Means: [][]float64{{3, 1}, {-2, -3}}, Std: 2}
	exact := ring.Product(*other)
	const levels, steps = 20, 100
	for _, tt := range []struct {
		name    string
		sampler interface{ Plan() (Plan, error) }
		least   float64 // of the largest error of a weight
		most    float64
	}{
		{"annealed Langevin", AnnealedLangevin{
			Schedule: geometric(t, 10, 0.1, levels), StepsPerLevel: steps, StepLR: 0.001,
		}, 0, 0.02},
		{"reverse diffusion", PredictorCorrector{
			SDE: SDE{Process: VE, SigmaMin: 0.1, SigmaMax: 10}, N: levels * steps, Predictor: ReverseDiffusion,
		}, 0.03, 0.05},
		{"reverse SDE", ReverseSDE{Schedule: geometric(t, 10, 0.1, levels*steps+1), Eta: 1, Noise: 1}, 0.03, 0.05},
	} {
		plan, err := tt.sampler.Plan()
		x := mustRun(t, ring, plan, err, Request{
			N: 4000, Seed: 1, Prior: Prior{Kind: PriorNormal, Std: 10},
			Sum: &Sum{Own: 1, Terms: []Term{{Model: other, Weight: 1}}},
		})
		off := largestError(exact.PosteriorShares(x), exact.Weights)
		t.Logf("%s: the largest error of a weight is %.4f", tt.name, off)
		if off < tt.least || off > tt.most {
			t.Errorf("%s: the largest error of a weight is %.4f, want %g to %g", tt.name, off, tt.least, tt.most)
		}
	}
}

// TestMixtureProduct: the density of a product is that of the factors, up to a constant.
func TestMixtureProduct(t *testing.T) {
	a := Mixture{Weights: []float64{1, 3}, Means: [][]float64{{0, 1}, {2, -1}}, Std: 0.7}
	b := Mixture{Weights: []float64{2, 1, 1}, Means: [][]float64{{1, 1}, {0, 0}, {-3, 2}}, Std: 1.5}
	p := a.Product(b)
	of := func(x []float64) float64 { return p.LogDensity(x, 0) - a.LogDensity(x, 0) - b.LogDensity(x, 0) }
	for _, x := range [][]float64{{1, 0}, {-2, 3}, {4, 4}, {0.3, -5}} {
		if off := of(x) - of([]float64{0, 0}); math.Abs(off) > 1e-12 {
			t.Errorf("at %v: the logarithm is off by %g", x, off)
		}
	}
}

// normal is the model of N(m, v) in each coordinate.
func normal(m, v float64) *countingModel {
	return &countingModel{score: func(ctx context.Context, dst, x, sigma []float32) error {
		dim := len(x) / len(sigma)
		for i, xi := range x {
			s := float64(sigma[i/dim])
			dst[i] = float32((m - float64(xi)) / (v + s*s))
		}
		return ctx.Err()
	}}
}

// linear is the conditional model of a parameter θ ~ N(0, 1) given one observation y = θ + N(0, noise). A condition has
// the observation and 1, and none is two zeros.
type linear struct{ noise float64 }

func (linear) Width() int { return 2 }

func (l linear) Score(ctx context.Context, dst, x, sigma []float32) error {
	return normal(0, 1).Score(ctx, dst, x, sigma)
}

func (l linear) ScoreGiven(ctx context.Context, dst, x, sigma, c []float32) error {
	dim := len(x) / len(sigma)
	for i := range sigma {
		model := normal(0, 1)
		if c[2*i+1] != 0 {
			model = normal(float64(c[2*i])/(1+l.noise), l.noise/(1+l.noise))
		}
		if err := model.Score(ctx, dst[i*dim:(i+1)*dim], x[i*dim:(i+1)*dim], sigma[i:i+1]); err != nil {
			return err
		}
	}
	return nil
}

// weighted is a Gaussian factor N(m, v)^w.
type weighted struct{ m, v, w float64 }

// TestGaussianSums compares sums of Gaussian scores with their closed forms: the product of N(m, v)^w is the Gaussian
// with precision Σ w/v and mean Σ w m/v over the precision.
func TestGaussianSums(t *testing.T) {
	const sigma, noise, step, dim, n = 0.05, 0.5, 0.02, 16, 1000
	posterior := func(y float64) weighted { return weighted{y / (1 + noise), noise / (1 + noise), 1} }
	given := func(y float32) []float32 { return []float32{y, 1} }
	none := []float32{0, 0}
	for name, c := range map[string]struct {
		model   Model
		given   []float32
		sum     *Sum
		factors []weighted
	}{
		"product": {normal(1, 1), nil, &Sum{Own: 1, Terms: []Term{{Model: normal(-2, 3), Weight: 1}}},
			[]weighted{{1, 1, 1}, {-2, 3, 1}}},
		"negation": {normal(1, 1), nil, &Sum{Own: 1, Terms: []Term{{Model: normal(-2, 2), Weight: -0.8}}},
			[]weighted{{1, 1, 1}, {-2, 2, -0.8}}},
		"tempering": {normal(1, 1), nil, &Sum{Own: 2}, []weighted{{1, 1, 2}}},
		"classifier-free guidance": {linear{noise}, given(1.5), &Sum{Own: 3, Terms: []Term{{Given: none, Weight: -2}}},
			[]weighted{{1, noise / (1 + noise), 3}, {0, 1, -2}}},
		"four observations": {
			linear{noise}, given(1.5),
			&Sum{Own: 1, Terms: []Term{{Given: given(0.2), Weight: 1}, {Given: given(-1), Weight: 1},
				{Given: given(0.9), Weight: 1}, {Given: none, Weight: -3}}},
			[]weighted{posterior(1.5), posterior(0.2), posterior(-1), posterior(0.9), {0, 1, -3}},
		},
	} {
		plan, err := AnnealedLangevin{
			Schedule: geometric(t, 5, sigma, 12), StepsPerLevel: 40, StepLR: 0.0002,
		}.Plan()
		// One σ, so that steps are small beside the variance, and long enough to forget the levels before.
		last, err2 := Langevin{Sigma: sigma, Steps: 400, StepSize: step}.Plan()
		if err2 != nil {
			t.Fatal(err2)
		}
		x := mustRun(t, c.model, append(plan, last...), err, Request{
			Dim: dim, N: n, Seed: 1, Prior: Prior{Kind: PriorNormal, Std: 5}, Given: c.given, Sum: c.sum,
		})
		var precision, pull float64
		for _, f := range c.factors {
			precision += f.w / (f.v + sigma*sigma)
			pull += f.w * f.m / (f.v + sigma*sigma)
		}
		// The variance of the discretised chain on N(m, v) with step a is v/(1 - a/(2v)).
		mean, want := pull/precision, 1/precision/(1-step*precision/2)
		m := meanOf(x)
		for i := range x {
			x[i] -= float32(mean)
		}
		v := variance(x)
		if off := math.Abs(m - mean); off > 4*math.Sqrt(want/(dim*n)) {
			t.Errorf("%s: mean %.4f, want %.4f", name, m, mean)
		}
		if off := math.Abs(v/want - 1); off > 4*math.Sqrt(2./(dim*n)) {
			t.Errorf("%s: variance %.4f, want %.4f", name, v, want)
		}
	}
}

func meanOf(x []float32) float64 {
	var sum float64
	for _, v := range x {
		sum += float64(v)
	}
	return sum / float64(len(x))
}
