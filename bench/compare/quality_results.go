package main

import (
	"fmt"
	"math"
	"runtime"
	"time"

	"gonum.org/v1/gonum/stat"
)

// qualityResults is what a qualityBench measured.
type qualityResults struct {
	model    string
	machine  []string
	started  time.Time
	took     time.Duration
	others   time.Duration // processor time of other work meanwhile
	quick    bool
	n, seeds int
	ours     []qualityPoint
	theirs   []qualityPoint
	leftOut  string // why diffusers did not take part; empty if it did
}

// qualityPoint is a sampler with settings, as eval --frontier writes it.
type qualityPoint struct {
	Curve       string
	Setting     string
	Evaluations float64 // for one sample
	Runs        []qualityRun
}

// qualityRun is what one seed gave.
type qualityRun struct {
	Seconds     float64 // for all samples
	Evaluations float64 // of a peer, for one sample
	Metrics     []struct {
		Name     string
		Value    float64
		Expected float64
	}
}

// The measures of the page, by their names in eval.
const (
	measureFID      = "FID over true"
	measureSure     = "confident"
	measurePixels   = "two-sample, pixels"
	measureFeatures = "two-sample, features"
	measureClasses  = "class χ²"
	measureRarest   = "rarest class"
	measureMost     = "commonest class"
)

// values returns a measure of every run, and what true samples have.
func (p qualityPoint) values(name string) (values series, expected float64) {
	for _, r := range p.Runs {
		for _, m := range r.Metrics {
			if m.Name == name {
				values, expected = append(values, m.Value), m.Expected
			}
		}
	}
	return values, expected
}

func (p qualityPoint) mean(name string) float64 {
	values, _ := p.values(name)
	return stat.Mean(values, nil)
}

// seconds returns the time for one sample in the fastest run, which other work disturbed least.
func (p qualityPoint) seconds(n int) float64 {
	fastest := math.Inf(1)
	for _, r := range p.Runs {
		fastest = min(fastest, r.Seconds/float64(n))
	}
	return fastest
}

func (p qualityPoint) name() string {
	if p.Setting == "" {
		return p.Curve
	}
	return p.Curve + ", " + p.Setting
}

func (r *qualityResults) markdown() []byte {
	p := &page{}
	p.line("# Quality over cost\n")
	p.line("Written by `make bench-quality`; do not edit. Evaluations of the network are exact. Seconds are those of " +
		"the fastest seed, on this machine; other work lengthens them. A comparison that was stopped goes on with " +
		"what it has measured, so runs can be of different hours.\n")
	r.circumstances(p)
	p.line("- %s samples a seed of the built-in model `%s`, %d %s from %d on; ± is one standard deviation over seeds, "+
		"where there are several", thousands(r.n), r.model, r.seeds, plural(r.seeds, "seed"), firstQualitySeed)
	n := math.Sqrt(float64(r.n))
	p.line("- standard errors of one seed, from the number of samples: %.3f for the accuracies of pixels and "+
		"features, %.3f for sure at 0.9, %.2f for a share of 1 over a uniform one\n",
		0.5/n, 0.3/n, 3/n)
	p.line("All sides evaluate the same network on ONNX Runtime. `langevin eval` judges all of their samples: " +
		"**sure** is the share of images whose class has a probability above 0.9; **FID over true** is the FID over " +
		"the one that as many true images have; **pixels** and **features** are the accuracies of new classifiers " +
		"that tell samples from true images, where 0.5 is perfect; **classes** is the chi-square of the classes, " +
		"whose mean is 9 for true images; and the shares of the rarest and the commonest class are over a uniform " +
		"one.\n")
	if len(r.ours) > 0 {
		r.writeTrue(p)
	}
	p.line("## Langevin\n")
	r.table(p, r.ours)
	p.line("\n## The official NCSN loop, and diffusers\n")
	p.line("**NCSN loop** is the loop of the official code in Python, on the model's noise levels and on every " +
		"fifth of them, with the step size of Song & Ermon (2020, technique 4) and a final denoising step. " +
		"**diffusers** is the samplers of that library with their default settings, on a process with linear betas " +
		"that has the model's range of noise; see `bench/peers`. Both draw all samples in one batch, with one thread " +
		"for each core.\n")
	if r.leftOut != "" {
		p.line("diffusers is left out here: %s\n", r.leftOut)
	}
	r.table(p, r.theirs)
	r.writeEqual(p)
	return p.Bytes()
}

