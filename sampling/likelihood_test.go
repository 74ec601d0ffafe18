package sampling

import (
	"math"
	"slices"
	"testing"
)

// TestLogLikelihoodGaussian compares with the density of N(0, v + σ_min²) in 64 dimensions, where Hutchinson's estimate
// has no variance.
func TestLogLikelihoodGaussian(t *testing.T) {
	const dim, n, v = 64, 10, 0.49
	r := FlowRequest{SigmaMax: 50, SigmaMin: 0.01, Dim: dim, N: n, X: make([]float32, dim*n)}
	Noise{Seed: 1}.Normal(r.X, 0)
	for i := range r.X {
		r.X[i] *= float32(math.Sqrt(v))
	}
	got := solved(t)(FlowLogLikelihood(t.Context(), gaussian(v), r))
	for i, p := range got.LogP {
		q, total := norm(r.X[i*dim:(i+1)*dim]), v+1e-4
		want := -q*q/(2*total) - dim/2.*math.Log(2*math.Pi*total)
		if math.Abs(p-want)/dim > 0.001 {
			t.Errorf("log likelihood of chain %d is %.4f, want %.4f: %.5f nat a dimension apart",
				i, p, want, (p-want)/dim)
		}
	}
}

// TestLogLikelihoodFar compares with the density of N(0, v + σ_min²) from where the data are to where σ is far below
// the rounding of the points. Rows near the data keep their bits beside such rows.
func TestLogLikelihoodFar(t *testing.T) {
	const v, sigma = 1, 0.02
	distances := []float32{0.5, 1e2, 1e3, 1e4, 1e6, 1e8, 1e12, 1e16}
	r := FlowRequest{SigmaMax: 10, SigmaMin: sigma, Dim: 3, MaxNFE: 10_000}
	for _, x := range distances {
		r.X, r.N = append(r.X, x, 0.25, -0.5), r.N+1
	}
	near := r
	near.X, near.N = r.X[:3], 1
	for _, r.Exact = range []bool{true, false} {
		got := solved(t)(FlowLogLikelihood(t.Context(), gaussian(v), r))
		for i, p := range got.LogP {
			q, total := norm(r.X[3*i:3*i+3]), v+sigma*sigma
			want := -q*q/(2*total) - 1.5*math.Log(2*math.Pi*total)
			if off := math.Abs(p - want); !(off < 0.01*math.Abs(want)+0.02) {
				t.Errorf("exact %v: log likelihood at %g is %.8g, want %.8g", r.Exact, distances[i], p, want)
			}
		}
		near.Exact = r.Exact
		if alone := solved(t)(FlowLogLikelihood(t.Context(), gaussian(v), near)); alone.LogP[0] != got.LogP[0] {
			t.Errorf("exact %v: %v beside far rows, %v alone", r.Exact, got.LogP[0], alone.LogP[0])
		}
	}
}

// TestLogLikelihoodMixture compares with the mixture's own log density: chain by chain if all axes are probed, and on
// average over chains and seeds with Hutchinson's probe.
func TestLogLikelihoodMixture(t *testing.T) {
	m := Mixture{Weights: []float64{1, 2, 3}, Means: [][]float64{{2, 0, 1}, {-1, 1, 0}, {0, -2, -1}}, Std: 0.6}
	const n, sigma = 60, 0.02
	r := FlowRequest{SigmaMax: 400, SigmaMin: sigma, Dim: 3, N: n, X: make([]float32, 3*n), Exact: true}
	want := make([]float64, n)
	for i := range n {
		row := r.X[3*i : 3*i+3]
		m.Sample(row, Noise{Seed: 6, Chain: uint64(i)})
		want[i] = m.LogDensity([]float64{float64(row[0]), float64(row[1]), float64(row[2])}, sigma)
	}
	exact := solved(t)(FlowLogLikelihood(t.Context(), m, r))
	for i, p := range exact.LogP {
		if math.Abs(p-want[i]) > 0.01*3 {
			t.Errorf("log likelihood of chain %d is %.4f, want %.4f", i, p, want[i])
		}
	}
	var off, square float64
	const seeds = 12
	r.Exact = false
	for r.Seed = range seeds {
		for i, p := range solved(t)(FlowLogLikelihood(t.Context(), m, r)).LogP {
			off += (p - exact.LogP[i]) / (n * seeds)
			square += (p - exact.LogP[i]) * (p - exact.LogP[i]) / (n * seeds)
		}
	}
	if se := math.Sqrt(square / (n * seeds)); math.Abs(off) > 4*se || se < 1e-3 {
		t.Errorf("Hutchinson's estimate is %.4f off in the mean of %d, standard error %.4f", off, n*seeds, se)
	}
}

