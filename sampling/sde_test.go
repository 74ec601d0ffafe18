package sampling

import (
	"errors"
	"fmt"
	"math"
	"testing"
)

// TestSDEMoments compares Mean and Std with the exact moments of Euler-Maruyama paths of each process forward in time:
// m' = (1 + f·dt)·m and v' = (1 + f·dt)²·v + g²·dt.
func TestSDEMoments(t *testing.T) {
	const steps = 200_000
	for _, process := range []Process{VE, VP, SubVP} {
		s, mean, v := PaperSDE(process), 1.0, 0.0
		if process == VE {
			v = s.SigmaMin * s.SigmaMin // the paper's convention: x(0) is already blurred
		}
		for i := range steps {
			switch i {
			case steps / 10, steps / 2:
				checkMoments(t, s, float64(i)/steps, mean, v)
			}
			f, g := s.Drift(float64(i)/steps), s.Diffusion(float64(i)/steps)
			mean *= 1 + f/steps
			v = v*(1+f/steps)*(1+f/steps) + g*g/steps
		}
		checkMoments(t, s, 1, mean, v)
	}
}

func checkMoments(t *testing.T, s SDE, at, mean, v float64) {
	t.Helper()
	if math.Abs(s.Mean(at)/mean-1) > 1e-3 || math.Abs(s.Std(at)/math.Sqrt(v)-1) > 1e-3 {
		t.Errorf("%v at t = %g: mean %.5g and std %.5g, paths have %.5g and %.5g",
			s.Process, at, s.Mean(at), s.Std(at), mean, math.Sqrt(v))
	}
}

// TestSDEDiscretisation: the discrete σ_k and β_k cover the same noise as the continuous process.
func TestSDEDiscretisation(t *testing.T) {
	const n = 1000
	ve, vp := PaperSDE(VE), PaperSDE(VP)
	var removed, beta float64
	for k := range n {
		a, b := ve.discreteSigma(k, n), ve.discreteSigma(k-1, n)
		removed += a*a - b*b
		beta += vp.discreteBeta(k, n)
	}
	if math.Abs(removed/2500-1) > 1e-9 || math.Abs(beta-10.05) > 1e-9 {
		t.Errorf("the steps remove variance %g and β sums to %g, want 2500 and 10.05", removed, beta)
	}
	if a, b := ve.discreteSigma(0, n), vp.discreteBeta(n-1, n); math.Abs(a-0.01) > 1e-12 || math.Abs(b-0.02) > 1e-12 {
		t.Errorf("σ_0 = %g and β_999 = %g, want 0.01 and 0.02", a, b)
	}
	grid := timeGrid(n, 1e-5)
	for i, at := range grid {
		if k := index(at, n); k != n-1-i {
			t.Fatalf("time %d has index %d, want %d", i, k, n-1-i)
		}
	}
	if grid[0] != 1 || grid[n-1] != 1e-5 {
		t.Errorf("times run from %g to %g", grid[0], grid[n-1])
	}
}

func TestSDEPrior(t *testing.T) {
	// A unit VP state at t = 1 has variance 1 = α²(v + σ²) for data of variance v = 1.
	vp := PaperSDE(VP)
	if p := vp.Prior(); math.Abs(p.Std/math.Hypot(1, vp.Sigma(1))-1) > 1e-12 {
		t.Errorf("prior of VP has std %g, want √(1 + %g²)", p.Std, vp.Sigma(1))
	}
	if p := PaperSDE(VE).Prior(); p != (Prior{Kind: PriorNormal, Std: 50}) {
		t.Errorf("prior of VE is %+v", p)
	}
}

func TestBadSDE(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	for field, bad := range map[string][]SDE{
		"process": {{}, {Process: 4}, {Process: -1}},
		"sigma_min": {{Process: VE, SigmaMax: 1}, {Process: VE, SigmaMin: nan, SigmaMax: 1},
			{Process: VE, SigmaMin: -1, SigmaMax: 1}},
		"sigma_max": {{Process: VE, SigmaMin: 1, SigmaMax: 1}, {Process: VE, SigmaMin: 1, SigmaMax: inf},
			{Process: VE, SigmaMin: 1, SigmaMax: nan}},
		"beta_min": {{Process: VP, BetaMax: 1}, {Process: SubVP, BetaMin: inf, BetaMax: 1}},
		"beta_max": {{Process: VP, BetaMin: 1, BetaMax: 0.5}, {Process: SubVP, BetaMin: 1, BetaMax: nan}},
	} {
		for _, s := range bad {
			var f *FieldError
			if err := s.Validate(); !errors.As(err, &f) || f.Field != field {
				t.Errorf("%+v: %v, want a FieldError of %s", s, err, field)
			}
		}
	}
}

// TestWords: named values are written as their words. A process reads back from its word and from nothing else.
func TestWords(t *testing.T) {
	for want, setting := range map[string]fmt.Stringer{
		"sub_vp": SubVP, "ancestral": Ancestral, "annealed_langevin": AnnealedCorrector, "multistep": FlowMultistep,
		"7": FlowMethod(7),
	} {
		if got := setting.String(); got != want {
			t.Errorf("%#v is written %q, want %q", setting, got, want)
		}
	}
	var back Process
	text, err := SubVP.MarshalText()
	if err != nil || back.UnmarshalText(text) != nil || back != SubVP || string(text) != "sub_vp" {
		t.Errorf("%s read back as %v, error %v", text, back, err)
	}
	for _, bad := range []string{"", "smld", "VE"} {
		var f *FieldError
		if err := back.UnmarshalText([]byte(bad)); !errors.As(err, &f) {
			t.Errorf("%q: %v, want a FieldError", bad, err)
		}
	}
	if _, err := Process(0).MarshalText(); err == nil {
		t.Error("the zero process was written")
	}
}
