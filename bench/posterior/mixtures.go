package main

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/langevin-ml/langevin/sampling"
	"github.com/langevin-ml/langevin/sampling/linear"
)

// mixtureProblem is a random measurement of a point of a mixture, with the exact posterior.
type mixtureProblem struct {
	data  sampling.Mixture
	y     *sampling.Measurement
	exact *sampling.MixturePosterior
}

// newMixtureProblem is the generator of Cardoso et al. (2023): 25 Gaussians of unit variance with random weights and
// means (8i, 8j, 8i, ...) for i and j from -2 to 2, a random operator of m rows with singular values from U(0, 1), and
// noise from U(0, the largest one).
func newMixtureProblem(r *rand.Rand, dim, m int) (mixtureProblem, error) {
	p := mixtureProblem{data: sampling.Mixture{Std: 1}}
	for k := range 25 {
		mean := make([]float64, dim)
		for i := range mean {
			mean[i] = 8 * float64([]int{k/5 - 2, k%5 - 2}[i%2])
		}
		p.data.Means = append(p.data.Means, mean)
		p.data.Weights = append(p.data.Weights, r.ExpFloat64())
	}
	rows, top, err := randomRows(r, dim, m)
	if err != nil {
		return p, err
	}
	op, err := linear.Matrix(rows, dim)
	if err != nil {
		return p, err
	}
	x, point, exact := make([]float32, dim), make([]float64, dim), make([]float64, m)
	p.data.Sample(x, sampling.Noise{Seed: r.Uint64()})
	for i, v := range x {
		point[i] = float64(v)
	}
	op.Apply(exact, point)
	values, std := make([]float32, m), top*r.Float64()
	for i, v := range exact {
		values[i] = float32(v + std*r.NormFloat64())
	}
	if p.y, err = op.Measurement(values, std); err != nil {
		return p, err
	}
	p.exact, err = p.data.Posterior(p.y)
	return p, err
}

// randomRows returns a matrix with random singular vectors, and its largest singular value.
func randomRows(r *rand.Rand, dim, m int) (rows []float32, top float64, err error) {
	normal := make([]float32, m*dim)
	for i := range normal {
		normal[i] = float32(r.NormFloat64())
	}
	vectors, err := linear.Matrix(normal, dim)
	if err != nil {
		return nil, 0, err
	}
	rows = make([]float32, m*dim)
	var work sampling.Work
	for j := range m {
		s, unit, v := r.Float64(), make([]float64, m), make([]float64, dim)
		unit[j] = 1
		vectors.Spread(v, unit, &work)
		for i := range v {
			rows[j*dim+i] = float32(s * v[i])
		}
		top = max(top, s)
	}
	return rows, top, nil
}

// compareMixtures compares the weights of modes and the evidence with the exact ones.
func (b *bench) compareMixtures(ctx context.Context) error {
	r := rand.New(rand.NewPCG(22, 0))
	dims := []int{2, 8, 20, 80}
	var problems []mixtureProblem
	for i := range b.mixtures {
		p, err := newMixtureProblem(r, dims[i%4], 1+min(1, i%4)*((i/4)%4)) // m is at most 2 in the plane
		if err != nil {
			return err
		}
		problems = append(problems, p)
	}
	b.printf("## Mixtures\n\n%d problems of 25 Gaussians in 2, 8, 20 and 80 dimensions with 1 to 4 measured values, "+
		"%d samples each. TV is the total variation between the weights of modes of the samples and the exact "+
		"ones. The evidence is the mean over all samples of its estimate, which has a standard error; χ² is the "+
		"sum over problems of the square of its error, in standard errors.\n\n",
		b.mixtures, b.samples)
	b.printf("| method | evaluations a sample | TV mean | median | largest | log evidence off by | largest | χ² |\n" +
		"|---|---|---|---|---|---|---|---|\n")
	if err := b.exactRow(problems); err != nil {
		return err
	}
	methods, err := mixtureMethods()
	if err != nil {
		return err
	}
	for _, method := range methods {
		if err := b.mixtureRow(ctx, method, problems); err != nil {
			return err
		}
	}
	return nil
}

