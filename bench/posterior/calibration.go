package main

import (
	"context"

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

// calibrate is simulation-based calibration (Talts et al. 2018): digits of the model's own, measured, and drawn again.
// The rank of a statistic of the true digit among its posterior samples is uniform if the sampler is right.
func (b *bench) calibrate(ctx context.Context) error {
	b.printf("## Calibration\n\n%d digits that the model drew were measured, and %d posterior samples drawn of each, "+
		"by %d particles with 50 steps. If the sampler is right, the rank of every statistic of the true digit is "+
		"uniform: p is that of a χ² test.\n\n"+
		"| measurement | effective size, mean | below 2 | statistic | p |\n|---|---|---|---|---|\n",
		b.problems, b.draws, b.count)
	shape := linear.Shape{Channels: 1, Height: side, Width: side}
	pool, err := linear.Pool(shape, 7)
	if err != nil {
		return err
	}
	seen := make([]bool, pixels)
	for _, at := range []int{9*side + 14, 14*side + 10, 14*side + 18, 19*side + 14} {
		seen[at] = true
	}
	few, err := linear.Mask(seen)
	if err != nil {
		return err
	}
	for _, m := range []struct {
		name string
		op   *linear.Operator
	}{{"pooling 7 × 7", pool}, {"4 pixels", few}} {
		if err := b.calibrateOne(ctx, m.name, m.op); err != nil {
			return err
		}
	}
	b.printf("\n")
	return nil
}

func (b *bench) calibrateOne(ctx context.Context, name string, op *linear.Operator) error {
	levels, err := b.levels(50)
	if err != nil {
		return err
	}
	method, err := particles(levels, b.count, b.spread(), true)
	if err != nil {
		return err
	}
	truth, err := sampling.Run(ctx, b.network, sampling.Request{
		Plan: method.plan, Prior: method.prior, Dim: pixels, Seed: 77, N: b.problems,
	})
	if err != nil {
		return err
	}
	all := statistics()
	ranks := make([][]int, len(all))
	for i := range ranks {
		ranks[i] = make([]int, b.draws+1)
	}
	size, below := 0.0, 0
	for i := range b.problems {
		x := truth[i*pixels : (i+1)*pixels]
		y, err := op.Measurement(observe(op, widened(x), sampling.Noise{Seed: 78, Chain: uint64(i)}), noise)
		if err != nil {
			return err
		}
		d, err := method.draw(ctx, b.network, y, b.draws, uint64(1000+i))
		if err != nil {
			return err
		}
		for k, s := range all {
			ranks[k][rank(s, x, d.x)]++
		}
		for _, e := range d.diagnoses {
			size += e.EffectiveSize / float64(b.problems*b.draws)
			if e.EffectiveSize < 2 {
				below++
			}
		}
	}
	for k, s := range all {
		b.printf("| %s | %.2f | %.0f %% | %s | %.3f |\n", name, size,
			100*float64(below)/float64(b.problems*b.draws), s.name, uniformity(ranks[k]))
	}
	return nil
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
