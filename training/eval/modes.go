package eval

import (
	"errors"
	"fmt"
	"math"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/langevin-ml/langevin/sampling"
)

// ModeReport compares samples with the modes of a mixture.
type ModeReport struct {
	Weights  []float64 // share of the samples nearest to each mean
	Expected []float64 // the mixture's weights, whose sum is 1
	Test     ChiSquare // of the number of samples nearest to each mean with the mixture's weights
	Distance float64   // total variation between the two: half the sum of the absolute differences, 0 to 1
	Covered  int       // number of modes with at least half of their expected weight
	Variance float64   // per axis, about the nearest mean, over the mixture's: 1 for exact samples of separate modes
	Stray    float64   // share of the samples that are farther from the nearest mean than 99.9 % of a mode's samples
}

// Modes measures the weights of the modes of m in samples. A model that has learned only one mode has a Distance near 1
// and covers one mode. Modes returns an error if samples do not fit m.
func Modes(m sampling.Mixture, samples Rows) (ModeReport, error) {
	if err := errors.Join(m.Validate(), samples.check(1)); err != nil {
		return ModeReport{}, fmt.Errorf("modes: %w", err)
	}
	if samples.Dim != m.Dim() {
		return ModeReport{}, fmt.Errorf("modes: samples of %d numbers, a mixture of %d: want equal",
			samples.Dim, m.Dim())
	}
	r := ModeReport{Weights: m.Shares(samples.X), Expected: make([]float64, len(m.Weights)), Test: newChiSquare(0, 0)}
	var total float64
	counts := make([]int, len(m.Weights))
	for k, w := range m.Weights {
		total += w
		counts[k] = int(math.Round(r.Weights[k] * float64(samples.Len())))
		r.Weights[k] = float64(counts[k]) / float64(samples.Len()) // without the rounding of a sum
	}
	if len(m.Weights) > 1 {
		var err error
		if r.Test, err = GoodnessOfFit(counts, m.Weights); err != nil {
			return ModeReport{}, fmt.Errorf("modes: %w", err)
		}
	}
	for k, w := range m.Weights {
		r.Expected[k] = w / total
		r.Distance += math.Abs(r.Weights[k]-r.Expected[k]) / 2
		if r.Weights[k] >= r.Expected[k]/2 {
			r.Covered++
		}
	}
	far := distuv.ChiSquared{K: float64(m.Dim())}.Quantile(0.999) // of the squared distance from a mean in units of Std
	n, scale := float64(samples.Len()), m.Std*m.Std
	for i := range samples.Len() {
		x := samples.Row(i)
		square := squaredDistance(x, m.Means[m.Nearest(x)]) / scale
		r.Variance += square / float64(m.Dim()) / n
		if square > far {
			r.Stray += 1 / n
		}
	}
	return r, nil
}

func squaredDistance[F float32 | float64](x []float32, y []F) float64 {
	var sum float64
	for j, v := range x {
		d := float64(v) - float64(y[j])
		sum += d * d
	}
	return sum
}

// Draw returns n exact samples of m, a pure function of seed.
func Draw(m sampling.Mixture, n int, seed uint64) Rows {
	rows := Rows{X: make([]float32, n*m.Dim()), Dim: m.Dim()}
	for i := range n {
		m.Sample(rows.Row(i), sampling.Noise{Seed: seed, Chain: uint64(i)})
	}
	return rows
}
