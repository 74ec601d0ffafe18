package sampling

import (
	"errors"
	"math"
	"testing"
)

func karras(t testing.TB, first, last float64, levels int) Schedule {
	t.Helper()
	s, err := Karras(first, last, levels, 7)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// follow moves one number along a plan without noise, on N(0, v) data, in float64.
func follow(plan Plan, x, v float64) float64 {
	var h float64
	for _, s := range plan {
		score := -x / (v + float64(s.Sigma)*float64(s.Sigma))
		next := float64(s.X)*x + float64(s.A)*score + float64(s.G)*h
		if s.history() {
			h = float64(s.H)*h + float64(s.F)*score + float64(s.E)*x
		}
		x = next
	}
	return x
}

// TestFlowOrders halves the steps on N(0, 1) data, whose flow is known: x(σ) is proportional to √(1 + σ²).
func TestFlowOrders(t *testing.T) {
	const first, last = 10, 0.01
	want := math.Sqrt((1 + last*last) / (1 + first*first))
	for _, test := range []struct {
		method FlowMethod
		order  float64
		nfe    int // at 80 steps
	}{{FlowEuler, 1, 80}, {FlowHeun, 2, 160}, {FlowMultistep, 2, 80}} {
		var errs []float64
		for _, steps := range []int{20, 40, 80} {
			plan, err := ProbabilityFlow{Schedule: karras(t, first, last, steps+1), Method: test.method}.Plan()
			if err != nil {
				t.Fatal(err)
			}
			errs = append(errs, math.Abs(follow(plan, 1, 1)/want-1))
			if steps == 80 && plan.NFE() != test.nfe {
				t.Errorf("%v spends %d evaluations, want %d", test.method, plan.NFE(), test.nfe)
			}
		}
		for i := range 2 {
			if slope := math.Log2(errs[i] / errs[i+1]); math.Abs(slope-test.order) > 0.2 {
				t.Errorf("%v: errors %.3g give order %.2f, want %g", test.method, errs, slope, test.order)
			}
		}
	}
}

// TestFlowRuns compares chains in float32 with the exact flow, and the last step to σ = 0 with the posterior mean.
func TestFlowRuns(t *testing.T) {
	const first, last, v = 20, 0.05, 2.25
	start := []float32{20, -3, 0.5, 41, 7, -19}
	for _, method := range []FlowMethod{FlowEuler, FlowHeun, FlowMultistep} {
		for _, denoise := range []bool{false, true} {
			plan, err := ProbabilityFlow{Schedule: karras(t, first, last, 400), Method: method, Denoise: denoise}.Plan()
			got := mustRun(t, gaussian(v), plan, err, Request{Dim: 3, N: 2, Start: start})
			ratio := math.Sqrt((v + last*last) / (v + first*first))
			if denoise {
				ratio *= v / (v + last*last)
			}
			tolerance := 1e-4
			if method == FlowEuler {
				tolerance = 1e-2
			}
			for i, x := range got {
				if want := ratio * float64(start[i]); math.Abs(float64(x)/want-1) > tolerance {
					t.Errorf("%v, denoise %v: %g ends at %g, want %g", method, denoise, start[i], x, want)
				}
			}
		}
	}
}

// TestMultistepBeatsEuler: with the same number of evaluations on the ring, the two-step rule ends much closer to the
// exact end of the flow.
func TestMultistepBeatsEuler(t *testing.T) {
	ring, err := Ring(8, 5, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	end := func(method FlowMethod, levels int) []float32 {
		p := ProbabilityFlow{Schedule: karras(t, 80, 0.01, levels), Method: method}
		plan, err := p.Plan()
		return mustRun(t, ring, plan, err, Request{Prior: p.Prior(), N: 50, Seed: 2})
	}
	exact, off := end(FlowHeun, 600), map[FlowMethod]float64{}
	for _, method := range []FlowMethod{FlowEuler, FlowMultistep} {
		for i, x := range end(method, 31) {
			off[method] += math.Abs(float64(x-exact[i])) / 100
		}
	}
	if off[FlowMultistep] > off[FlowEuler]/4 || off[FlowMultistep] > 0.1 {
		t.Errorf("multistep ends %.4f off on average, Euler %.4f", off[FlowMultistep], off[FlowEuler])
	}
}

// TestFlowWeights draws the two-Gaussian mixture from a prior so wide that the mean of the data does not matter.
func TestFlowWeights(t *testing.T) {
	const n = 4000
	m := TwoGaussians()
	for _, method := range []FlowMethod{FlowHeun, FlowMultistep} {
		p := ProbabilityFlow{Schedule: karras(t, 1000, 0.01, 60), Method: method, Denoise: true}
		plan, err := p.Plan()
		x := mustRun(t, m, plan, err, Request{Prior: p.Prior(), N: n, Seed: 7})
		if w, tolerance := m.Shares(x)[0], 4.5*math.Sqrt(0.16/n); math.Abs(w-0.8) > tolerance {
			t.Errorf("%v: weight at (5,5) is %.4f, want 0.8 ± %.3f", method, w, tolerance)
		}
		if v := spread(m, x); math.Abs(v-1) > 4.5/math.Sqrt(n) {
			t.Errorf("%v: variance about the nearest mean is %.3f, want 1", method, v)
		}
	}
}

func TestBadFlow(t *testing.T) {
	one, err := NewSchedule(1)
	if err != nil {
		t.Fatal(err)
	}
	for field, bad := range map[string][]ProbabilityFlow{
		"sigmas": {{}, {Schedule: one}, {Schedule: one, Denoise: true}},
		"method": {{Schedule: karras(t, 2, 1, 3), Method: 3}, {Schedule: karras(t, 2, 1, 3), Method: -1}},
	} {
		for _, p := range bad {
			var f *FieldError
			if _, err := p.Plan(); !errors.As(err, &f) || f.Field != field {
				t.Errorf("%+v: %v, want a FieldError of %s", p, err, field)
			}
		}
	}
}
