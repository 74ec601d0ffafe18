package sampling

import (
	"errors"
	"math"
	"slices"
	"testing"
)

// algorithm2 is the paper's algorithm, line by line, in float64 on one row of data N(0, v). t are the sigmas, with a 0
// at the end, xHat is the state after the first noise, and noise returns that of step i.
func algorithm2(t []float64, churn, least, most, factor, v, xHat float64, noise func(i int) float64) float64 {
	steps := len(t) - 1
	gamma := func(i int) float64 {
		if t[i] >= least && t[i] <= most {
			return min(churn/float64(steps), math.Sqrt2-1)
		}
		return 0
	}
	slope := func(x, t float64) float64 { return (x - x*v/(v+t*t)) / t } // (x - D(x; t))/t
	var x float64
	for i := range steps {
		raised := t[i] + gamma(i)*t[i]
		if i > 0 {
			xHat = x + math.Sqrt(raised*raised-t[i]*t[i])*factor*noise(i)
		}
		d := slope(xHat, raised)
		x = xHat + (t[i+1]-raised)*d
		if t[i+1] != 0 {
			x = xHat + (t[i+1]-raised)*(d+slope(x, t[i+1]))/2
		}
	}
	return x
}

// TestEDMAlgorithm compares chains with the paper's algorithm on the same noise.
func TestEDMAlgorithm(t *testing.T) {
	const v, seed = 2.25, 5
	for _, e := range []EDM{
		{Churn: 40, ChurnMin: 0.05, ChurnMax: 5, Noise: 1.003, Denoise: true},
		{Churn: 3, ChurnMax: 100, Noise: 1.1, Denoise: true},
		{Churn: 0, ChurnMax: 1, Noise: 1, Denoise: true},
	} {
		e.Schedule = karras(t, 20, 0.02, 12)
		plan, err := e.Plan()
		start := []float32{20, -3, 0.5}
		got := mustRun(t, gaussian(v), plan, err, Request{Dim: 1, N: 3, Seed: seed, Start: slices.Clone(start)})
		sigmas := append(e.Schedule.Sigmas(), 0)
		for chain, x := range got {
			z := make([]float32, 1)
			noise := func(i int) float64 { // the last row of step i - 1 has it
				Noise{Seed: seed, Chain: uint64(chain)}.Normal(z, uint32(2*i-1))
				return float64(z[0])
			}
			want := algorithm2(sigmas, e.Churn, e.ChurnMin, e.ChurnMax, e.Noise, v, float64(start[chain]), noise)
			if math.Abs(float64(x)-want) > 1e-4*max(1, math.Abs(want)) {
				t.Errorf("churn %g, chain %d ends at %g, the algorithm at %g", e.Churn, chain, x, want)
			}
		}
	}
}

// varianceAlong follows the exact variance of a plan's chains on data N(0, v).
func varianceAlong(plan Plan, prior, v float64) float64 {
	xx, xh, hh := prior*prior, 0.0, 0.0
	for _, s := range plan {
		k := -1 / (v + float64(s.Sigma)*float64(s.Sigma)) // score = k·x
		a, g, c := float64(s.X)+float64(s.A)*k, float64(s.G), float64(s.C)
		b, r := float64(s.F)*k+float64(s.E), float64(s.H)
		if !s.history() {
			b, r = 0, 1
		}
		xx, xh, hh = a*a*xx+2*a*g*xh+g*g*hh+c*c, a*b*xx+(a*r+g*b)*xh+g*r*hh, b*b*xx+2*b*r*xh+r*r*hh
	}
	return xx
}

// TestEDMVariance: on Gaussian data the variance of the samples is exact in the limit of many steps. The error falls
// with the square of their number while the noise for each step stays in proportion to the step.
func TestEDMVariance(t *testing.T) {
	const v, last = 1, 0.01
	var errs []float64
	for _, steps := range []int{40, 80, 160} {
		e := EDM{
			Schedule: karras(t, 50, last, steps+1), Churn: 8, ChurnMax: 100, Noise: 1,
		}
		plan, err := e.Plan()
		if err != nil {
			t.Fatal(err)
		}
		// The prior takes the data to be a point, so its variance is too small by v/(v + σ²) of itself.
		prior := math.Hypot(e.Prior().Std, math.Sqrt(v))
		errs = append(errs, math.Abs(varianceAlong(plan, prior, v)/(v+last*last)-1))
		if plan.NFE() != 2*steps {
			t.Errorf("%d steps spend %d evaluations, want %d", steps, plan.NFE(), 2*steps)
		}
	}
	for i := range 2 {
		if slope := math.Log2(errs[i] / errs[i+1]); math.Abs(slope-2) > 0.3 {
			t.Errorf("errors of the variance %.3g give order %.2f, want 2", errs, slope)
		}
	}
}

// TestEDMWithoutChurn: it is the probability flow, to the bit.
func TestEDMWithoutChurn(t *testing.T) {
	schedule := karras(t, 20, 0.05, 9)
	for _, denoise := range []bool{false, true} {
		e := EDM{Schedule: schedule, ChurnMax: 1, Noise: 1, Denoise: denoise}
		flow := ProbabilityFlow{Schedule: schedule, Method: FlowHeun, Denoise: denoise}
		got, err1 := e.Plan()
		want, err2 := flow.Plan()
		if err := errors.Join(err1, err2); err != nil || !slices.Equal(got, want) || e.Prior() != flow.Prior() {
			t.Errorf("plan %v from %v, error %v: want %v from %v", got, e.Prior(), err, want, flow.Prior())
		}
	}
}

func TestBadEDM(t *testing.T) {
	good := EDM{Schedule: karras(t, 2, 1, 3), Churn: 1, ChurnMax: 1, Noise: 1}
	for field, spoil := range map[string]func(*EDM){
		"sigmas":    func(e *EDM) { e.Schedule = Schedule{} },
		"churn":     func(e *EDM) { e.Churn = -1 },
		"churn_min": func(e *EDM) { e.ChurnMin = math.NaN() },
		"churn_max": func(e *EDM) { e.ChurnMax = 0 },
		"noise":     func(e *EDM) { e.Noise = 0 },
	} {
		bad := good
		spoil(&bad)
		var f *FieldError
		if _, err := bad.Plan(); !errors.As(err, &f) || f.Field != field {
			t.Errorf("%+v: %v, want a FieldError of %s", bad, err, field)
		}
	}
}
