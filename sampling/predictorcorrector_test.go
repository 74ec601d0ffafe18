package sampling

import (
	"errors"
	"fmt"
	"math"
	"testing"
)

// everyCombination calls test with every valid combination of process, predictor and corrector.
func everyCombination(t *testing.T, n int, snr float64, test func(t *testing.T, p PredictorCorrector)) {
	for _, process := range []Process{VE, VP, SubVP} {
		for _, predictor := range []Predictor{NoPredictor, EulerMaruyama, ReverseDiffusion, Ancestral} {
			for _, corrector := range []Corrector{NoCorrector, LangevinCorrector, AnnealedCorrector} {
				p := PredictorCorrector{SDE: PaperSDE(process), N: n, Predictor: predictor, Corrector: corrector,
					CorrectorSteps: 1, SNR: snr}
				if process == SubVP && predictor == Ancestral || predictor == NoPredictor && corrector == NoCorrector {
					continue
				}
				t.Run(fmt.Sprintf("%v %v %v", process, predictor, corrector), func(t *testing.T) { test(t, p) })
			}
		}
	}
}

// planVariance returns the variance of a chain on N(0, v) data after a plan without history. It is exact for linear
// plans. For other plans it is the limit in many dimensions, where ‖s‖² = D·variance/(v + σ²)².
func planVariance(plan Plan, variance, v float64) float64 {
	for _, s := range plan {
		blurred := v + float64(s.Sigma)*float64(s.Sigma)
		x, a, c2 := float64(s.X), float64(s.A), float64(s.C)*float64(s.C)
		if s.SNR > 0 {
			a *= 2 * float64(s.SNR) * float64(s.SNR) * blurred * blurred / variance
			c2 = 2 * a
		}
		shrink := x - a/blurred
		variance = shrink*shrink*variance + c2
	}
	return variance
}

// TestPredictorCorrectorVariance: with the exact score every combination ends within 3 % of the right standard
// deviation, at the paper's N and SNR and at several scales of the data.
func TestPredictorCorrectorVariance(t *testing.T) {
	everyCombination(t, 1000, 0.16, func(t *testing.T, p PredictorCorrector) {
		scales := []float64{0.25, 1, 2}
		if p.Predictor == NoPredictor {
			// The corrector alone lags behind σ, which falls fast at the end of VP. It needs more steps and wider data.
			p.CorrectorSteps, scales = 8, scales[1:]
		}
		for _, std := range scales {
			plan, err := p.Plan()
			if err != nil {
				t.Fatal(err)
			}
			prior := p.Prior().Std
			got := math.Sqrt(planVariance(plan, prior*prior, std*std))
			if math.Abs(got/std-1) > 0.03 {
				t.Errorf("std is %.4f, want %g ± 3 %%", got, std)
			}
		}
	})
}

// TestPredictorCorrectorRuns compares chains with the variance of their plan.
func TestPredictorCorrectorRuns(t *testing.T) {
	const dim, n = 128, 80
	everyCombination(t, 40, 0.16, func(t *testing.T, p PredictorCorrector) {
		plan, err := p.Plan()
		x := mustRun(t, gaussian(1), plan, err, Request{Prior: p.Prior(), Dim: dim, N: n, Seed: 5})
		want := planVariance(plan, p.Prior().Std*p.Prior().Std, 1)
		// The standard error is √(2/10240) = 1.4 %. The limit of many dimensions is off by another 1/128.
		if got := variance(x); math.Abs(got/want-1) > 4*0.014+0.01 {
			t.Errorf("variance is %.4f, want %.4f ± 6.6 %%", got, want)
		}
	})
}

// TestPredictorCorrectorWeights draws the two-Gaussian mixture. The prior of VE is wide, because it ignores the mean
// (3, 3) of the data.
func TestPredictorCorrectorWeights(t *testing.T) {
	t.Parallel()
	m := TwoGaussians()
	ve := SDE{Process: VE, SigmaMin: 0.01, SigmaMax: 200}
	for _, p := range []PredictorCorrector{
		{SDE: ve, N: 200, Predictor: ReverseDiffusion, Corrector: AnnealedCorrector},
		{SDE: ve, N: 200, Predictor: Ancestral},
		{SDE: ve, N: 200, Predictor: EulerMaruyama, Denoise: true},
		{SDE: ve, N: 150, Corrector: AnnealedCorrector, Denoise: true},
		{SDE: PaperSDE(VP), N: 200, Predictor: ReverseDiffusion, Corrector: AnnealedCorrector},
		{SDE: PaperSDE(VP), N: 200, Predictor: Ancestral, Denoise: true},
		{SDE: PaperSDE(VP), N: 200, Predictor: EulerMaruyama},
		{SDE: PaperSDE(SubVP), N: 200, Predictor: EulerMaruyama, Corrector: AnnealedCorrector},
	} {
		p.CorrectorSteps, p.SNR = 1, 0.16
		n := 1500
		if p.Predictor == NoPredictor {
			p.CorrectorSteps, p.SNR, n = 6, 0.25, 600
		}
		t.Run(fmt.Sprintf("%v %v %v", p.SDE.Process, p.Predictor, p.Corrector), func(t *testing.T) {
			t.Parallel()
			plan, err := p.Plan()
			x := mustRun(t, m, plan, err, Request{Prior: p.Prior(), N: n, Seed: 1})
			w, v := m.Shares(x)[0], spread(m, x)
			if se := math.Sqrt(0.16 / float64(n)); math.Abs(w-0.8) > 4.5*se {
				t.Errorf("weight at (5,5) is %.4f, want 0.8 ± %.3f", w, 4.5*se)
			}
			if math.Abs(v-1) > 0.06+4.5/math.Sqrt(float64(n)) {
				t.Errorf("variance about the nearest mean is %.3f, want 1", v)
			}
		})
	}
}

