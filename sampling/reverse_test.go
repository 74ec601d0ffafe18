package sampling

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"
)

// sdeSolver is SDE-DPM-Solver++ of Lu et al. (2022, appendix A: first order, or 2M) as the paper writes it, with
// α = 1 and λ = -ln σ, in float64 on one row of data N(0, v). noise returns that of step i.
func sdeSolver(sigmas []float64, order int, v, x float64, noise func(i int) float64) float64 {
	lambda := func(i int) float64 { return -math.Log(sigmas[i]) }
	var before float64
	for i := range len(sigmas) - 1 {
		h := lambda(i+1) - lambda(i)
		data := x * v / (v + sigmas[i]*sigmas[i])
		d := data
		if i > 0 && order == 2 {
			r := (lambda(i) - lambda(i-1)) / h
			d = (1+1/(2*r))*data - before/(2*r)
		}
		x = sigmas[i+1]/sigmas[i]*math.Exp(-h)*x + (1-math.Exp(-2*h))*d +
			sigmas[i+1]*math.Sqrt(1-math.Exp(-2*h))*noise(i)
		before = data
	}
	return x
}

// eulerAncestral is the ancestral sampler with σ_up and σ_down, as k-diffusion writes it.
func eulerAncestral(sigmas []float64, v, x float64, noise func(i int) float64) float64 {
	for i := range len(sigmas) - 1 {
		from2, to2 := sigmas[i]*sigmas[i], sigmas[i+1]*sigmas[i+1]
		up := math.Sqrt(to2 * (from2 - to2) / from2)
		down := math.Sqrt(to2 - up*up)
		slope := (x - x*v/(v+from2)) / sigmas[i]
		x += slope*(down-sigmas[i]) + up*noise(i)
	}
	return x
}

// TestReverseAlgorithms compares chains with the published algorithms on the same noise.
func TestReverseAlgorithms(t *testing.T) {
	const v, seed = 2.25, 5
	sigmas := karras(t, 20, 0.02, 15)
	for name, test := range map[string]struct {
		method ReverseMethod
		want   func(x float64, noise func(i int) float64) float64
	}{
		"Euler ancestral": {ReverseEuler, func(x float64, noise func(i int) float64) float64 {
			return eulerAncestral(sigmas.Sigmas(), v, x, noise)
		}},
		"SDE-DPM-Solver++1": {ReverseEuler, func(x float64, noise func(i int) float64) float64 {
			return sdeSolver(sigmas.Sigmas(), 1, v, x, noise)
		}},
		"SDE-DPM-Solver++(2M)": {ReverseMultistep, func(x float64, noise func(i int) float64) float64 {
			return sdeSolver(sigmas.Sigmas(), 2, v, x, noise)
		}},
	} {
		plan, err := ReverseSDE{Schedule: sigmas, Method: test.method, Eta: 1, Noise: 1}.Plan()
		start := []float32{20, -3, 0.5}
		got := mustRun(t, gaussian(v), plan, err, Request{Dim: 1, N: 3, Seed: seed, Start: slices.Clone(start)})
		for chain, x := range got {
			want := test.want(float64(start[chain]), func(i int) float64 {
				z := make([]float32, 1)
				Noise{Seed: seed, Chain: uint64(chain)}.Normal(z, uint32(i))
				return float64(z[0])
			})
			if math.Abs(float64(x)-want) > 1e-4*max(1, math.Abs(want)) {
				t.Errorf("%s: chain %d ends at %g, the algorithm at %g", name, chain, x, want)
			}
		}
	}
}

// TestReverseOrders halves the steps on N(0, 1) data. The process with η multiplies the mean by
// ((1 + σ_L²)/(1 + σ_1²))^((1+η)/2) and keeps the variance at 1 + σ². With η = 1 every step of Euler's rule has the
// exact mean on this data, so there is no order to see.
func TestReverseOrders(t *testing.T) {
	const first, last = 10, 0.01
	for _, eta := range []float64{0, 0.5, 1, 2} {
		for method, order := range map[ReverseMethod]float64{ReverseEuler: 1, ReverseMultistep: 2} {
			var means, variances []float64
			for _, steps := range []int{80, 160, 320} {
				p := ReverseSDE{Schedule: karras(t, first, last, steps+1), Method: method, Eta: eta, Noise: 1}
				plan, err := p.Plan()
				if err != nil || plan.NFE() != steps {
					t.Fatalf("%v: %d steps spend %d evaluations, error %v", method, steps, plan.NFE(), err)
				}
				mean := math.Pow((1+last*last)/(1+first*first), (1+eta)/2)
				means = append(means, math.Abs(follow(plan, 1, 1)/mean-1))
				start := math.Hypot(p.Prior().Std, 1) // the prior takes the data to be a point
				variances = append(variances, math.Abs(varianceAlong(plan, start, 1)/(1+last*last)-1))
			}
			checkOrder(t, fmt.Sprintf("%v, eta %g: variance", method, eta), variances, order)
			if eta != 1 {
				checkOrder(t, fmt.Sprintf("%v, eta %g: mean", method, eta), means, order)
			} else if means[0] > 1e-5 {
				t.Errorf("%v, eta 1: the mean is off by %g", method, means[0])
			}
		}
	}
}

