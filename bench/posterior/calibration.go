package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/langevin-ml/langevin/sampling"
	"github.com/langevin-ml/langevin/sampling/linear"
)

// statistic is a number of a picture whose rank among posterior samples is uniform if they are right.
type statistic struct {
	name string
	of   func(x []float32) float64
}

func statistics() []statistic {
	part := func(rows, columns [2]int) func(x []float32) float64 {
		return func(x []float32) (sum float64) {
			for i := rows[0]; i < rows[1]; i++ {
				for j := columns[0]; j < columns[1]; j++ {
					sum += float64(x[i*side+j])
				}
			}
			return sum
		}
	}
	return []statistic{
		{"all ink", part([2]int{0, side}, [2]int{0, side})},
		{"ink of the middle", part([2]int{11, 17}, [2]int{11, 17})},
		{"one pixel off the middle", part([2]int{9, 10}, [2]int{12, 13})},
		{"ink of the upper half of a block", part([2]int{7, 10}, [2]int{14, 21})},
		{"sum of squares", func(x []float32) (sum float64) {
			for _, v := range x {
				sum += float64(v) * float64(v)
			}
			return sum
		}},
	}
}

// calibratePooling calibrates on pictures of 4 by 4 pixels.
func (b *bench) calibratePooling(ctx context.Context) error {
	op, err := linear.Pool(linear.Shape{Channels: 1, Height: side, Width: side}, 7)
	if err != nil {
		return err
	}
	return b.calibrate(ctx, "pooling 7 × 7", op, 64)
}

// calibratePixels calibrates on a handful of pixels.
func (b *bench) calibratePixels(ctx context.Context) error {
	seen := make([]bool, pixels)
	for _, at := range []int{9*side + 14, 14*side + 10, 14*side + 18, 19*side + 14} {
		seen[at] = true
	}
	op, err := linear.Mask(seen)
	if err != nil {
		return err
	}
	return b.calibrate(ctx, "4 pixels", op, 16)
}

// calibrate is simulation-based calibration (Talts et al. 2018): digits of the model's own, measured, and drawn again.
// The rank of a statistic of the true digit among its posterior samples is uniform if the sampler is right.
func (b *bench) calibrate(ctx context.Context, name string, op *linear.Operator, count int) error {
	levels, err := b.levels(50)
	if err != nil {
		return err
	}
	method, err := particles(levels, count, b.spread(), true)
	if err != nil {
		return err
	}
	truth, err := sampling.Run(ctx, b.network, sampling.Request{
		Plan: method.plan, Prior: method.prior, Dim: pixels, Seed: 77, N: b.problems,
	})
	if err != nil {
		return err
	}
	kept, err := keepProblems(filepath.Join(b.kept, fmt.Sprintf("problems-%d.jsonl", count)), b.draws)
	if err != nil {
		return err
	}
	err = each(ctx, b.problems, func(ctx context.Context, i int) error {
		if _, done := kept.problem(i); done {
			return nil
		}
		p, err := b.calibrated(ctx, method, op, i, truth[i*pixels:(i+1)*pixels])
		if err != nil {
			return err
		}
		return kept.add(p)
	})
	if err != nil {
		return errors.Join(err, kept.close())
	}
	b.printCalibration(name, count, kept)
	return kept.remove()
}

// calibrated draws posterior samples of a problem, whose true digit is x.
func (b *bench) calibrated(
	ctx context.Context, method planned, op *linear.Operator, i int, x []float32,
) (problem, error) {
	y, err := op.Measurement(observe(op, widened(x), sampling.Noise{Seed: 78, Chain: uint64(i)}), noise)
	if err != nil {
		return problem{}, err
	}
	d, err := method.draw(ctx, b.network, y, b.draws, uint64(1000+i))
	if err != nil {
		return problem{}, err
	}
	p := problem{Index: i}
	for _, s := range statistics() {
		p.Ranks = append(p.Ranks, rank(s, x, d.x))
	}
	for _, e := range d.diagnoses {
		p.Sizes = append(p.Sizes, e.EffectiveSize)
	}
	return p, nil
}

func (b *bench) printCalibration(name string, count int, kept *keptProblems) {
	var sizes []float64
	for i := range b.problems {
		sizes = append(sizes, kept.done[i].Sizes...)
	}
	below := 0
	for _, e := range sizes {
		if e < 2 {
			below++
		}
	}
	b.printf("## Calibration: %s\n\n%d digits that the model drew were measured with noise of %g, and %d posterior "+
		"samples drawn of each, by %d particles with 50 steps. The effective size is %.2f on average, and below 2 in "+
		"%.0f %% of the chains. If the sampler is right, the rank of every statistic of the true digit among its "+
		"samples is uniform: p is that of a χ² test.\n\n"+
		"| statistic | digits of each rank | p |\n|---|---|---|\n",
		name, b.problems, noise, b.draws, count, mean(sizes), 100*float64(below)/float64(len(sizes)))
	for k, s := range statistics() {
		counts := make([]int, b.draws+1)
		for i := range b.problems {
			counts[kept.done[i].Ranks[k]]++
		}
		b.printf("| %s | %s | %.3f |\n", s.name, strings.Trim(fmt.Sprint(counts), "[]"), uniformity(counts))
	}
}

// rank returns how many samples have a smaller statistic than x.
func rank(s statistic, x, samples []float32) (below int) {
	own := s.of(x)
	for k := 0; k < len(samples); k += pixels {
		if s.of(samples[k:k+pixels]) < own {
			below++
		}
	}
	return below
}

// uniformity returns the p-value of a χ² test for equal counts.
func uniformity(counts []int) float64 {
	total, sum := 0, 0.0
	for _, n := range counts {
		total += n
	}
	want := float64(total) / float64(len(counts))
	for _, n := range counts {
		sum += (float64(n) - want) * (float64(n) - want) / want
	}
	return distuv.ChiSquared{K: float64(len(counts) - 1)}.Survival(sum)
}
