package paper

import (
	"context"
	"fmt"
	"io"
	"math"

	"github.com/langevin-ml/langevin/sampling"
	"github.com/langevin-ml/langevin/training/figure"
)

// These are the sources of what sums of scores should draw.
const (
	fromProduct = "exact product"
	fromDu      = "Du et al. 2023; computed with exact scores"
	fromClosed  = "closed form"
)

// otherSeed is added to the seed of chains that follow sums, because the settings were chosen with chains of the seed
// itself.
const otherSeed = 0x50b5

// productFactors returns the two mixtures whose product has sixteen overlapping components.
func productFactors() (ring, other sampling.Mixture, err error) {
	ring, err = sampling.Ring(8, 5, 1, nil)
	other = sampling.Mixture{Weights: []float64{0.6, 0.4}, Means: [][]float64{{3, 1}, {-2, -3}}, Std: 2}
	return ring, other, err
}

// productRuns returns samplers of the product of two densities, by the sum of the scores of two models: annealed
// Langevin dynamics, and a reverse diffusion with as many evaluations. last is the sigma at which they end.
func productRuns(first, second sampling.Model, last float64) ([]run, error) {
	ring, other, err := productFactors()
	if err != nil {
		return nil, err
	}
	const largest, levels, steps = 10, 20, 100
	exact := run{
		mixture: ring.Product(other), model: first, seed: otherSeed,
		sum:   &sampling.Sum{Own: 1, Terms: []sampling.Term{{Model: second, Weight: 1}}},
		start: &sampling.Prior{Kind: sampling.PriorNormal, Std: largest},
	}
	langevin, reverse := exact, exact
	langevin.name = "annealed Langevin, 20 levels of 100 steps"
	langevin.plan = annealed(geometric(largest, last, levels), steps, 0.2*last*last, false)
	reverse.name = "reverse diffusion, 2,000 steps"
	reverse.plan = sampling.PredictorCorrector{
		SDE: sampling.SDE{Process: sampling.VE, SigmaMin: last, SigmaMax: largest}, N: levels * steps,
		Predictor: sampling.ReverseDiffusion,
	}.Plan
	return []run{langevin, reverse}, nil
}

// shareError says how far samples are from the weights of a product.
type shareError struct {
	largest  float64 // error of a weight
	sampling float64 // standard error of that weight, if chains were exact
}

// largestShareError compares the weights of components in samples with the exact ones.
func largestShareError(o outcome) shareError {
	var s shareError
	n := float64(o.samples.Len())
	for k, found := range o.mixture.PosteriorShares(o.samples.X) {
		want := o.mixture.Weights[k]
		off := math.Abs(found - want)
		if off > s.largest {
			s.largest, s.sampling = off, math.Sqrt(want*(1-want)/n)
		}
	}
	return s
}

// productFindings returns what samples of the two runs of a product say about the weights. The first run may be off by
// within. The second one should be off by about as much as with exact scores.
func productFindings(langevin, reverse outcome, within float64) []Finding {
	const wrong = 0.035 // by how much reverse diffusions are off: the mean of five seeds of 10,000 chains
	finding := func(o outcome, want, tolerance float64, source string) Finding {
		s := largestShareError(o)
		quantity := fmt.Sprintf("largest error of a weight, with the sampling error %.2g", s.sampling)
		return Near(o.name, quantity, s.largest, want, max(tolerance, 4*s.sampling), source)
	}
	return []Finding{finding(langevin, 0, within, fromProduct), finding(reverse, wrong, 0.01, fromDu)}
}

// productSection compares samples of the product of exact scores with the exact product.
func productSection(o Options, outcomes []outcome) Section {
	s := product()
	s.Findings = productFindings(outcomes[0], outcomes[1], 0.02)
	s.Pictures = []Picture{NewPicture("product.png",
		"The exact product, and chains that follow the sum of exact scores.",
		drawRuns(o, outcomes[0].mixture, outcomes[0], outcomes[1])).Broad()}
	return s
}

// ProductSection compares samples of the product of two networks, of the ring and of another mixture, with the exact
// product.
func ProductSection(ctx context.Context, ring, other Conditional, o Options) (Section, error) {
	s := networkProduct()
	last := max(ring.Schedule.Last(), other.Schedule.Last())
	runs, err := productRuns(ring.Model, other.Model, last)
	if err != nil {
		return s, err
	}
	o.Chains = min(o.Chains, networkChains)
	outcomes, err := sampleAll(ctx, runs, o)
	if err != nil {
		return s, fmt.Errorf("product of networks: %w", err)
	}
	s.Findings = productFindings(outcomes[0], outcomes[1], 0.04)
	s.Pictures = []Picture{NewPicture("product-networks.png",
		fmt.Sprintf("The exact product, and %d chains that follow the sum of two networks.", o.Chains),
		drawRuns(o, outcomes[0].mixture, outcomes[0], outcomes[1])).Broad()}
	return s, nil
}

