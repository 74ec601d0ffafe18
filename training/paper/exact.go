package paper

import (
	"context"
	"fmt"
	"math"

	"github.com/langevin-ml/langevin/sampling"
	"github.com/langevin-ml/langevin/training/eval"
)

// run is one sampler with an exact score, and the expected ends of its chains.
type run struct {
	name    string
	mixture sampling.Mixture
	blurred bool // use the score of the data with noise sigma instead of components of width sigma
	plan    func() (sampling.Plan, error)
	corner  bool // start chains in [6, 8]² instead of all over the square
	source  string

	// These are for chains that follow a sum of scores. Then mixture is what they should draw from.
	model sampling.Model // with the first score of the sum; nil: the mixture
	sum   *sampling.Sum
	start *sampling.Prior
	seed  uint64 // added to the seed of the experiments

	expected
}

// expected has the expected findings of a run. The reference values also come from a finite number of chains.
type expected struct {
	weights    []float64 // of the modes; nil: not compared
	others     []float64 // the smallest and the largest weight of all but the first
	variance   float64   // per axis about the nearest mean, in the units of the square; 0: not compared
	wide       bool      // the variance has heavy tails, because chains have not mixed
	hole       float64   // share of samples with a radius below 2
	checksHole bool
}

const referenceChains = 20_000 // the smallest number of chains for the reference values

// outcome has the findings of a run.
type outcome struct {
	run
	samples  eval.Rows
	weights  []float64
	variance float64
	hole     float64
}

// bound is half the side of the square in which chains start, and which figures show.
const bound = 8

func (r run) prior() sampling.Prior {
	if r.start != nil {
		return *r.start
	}
	if r.corner {
		return sampling.Prior{Kind: sampling.PriorUniform, Low: 6, High: bound}
	}
	return sampling.Prior{Kind: sampling.PriorUniform, Low: -bound, High: bound}
}

// draw runs n chains with the scores of a model.
func (r run) draw(ctx context.Context, model sampling.Model, n int, seed uint64) (eval.Rows, error) {
	plan, err := r.plan()
	if err != nil {
		return eval.Rows{}, fmt.Errorf("%s: %w", r.name, err)
	}
	x, err := sampling.Run(ctx, model,
		sampling.Request{Plan: plan, Prior: r.prior(), Dim: r.mixture.Dim(), Seed: seed + r.seed, N: n,
			Sum: r.sum})
	if err != nil {
		return eval.Rows{}, fmt.Errorf("%s: %w", r.name, err)
	}
	return eval.Rows{X: x, Dim: r.mixture.Dim()}, nil
}

// sample runs n chains with exact scores, or with those of its model, and measures their ends.
func (r run) sample(ctx context.Context, n int, seed uint64) (outcome, error) {
	switch {
	case r.model != nil:
		return r.sampleBy(ctx, r.model, n, seed)
	case r.blurred:
		return r.sampleBy(ctx, r.mixture, n, seed)
	}
	return r.sampleBy(ctx, r.mixture.Annealed(), n, seed)
}

// sampleBy is sample with the scores of a model.
func (r run) sampleBy(ctx context.Context, model sampling.Model, n int, seed uint64) (outcome, error) {
	x, err := r.draw(ctx, model, n, seed)
	if err != nil {
		return outcome{}, err
	}
	modes, err := eval.Modes(r.mixture, x)
	if err != nil {
		return outcome{}, fmt.Errorf("%s: %w", r.name, err)
	}
	return outcome{r, x, modes.Weights, modes.Variance * r.mixture.Std * r.mixture.Std, hole(x)}, nil
}

// hole returns the share of points with a radius below 2.
func hole(x eval.Rows) float64 {
	inside := 0
	for i := range x.Len() {
		if row := x.Row(i); math.Hypot(float64(row[0]), float64(row[1])) < 2 {
			inside++
		}
	}
	return float64(inside) / float64(x.Len())
}

// shareTolerance returns four standard errors of the difference between a share among n chains and the reference.
func shareTolerance(share float64, n int) float64 {
	share = min(0.5, max(share, 0.001))
	return 4 * math.Sqrt(share*(1-share)*(1/float64(n)+1./referenceChains))
}

// findings compares the outcome with the expected one.
func (o outcome) findings() []Finding {
	n := o.samples.Len()
	var all []Finding
	share := func(quantity string, value, want float64) {
		all = append(all, Near(o.name, quantity, value, want, shareTolerance(want, n), o.source))
	}
	for k, want := range o.expected.weights {
		share("weight of mode "+meanText(o.mixture.Means[k]), o.weights[k], want)
	}
	if o.others != nil {
		low, high := math.Inf(1), 0.
		for _, w := range o.weights[1:] {
			low, high = min(low, w), max(high, w)
		}
		share("smallest weight of the other modes", low, o.others[0])
		share("largest weight of the other modes", high, o.others[1])
	}
	if want := o.expected.variance; want > 0 {
		relative := 4 * math.Sqrt(1/float64(n)+1./referenceChains)
		if o.wide {
			relative = max(0.1, 2*relative)
		}
		all = append(all,
			Near(o.name, "variance about the nearest mean", o.variance, want, max(relative*want, 0.0005), o.source))
	}
	if o.checksHole {
		share("share inside the ring, radius below 2", o.hole, o.expected.hole)
	}
	return all
}

func meanText(mean []float64) string {
	return fmt.Sprintf("(%.3g, %.3g)", mean[0]+0, mean[1]+0)
}

// annealed returns annealed Langevin dynamics for the paper's ε. In the paper's half-step convention, ε is twice the
// step size here.
func annealed(
	schedule func() (sampling.Schedule, error), steps int, epsilon float64, denoise bool,
) func() (sampling.Plan, error) {
	return func() (sampling.Plan, error) {
		s, err := schedule()
		if err != nil {
			return nil, err
		}
		return sampling.AnnealedLangevin{Schedule: s, StepsPerLevel: steps, StepLR: epsilon / 2,
			Denoise: denoise}.Plan()
	}
}

func geometric(first, last float64, levels int) func() (sampling.Schedule, error) {
	return func() (sampling.Schedule, error) { return sampling.Geometric(first, last, levels) }
}

func linear(first, last float64, levels int) func() (sampling.Schedule, error) {
	return func() (sampling.Schedule, error) { return sampling.Linear(first, last, levels) }
}

// plain returns Langevin dynamics of 1,000 steps on components of width std, also for the paper's ε.
func plain(std, epsilon float64) func() (sampling.Plan, error) {
	return func() (sampling.Plan, error) {
		return sampling.Langevin{Sigma: std, Steps: 1000, StepSize: epsilon / 2}.Plan()
	}
}