// circumstances writes when and on what the comparison ran.
func (r *qualityResults) circumstances(p *page) {
	if r.quick {
		p.line("**A quick run, to check that everything works: the numbers mean little.**\n")
	}
	for _, fact := range r.machine {
		p.line("- %s", fact)
	}
	busy := r.others.Seconds() / (r.took.Seconds() * float64(runtime.NumCPU()))
	p.line("- %s, %.0f minutes, in which other work had %s of the machine",
		r.started.UTC().Format("2 January 2006, 15:04 UTC"), r.took.Minutes(), percent(busy))
}

// writeTrue writes what true images have.
func (r *qualityResults) writeTrue(p *page) {
	_, sure := r.ours[0].values(measureSure)
	_, rarest := r.ours[0].values(measureRarest)
	_, most := r.ours[0].values(measureMost)
	p.line("True images: sure %.3f, rarest and commonest class %.2f and %.2f.\n", sure, rarest, most)
}

func (r *qualityResults) table(p *page, points []qualityPoint) {
	p.head("sampler", "evaluations", "seconds a sample", "sure", "FID over true", "pixels", "features", "classes",
		"rarest, commonest")
	for _, q := range points {
		p.row(q.name(), number(q.Evaluations), number(q.seconds(r.n)), q.cell(measureSure, 3), q.cell(measureFID, 2),
			q.cell(measurePixels, 3), q.cell(measureFeatures, 3), q.cell(measureClasses, 1),
			fmt.Sprintf("%.2f, %.2f", q.mean(measureRarest), q.mean(measureMost)))
	}
}

// cell returns a mean and the standard deviation over seeds.
func (p qualityPoint) cell(name string, digits int) string {
	values, _ := p.values(name)
	text := fmt.Sprintf("%.*f", digits, stat.Mean(values, nil))
	if len(values) > 1 {
		text += fmt.Sprintf(" ± %.*f", digits, stat.StdDev(values, nil))
	}
	return text
}

// writeEqual writes, for each peer's setting, the cheapest of ours that is at least as good.
func (r *qualityResults) writeEqual(p *page) {
	p.line("\n## Cost at equal quality\n")
	p.line("For each setting of theirs, the one of ours with the fewest evaluations whose mean FID and whose mean " +
		"two-sample accuracy by features are both at most as large. It is empty where ours has none. Differences " +
		"below the standard deviations above mean nothing.\n")
	p.head("theirs", "evaluations", "seconds a sample", "ours", "evaluations", "seconds a sample", "theirs over ours")
	for _, q := range r.theirs {
		best, found := r.cheapest(q)
		if !found {
			p.row(q.name(), number(q.Evaluations), number(q.seconds(r.n)), "", "", "", "")
			continue
		}
		p.row(q.name(), number(q.Evaluations), number(q.seconds(r.n)), best.name(), number(best.Evaluations),
			number(best.seconds(r.n)), times(q.Evaluations/best.Evaluations))
	}
}

// cheapest returns the point of ours with the fewest evaluations that is at least as good as q.
func (r *qualityResults) cheapest(q qualityPoint) (best qualityPoint, found bool) {
	for _, o := range r.ours {
		good := o.mean(measureFID) <= q.mean(measureFID) && o.mean(measureFeatures) <= q.mean(measureFeatures)
		if good && (!found || o.Evaluations < best.Evaluations) {
			best, found = o, true
		}
	}
	return best, found
}
