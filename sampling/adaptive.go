package sampling

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
)

// FlowRequest is a probability flow to be solved with error control: the equation of [ProbabilityFlow] by the pair
// of Dormand and Prince of orders 5 and 4, in ln σ as time. Every chain chooses its own steps by its own error, so
// what becomes of it does not depend on its company.
type FlowRequest struct {
	SigmaMax float64   // where the prior N(0, SigmaMax²) holds
	SigmaMin float64   // where the data are
	Dim      int       // elements of one chain
	N        int       // chains
	X        []float32 // N*Dim states to start from, row-major; nil lets FlowDecode draw them from the prior

	// RTol and ATol bound the error of a step: the root mean square over a chain's elements of
	// error/(ATol + RTol·|x|) stays below 1. 1e-5 if zero, as in Song et al. (2021). Scores in float32 leave little to
	// be gained below 1e-7.
	RTol, ATol float64

	// MaxNFE is how many score evaluations a chain may spend; 100,000 if zero.
	MaxNFE int

	// Denoise ends FlowDecode with x + σ²·s(x, σ) at SigmaMin, for which the score is already known.
	Denoise bool

	// Exact makes FlowLogLikelihood probe every axis, for 2·Dim+1 evaluations at a time in place of 3: the sum of
	// all second derivatives, not Hutchinson's unbiased estimate of it.
	Exact bool

	Seed       uint64 // of the chains' noise
	FirstChain uint64 // index of the first chain
}

// FlowResult is what a solve came to, chain by chain.
type FlowResult struct {
	X    []float32 // N*Dim states, row-major
	LogP []float64 // from FlowLogLikelihood: N log densities, in nats
	NFE  []int     // score evaluations that each chain spent
}

// ErrTolerance is wrapped by the error of a chain that cannot meet its tolerance within MaxNFE evaluations.
var ErrTolerance = errors.New("tolerance not met")

// FlowDecode takes states from SigmaMax to SigmaMin: latents to samples. It returns a [FieldError], the model's
// error, ctx's, or one that names the chain and wraps [ErrDiverged] or [ErrTolerance]; then there is no result.
func FlowDecode(ctx context.Context, m Model, r FlowRequest) (FlowResult, error) {
	if r.X == nil {
		r.X = r.draw()
	}
	return r.solve(ctx, m, r.SigmaMax, r.SigmaMin, nil)
}

// FlowEncode takes states from SigmaMin to SigmaMax: samples to latents, the inverse of [FlowDecode] without
// Denoise. Errors are those of FlowDecode.
func FlowEncode(ctx context.Context, m Model, r FlowRequest) (FlowResult, error) {
	r.Denoise = false
	return r.solve(ctx, m, r.SigmaMin, r.SigmaMax, nil)
}

// FlowLogLikelihood encodes states and returns with the latents the log density that the model gives them, of the
// data blurred by SigmaMin (Song et al. 2021, appendix D.2). With f = -σ²·s the slope in ln σ,
//
//	log p(x) = log N(x(σ_max); 0, σ_max²) + ∫ ∇·f d ln σ
//
// The divergence ∇·f is estimated by eᵀ(∂f/∂x)e with one e for a chain's whole path, of random signs (Hutchinson
// 1989) that depend on Seed and the chain's index alone; it is unbiased over seeds. The product is the central
// difference of two more scores, at x ± e·σ/64, since a [Model] has no derivatives. On samples of two Gaussians that
// puts ∇·f, which is -Dim where σ is large, off by at most 0.0005·Dim, also with scores that are only good to 1e-6.
//
// The prior is taken at its word: data of mean μ and variance v beside it move log p by about |μ|/σ_max and
// √Dim·v/σ_max², up or down.
// Errors are those of FlowDecode.
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

// draw returns latents from the prior.
func (r FlowRequest) draw() []float32 {
	if r.N < 1 || r.Dim < 1 {
		return nil // solve says so
	}
	x, prior := make([]float32, r.N*r.Dim), Prior{Kind: PriorNormal, Std: r.SigmaMax}
	for i := range r.N {
		prior.Draw(x[i*r.Dim:(i+1)*r.Dim], r.noise(i))
	}
	return x
}

func (r FlowRequest) noise(i int) Noise { return Noise{Seed: r.Seed, Chain: r.FirstChain + uint64(i)} }

// Validate returns a [FieldError] for the first setting of r out of range.
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
		return &FieldError{Field: "x", Given: fmt.Sprint(len(r.X), " elements"), Want: fmt.Sprintf("%d chains of %d", r.N, r.Dim)}
	case !finite(r.RTol) || r.RTol < 0:
		return fieldError("rtol", r.RTol)
	case !finite(r.ATol) || r.ATol < 0:
		return fieldError("atol", r.ATol)
	case r.MaxNFE < 0:
		return &FieldError{Field: "max_nfe", Given: r.MaxNFE, Want: "at least 1, or 0 for the default"}
	}
	return nil
}

// solve integrates all chains between two sigmas, with the integral of the divergence in LogP if probes are given.
func (r FlowRequest) solve(ctx context.Context, m Model, from, to float64, probe probes) (FlowResult, error) {
	if err := r.Validate(); err != nil {
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
			s.live = append(s.live, newPath(&r, i, from, to, probe))
		}
		if err := s.run(ctx); err != nil {
			return FlowResult{}, err
		}
	}
	return result, nil
}

// solver advances paths together: at every stage of their steps, one call of the model for all. Each has its own σ
// and step; those that are done leave.
type solver struct {
	model   Model
	request *FlowRequest
	result  *FlowResult
	live    []*path

	x, sigma, score []float32
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

// evaluate finds the slopes of all paths at one stage of their steps.
func (s *solver) evaluate(ctx context.Context, stage int) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.x, s.sigma = s.x[:0], s.sigma[:0]
	for _, p := range s.live {
		p.move(stage)
		s.x, s.sigma = p.ask(s.x, s.sigma, stage)
	}
	s.score = slices.Grow(s.score[:0], len(s.x))[:len(s.x)]
	if err := s.model.Score(ctx, s.score, s.x, s.sigma); err != nil {
		return fmt.Errorf("probability flow: %w", err)
	}
	x, score := s.x, s.score
	for _, p := range s.live {
		n := p.rows() * s.request.Dim
		p.answer(x[:n], score[:n], stage)
		x, score = x[n:], score[n:]
	}
	return nil
}

// advance ends the step of every path and lets go of those that have arrived.
func (s *solver) advance() error {
	running := s.live[:0]
	for _, p := range s.live {
		done, err := p.advance(s.request)
		switch {
		case err != nil:
			return fmt.Errorf("chain %d at sigma %.4g after %d evaluations: %w", p.noise.Chain, math.Exp(p.u), p.nfe, err)
		case done:
			p.store(s.result, s.request.Denoise)
		default:
			running = append(running, p)
		}
	}
	s.live = running
	return nil
}
