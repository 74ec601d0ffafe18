package paper

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"slices"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/langevin-ml/langevin/sampling"
	"github.com/langevin-ml/langevin/training/eval"
	"github.com/langevin-ml/langevin/training/figure"
)

// Options has the sizes of the experiments with exact scores.
type Options struct {
	Chains   int // for each number; the reference values come from 20,000
	Shown    int // number of chains in a picture; the paper has 1,280
	Seed     uint64
	Progress func(done, total int, now string) // called after each run, perhaps from several goroutines; may be nil
}

// These are the sources of reference values.
const (
	fromFigure3 = "NCSN 2019, figure 3"
	fromExact   = "computed with exact scores"
)

// twoGaussianRuns returns figure 3 of the 2019 paper and variations of it: modes at (5, 5) with weight 0.8 and at (-5,
// -5) with weight 0.2.
func twoGaussianRuns() []run {
	m := sampling.TwoGaussians()
	found := func(weight, variance float64) expected {
		return expected{weights: []float64{weight, 1 - weight}, variance: variance}
	}
	unmixed := func(weight, variance float64) expected {
		e := found(weight, variance)
		e.wide = true
		return e
	}
	const t, epsilon = 100, 0.1
	return []run{
		{name: "Langevin, T 1000, ε 0.1", mixture: m, plan: plain(1, epsilon), source: fromFigure3,
			expected: found(0.502, 1.028)},
		{name: "annealed, σ 20 to 1, L 10, T 100, ε 0.1", mixture: m, plan: annealed(geometric(20, 1, 10), t, epsilon,
			false), source: fromFigure3, expected: found(0.785, 1.030)},
		{name: "annealed, L 50", mixture: m, plan: annealed(geometric(20, 1, 50), t, epsilon, false), source: fromExact,
			expected: found(0.796, 1.024)},
		{name: "annealed, linear levels", mixture: m, plan: annealed(linear(20, 1, 10), t, epsilon, false),
			source: fromExact, expected: found(0.772, 1.029)},
		{name: "annealed, σ 10 to 1", mixture: m, plan: annealed(geometric(10, 1, 10), t, epsilon, false),
			source: fromExact, expected: found(0.785, 1.020)},
		{name: "annealed, σ 10 to 0.1, ε 0.001", mixture: m, plan: annealed(geometric(10, 0.1, 10), t, 0.001, false),
			source: fromExact, expected: found(0.767, 0.010)},
		{name: "annealed, T 10", mixture: m, plan: annealed(geometric(20, 1, 10), 10, epsilon, false),
			source: fromExact, expected: unmixed(0.677, 2.07)},
		{name: "annealed, T 5", mixture: m, plan: annealed(geometric(20, 1, 10), 5, epsilon, false), source: fromExact,
			expected: unmixed(0.630, 7.9)},
		{name: "annealed, data blurred by σ", mixture: m, blurred: true,
			plan: annealed(geometric(20, 1, 10), t, epsilon, false), source: fromExact, expected: found(0.780, 2.03)},
		{name: "the same and a denoising step", mixture: m, blurred: true,
			plan: annealed(geometric(20, 1, 10), t, epsilon, true), source: fromExact, expected: found(0.782, 0.51)},
	}
}

// These two runs of twoGaussianRuns are figure 3.
const (
	figure3Langevin = 0
	figure3Annealed = 1
)

// ringRuns returns the ring of eight Gaussians with exact scores, and the settings in which plain Langevin dynamics
// fails on it.
func ringRuns() ([]run, error) {
	ring := func(std float64, weights []float64) (sampling.Mixture, error) {
		return sampling.Ring(8, 5, std, weights)
	}
	wide, err := ring(1, nil)
	if err != nil {
		return nil, err
	}
	narrow, err := ring(0.5, nil)
	if err != nil {
		return nil, err
	}
	unequal := []float64{8, 1, 1, 1, 1, 1, 1, 1}
	wideUnequal, err := ring(1, unequal)
	if err != nil {
		return nil, err
	}
	narrowUnequal, err := ring(0.5, unequal)
	if err != nil {
		return nil, err
	}
	even := []float64{0.125, 0.125, 0.125, 0.125, 0.125, 0.125, 0.125, 0.125}
	coarse, fine := annealed(geometric(20, 1, 10), 100, 0.1, false), annealed(geometric(20, 0.5, 15), 100, 0.025, false)
	return []run{
		{name: "std 1, Langevin", mixture: wide, plan: plain(1, 0.1),
			expected: expected{weights: even, hole: 0.0007, checksHole: true}},
		{name: "std 1, Langevin from a corner", mixture: wide, corner: true, plan: plain(1, 0.1), expected: expected{
			weights: []float64{0.151, 0.167, 0.155, 0.131, 0.093, 0.083, 0.095, 0.124},
			hole:    0.0008, checksHole: true,
		}},
		{name: "std 1, annealed from a corner", mixture: wide, corner: true, plan: coarse,
			expected: expected{weights: even, hole: 0.0010, checksHole: true}},
		{name: "std 0.5, Langevin", mixture: narrow, plan: plain(0.5, 0.025), expected: expected{
			weights: []float64{0.109, 0.141, 0.104, 0.146, 0.105, 0.149, 0.105, 0.140}, checksHole: true}},
		{name: "std 0.5, Langevin from a corner", mixture: narrow, corner: true,
			plan: plain(0.5, 0.025), expected: expected{
				weights: []float64{0.026, 0.951, 0.023, 0, 0, 0, 0, 0}, checksHole: true}},
		{name: "std 0.5, annealed from a corner", mixture: narrow, corner: true, plan: fine,
			expected: expected{weights: even, checksHole: true}},
		{name: "std 1, weights 8:1, Langevin", mixture: wideUnequal, plan: plain(1, 0.1), expected: expected{
			weights: []float64{0.413}, others: []float64{0.072, 0.097}, hole: 0.0008, checksHole: true}},
		{name: "std 1, weights 8:1, annealed", mixture: wideUnequal, plan: coarse, expected: expected{
			weights: []float64{0.474}, others: []float64{0.070, 0.084}, hole: 0.0006, checksHole: true}},
		{name: "std 0.5, weights 8:1, Langevin", mixture: narrowUnequal, plan: plain(0.5, 0.025), expected: expected{
			weights: []float64{0.129}, others: []float64{0.102, 0.147}, checksHole: true}},
		{name: "std 0.5, weights 8:1, annealed", mixture: narrowUnequal, plan: fine, expected: expected{
			weights: []float64{0.503}, others: []float64{0.069, 0.073}, checksHole: true}},
	}, nil
}

