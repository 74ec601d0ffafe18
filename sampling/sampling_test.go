package sampling

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// square is the initial distribution of the toy experiments (ncsn's ToyRunner): uniform on [-8, 8]².
var square = Prior{Kind: PriorUniform, Low: -8, High: 8}

func geometric(t testing.TB, first, last float64, levels int) Schedule {
	t.Helper()
	s, err := Geometric(first, last, levels)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func mustRun(t testing.TB, m Model, plan Plan, err error, r Request) []float32 {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	r.Plan = plan
	if r.Dim == 0 {
		r.Dim = 2
	}
	if r.Prior == (Prior{}) {
		r.Prior = square
	}
	x, err := Run(t.Context(), m, r)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// gaussian returns the exact score of N(0, v + σ²) in every element.
func gaussian(v float64) Model {
	return ModelFunc(func(_ context.Context, dst, x, sigma []float32) error {
		dim := len(x) / len(sigma)
		for i, xi := range x {
			s := float64(sigma[i/dim])
			dst[i] = float32(-float64(xi) / (v + s*s))
		}
		return nil
	})
}

func variance(x []float32) float64 {
	var sum float64
	for _, v := range x {
		sum += float64(v) * float64(v)
	}
	return sum / float64(len(x))
}

// TestStationaryVariance checks the closed form for a discretised Langevin chain on N(0, s²): s²/(1 - q/2) with
// q = a/s². The three settings are those of the toys, of NCSN's images and of NCSNv2's images.
func TestStationaryVariance(t *testing.T) {
	for _, test := range []struct{ sigma, step, want float64 }{
		{1, 0.05, 1.0256}, {0.01, 2e-5, 1.1111}, {0.01, 6.2e-6, 1.0320},
	} {
		plan, err := Langevin{Sigma: test.sigma, Steps: 400, StepSize: test.step}.Plan()
		start := Prior{Kind: PriorNormal, Std: test.sigma}
		x := mustRun(t, gaussian(0), plan, err, Request{Prior: start, Dim: 16, N: 2500, Seed: 1})
		ratio := variance(x) / (test.sigma * test.sigma)
		// 40,000 independent elements: the standard error of a variance is √(2/40000) = 0.7 % of it.
		if math.Abs(ratio-test.want) > 4*0.0071*test.want {
			t.Errorf("step %g at sigma %g: variance ratio %.4f, want %.4f ± 0.03",
				test.step, test.sigma, ratio, test.want)
		}
	}
}

// TestAnnealedLevelVariance compares the variance of chains on data of variance 1 with its exact recursion:
// v' = (1 - a_i/(1 + σ_i²))² v + 2a_i for a step, and v' = (1 - σ²/(1 + σ²))² v for the denoising step.
func TestAnnealedLevelVariance(t *testing.T) {
	a := AnnealedLangevin{Schedule: geometric(t, 20, 0.5, 12), StepsPerLevel: 3, StepLR: 0.02}
	for _, denoise := range []bool{false, true} {
		a.Denoise = denoise
		want := 9.0
		for level := range a.Schedule.Levels() {
			s2, step := a.Schedule.Sigma(level)*a.Schedule.Sigma(level), a.StepSize(level)
			for range a.StepsPerLevel {
				shrink := 1 - step/(1+s2)
				want = shrink*shrink*want + 2*step
			}
		}
		if denoise {
			want *= math.Pow(1-0.25/1.25, 2)
		}
		plan, err := a.Plan()
		start := Prior{Kind: PriorNormal, Std: 3}
		x := mustRun(t, gaussian(1), plan, err, Request{Prior: start, Dim: 16, N: 5000, Seed: 2})
		if got := variance(x); math.Abs(got-want) > 4*0.005*want {
			t.Errorf("denoise %v: variance %.4f, want %.4f ± 2 %%", denoise, got, want)
		}
	}
}

// TestConsistentNoise computes the variance of chains whose data are a single point. Every step leaves it at the square
// of the sigma that the step leads to, whereas Langevin dynamics leaves more. Jolicoeur-Martineau et al. (2021),
// proposition 1.
func TestConsistentNoise(t *testing.T) {
	a := AnnealedLangevin{Schedule: geometric(t, 10, 0.01, 90), StepsPerLevel: 4, StepLR: 1.5e-5, Consistent: true}
	plan, err := a.Plan()
	if err != nil {
		t.Fatal(err)
	}
	v := 100.0
	for i, step := range plan {
		shrink := 1 - float64(step.A)/math.Pow(float64(step.Sigma), 2)
		v = shrink*shrink*v + math.Pow(float64(step.C), 2)
		to := a.Schedule.Sigma(min((i+1)/4, 89))
		if want := to * to; math.Abs(v-want) > 1e-5*want {
			t.Fatalf("after step %d the variance is %g, want %g", i+1, v, want)
		}
	}
	for _, epsilon := range []float64{7e-6, 2.1e-4} { // 1 - σ_2/σ_1 is 0.075
		a.StepLR = epsilon
		var field *FieldError
		if _, err := a.Plan(); !errors.As(err, &field) || field.Field != "step_lr" {
			t.Errorf("step_lr %g: %v, want it refused", epsilon, err)
		}
	}
}

// TestTwoGaussianWeights reproduces the paper's toy experiment with exact scores (figure 3 of Song & Ermon 2019). Plain
// Langevin puts half of the samples in each mode. Annealed Langevin puts nearly the true 0.8 in the first. The expected
// numbers were computed independently by Monte Carlo. The tolerances are four standard errors of both.
func TestTwoGaussianWeights(t *testing.T) {
	t.Parallel()
	m := TwoGaussians()
	langevin, err1 := Langevin{Sigma: 1, Steps: 1000, StepSize: 0.05}.Plan()
	annealed := func(s Schedule, steps int) (Plan, error) {
		return AnnealedLangevin{Schedule: s, StepsPerLevel: steps, StepLR: 0.05}.Plan()
	}
	ten, err2 := annealed(geometric(t, 20, 1, 10), 100)
	fifty, err3 := annealed(geometric(t, 20, 1, 50), 100)
	short, err4 := annealed(geometric(t, 20, 1, 10), 10)
	linear, err5 := Linear(20, 1, 10)
	if err := errors.Join(err1, err2, err3, err4, err5); err != nil {
		t.Fatal(err)
	}
	straight, err := annealed(linear, 100)
	for _, test := range []struct {
		name             string
		plan             Plan
		n                int
		weight, variance float64 // a variance of 0 is not checked
	}{
		{"langevin", langevin, 6000, 0.502, 1.028},
		{"annealed L=10", ten, 6000, 0.785, 1.030},
		{"annealed L=50", fifty, 2000, 0.796, 1.024},
		{"annealed L=10 T=10", short, 6000, 0.677, 0},
		{"annealed linear L=10", straight, 6000, 0.772, 1.029},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			x := mustRun(t, m.Annealed(), test.plan, err, Request{Seed: 1, N: test.n})
			se := math.Sqrt(test.weight * (1 - test.weight) / float64(test.n))
			if w := m.Shares(x)[0]; math.Abs(w-test.weight) > 4.5*se {
				t.Errorf("weight at (5,5) is %.4f, want %.3f ± %.3f", w, test.weight, 4.5*se)
			}
			if v := spread(m, x); test.variance > 0 && math.Abs(v-test.variance) > 4.5/math.Sqrt(float64(test.n)) {
				t.Errorf("variance about the nearest mean is %.3f, want %.3f", v, test.variance)
			}
		})
	}
}