// factor is a Gaussian N(m, v I) to the power of a weight.
type factor struct {
	mean   [2]float64
	v      float64
	weight float64
}

func (f factor) mixture() *sampling.Mixture {
	return &sampling.Mixture{Weights: []float64{1}, Means: [][]float64{f.mean[:]}, Std: math.Sqrt(f.v)}
}

// Settings of the chains of sumRuns.
const (
	sumSigma = 0.05 // the last
	sumStep  = 0.02 // of the Langevin dynamics at the last sigma
)

// sumRuns returns chains that follow sums of the scores of Gaussians. The product of N(m, v)^w is the Gaussian with the
// precision Σ w/v and the mean Σ w m/v over the precision, and v contains the noise at the last sigma.
func sumRuns() []run {
	const noise = 0.5 // variance of an observation of a parameter with the prior N(0, I)
	posterior := func(x, y float64) factor {
		return factor{[2]float64{x / (1 + noise), y / (1 + noise)}, noise / (1 + noise), 1}
	}
	var runs []run
	for _, c := range []struct {
		name    string
		factors []factor
	}{
		{"negation, weight −0.8", []factor{{[2]float64{1, 1}, 1, 1}, {[2]float64{-2, 0}, 2, -0.8}}},
		{"four observations", []factor{posterior(1.5, -1), posterior(0.2, -1.3), posterior(-1, 0), posterior(0.9, 2),
			{[2]float64{}, 1, -3}}},
	} {
		sum := &sampling.Sum{Own: float32(c.factors[0].weight)}
		for _, f := range c.factors[1:] {
			sum.Terms = append(sum.Terms, sampling.Term{Model: f.mixture(), Weight: float32(f.weight)})
		}
		runs = append(runs, run{
			name: c.name, mixture: discretised(c.factors), model: c.factors[0].mixture(), sum: sum, seed: otherSeed,
			start: &sampling.Prior{Kind: sampling.PriorNormal, Std: 5}, plan: sumPlan,
		})
	}
	return runs
}

// discretised returns the Gaussian that Langevin dynamics with sumStep draws from the product of factors. The variance
// of a chain on N(m, v) with the step a is v/(1 - a/(2v)).
func discretised(factors []factor) sampling.Mixture {
	var precision float64
	mean := make([]float64, 2)
	for _, f := range factors {
		p := f.weight / (f.v + sumSigma*sumSigma)
		precision += p
		for i, m := range f.mean {
			mean[i] += p * m
		}
	}
	for i := range mean {
		mean[i] /= precision
	}
	variance := 1 / precision / (1 - sumStep*precision/2)
	return sampling.Mixture{Weights: []float64{1}, Means: [][]float64{mean}, Std: math.Sqrt(variance)}
}

// sumPlan returns annealed Langevin dynamics, and then Langevin dynamics at the last sigma that is long enough to
// forget the levels before.
func sumPlan() (sampling.Plan, error) {
	plan, err := annealed(geometric(5, sumSigma, 12), 40, 0.0004, false)()
	if err != nil {
		return nil, err
	}
	last, err := sampling.Langevin{Sigma: sumSigma, Steps: 400, StepSize: sumStep}.Plan()
	return append(plan, last...), err
}

// sumsSection compares samples of sums of Gaussian scores with their closed forms, within four standard errors.
func sumsSection(outcomes []outcome) Section {
	s := sums()
	for _, o := range outcomes {
		n, want := float64(o.samples.Len()), o.mixture.Std*o.mixture.Std
		for i, axis := range []string{"first", "second"} {
			var mean float64
			for k := range o.samples.Len() {
				mean += float64(o.samples.Row(k)[i]) / n
			}
			s.Findings = append(s.Findings, Near(o.name, "mean of the "+axis+" coordinate", mean, o.mixture.Means[0][i],
				4*math.Sqrt(want/n), fromClosed))
		}
		s.Findings = append(s.Findings, Near(o.name, "variance per axis", o.variance, want, 4*want/math.Sqrt(n),
			fromClosed))
	}
	s.Pictures = []Picture{NewPicture("sums.png", "Samples over the densities of the closed forms.",
		func(w io.Writer) error { return drawSums(w, outcomes) }).Broad()}
	return s
}

func drawSums(w io.Writer, outcomes []outcome) error {
	f := figure.Figure{Bounds: figure.Range{Low: -3, High: 7}, Columns: len(outcomes)}
	for _, o := range outcomes {
		const shown = 500
		dots, err := figure.Samples(o.samples.Slice(0, min(shown, o.samples.Len())).X)
		if err != nil {
			return err
		}
		f.Panels = append(f.Panels, figure.Panel{Title: o.name,
			Layers: []figure.Layer{figure.Backdrop(figure.MixtureDensity(o.mixture, 0)), dots}})
	}
	return f.PNG(w)
}