// mixtureMethods returns the methods to compare, with 100 noise levels from 300 to 0.02.
func mixtureMethods() ([]planned, error) {
	const spread = 11.4 // of an element of the data, whose variance is 2·8² + 1
	levels, err := sampling.Geometric(300, 0.02, 100)
	if err != nil {
		return nil, err
	}
	annealed := sampling.AnnealedLangevin{Schedule: levels, StepsPerLevel: 10, StepLR: 0.00004, Denoise: true}
	var all []planned
	var failed error
	add := func(p planned, err error) { all, failed = append(all, p), cmpErr(failed, err) }
	add(particles(levels, 16, spread, true))
	add(particles(levels, 64, spread, true))
	add(particles(levels, 64, spread, false))
	add(ddrm(levels))
	add(snips(annealed))
	add(likelihood(annealed, 0))
	add(likelihood(annealed, 5))
	return all, failed
}

func cmpErr(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

// exactRow shows what independent exact draws give.
func (b *bench) exactRow(problems []mixtureProblem) error {
	var off []float64
	for i, p := range problems {
		dim := p.data.Dim()
		x := make([]float32, b.samples*dim)
		for k := range b.samples {
			p.exact.Sample(x[k*dim:(k+1)*dim], sampling.Noise{Seed: uint64(i), Chain: uint64(k)})
		}
		off = append(off, distance(p.exact.Shares(x, 0), p.exact.Weights))
	}
	b.printf("| exact draws | | %s | | | |\n", spreadText(off))
	return nil
}

func (b *bench) mixtureRow(ctx context.Context, method planned, problems []mixtureProblem) error {
	n := len(problems)
	off, evidence, bars := make([]float64, n), make([]float64, n), make([]float64, n)
	err := each(ctx, n, func(ctx context.Context, i int) error {
		p := problems[i]
		d, err := method.draw(ctx, p.data, p.y, b.samples, uint64(i))
		off[i] = distance(p.exact.Shares(d.x, 0), p.exact.Weights)
		evidence[i], bars[i] = math.Abs(meanEvidence(d.diagnoses)-p.exact.LogEvidence), evidenceError(d.diagnoses)
		return err
	})
	if err != nil {
		return fmt.Errorf("%s: %w", method.name, err)
	}
	text := "| |"
	if method.by.Rows() > 1 {
		worst := slices.Index(evidence, slices.Max(evidence))
		squares := 0.0
		for i, e := range evidence {
			squares += e * e / (bars[i] * bars[i])
		}
		text = fmt.Sprintf("%.3f | %.3f ± %.3f | %.1f", mean(evidence), evidence[worst], bars[worst], squares)
	}
	b.printf("| %s | %d | %s | %s |\n", method.name, method.plan.NFE()*method.by.Rows(), spreadText(off), text)
	return nil
}

// meanEvidence returns the logarithm of the mean of the estimates of the evidence.
func meanEvidence(all []sampling.Diagnosis) float64 {
	top, sum := math.Inf(-1), 0.0
	for _, d := range all {
		top = max(top, d.LogEvidence)
	}
	for _, d := range all {
		sum += math.Exp(d.LogEvidence-top) / float64(len(all))
	}
	return top + math.Log(sum)
}

// evidenceError returns the standard error of meanEvidence.
func evidenceError(all []sampling.Diagnosis) float64 {
	middle, variance := meanEvidence(all), 0.0
	for _, d := range all {
		e := math.Exp(d.LogEvidence-middle) - 1
		variance += e * e / float64(len(all))
	}
	return math.Sqrt(variance / float64(len(all)))
}

// distance returns the total variation between two lists of weights.
func distance(a, b []float64) (tv float64) {
	for i := range a {
		tv += math.Abs(a[i]-b[i]) / 2
	}
	return tv
}

func mean(v []float64) (m float64) {
	for _, e := range v {
		m += e / float64(len(v))
	}
	return m
}

func spreadText(v []float64) string {
	sorted := slices.Sorted(slices.Values(v))
	return fmt.Sprintf("%.3f | %.3f | %.3f", mean(v), sorted[len(sorted)/2], sorted[len(sorted)-1])
}
