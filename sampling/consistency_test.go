package sampling

import (
	"context"
	"fmt"
	"math"
	"testing"
)

// consistent is the exact consistency model of N(m, v) in every element: its denoised estimate is the end of the
// probability flow, m + (x - m)·√(v/(v + σ²)).
func consistent(m, v float64) Model {
	return ModelFunc(func(_ context.Context, dst, x, sigma []float32) error {
		dim := len(x) / len(sigma)
		for i, xi := range x {
			t2 := math.Pow(float64(sigma[i/dim]), 2)
			end := m + (float64(xi)-m)*math.Sqrt(v/(v+t2))
			dst[i] = float32((end - float64(xi)) / t2)
		}
		return nil
	})
}

func newSchedule(t *testing.T, sigmas ...float64) Schedule {
	t.Helper()
	s, err := NewSchedule(sigmas...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestConsistencyLaw: a chain that starts with the law N(m, v + σ²) of noisy data ends with the law N(m, v) of the
// data after any number of steps, if the model is exact. It compares single chains with the algorithm of Song et al.
// (2023), and the moments of many.
func TestConsistencyLaw(t *testing.T) {
	const m, v, seed, n = 1.5, 0.49, 5, 20_000
	for _, sigmas := range [][]float64{{40}, {40, 0.8}, {40, 5, 0.8, 0.1}} {
		c := Consistency{newSchedule(t, sigmas...)}
		plan, err := c.Plan()
		if plan.NFE() != len(sigmas) || plan.UsesHistory() || c.Prior() != (Prior{Kind: PriorNormal, Std: 40}) {
			t.Errorf("sigmas %g: %d evaluations from %v", sigmas, plan.NFE(), c.Prior())
		}
		start := make([]float32, n)
		Noise{Seed: 9}.Normal(start, 0)
		for i := range start {
			start[i] = float32(m + math.Sqrt(v+40*40)*float64(start[i]))
		}
		first := start[0]
		x := mustRun(t, consistent(m, v), plan, err, Request{Dim: 1, N: n, Seed: seed, Start: start})

		var mean, square float64
		for _, end := range x {
			mean += float64(end) / n
			square += (float64(end) - m) * (float64(end) - m) / n
		}
		if math.Abs(mean-m) > 0.02 || math.Abs(square/v-1) > 0.04 {
			t.Errorf("sigmas %g: mean %.4f and variance %.4f, want %g and %g", sigmas, mean, square, m, v)
		}

		want := float64(first)
		for i, sigma := range sigmas {
			want = m + (want-m)*math.Sqrt(v/(v+sigma*sigma))
			if i+1 < len(sigmas) {
				z := make([]float32, 1)
				Noise{Seed: seed}.Normal(z, uint32(i))
				want += sigmas[i+1] * float64(z[0])
			}
		}
		if math.Abs(float64(x[0])-want) > 1e-4 {
			t.Errorf("sigmas %g: chain 0 ends at %g, the algorithm at %g", sigmas, x[0], want)
		}
	}
}

// TestConsistencyOfDenoiser: with a plain denoiser of N(0, v), which multiplies by v/(v + σ²), samples are too narrow:
// their variance is (v/(v + σ²))²·(the variance before + σ²) after each step.
func TestConsistencyOfDenoiser(t *testing.T) {
	const v = 2.25
	sigmas := []float64{40, 3, 0.5}
	c := Consistency{newSchedule(t, sigmas...)}
	plan, err := c.Plan()
	if err != nil {
		t.Fatal(err)
	}
	want := 0.0 // the prior takes the data to be a point
	for _, sigma := range sigmas {
		want = math.Pow(v/(v+sigma*sigma), 2) * (want + sigma*sigma)
	}
	if got := varianceAlong(plan, c.Prior().Std, v); math.Abs(got/want-1) > 1e-5 {
		t.Errorf("variance %g, want %g", got, want)
	}
}

// TestConsistencyInpaints: with the exact model of independent elements, the rest of a sample has the law of the data,
// and the known part is exact.
func TestConsistencyInpaints(t *testing.T) {
	const v, n = 0.81, 10_000
	for _, refresh := range []Refresh{RefreshLevel, RefreshStep} {
		known, err := Inpaint([]float32{1.25, 0}, []bool{true, false}, refresh)
		if err != nil {
			t.Fatal(err)
		}
		c := Consistency{newSchedule(t, 40, 2, 0.5)}
		plan, err := c.Plan()
		x := mustRun(t, consistent(0, v), plan, err, Request{Known: known, N: n, Seed: 3, Prior: c.Prior()})
		var square float64
		for i := 0; i < len(x); i += 2 {
			if x[i] != 1.25 {
				t.Fatalf("the known element is %g, want 1.25", x[i])
			}
			square += float64(x[i+1]) * float64(x[i+1]) / n
		}
		if math.Abs(square/v-1) > 0.06 {
			t.Errorf("the other element has variance %.3f, want %g", square, v)
		}
	}
}

func TestConsistencyRefuses(t *testing.T) {
	_, err := Consistency{}.Plan()
	if want := "sigmas is 0: want at least one"; fmt.Sprint(err) != want {
		t.Errorf("no sigmas: %v, want %q", err, want)
	}
}
