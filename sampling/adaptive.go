package sampling

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
)

// FlowRequest is a probability flow to solve with error control. The equation is the one of [ProbabilityFlow], with ln
// σ as time. The solver is the Dormand-Prince pair of orders 5 and 4. Every chain chooses its steps by its own error,
// so its result does not depend on other chains.
type FlowRequest struct {
	SigmaMax float64   // sigma of the latents, whose prior is N(0, SigmaMax²)
	SigmaMin float64   // sigma of the samples
	Dim      int       // elements in a chain
	N        int       // number of chains
	X        []float32 // N*Dim initial states, row-major; if nil, FlowDecode draws them from the prior
	Given    []float32 // the model's condition: one row for all chains, or one for each; nil for none

	// RTol and ATol bound the error of a step: the root mean square over a chain's elements of error/(ATol + RTol·|x|)
	// stays below 1. Zero means 1e-5, as in Song et al. (2021). Values below 1e-7 gain little, because scores are
	// float32.
	RTol, ATol float64

	// MaxNFE is the number of score evaluations that a chain may spend. Zero means 100,000.
	MaxNFE int

	// Denoise makes FlowDecode end with x + σ²·s(x, σ) at SigmaMin. It costs no evaluation, because that score is
	// already known.
	Denoise bool

	// Exact makes FlowLogLikelihood probe every axis and sum all second derivatives, instead of using Hutchinson's
	// unbiased estimate of the sum. Each point then costs 2·Dim+1 evaluations instead of 3.
	Exact bool

	Seed       uint64 // seed of the chains' noise
	FirstChain uint64 // index of the first chain
}

// FlowResult is the result for each chain.
type FlowResult struct {
	X    []float32 // N*Dim states, row-major
	LogP []float64 // N log densities in nats, from FlowLogLikelihood only
	NFE  []int     // N numbers of score evaluations
}

// ErrTolerance is wrapped by the error for a chain that cannot meet its tolerance within MaxNFE evaluations.
var ErrTolerance = errors.New("tolerance not met")

// FlowDecode takes states from SigmaMax to SigmaMin: it turns latents into samples. On failure there is no result. The
// error is a [FieldError], the model's error, ctx's error, or an error that names the row, counted from 0, and wraps
// [ErrDiverged] or [ErrTolerance].
func FlowDecode(ctx context.Context, m Model, r FlowRequest) (FlowResult, error) {
	if r.X == nil {
		r.X = r.drawLatents()
	}
	return r.solve(ctx, m, r.SigmaMax, r.SigmaMin, nil)
}

// FlowEncode takes states from SigmaMin to SigmaMax: it turns samples into latents. It is the inverse of [FlowDecode]
// without Denoise and returns the same errors.
func FlowEncode(ctx context.Context, m Model, r FlowRequest) (FlowResult, error) {
	r.Denoise = false
	return r.solve(ctx, m, r.SigmaMin, r.SigmaMax, nil)
}

// FlowLogLikelihood encodes states. With the latents it returns the log density of the states in the model's
// distribution with noise SigmaMin (Song et al. 2021, appendix D.2). With f = -σ²·s the slope in ln σ,
//
//	log p(x) = log N(x(σ_max); 0, σ_max²) + ∫ ∇·f d ln σ
//
// The divergence ∇·f is estimated by eᵀ(∂f/∂x)e (Hutchinson 1989). A chain uses one e of random signs for its whole
// path. The signs depend only on Seed and the chain's index, and the estimate is unbiased over seeds. A [Model] has no
// derivatives, so the product is the central difference of two more scores, at x ± e·σ/64. On samples of two Gaussians
// the error of ∇·f, which is -Dim where σ is large, is at most 0.0005·Dim. The same holds with scores that are only
// accurate to 1e-6.
//
// The latents are assumed to have exactly the prior's distribution. For data with mean μ and variance v this moves log
// p by about |μ|/σ_max and √Dim·v/σ_max², in either direction.
//
// FlowLogLikelihood returns the same errors as [FlowDecode].
func FlowLogLikelihood(ctx context.Context, m Model, r FlowRequest) (FlowResult, error) {
	r.Denoise = false
	probe := signs
	if r.Exact {
		probe = axes()
	}
	result, err := r.solve(ctx, m, r.SigmaMin, r.SigmaMax, probe)
	if err != nil {
		return FlowResult{}, err
	}
	for i := range result.LogP {
		z := norm(result.X[i*r.Dim:(i+1)*r.Dim]) / r.SigmaMax
		result.LogP[i] -= float64(r.Dim)/2*math.Log(2*math.Pi*r.SigmaMax*r.SigmaMax) + z*z/2
	}
	return result, nil
}

// drawLatents draws the initial states from the prior. It returns nil if N or Dim is out of range, which solve reports.
func (r FlowRequest) drawLatents() []float32 {
	if r.N < 1 || r.Dim < 1 {
		return nil
	}
	x, prior := make([]float32, r.N*r.Dim), Prior{Kind: PriorNormal, Std: r.SigmaMax}
	for i := range r.N {
		prior.Draw(x[i*r.Dim:(i+1)*r.Dim], r.noise(i))
	}
	return x
}