// TestAnnealedCorrectorIsAnnealedLangevin: with VE, no predictor and SNR = √(StepLR/(2σ_min²)) the sampler equals
// annealed Langevin. Only the last sigma differs, because it is at t = 1e-5.
func TestAnnealedCorrectorIsAnnealedLangevin(t *testing.T) {
	const levels, steps, stepLR = 10, 3, 2e-5
	sde := SDE{Process: VE, SigmaMin: 0.01, SigmaMax: 1}
	p := PredictorCorrector{SDE: sde, N: levels, Corrector: AnnealedCorrector, CorrectorSteps: steps,
		SNR: math.Sqrt(stepLR / 2 / 1e-4), Denoise: true}
	got, err1 := p.Plan()
	want, err2 := AnnealedLangevin{Schedule: geometric(t, 1, 0.01, levels), StepsPerLevel: steps, StepLR: stepLR,
		Denoise: true}.Plan()
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	if len(got) != len(want) {
		t.Fatalf("%d steps, want %d", len(got), len(want))
	}
	for i, g := range got {
		w := want[i]
		for _, pair := range [][2]float32{{g.Sigma, w.Sigma}, {g.A, w.A}, {g.C, w.C}, {g.X, w.X}} {
			if math.Abs(float64(pair[0]-pair[1])) > 2e-4*float64(pair[1]) {
				t.Fatalf("step %d is %+v, want %+v", i, g, w)
			}
		}
		if g.Level != w.Level {
			t.Fatalf("step %d is at level %d, want %d", i, g.Level, w.Level)
		}
	}
}

func TestPredictorCorrectorNFE(t *testing.T) {
	for _, test := range []struct {
		p    PredictorCorrector
		want int
	}{
		{PredictorCorrector{Predictor: EulerMaruyama}, 50},
		{PredictorCorrector{Predictor: EulerMaruyama, Denoise: true, CorrectorSteps: 3}, 50},
		{PredictorCorrector{Predictor: Ancestral, Corrector: LangevinCorrector, CorrectorSteps: 2, Denoise: true}, 150},
		{PredictorCorrector{Corrector: AnnealedCorrector, CorrectorSteps: 2}, 100},
		{PredictorCorrector{Corrector: AnnealedCorrector, CorrectorSteps: 2, Denoise: true}, 101},
	} {
		test.p.SDE, test.p.N, test.p.SNR = PaperSDE(VP), 50, 0.1
		if plan, err := test.p.Plan(); err != nil || plan.NFE() != test.want {
			t.Errorf("%+v: %d evaluations, want %d; error %v", test.p, plan.NFE(), test.want, err)
		}
	}
}

func TestBadPredictorCorrector(t *testing.T) {
	nan := math.NaN()
	good := PredictorCorrector{SDE: PaperSDE(VP), N: 100, Predictor: Ancestral, Corrector: LangevinCorrector,
		CorrectorSteps: 1, SNR: 0.1}
	if _, err := good.Plan(); err != nil {
		t.Fatal(err)
	}
	change := func(f func(p *PredictorCorrector)) PredictorCorrector { p := good; f(&p); return p }
	for field, bad := range map[string][]PredictorCorrector{
		"process":  {change(func(p *PredictorCorrector) { p.SDE.Process = 0 })},
		"beta_max": {change(func(p *PredictorCorrector) { p.SDE.BetaMax = nan })},
		"n": {
			change(func(p *PredictorCorrector) { p.N = 1 }),
			change(func(p *PredictorCorrector) { p.N = 20 }),
			change(func(p *PredictorCorrector) { p.N = -1 }),
		},
		"predictor": {
			change(func(p *PredictorCorrector) { p.Predictor = 9 }),
			change(func(p *PredictorCorrector) { p.SDE.Process = SubVP }),
			change(func(p *PredictorCorrector) { p.Predictor, p.Corrector = NoPredictor, NoCorrector }),
		},
		"corrector":       {change(func(p *PredictorCorrector) { p.Corrector = -1 })},
		"corrector_steps": {change(func(p *PredictorCorrector) { p.CorrectorSteps = 0 })},
		"snr": {
			change(func(p *PredictorCorrector) { p.SNR = nan }),
			change(func(p *PredictorCorrector) { p.SNR = 0 }),
			change(func(p *PredictorCorrector) { p.SNR = 1 }),
		},
		"epsilon": {
			change(func(p *PredictorCorrector) { p.Epsilon = nan }),
			change(func(p *PredictorCorrector) { p.Epsilon = 1 }),
			change(func(p *PredictorCorrector) { p.Epsilon = -1 }),
		},
	} {
		for _, p := range bad {
			var f *FieldError
			if plan, err := p.Plan(); plan != nil || !errors.As(err, &f) || f.Field != field {
				t.Errorf("%+v: %v, want a FieldError of %s", p, err, field)
			}
		}
	}
}