// checkOrder compares the order that errors show, each of half the step of the one before, with the one expected.
func checkOrder(t *testing.T, of string, errs []float64, order float64) {
	t.Helper()
	for i := range len(errs) - 1 {
		if slope := math.Log2(errs[i] / errs[i+1]); math.Abs(slope-order) > 0.2 {
			t.Errorf("%s: errors %.3g give order %.2f, want %g", of, errs, slope, order)
		}
	}
}

// TestReverseWithoutNoise: with η = 0 it is the probability flow. Rounding may differ in the last bit.
func TestReverseWithoutNoise(t *testing.T) {
	schedule := karras(t, 20, 0.05, 9)
	for method, flow := range map[ReverseMethod]FlowMethod{ReverseEuler: FlowEuler, ReverseMultistep: FlowMultistep} {
		p := ReverseSDE{Schedule: schedule, Method: method, Noise: 1, Denoise: true}
		f := ProbabilityFlow{Schedule: schedule, Method: flow, Denoise: true}
		got, err1 := p.Plan()
		want, err2 := f.Plan()
		if err := errors.Join(err1, err2); err != nil || got.UsesNoise() || len(got) != len(want) ||
			p.Prior() != f.Prior() {
			t.Fatalf("%v: plan %v from %v, error %v: want %v from %v", method, got, p.Prior(), err, want, f.Prior())
		}
		for _, v := range []float64{0.1, 1, 5} {
			if x, flows := follow(got, 3, v), follow(want, 3, v); math.Abs(x/flows-1) > 1e-6 {
				t.Errorf("%v: 3 goes to %g, with the flow to %g", method, x, flows)
			}
		}
	}
}

// TestReverseWeights draws the two-Gaussian mixture from a prior so wide that the mean of the data does not matter.
func TestReverseWeights(t *testing.T) {
	t.Parallel()
	const n = 2000
	m := TwoGaussians()
	for _, p := range []ReverseSDE{
		{Method: ReverseEuler, Eta: 1, Schedule: karras(t, 1000, 0.01, 200)},
		{Method: ReverseMultistep, Eta: 1, Schedule: karras(t, 1000, 0.01, 60)},
		{Method: ReverseMultistep, Eta: 2, Schedule: karras(t, 1000, 0.01, 90)},
	} {
		p.Noise, p.Denoise = 1, true
		plan, err := p.Plan()
		x := mustRun(t, m, plan, err, Request{Prior: p.Prior(), N: n, Seed: 7})
		if w, tolerance := m.Shares(x)[0], 4.5*math.Sqrt(0.16/n); math.Abs(w-0.8) > tolerance {
			t.Errorf("%v, eta %g: weight at (5,5) is %.4f, want 0.8 ± %.3f", p.Method, p.Eta, w, tolerance)
		}
		if v := spread(m, x); math.Abs(v-1) > 4.5/math.Sqrt(n) {
			t.Errorf("%v, eta %g: variance about the nearest mean is %.3f, want 1", p.Method, p.Eta, v)
		}
	}
}

func TestBadReverseSDE(t *testing.T) {
	good := ReverseSDE{Schedule: karras(t, 2, 1, 3), Eta: 1, Noise: 1}
	for field, spoil := range map[string]func(*ReverseSDE){
		"sigmas": func(p *ReverseSDE) { p.Schedule = Schedule{} },
		"method": func(p *ReverseSDE) { p.Method = 2 },
		"eta":    func(p *ReverseSDE) { p.Eta = math.Inf(1) },
		"noise":  func(p *ReverseSDE) { p.Noise = math.NaN() },
	} {
		bad := good
		spoil(&bad)
		var f *FieldError
		if _, err := bad.Plan(); !errors.As(err, &f) || f.Field != field {
			t.Errorf("%+v: %v, want a FieldError of %s", bad, err, field)
		}
	}
}