// TestProbedDivergence measures the error of the finite difference on noisy samples of two Gaussians, wide and narrow.
// It uses exact scores, and scores with the rounding of a float32 network. It measures σ²·∇·s, because the likelihood
// integrates this over ln σ.
func TestProbedDivergence(t *testing.T) {
	for _, test := range []struct{ std, rounding float64 }{{1, 0}, {0.01, 0}, {1, 1e-6}, {0.01, 1e-6}} {
		m, worst := TwoGaussians(), 0.0
		m.Std = test.std
		for i := range uint64(3000) {
			sigma := 100 * math.Pow(1e-4, float64(i)/3000)
			p := &path{x: make([]float64, 2), y: make([]float64, 2), u: math.Log(sigma), probes: axes()(Noise{}, 2)}
			n, x, z := Noise{Seed: 8, Chain: i}, make([]float32, 2), make([]float32, 2)
			m.Sample(x, n)
			n.Normal(z, 0)
			for j := range x {
				p.y[j] = float64(float32(float64(x[j]) + sigma*float64(z[j])))
			}
			points, sigmas := p.appendRows(nil, nil, 0)
			scores, u := make([]float32, len(points)), make([]float32, len(points))
			if err := m.Score(t.Context(), scores, points, sigmas); err != nil {
				t.Fatal(err)
			}
			n.Uniform(u, 0)
			for j := range scores {
				scores[j] *= float32(1 + test.rounding*(2*float64(u[j])-1))
			}
			off := divergence(p.probes, points[2:], scores[2:]) - exactDivergence(m, points[:2], float64(sigmas[0]))
			worst = max(worst, math.Abs(off)*sigma*sigma)
		}
		if worst > 0.0005*2 {
			t.Errorf("std %g, rounding %g: σ²·∇·s is off by up to %.3g, want 0.001", test.std, test.rounding, worst)
		}
	}
}

// exactDivergence returns -D/v + (Σ r_k|μ_k - x|² - |Σ r_k(μ_k - x)|²)/v², where v = s² + σ² and r_k is the probability
// that x came from component k.
func exactDivergence(m Mixture, x []float32, sigma float64) float64 {
	v := m.Std*m.Std + sigma*sigma
	r, logs, pull := make([]float64, len(m.Weights)), make([]float64, len(m.Weights)), make([]float64, len(x))
	for k, w := range m.Weights {
		logs[k] = math.Log(w)
	}
	m.posterior(r, logs, x, v)
	var square float64
	for k, mean := range m.Means {
		square += r[k] * distance2(x, mean)
		for j := range pull {
			pull[j] += r[k] * (mean[j] - float64(x[j]))
		}
	}
	for _, p := range pull {
		square -= p * p
	}
	return square/(v*v) - float64(len(x))/v
}

// TestSigns: the signs of a probe are balanced, and independent of each other, of other chains and of the chain's other
// noise.
func TestSigns(t *testing.T) {
	const dim = 1 << 16
	e, other := signs(Noise{Seed: 1, Chain: 2}, dim)[0], signs(Noise{Seed: 1, Chain: 3}, dim)[0]
	z := make([]float32, dim)
	Noise{Seed: 1, Chain: 2}.Normal(z, 0)
	var mean, next, across, noise float64
	for i, v := range e {
		if v != 1 && v != -1 {
			t.Fatalf("sign %d is %g", i, v)
		}
		mean += float64(v) / dim
		next += float64(v*e[(i+1)%dim]) / dim
		across += float64(v*other[i]) / dim
		noise += float64(v*z[i]) / dim
	}
	for name, got := range map[string]float64{
		"mean": mean, "with the next": next, "with another chain": across, "with the noise": noise,
	} {
		if math.Abs(got) > 4.5/256 {
			t.Errorf("%s: correlation %.4f, want 0 ± 0.018", name, got)
		}
	}
	if short := signs(Noise{Seed: 1, Chain: 2}, 7)[0]; !slices.Equal(short, e[:7]) {
		t.Errorf("7 signs are %v, want the first of more, %v", short, e[:7])
	}
}