func (r FlowRequest) noise(i int) Noise { return Noise{Seed: r.Seed, Chain: r.FirstChain + uint64(i)} }

// Validate returns a [FieldError] for the first field that is out of range.
func (r FlowRequest) Validate() error {
	switch {
	case !finite(r.SigmaMin) || r.SigmaMin <= 0:
		return fieldError("sigma_min", r.SigmaMin)
	case !finite(r.SigmaMax) || r.SigmaMax <= r.SigmaMin:
		return &FieldError{Field: "sigma_max", Given: r.SigmaMax, Want: "a finite number above sigma_min"}
	case r.Dim < 1:
		return &FieldError{Field: "dim", Given: r.Dim, Want: "at least 1"}
	case r.N < 1:
		return &FieldError{Field: "n", Given: r.N, Want: "at least 1"}
	case len(r.X) != r.N*r.Dim:
		return &FieldError{
			Field: "x", Given: fmt.Sprint(len(r.X), " elements"), Want: fmt.Sprintf("%d chains of %d", r.N, r.Dim),
		}
	case !finite(r.RTol) || r.RTol < 0:
		return fieldError("rtol", r.RTol)
	case !finite(r.ATol) || r.ATol < 0:
		return fieldError("atol", r.ATol)
	case r.MaxNFE < 0:
		return &FieldError{Field: "max_nfe", Given: r.MaxNFE, Want: "at least 1, or 0 for the default"}
	}
	return nil
}

// solve integrates all chains from one sigma to another. If probe is not nil, it also puts the integral of the
// divergence into LogP.
func (r FlowRequest) solve(ctx context.Context, m Model, from, to float64, probe probes) (FlowResult, error) {
	if err := cmp.Or(r.Validate(), CheckGiven(m, r.Given, r.N)); err != nil {
		return FlowResult{}, err
	}
	r.RTol, r.ATol, r.MaxNFE = cmp.Or(r.RTol, 1e-5), cmp.Or(r.ATol, 1e-5), cmp.Or(r.MaxNFE, 100_000)
	result := FlowResult{X: make([]float32, r.N*r.Dim), NFE: make([]int, r.N)}
	if probe != nil {
		result.LogP = make([]float64, r.N)
	}
	for first := 0; first < r.N; first += runRows {
		s := solver{model: m, request: &r, result: &result}
		for i := first; i < min(first+runRows, r.N); i++ {
			p := newPath(&r, i, from, to, probe)
			p.given = GivenAt(WidthOf(m), r.Given, i)
			s.live = append(s.live, p)
		}
		if err := s.run(ctx); err != nil {
			return FlowResult{}, err
		}
	}
	return result, nil
}

// solver advances several paths together. At every stage of their steps it calls the model once for all of them. Each
// path has its own σ and step length. Paths that have arrived leave.
type solver struct {
	model   Model
	request *FlowRequest
	result  *FlowResult
	live    []*path

	x, sigma, score, given []float32
}

func (s *solver) run(ctx context.Context) error {
	if err := s.evaluate(ctx, 0); err != nil {
		return err
	}
	for len(s.live) > 0 {
		for stage := 1; stage < stages; stage++ {
			if err := s.evaluate(ctx, stage); err != nil {
				return err
			}
		}
		if err := s.advance(); err != nil {
			return err
		}
	}
	return nil
}

// evaluate computes the slopes of all paths at one stage of their steps.
func (s *solver) evaluate(ctx context.Context, stage int) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.x, s.sigma, s.given = s.x[:0], s.sigma[:0], s.given[:0]
	for _, p := range s.live {
		p.move(stage)
		s.x, s.sigma = p.appendRows(s.x, s.sigma, stage)
		for range p.rows() {
			s.given = append(s.given, p.given...)
		}
	}
	s.score = slices.Grow(s.score[:0], len(s.x))[:len(s.x)]
	if err := ScoreGiven(ctx, s.model, s.score, s.x, s.sigma, s.given); err != nil {
		return fmt.Errorf("probability flow: %w", err)
	}
	x, score := s.x, s.score
	for _, p := range s.live {
		n := p.rows() * s.request.Dim
		p.record(x[:n], score[:n], stage)
		x, score = x[n:], score[n:]
	}
	return nil
}

// advance ends the step of every path and removes the paths that have arrived.
func (s *solver) advance() error {
	running := s.live[:0]
	for _, p := range s.live {
		done, err := p.advance(s.request)
		switch {
		case err != nil:
			return fmt.Errorf("row %d at sigma %.4g after %d evaluations: %w",
				p.noise.Chain-s.request.FirstChain, math.Exp(p.u), p.nfe, err)
		case done:
			p.store(s.result, s.request.Denoise)
		default:
			running = append(running, p)
		}
	}
	s.live = running
	return nil
}