// spread returns the variance per axis about the nearest mean.
func spread(m Mixture, x []float32) float64 {
	var sum float64
	for i := 0; i < len(x); i += 2 {
		sum += distance2(x[i:i+2], m.Means[m.Nearest(x[i:i+2])])
	}
	return sum / float64(len(x))
}

// TestRingFromACorner shows what annealing is for. From [6, 8]² plain Langevin never leaves the two or three nearest
// modes, whereas annealed Langevin fills all eight.
func TestRingFromACorner(t *testing.T) {
	m, err := Ring(8, 5, 0.5, nil)
	if err != nil {
		t.Fatal(err)
	}
	corner := Prior{Kind: PriorUniform, Low: 6, High: 8}
	const n = 2000
	langevin, err := Langevin{Sigma: 0.5, Steps: 1000, StepSize: 0.0125}.Plan()
	x := mustRun(t, m.Annealed(), langevin, err, Request{Prior: corner, N: n, Seed: 1})
	want := []float64{0.026, 0.951, 0.023, 0, 0, 0, 0, 0}
	for k, share := range m.Shares(x) {
		if se := math.Sqrt(want[k] * (1 - want[k]) / n); math.Abs(share-want[k]) > 4.5*se {
			t.Errorf("plain Langevin puts %.3f in mode %d, want %.3f ± %.3f", share, k, want[k], 4.5*se)
		}
	}
	annealed, err := AnnealedLangevin{Schedule: geometric(t, 20, 0.5, 15), StepsPerLevel: 100, StepLR: 0.0125}.Plan()
	x = mustRun(t, m.Annealed(), annealed, err, Request{Prior: corner, N: n, Seed: 1})
	for k, share := range m.Shares(x) {
		if math.Abs(share-0.125) > 4.5*0.0074 {
			t.Errorf("annealed Langevin puts %.3f in mode %d, want 0.125 ± 0.033", share, k)
		}
	}
}

