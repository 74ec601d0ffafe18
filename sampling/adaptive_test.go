package sampling

import (
	"context"
	"errors"
	"math"
	"slices"
	"sync/atomic"
	"testing"
)

func solved(t testing.TB) func(FlowResult, error) FlowResult {
	return func(r FlowResult, err error) FlowResult {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
}

// TestFlowTolerance decodes N(0, 1) data, whose flow is known, at three tolerances. The error follows the tolerance,
// and a smaller tolerance costs more evaluations.
func TestFlowTolerance(t *testing.T) {
	const n, dim = 40, 3
	r := FlowRequest{SigmaMax: 50, SigmaMin: 0.01, Dim: dim, N: n, Seed: 1}
	start := r.drawLatents()
	ratio, before := math.Sqrt((1+1e-4)/(1+2500)), 0
	for _, tolerance := range []float64{1e-3, 1e-5, 1e-7} {
		r.RTol, r.ATol = tolerance, tolerance
		got := solved(t)(FlowDecode(t.Context(), gaussian(1), r))
		for i, x := range got.X {
			if want := ratio * float64(start[i]); math.Abs(float64(x)-want) > 10*tolerance*(1+math.Abs(want)) {
				t.Errorf("tolerance %g: %g ends at %g, want %g", tolerance, start[i], x, want)
			}
		}
		if got.NFE[0] <= before || got.NFE[0] > 600 {
			t.Errorf("tolerance %g costs %d evaluations, the one before %d", tolerance, got.NFE[0], before)
		}
		before = got.NFE[0]
	}
}

// TestRK45Order takes steps of fixed length. Half the length divides the error of the fifth-order result by 32. The
// estimated error of a step falls as fast as the error of the fourth-order result, by 2^5.
func TestRK45Order(t *testing.T) {
	var errs, estimates []float64
	for _, steps := range []int{8, 16, 32} {
		r := FlowRequest{SigmaMax: 10, SigmaMin: 0.1, Dim: 1, N: 1, X: []float32{10}, RTol: 0, ATol: 1}
		p := newPath(&r, 0, r.SigmaMax, r.SigmaMin, nil)
		length, estimate := math.Log(100)/float64(steps), 0.0
		slope := func(stage int) {
			p.move(stage)
			s := math.Exp(p.u + dormandPrince.c[stage]*p.h) // in float64, where errors this small show
			p.slope[stage][0] = s * s * p.y[0] / (1 + s*s)
		}
		slope(0)
		for range steps {
			p.h = -length
			for stage := 1; stage < stages; stage++ {
				slope(stage)
			}
			estimate = max(estimate, p.excess(&r))
			p.accept()
		}
		errs = append(errs, math.Abs(p.x[0]-10*math.Sqrt(1.01/101)))
		estimates = append(estimates, estimate)
	}
	for i := range 2 {
		order, local := math.Log2(errs[i]/errs[i+1]), math.Log2(estimates[i]/estimates[i+1])
		if math.Abs(order-5) > 0.5 || math.Abs(local-5) > 0.5 {
			t.Errorf("errors %.3g have order %.2f and their estimates %.3g order %.2f, want 5 and 5",
				errs, order, estimates, local)
		}
	}
}

// TestFlowRoundTrip encodes samples of the ring and decodes them.
func TestFlowRoundTrip(t *testing.T) {
	ring, err := Ring(8, 5, 0.5, nil)
	if err != nil {
		t.Fatal(err)
	}
	r := FlowRequest{SigmaMax: 80, SigmaMin: 0.01, Dim: 2, N: 60, X: make([]float32, 120), RTol: 1e-6, ATol: 1e-6}
	for i := range r.N {
		ring.Sample(r.X[2*i:2*i+2], Noise{Seed: 4, Chain: uint64(i)})
	}
	there := r
	there.X = solved(t)(FlowEncode(t.Context(), ring, r)).X
	back := solved(t)(FlowDecode(t.Context(), ring, there))
	for i, x := range back.X {
		if math.Abs(float64(x-r.X[i])) > 3e-4 {
			t.Errorf("element %d is %g after encoding and decoding, was %g", i, x, r.X[i])
		}
	}
	// Once σ exceeds the distance of the mean, the flow moves a point by less than that distance. So the latents are
	// spread like the prior.
	if v := variance(there.X) / (80 * 80); math.Abs(v-1) > 0.5 {
		t.Errorf("latents have %.2f of the prior's variance", v)
	}
	there.Denoise = true
	denoised := solved(t)(FlowDecode(t.Context(), ring, there))
	score := make([]float32, 2*r.N)
	if err := ring.Score(t.Context(), score, back.X, slices.Repeat([]float32{0.01}, r.N)); err != nil {
		t.Fatal(err)
	}
	for i, x := range denoised.X {
		if want := float64(back.X[i]) + 1e-4*float64(score[i]); math.Abs(float64(x)-want) > 1e-6 {
			t.Errorf("element %d is %g denoised, want %g", i, x, want)
		}
	}
	if !slices.Equal(denoised.NFE, back.NFE) {
		t.Error("denoising cost evaluations")
	}
}

// TestFlowSamples draws from the prior and compares the weights of the modes with the mixture's.
func TestFlowSamples(t *testing.T) {
	const n = 2000
	m := TwoGaussians()
	got := solved(t)(FlowDecode(t.Context(), m, FlowRequest{SigmaMax: 1000, SigmaMin: 0.01, Dim: 2, N: n, Seed: 1,
		RTol: 1e-3, ATol: 1e-3}))
	if w := m.Shares(got.X)[0]; math.Abs(w-0.8) > 4.5*math.Sqrt(0.16/n) {
		t.Errorf("weight at (5,5) is %.4f, want 0.8 ± 0.04", w)
	}
	if v := spread(m, got.X); math.Abs(v-1) > 4.5/math.Sqrt(n) {
		t.Errorf("variance about the nearest mean is %.3f, want 1", v)
	}
}

// TestFlowChainsAreIndependent: the result of a chain does not depend on the other chains, although they finish at
// different times. Each chain is charged exactly the evaluations that were made for it.
func TestFlowChainsAreIndependent(t *testing.T) {
	m := TwoGaussians()
	var rows atomic.Int64
	counted := ModelFunc(func(ctx context.Context, dst, x, sigma []float32) error {
		rows.Add(int64(len(sigma)))
		return m.Score(ctx, dst, x, sigma)
	})
	r := FlowRequest{SigmaMax: 30, SigmaMin: 0.02, Dim: 2, N: runRows + 20, Seed: 9, FirstChain: 50, RTol: 1e-3,
		ATol: 1e-3}
	r.X = make([]float32, 2*r.N)
	for i := range r.N {
		m.Sample(r.X[2*i:2*i+2], r.noise(i))
	}
	crowd := solved(t)(FlowLogLikelihood(t.Context(), counted, r))
	var charged int64
	for _, nfe := range crowd.NFE {
		charged += int64(nfe)
	}
	if charged != rows.Load() {
		t.Errorf("chains were charged %d evaluations, the model made %d", charged, rows.Load())
	}
	if least, most := slices.Min(crowd.NFE), slices.Max(crowd.NFE); least == most {
		t.Errorf("all chains took %d evaluations: want different numbers, to test chains that finish early", least)
	}
	for _, i := range []int{0, 3, runRows - 1, runRows, r.N - 1} {
		alone := r
		alone.N, alone.X, alone.FirstChain = 1, r.X[2*i:2*i+2], r.FirstChain+uint64(i)
		got := solved(t)(FlowLogLikelihood(t.Context(), m, alone))
		if !slices.Equal(got.X, crowd.X[2*i:2*i+2]) || got.LogP[0] != crowd.LogP[i] || got.NFE[0] != crowd.NFE[i] {
			t.Errorf("chain %d alone: %+v, in a crowd %v %v %v",
				i, got, crowd.X[2*i:2*i+2], crowd.LogP[i], crowd.NFE[i])
		}
	}
}

func TestBadFlowRequest(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	type solver func(context.Context, Model, FlowRequest) (FlowResult, error)
	good := FlowRequest{SigmaMax: 10, SigmaMin: 0.1, Dim: 2, N: 1, X: []float32{1, 2}}
	change := func(f func(r *FlowRequest)) FlowRequest { r := good; f(&r); return r }
	for field, bad := range map[string][]FlowRequest{
		"sigma_min": {
			change(func(r *FlowRequest) { r.SigmaMin = 0 }),
			change(func(r *FlowRequest) { r.SigmaMin = nan }),
		},
		"sigma_max": {
			change(func(r *FlowRequest) { r.SigmaMax = 0.1 }),
			change(func(r *FlowRequest) { r.SigmaMax = inf }),
		},
		"dim":     {change(func(r *FlowRequest) { r.Dim = 0 })},
		"n":       {change(func(r *FlowRequest) { r.N = 0 }), change(func(r *FlowRequest) { r.N, r.X = -1, nil })},
		"x":       {change(func(r *FlowRequest) { r.X = r.X[:1] }), change(func(r *FlowRequest) { r.N = 2 })},
		"rtol":    {change(func(r *FlowRequest) { r.RTol = -1 }), change(func(r *FlowRequest) { r.RTol = nan })},
		"atol":    {change(func(r *FlowRequest) { r.ATol = inf })},
		"max_nfe": {change(func(r *FlowRequest) { r.MaxNFE = -1 })},
	} {
		for _, r := range bad {
			for _, solve := range []solver{FlowDecode, FlowEncode, FlowLogLikelihood} {
				var f *FieldError
				if _, err := solve(t.Context(), gaussian(1), r); !errors.As(err, &f) || f.Field != field {
					t.Errorf("%+v: %v, want a FieldError of %s", r, err, field)
				}
			}
		}
	}
	good.X = nil
	var f *FieldError
	if _, err := FlowEncode(t.Context(), gaussian(1), good); !errors.As(err, &f) || f.Field != "x" {
		t.Errorf("encoding nothing: %v, want a FieldError of x", err)
	}
}

// TestFlowFailures covers models that fail, that are not finite or that no step size can follow, and contexts that end.
func TestFlowFailures(t *testing.T) {
	r := FlowRequest{SigmaMax: 10, SigmaMin: 0.1, Dim: 2, N: 2, X: []float32{1, 2, 3, 4}}
	broken := errors.New("broken")
	failing := ModelFunc(func(context.Context, []float32, []float32, []float32) error { return broken })
	if _, err := FlowDecode(t.Context(), failing, r); !errors.Is(err, broken) {
		t.Errorf("with a broken model: %v", err)
	}
	hole := ModelFunc(func(ctx context.Context, dst, x, sigma []float32) error {
		err := gaussian(1).Score(ctx, dst, x, sigma)
		for i, s := range sigma {
			if s < 1 {
				dst[i*len(x)/len(sigma)] = float32(math.NaN())
			}
		}
		return err
	})
	if _, err := FlowDecode(t.Context(), hole, r); !errors.Is(err, ErrDiverged) {
		t.Errorf("with scores that are not numbers below σ = 1: %v, want ErrDiverged", err)
	}
	rough := ModelFunc(func(_ context.Context, dst, x, sigma []float32) error {
		for i := range dst {
			dst[i] = float32(math.Sin(1e6 * float64(sigma[i*len(sigma)/len(dst)])))
		}
		return nil
	})
	r.MaxNFE = 500
	if _, err := FlowDecode(t.Context(), rough, r); !errors.Is(err, ErrTolerance) {
		t.Errorf("with a score that nothing can follow: %v, want ErrTolerance", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := FlowEncode(ctx, gaussian(1), r); !errors.Is(err, context.Canceled) {
		t.Errorf("with a cancelled context: %v", err)
	}
}