// These runs of ringRuns are in its picture.
const (
	ringLangevin = 4
	ringAnnealed = 5
)

// ExactSections repeats every experiment that needs no network: figure 3 of the 2019 paper with its variations, the
// ring, products and other sums of scores.
func ExactSections(ctx context.Context, o Options) ([]Section, error) {
	gaussians := twoGaussianRuns()
	rings, err := ringRuns()
	if err != nil {
		return nil, err
	}
	for i := range rings {
		rings[i].source = fromExact
	}
	first, second, err := productFactors()
	if err != nil {
		return nil, err
	}
	products, err := productRuns(first, &second, 0.1)
	if err != nil {
		return nil, err
	}
	outcomes, err := sampleAll(ctx, slices.Concat(gaussians, rings, products, sumRuns()), o)
	if err != nil {
		return nil, err
	}
	figure3 := Section{
		Name: "figure-3", Title: "Figure 3: Langevin dynamics finds the wrong weights, annealed the right ones",
		Expected: "Plain Langevin dynamics divides the samples about evenly, 0.50 and 0.50, because hardly any chain " +
			"crosses the empty middle. " +
			"Annealed Langevin dynamics finds almost the true weights: 0.785 with ten levels, which is right for " +
			"these settings, and 0.796 with fifty.",
		Pictures: []Picture{
			NewPicture("figure-3.png",
				fmt.Sprintf("Exact scores, %d chains each, from a uniform start.", min(o.Shown, o.Chains)),
				drawRuns(o, sampling.TwoGaussians(), outcomes[figure3Langevin], outcomes[figure3Annealed])).Broad(),
		},
		Findings: findingsOf(outcomes[:len(gaussians)]),
	}
	onRing := outcomes[len(gaussians):][:len(rings)]
	ofSums := outcomes[len(gaussians)+len(rings):]
	ring := Section{
		Name: "ring", Title: "The ring of eight Gaussians",
		Expected: "Modes of std 1 overlap, and even plain Langevin dynamics spreads over the ring. With std 0.5 and " +
			"a start in one corner it stays there, with 0.95 in one mode, and annealing finds all eight modes.",
		Pictures: []Picture{
			NewPicture("ring.png", "Std 0.5, exact scores, all chains started in the upper right corner.",
				drawRuns(o, onRing[ringLangevin].mixture, onRing[ringLangevin], onRing[ringAnnealed])).Broad(),
		},
		Findings: findingsOf(onRing),
	}
	return []Section{figure3, ring, productSection(o, ofSums[:len(products)]), sumsSection(ofSums[len(products):])}, nil
}

// sampleAll runs all runs, one per processor at the same time.
func sampleAll(ctx context.Context, runs []run, o Options) ([]outcome, error) {
	outcomes := make([]outcome, len(runs))
	var done atomic.Int64
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(runtime.GOMAXPROCS(0))
	for i, r := range runs {
		work.Go(func() (err error) {
			if outcomes[i], err = r.sample(ctx, o.Chains, o.Seed); err == nil && o.Progress != nil {
				o.Progress(int(done.Add(1)), len(runs), r.name)
			}
			return err
		})
	}
	return outcomes, work.Wait()
}

func findingsOf(outcomes []outcome) []Finding {
	var all []Finding
	for _, o := range outcomes {
		all = append(all, o.findings()...)
	}
	return all
}

// drawRuns draws the density, exact samples, and the ends of the chains of some runs.
func drawRuns(o Options, m sampling.Mixture, outcomes ...outcome) func(io.Writer) error {
	return func(w io.Writer) error {
		f := figure.Figure{Bounds: figure.Range{Low: -bound, High: bound}}
		f.Panels = append(f.Panels,
			figure.Panel{Title: "density", Layers: []figure.Layer{figure.Density(figure.MixtureDensity(m, 0))}})
		shown := min(o.Shown, o.Chains)
		panels := []struct {
			title string
			x     eval.Rows
		}{{"exact samples", eval.Draw(m, shown, o.Seed)}}
		for _, out := range outcomes {
			panels = append(panels, struct {
				title string
				x     eval.Rows
			}{out.name, out.samples.Slice(0, shown)})
		}
		for _, p := range panels {
			dots, err := figure.Samples(p.x.X)
			if err != nil {
				return err
			}
			f.Panels = append(f.Panels, figure.Panel{Title: p.title, Layers: []figure.Layer{dots}})
		}
		f.Columns = 2
		return f.PNG(w)
	}
}