// TestNeighboursDoNotMatter: a chain has the same bits alone, among many chains, and in any part of a request.
func TestNeighboursDoNotMatter(t *testing.T) {
	m := TwoGaussians()
	plan, err := AnnealedLangevin{Schedule: geometric(t, 10, 1, 5), StepsPerLevel: 4, StepLR: 0.05,
		Denoise: true}.Plan()
	crowd := mustRun(t, m, plan, err, Request{Seed: 9, FirstChain: 100, N: 700})
	for _, i := range []int{0, 1, 255, 256, 699} {
		alone := mustRun(t, m, plan, err, Request{Seed: 9, FirstChain: 100 + uint64(i), N: 1})
		if !slices.Equal(alone, crowd[2*i:2*i+2]) {
			t.Errorf("chain %d alone is %v, in a crowd %v", i, alone, crowd[2*i:2*i+2])
		}
	}
}

// TestStepFormula compares every coefficient of a step with the formula in float64.
func TestStepFormula(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	v := func() float32 { return float32(random.NormFloat64()) }
	for range 200 {
		s := Step{Sigma: 1, X: v(), A: v(), G: v(), C: v(), H: v(), F: v(), E: v()}
		if random.IntN(3) == 0 {
			s.G, s.H, s.F, s.E = 0, 0, 0, 0
		}
		if random.IntN(3) == 0 {
			s.C = 0
		}
		x, h, score, z := []float32{v(), v(), v()}, []float32{v(), v(), v()}, []float32{v(), v(), v()},
			make([]float32, 3)
		oldX, oldH := slices.Clone(x), slices.Clone(h)
		Noise{Seed: random.Uint64(), Chain: 3}.Normal(z, 17)
		if !s.apply(x, h, score, z) {
			t.Fatal("a finite step was reported as divergent")
		}
		for i := range x {
			f := func(a, b float32) float64 { return float64(a) * float64(b) }
			wantX := f(s.X, oldX[i]) + f(s.A, score[i]) + f(s.G, oldH[i]) + f(s.C, z[i])
			wantH := f(s.H, oldH[i]) + f(s.F, score[i]) + f(s.E, oldX[i])
			if !s.history() {
				wantH = float64(oldH[i])
			}
			if math.Abs(float64(x[i])-wantX) > 1e-5 || math.Abs(float64(h[i])-wantH) > 1e-5 {
				t.Fatalf("%+v: x', h' = %g, %g, want %g, %g", s, x[i], h[i], wantX, wantH)
			}
		}
	}
}

// TestCorrector compares the Langevin corrector's step with its definition, with the norm of the row's own score.
func TestCorrector(t *testing.T) {
	s := Step{Sigma: 1, SNR: 0.16, A: 0.9}
	x, score, z := []float32{1, 2, 3}, []float32{-3, 0, 4}, make([]float32, 3)
	old := slices.Clone(x)
	Noise{Seed: 1}.Normal(z, 5)
	s.apply(x, make([]float32, 3), score, z)
	e := 2 * 0.9 * math.Pow(0.16*math.Sqrt(3)/5, 2)
	for i := range x {
		want := float64(old[i]) + e*float64(score[i]) + math.Sqrt(2*e)*float64(z[i])
		if math.Abs(float64(x[i])-want) > 1e-6 {
			t.Errorf("element %d is %g, want %g", i, x[i], want)
		}
	}
}

