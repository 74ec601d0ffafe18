package sampling_test

import (
	"errors"
	"math"
	"slices"
	"testing"

	"github.com/langevin-ml/langevin/sampling"
	"github.com/langevin-ml/langevin/sampling/linear"
)

// modes is a mixture of three Gaussians of standard deviation 0.7 in two dimensions.
func modes() sampling.Mixture {
	return sampling.Mixture{Weights: []float64{0.5, 0.2, 0.3}, Means: [][]float64{{3, 3}, {-3, 2}, {2, -4}}, Std: 0.7}
}

func measured(t *testing.T, rows []float32, dim int, values []float32, std float64) *sampling.Measurement {
	t.Helper()
	op, err := linear.Matrix(rows, dim)
	if err != nil {
		t.Fatal(err)
	}
	m, err := op.Measurement(values, std)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// grid calls f with the points of a fine grid in the plane and the log density there of the mixture times that of the
// measurement 2·x₁ - x₂ = 1 with noise of standard deviation 0.8. It returns the area of a cell.
func grid(m sampling.Mixture, f func(x [2]float64, log float64)) (area float64) {
	const step = 0.06
	for a := -8.0; a < 8; a += step {
		for b := -9.0; b < 8; b += step {
			e := 1 - (2*a - b)
			log := -e*e/(2*0.8*0.8) - math.Log(2*math.Pi*0.8*0.8)/2
			f([2]float64{a, b}, m.LogDensity([]float64{a, b}, 0)+log)
		}
	}
	return step * step
}

// TestMixturePosterior compares evidence, mean, variance and scores with sums over a grid.
func TestMixturePosterior(t *testing.T) {
	m := modes()
	p, err := m.Posterior(measured(t, []float32{2, -1}, 2, []float32{1}, 0.8))
	if err != nil {
		t.Fatal(err)
	}
	var mass, mean, second float64
	area := grid(m, func(x [2]float64, log float64) {
		mass += math.Exp(log)
		mean += x[0] * math.Exp(log)
		second += x[0] * x[0] * math.Exp(log)
	})
	if want := math.Log(mass * area); math.Abs(p.LogEvidence-want) > 1e-6 {
		t.Errorf("log evidence %.9g, want %.9g", p.LogEvidence, want)
	}
	got := 0.0
	for k, w := range p.Weights {
		got += w * p.Means[k][0]
	}
	if want := mean / mass; math.Abs(got-want) > 1e-6 {
		t.Errorf("mean %.9g, want %.9g", got, want)
	}
	const n = 20000
	x, squares := make([]float32, 2), 0.0
	for i := range n {
		p.Sample(x, sampling.Noise{Seed: 4, Chain: uint64(i)})
		squares += float64(x[0]) * float64(x[0]) / n
	}
	if want := second / mass; math.Abs(squares-want) > 0.03*want {
		t.Errorf("mean square of draws %.5g, want %.5g", squares, want)
	}
	for _, sigma := range []float64{0.3, 1.5, 20} {
		checkScore(t, m, p, sigma, [2]float64{0.4, -1.1})
	}
}

// checkScore uses that the score of data with noise is (E[x₀|x] - x)/σ².
func checkScore(t *testing.T, m sampling.Mixture, p *sampling.MixturePosterior, sigma float64, x [2]float64) {
	t.Helper()
	var mass float64
	var mean [2]float64
	grid(m, func(from [2]float64, log float64) {
		q := (from[0]-x[0])*(from[0]-x[0]) + (from[1]-x[1])*(from[1]-x[1])
		w := math.Exp(log - q/(2*sigma*sigma))
		mass += w
		mean[0], mean[1] = mean[0]+w*from[0], mean[1]+w*from[1]
	})
	got, at := make([]float32, 2), []float32{float32(x[0]), float32(x[1])}
	if err := p.Score(t.Context(), got, at, []float32{float32(sigma)}); err != nil {
		t.Fatal(err)
	}
	for i := range got {
		want := (mean[i]/mass - x[i]) / (sigma * sigma)
		if math.Abs(float64(got[i])-want) > 2e-5*max(1, math.Abs(want)) {
			t.Errorf("score %d at sigma %g is %g, want %g", i, sigma, got[i], want)
		}
	}
}

// TestParticles compares samples and evidence with the exact posterior, where the measurement leaves two modes and the
// prior weights of the two are far from those of the posterior.
func TestParticles(t *testing.T) {
	m := modes()
	for name, test := range map[string]struct {
		y      *sampling.Measurement
		guided bool
	}{
		"guided":      {measured(t, []float32{2, -1}, 2, []float32{1}, 0.8), true},
		"unguided":    {measured(t, []float32{2, -1}, 2, []float32{1}, 0.8), false},
		"two rows":    {measured(t, []float32{0.5, 0.1, 0, 0.2}, 2, []float32{1.3, 0}, 0.9), true},
		"noise-free":  {measured(t, []float32{2, -1}, 2, []float32{4}, 0), true},
		"a row twice": {measured(t, []float32{0.5, 0.1, 0.5, 0.1}, 2, []float32{1.5, 1.2}, 0.9), true},
	} {
		exact, err := m.Posterior(test.y)
		if err != nil {
			t.Fatal(err)
		}
		const n = 500
		p := sampling.Particles{
			Schedule: geometric(t, 60, 0.02, 40), Method: sampling.ReverseMultistep, Count: 32, Threshold: 0.5,
			Guided: test.guided, Spread: 3.5,
		}
		x, found := drawMeasured(t, m, p, p.Prior(), test.y, n)
		for k, share := range exact.Shares(x, 0) {
			if math.Abs(share-exact.Weights[k]) > 0.05 {
				t.Errorf("%s: weight of mode %d is %.3f, want %.3f", name, k, share, exact.Weights[k])
			}
		}
		evidence, least := 0.0, math.Inf(1)
		for _, d := range found {
			evidence += math.Exp(d.LogEvidence-exact.LogEvidence) / n
			least = min(least, d.EffectiveSize)
		}
		if math.Abs(math.Log(evidence)) > 0.1 {
			t.Errorf("%s: log evidence is off by %.3f", name, math.Log(evidence))
		}
		if least < 1 || least >= 32 {
			t.Errorf("%s: least effective size is %g, want from 1 to below 32", name, least)
		}
	}
}

// TestParticlesEvidence: on one Gaussian, of which all eight elements are measured, the evidence has the error of the
// moves alone, in eight directions. The multistep rule has a tenth of that of Euler's.
func TestParticlesEvidence(t *testing.T) {
	const dim, n = 8, 200
	m := sampling.Mixture{Weights: []float64{1}, Means: [][]float64{make([]float64, dim)}, Std: 1}
	rows, values := make([]float32, dim*dim), make([]float32, dim)
	for i := range dim {
		rows[i*dim+i] = 1
	}
	y := measured(t, rows, dim, values, 0.3)
	exact, err := m.Posterior(y)
	if err != nil {
		t.Fatal(err)
	}
	off := func(method sampling.ReverseMethod) float64 {
		p := sampling.Particles{Schedule: geometric(t, 60, 0.02, 40), Method: method, Count: 32, Threshold: 0.5,
			Guided: true, Spread: 1}
		_, found := drawMeasured(t, m, p, p.Prior(), y, n)
		evidence := 0.0
		for _, d := range found {
			evidence += math.Exp(d.LogEvidence-exact.LogEvidence) / n
		}
		return math.Log(evidence)
	}
	if second, first := off(sampling.ReverseMultistep), off(sampling.ReverseEuler); math.Abs(second) > 0.1 ||
		first < 0.5 {
		t.Errorf("log evidence is off by %.3f with the multistep rule, by %.3f with Euler's; want 0, about 0.8", second,
			first)
	}
}

// TestParticlesWidth: what was measured has the mean and the variance of the exact posterior, also with less noise than
// the last level, which leaves it open.
func TestParticlesWidth(t *testing.T) {
	const n, last = 2000, 0.4
	m := sampling.Mixture{Weights: []float64{1}, Means: [][]float64{{1, -2, 0.5}}, Std: 1}
	for _, noise := range []float64{0.1, 0.5} {
		y := measured(t, []float32{0.6, 0, 0.8, 0, 2, 0}, 3, []float32{1.5, -3}, noise)
		p := sampling.Particles{Schedule: geometric(t, 60, last, 40), Method: sampling.ReverseMultistep, Count: 16,
			Threshold: 0.5, Guided: true, Spread: 1}
		x, _ := drawMeasured(t, m, p, p.Prior(), y, n)
		for j, v := range basisOf(y) {
			var sum, squares float64
			for i := range n {
				c := 0.0
				for k := range 3 {
					c += v[k] * float64(x[3*i+k])
				}
				sum, squares = sum+c/n, squares+c*c/n
			}
			prior := 0.0
			for k := range 3 {
				prior += v[k] * m.Means[0][k]
			}
			s := y.Singular[j]
			variance := noise * noise / (noise*noise + s*s)
			mean := prior + s/(noise*noise+s*s)*(y.Values[j]-s*prior)
			if got := squares - sum*sum; math.Abs(got/variance-1) > 0.15 || math.Abs(sum-mean) > 0.05 {
				t.Errorf("noise %g, coordinate %d: mean %.3f and variance %.4f, want %.3f and %.4f", noise, j, sum, got,
					mean, variance)
			}
		}
	}
}

func geometric(t *testing.T, first, last float64, levels int) sampling.Schedule {
	t.Helper()
	s, err := sampling.Geometric(first, last, levels)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// planned is a method that makes its own plan.
type planned interface {
	sampling.Method
	Plan() (sampling.Plan, error)
}

func drawMeasured(
	t *testing.T, m sampling.Model, by planned, prior sampling.Prior, y *sampling.Measurement, n int,
) ([]float32, []sampling.Diagnosis) {
	t.Helper()
	plan, err := by.Plan()
	if err != nil {
		t.Fatal(err)
	}
	found := make([]sampling.Diagnosis, n)
	x, err := sampling.Run(t.Context(), m, sampling.Request{
		Plan: plan, Prior: prior, Dim: y.Dim, Seed: 3, N: n,
		Measured: &sampling.Measured{Measurement: y, By: by}, Diagnosed: found,
	})
	if err != nil {
		t.Fatal(err)
	}
	return x, found
}

// TestParticlesAlone: a chain has the same bits alone, in company, and after it was paused and went on in another
// block.
func TestParticlesAlone(t *testing.T) {
	m := modes()
	y := measured(t, []float32{2, -1}, 2, []float32{1}, 0.8)
	p := sampling.Particles{Schedule: geometric(t, 60, 0.1, 12), Method: sampling.ReverseMultistep, Count: 7,
		Threshold: 0.6, Guided: true, Spread: 3}
	want, diagnoses := drawMeasured(t, m, p, p.Prior(), y, 5)
	plan, _ := p.Plan()
	for chain := range 5 {
		c := sampling.ChainAt(3, uint64(chain), 0)
		c.Plan, c.Measured = plan, &sampling.Measured{Measurement: y, By: p}
		block, other := sampling.NewBlock(2, 1), sampling.NewBlock(2, 1)
		block.Start(c, p.Prior())
		for step := range plan {
			if step == 5 {
				other.Continue(block.Pause(0))
				block = other
			}
			if err := block.Evaluate(t.Context(), m); err != nil {
				t.Fatal(err)
			}
			block.Advance(0)
		}
		if got := block.X(0); !slices.Equal(got, want[2*chain:2*chain+2]) || block.Diagnosis(0) != diagnoses[chain] {
			t.Errorf("chain %d: %v %v, want %v %v", chain, got, block.Diagnosis(0), want[2*chain:2*chain+2],
				diagnoses[chain])
		}
	}
}

// basisOf returns the columns of V.
func basisOf(y *sampling.Measurement) [][]float64 {
	columns := make([][]float64, len(y.Singular))
	var work sampling.Work
	for j := range columns {
		unit := make([]float64, len(columns))
		unit[j] = 1
		columns[j] = make([]float64, y.Dim)
		y.Rows.Spread(columns[j], unit, &work)
	}
	return columns
}

// TestMethods compares DDRM, SNIPS and Langevin dynamics with their published algorithms, written for full matrices in
// float64, on the same noise.
func TestMethods(t *testing.T) {
	m := sampling.Mixture{Weights: []float64{1}, Means: [][]float64{{1, -2, 0.5}}, Std: 1.5}
	y := measured(t, []float32{2, -1, 0, 0, 0.2, 0.1}, 3, []float32{1, 0.4}, 0.3)
	v := basisOf(y)
	schedule := geometric(t, 20, 0.1, 9)
	annealed := sampling.AnnealedLangevin{Schedule: schedule, StepsPerLevel: 3, StepLR: 0.003, Denoise: true}
	prior := sampling.Prior{Kind: sampling.PriorNormal, Std: 20}
	for name, test := range map[string]struct {
		by    planned
		prior sampling.Prior
		want  func(x []float64, z func(step int) []float64) []float64
	}{
		"ddrm": {
			sampling.DDRM{Schedule: schedule, Eta: 0.85, EtaB: 0.9}, prior,
			func(x []float64, z func(int) []float64) []float64 { return ddrm(m, y, v, schedule, x, z) },
		},
		"snips": {
			sampling.SNIPS{Annealed: annealed}, prior,
			func(x []float64, z func(int) []float64) []float64 { return snips(m, y, v, annealed, x, z) },
		},
		"langevin": {
			jalalPlan{sampling.LikelihoodLangevin{Weight: 2}, annealed}, prior,
			func(x []float64, z func(int) []float64) []float64 { return jalal(m, y, v, annealed, 2, x, z) },
		},
		"langevin with the likelihood": {
			jalalPlan{sampling.LikelihoodLangevin{}, annealed}, prior,
			func(x []float64, z func(int) []float64) []float64 { return jalal(m, y, v, annealed, 0, x, z) },
		},
	} {
		got, _ := drawMeasured(t, m, test.by, test.prior, y, 2)
		for chain := range 2 {
			noise := sampling.Noise{Seed: 3, Chain: uint64(chain)}
			start := make([]float32, 3)
			test.prior.Draw(start, noise)
			want := test.want(wide(start), func(step int) []float64 {
				z := make([]float32, 3)
				noise.Normal(z, uint32(step))
				return wide(z)
			})
			for i, w := range want {
				if math.Abs(float64(got[3*chain+i])-w) > 1e-4*max(1, math.Abs(w)) {
					t.Errorf("%s: chain %d ends at %v, the algorithm at %v", name, chain, got[3*chain:3*chain+3], want)
					break
				}
			}
		}
	}
}

// jalalPlan gives the method the plan of a sampler.
type jalalPlan struct {
	sampling.LikelihoodLangevin
	annealed sampling.AnnealedLangevin
}

func (p jalalPlan) Plan() (sampling.Plan, error) { return p.annealed.Plan() }

func wide(x []float32) []float64 {
	y := make([]float64, len(x))
	for i, v := range x {
		y[i] = float64(v)
	}
	return y
}

// gaussianScore is the score of the one component of m with noise sigma.
func gaussianScore(m sampling.Mixture, x []float64, sigma float64) []float64 {
	s := make([]float64, len(x))
	for i := range x {
		s[i] = (m.Means[0][i] - x[i]) / (m.Std*m.Std + sigma*sigma)
	}
	return s
}

func inner(a, b []float64) (sum float64) {
	for i := range a {
		sum += a[i] * b[i]
	}
	return sum
}

// complete extends orthonormal columns in three dimensions from two to three.
func complete(v [][]float64) [][]float64 {
	a, b := v[0], v[1]
	return append(slices.Clone(v), []float64{a[1]*b[2] - a[2]*b[1], a[2]*b[0] - a[0]*b[2], a[0]*b[1] - a[1]*b[0]})
}

// turned returns x in the coordinates of the columns, and back returns the point with given coordinates.
func turned(v [][]float64, x []float64) []float64 {
	c := make([]float64, len(v))
	for j := range v {
		c[j] = inner(v[j], x)
	}
	return c
}

func back(v [][]float64, c []float64) []float64 {
	x := make([]float64, len(v[0]))
	for j := range v {
		for i := range x {
			x[i] += c[j] * v[j][i]
		}
	}
	return x
}

func ddrm(
	m sampling.Mixture, y *sampling.Measurement, v [][]float64, s sampling.Schedule, x []float64,
	noise func(int) []float64,
) []float64 {
	const eta, etaB = 0.85, 0.9
	v = complete(v)
	c := turned(v, x)
	for j, sj := range y.Singular {
		if top := s.Sigma(0); sj*top >= y.Std {
			c[j] = y.Values[j]/sj + math.Sqrt(top*top-y.Std*y.Std/(sj*sj))*c[j]/top
		}
	}
	for i := range s.Levels() {
		from, to := s.Sigma(i), 0.0
		if i < s.Levels()-1 {
			to = s.Sigma(i + 1)
		}
		score, z := turned(v, gaussianScore(m, back(v, c), from)), turned(v, noise(i))
		for j := range c {
			d := c[j] + from*from*score[j]
			switch {
			case j >= len(y.Singular):
				c[j] = d + math.Sqrt(1-eta*eta)*to*(c[j]-d)/from + eta*to*z[j]
			case y.Singular[j]*to >= y.Std:
				ratio := y.Std / y.Singular[j]
				c[j] = etaB*y.Values[j]/y.Singular[j] + (1-etaB)*d + math.Sqrt(to*to-etaB*etaB*ratio*ratio)*z[j]
			default:
				c[j] = d + math.Sqrt(1-eta*eta)*to*(y.Values[j]-y.Singular[j]*d)/y.Std + eta*to*z[j]
			}
		}
	}
	return back(v, c)
}

func snips(
	m sampling.Mixture, y *sampling.Measurement, v [][]float64, a sampling.AnnealedLangevin, x []float64,
	noise func(int) []float64,
) []float64 {
	v = complete(v)
	c, rate, n := turned(v, x), a.StepLR/(a.Schedule.Last()*a.Schedule.Last()), 0
	for i := range a.Schedule.Levels() {
		sigma := a.Schedule.Sigma(i)
		for range a.StepsPerLevel {
			score, z := turned(v, gaussianScore(m, back(v, c), sigma)), turned(v, noise(n))
			n++
			for j := range c {
				step, gradient := rate*sigma*sigma, score[j]
				if j < len(y.Singular) {
					s, std := y.Singular[j], y.Std
					pull := s * (y.Values[j] - s*c[j])
					if s*sigma > std {
						step, gradient = rate*(sigma*sigma-std*std/(s*s)), pull/(s*s*sigma*sigma-std*std)
					} else {
						step *= 1 - s*s*sigma*sigma/(std*std)
						gradient += pull / (std*std - s*s*sigma*sigma)
					}
				}
				c[j] += step*gradient + math.Sqrt(2*step)*z[j]
			}
		}
	}
	return denoised(m, back(v, c), a.Schedule.Last())
}

func denoised(m sampling.Mixture, x []float64, sigma float64) []float64 {
	for i, s := range gaussianScore(m, x, sigma) {
		x[i] += sigma * sigma * s
	}
	return x
}

func jalal(
	m sampling.Mixture, y *sampling.Measurement, v [][]float64, a sampling.AnnealedLangevin, weight float64,
	x []float64, noise func(int) []float64,
) []float64 {
	n := 0
	for i := range a.Schedule.Levels() {
		sigma := a.Schedule.Sigma(i)
		for range a.StepsPerLevel {
			score, z, pull := gaussianScore(m, x, sigma), noise(n), make([]float64, len(x))
			n++
			for j, s := range y.Singular { // A'(y - A x)
				e := y.Values[j] - s*inner(v[j], x)
				if weight == 0 {
					e /= y.Std*y.Std + s*s*sigma*sigma
				}
				for k := range x {
					pull[k] += v[j][k] * s * e
				}
			}
			scale := 1.0
			if weight > 0 {
				scale = weight * math.Sqrt(inner(score, score)/inner(pull, pull))
			}
			step := a.StepSize(i)
			for k := range x {
				x[k] += step*(score[k]+scale*pull[k]) + math.Sqrt(2*step)*z[k]
			}
		}
	}
	return denoised(m, x, a.Schedule.Last())
}

// TestMethodsAgree: on one Gaussian the samples of every method have the mean of the posterior, and without noise they
// reproduce what was measured.
func TestMethodsAgree(t *testing.T) {
	m := sampling.Mixture{Weights: []float64{1}, Means: [][]float64{{1, -2, 0.5}}, Std: 1.5}
	schedule := geometric(t, 30, 0.02, 60)
	annealed := sampling.AnnealedLangevin{Schedule: schedule, StepsPerLevel: 4, StepLR: 0.00004, Denoise: true}
	prior := sampling.Prior{Kind: sampling.PriorNormal, Std: 30}
	for _, std := range []float64{0, 0.5} {
		y := measured(t, []float32{2, -1, 0}, 3, []float32{1}, std)
		exact, err := m.Posterior(y)
		if err != nil {
			t.Fatal(err)
		}
		for name, by := range map[string]planned{
			"particles": sampling.Particles{Schedule: schedule, Count: 8, Threshold: 0.5, Guided: true, Spread: 1.5},
			"ddrm":      sampling.DDRM{Schedule: schedule, Eta: 0.85, EtaB: 1},
			"snips":     sampling.SNIPS{Annealed: annealed},
			"langevin":  jalalPlan{sampling.LikelihoodLangevin{}, annealed},
		} {
			const n = 400
			x, _ := drawMeasured(t, m, by, prior, y, n)
			var mean [3]float64
			for i, v := range x {
				mean[i%3] += float64(v) / n
				if e := 2*float64(x[i/3*3]) - float64(x[i/3*3+1]) - 1; std == 0 && math.Abs(e) > 0.25 {
					t.Fatalf("%s: sample %d is measured as %g, want 1", name, i/3, e+1)
				}
			}
			for i, want := range exact.Means[0] {
				if math.Abs(mean[i]-want) > 0.3 {
					t.Errorf("%s, noise %g: mean %.3f, want %.3f", name, std, mean, exact.Means[0])
					break
				}
			}
		}
	}
}

// TestMethodSettings: a setting that is out of range is named.
func TestMethodSettings(t *testing.T) {
	s := geometric(t, 9, 1, 4)
	one := geometric(t, 9, 9, 1)
	good := sampling.Particles{Schedule: s, Count: 4, Threshold: 0.5, Spread: 1}
	with := func(change func(*sampling.Particles)) error {
		p := good
		change(&p)
		_, err := p.Plan()
		return err
	}
	plan := func(_ sampling.Plan, err error) error { return err }
	for field, err := range map[string]error{
		"count":      with(func(p *sampling.Particles) { p.Count = 1 }),
		"threshold":  with(func(p *sampling.Particles) { p.Threshold = 1.1 }),
		"spread":     with(func(p *sampling.Particles) { p.Spread = 0 }),
		"sigmas":     with(func(p *sampling.Particles) { p.Schedule = one }),
		"eta":        plan(sampling.DDRM{Schedule: s, Eta: 2}.Plan()),
		"eta_b":      plan(sampling.DDRM{Schedule: s, EtaB: math.NaN()}.Plan()),
		"consistent": plan(sampling.SNIPS{Annealed: sampling.AnnealedLangevin{Consistent: true}}.Plan()),
		"weight":     sampling.LikelihoodLangevin{Weight: -1}.Validate(),
	} {
		var bad *sampling.FieldError
		if !errors.As(err, &bad) || bad.Field != field {
			t.Errorf("%s: %v", field, err)
		}
	}
	if err := with(func(*sampling.Particles) {}); err != nil {
		t.Error(err)
	}
}