func TestDivergence(t *testing.T) {
	explode := ModelFunc(func(_ context.Context, dst, x, sigma []float32) error {
		for i := range x {
			dst[i] = x[i] * 1e20
		}
		return nil
	})
	plan, err := Langevin{Sigma: 2, Steps: 10, StepSize: 1}.Plan()
	if err != nil {
		t.Fatal(err)
	}
	_, err = Run(t.Context(), explode, Request{Plan: plan, Prior: square, Dim: 2, FirstChain: 7, N: 3})
	var diverged *DivergedError
	if !errors.As(err, &diverged) || !errors.Is(err, ErrDiverged) || *diverged != (DivergedError{7, 1, 2, 0}) {
		t.Errorf("got %v, want chain 7 to diverge at step 1, sigma 2", err)
	}
	heavy := &Sum{Own: 1, Terms: []Term{{Weight: -1e30}}}
	_, err = Run(t.Context(), gaussian(1), Request{Plan: plan, Prior: square, Dim: 2, N: 1, Sum: heavy})
	if !errors.As(err, &diverged) || diverged.Weight != 1e30 || !strings.Contains(err.Error(), "largest is 1e+30") {
		t.Errorf("got %v, want an error that blames the weight", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = Run(ctx, gaussian(1), Request{Plan: plan, Prior: square, Dim: 2, N: 1})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("with a cancelled context: %v", err)
	}
}

func TestBadSettings(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	schedule := geometric(t, 10, 1, 3)
	plans := map[string]func() (Plan, error){}
	for _, v := range []float64{nan, inf, 0, -1} {
		plans[fmt.Sprint("sigma ", v)] = Langevin{Sigma: v, Steps: 1, StepSize: 1}.Plan
		plans[fmt.Sprint("step_size ", v)] = Langevin{Sigma: 1, Steps: 1, StepSize: v}.Plan
		plans[fmt.Sprint("step_lr ", v)] = AnnealedLangevin{Schedule: schedule, StepsPerLevel: 1, StepLR: v}.Plan
	}
	plans["steps 0"] = Langevin{Sigma: 1, StepSize: 1}.Plan
	plans["steps_per_level 0"] = AnnealedLangevin{Schedule: schedule, StepLR: 1}.Plan
	plans["sigmas none"] = AnnealedLangevin{StepsPerLevel: 1, StepLR: 1}.Plan
	for name, plan := range plans {
		var field *FieldError
		if _, err := plan(); !errors.As(err, &field) || field.Field+" " != name[:len(field.Field)+1] {
			t.Errorf("%s: %v, want a FieldError of that field", name, err)
		}
	}
	if _, err := (Langevin{Sigma: 1, Steps: 1, StepSize: 1e60}).Plan(); err == nil {
		t.Error("a step that overflows float32 was accepted")
	}
	for _, sigmas := range [][]float64{{}, {0}, {-1}, {nan}, {inf, 1}, {1, 1}, {1, 2}, {3, 2, nan}} {
		if _, err := NewSchedule(sigmas...); err == nil {
			t.Errorf("schedule %v was accepted", sigmas)
		}
	}
	for _, p := range []Prior{
		{}, {Kind: "cauchy"}, {Kind: PriorUniform}, {Kind: PriorUniform, Low: 1, High: nan},
		{Kind: PriorNormal}, {Kind: PriorNormal, Std: inf},
	} {
		if p.Validate() == nil {
			t.Errorf("prior %+v was accepted", p)
		}
	}
	for name, build := range map[string]func() (Mixture, error){
		"no modes":      func() (Mixture, error) { return Ring(0, 5, 1, nil) },
		"radius":        func() (Mixture, error) { return Ring(8, nan, 1, nil) },
		"std":           func() (Mixture, error) { return Ring(8, 5, 0, nil) },
		"weights count": func() (Mixture, error) { return Ring(8, 5, 1, []float64{1}) },
		"weights sign":  func() (Mixture, error) { return Ring(2, 5, 1, []float64{1, -1}) },
	} {
		if _, err := build(); err == nil {
			t.Errorf("ring with bad %s was accepted", name)
		}
	}
}

// TestSchedules compares with the sigmas of the papers' settings.
func TestSchedules(t *testing.T) {
	near := func(name string, got Schedule, want ...float64) {
		t.Helper()
		for i, w := range want {
			if math.Abs(got.Sigma(i)-w) > 6e-6*w {
				t.Errorf("%s: sigma %d is %g, want %g", name, i, got.Sigma(i), w)
			}
		}
	}
	near("NCSN", geometric(t, 1, 0.01, 10), 1, 0.599484, 0.359381, 0.215443, 0.129155, 0.0774264, 0.0464159, 0.0278256,
		0.0166810, 0.01)
	near("toy", geometric(t, 20, 1, 10), 20, 14.3374, 10.2781, 7.36806, 5.28195, 3.78648, 2.71442, 1.94589, 1.39495, 1)
	linear, err := Linear(4, 1, 4)
	if err != nil {
		t.Fatal(err)
	}
	near("linear", linear, 4, 3, 2, 1)
	karras, err := Karras(80, 0.002, 18, 7)
	if err != nil {
		t.Fatal(err)
	}
	near("Karras", karras, 80, math.Pow(math.Pow(80, 1./7)+(math.Pow(0.002, 1./7)-math.Pow(80, 1./7))/17, 7))
	ddpm, err := DDPM(25) // whose first step keeps 1 - 0.1/25, and whose last one 1 - 20/25 of the rest
	if err != nil {
		t.Fatal(err)
	}
	if second, last := 1/(1+math.Pow(ddpm.Sigma(1), 2)), 1/(1+math.Pow(ddpm.Sigma(0), 2)); ddpm.Levels() != 25 ||
		math.Abs(last/second-0.2) > 1e-12 || math.Abs(ddpm.Last()-math.Sqrt(0.004/0.996)) > 1e-12 {
		t.Errorf("DDPM's sigmas are %v", ddpm.Sigmas())
	}
	if _, err := DDPM(20); err == nil {
		t.Error("20 levels of DDPM are no error: nothing would be left of the data")
	}
	if karras.Last() != 0.002 || karras.Nearest(1e9) != 0 || linear.Nearest(2.1) != 2 {
		t.Error("wrong end, or wrong nearest level")
	}
}

// TestMixtureScore compares the score with finite differences of the log density, and the integral of the density with
// 1.
func TestMixtureScore(t *testing.T) {
	ring, err := Ring(5, 4, 0.7, []float64{8, 1, 1, 2, 3})
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(3, 3))
	for _, m := range []Mixture{TwoGaussians(), ring} {
		for range 300 {
			x := []float64{float64(float32(random.Float64()*24 - 12)), float64(float32(random.Float64()*24 - 12))}
			sigma := float32(math.Exp(random.Float64()*5 - 2))
			var got [2]float32
			point := []float32{float32(x[0]), float32(x[1])}
			if err := m.Score(t.Context(), got[:], point, []float32{sigma}); err != nil {
				t.Fatal(err)
			}
			for j := range x {
				const h = 1e-5
				up, down := slices.Clone(x), slices.Clone(x)
				up[j] += h
				down[j] -= h
				want := (m.LogDensity(up, float64(sigma)) - m.LogDensity(down, float64(sigma))) / (2 * h)
				if math.Abs(float64(got[j])-want) > 1e-6*(1+math.Abs(want)) {
					t.Fatalf("score at %v, sigma %g: %g in axis %d, finite differences %g", x, sigma, got[j], j, want)
				}
			}
		}
		var mass float64
		const cell = 0.1
		for x := -20.0; x < 20; x += cell {
			for y := -20.0; y < 20; y += cell {
				mass += math.Exp(m.LogDensity([]float64{x, y}, 1)) * cell * cell
			}
		}
		if math.Abs(mass-1) > 1e-4 {
			t.Errorf("density integrates to %g", mass)
		}
	}
}

func TestMixtureSample(t *testing.T) {
	m, err := Ring(8, 5, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	const n = 100_000
	x := make([]float32, 2*n)
	for i := range n {
		m.Sample(x[2*i:2*i+2], Noise{Seed: 1, Chain: uint64(i)})
	}
	hole := 0.0
	for i := 0; i < len(x); i += 2 {
		if math.Hypot(float64(x[i]), float64(x[i+1])) < 2 {
			hole += 1.0 / n
		}
	}
	if math.Abs(hole-0.0009) > 0.0004 {
		t.Errorf("%.5f of the ring's samples are inside radius 2, want 0.0009", hole)
	}
	for k, share := range m.Shares(x) {
		if math.Abs(share-0.125) > 0.004 {
			t.Errorf("mode %d holds %.4f, want 0.125 ± 0.004", k, share)
		}
	}
}

// TestObserve: Observe sees the state before the first step and after each step. The last state is the result.
func TestObserve(t *testing.T) {
	plan, err := Langevin{Sigma: 1, Steps: 5, StepSize: 0.1}.Plan()
	if err != nil {
		t.Fatal(err)
	}
	var steps []int
	var last []float32
	start := []float32{1, 2, 3, 4}
	observe := func(step int, x []float32) {
		steps = append(steps, step)
		if last = slices.Clone(x); step == 0 && !slices.Equal(x, start) {
			t.Errorf("first state %v, want the start %v", x, start)
		}
	}
	r := Request{Plan: plan, Dim: 2, N: 2, Start: start, Observe: observe}
	x, err := Run(t.Context(), TwoGaussians(), r)
	if err != nil || !slices.Equal(steps, []int{0, 1, 2, 3, 4, 5}) || !slices.Equal(last, x) {
		t.Errorf("observed steps %v ending in %v, result %v, error %v", steps, last, x, err)
	}
}
