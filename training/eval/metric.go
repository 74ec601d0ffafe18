package eval

import (
	"context"
	"errors"
	"fmt"

	"github.com/langevin-ml/langevin/sampling"
)

// Metric is one number of a report.
type Metric struct {
	Name     string  `json:"name"`
	Value    float64 `json:"value"`
	Expected float64 `json:"expected"` // the value for an equal number of true samples, or the exact value
	Meaning  string  `json:"meaning"`
}

// These are the seeds of the true samples of a report. They differ from the usual seeds of samplers.
const (
	seedTruth     = 0x7ea1
	seedBaseline  = 0xba5e
	seedDirection = 0xd1ec
)

// These are the names of the measures that a frontier shows.
const (
	ModeWeightError       = "mode weight error"
	SlicedWassersteinName = "sliced Wasserstein"
	MMDName               = "MMD²"
)

const directions = 128 // of SlicedWasserstein in a report

// MixtureMetrics compares samples with m. The expected values are the ones of an equal number of exact samples.
func MixtureMetrics(m sampling.Mixture, samples Rows) ([]Metric, ModeReport, error) {
	found, err := Modes(m, samples)
	if err != nil {
		return nil, ModeReport{}, err
	}
	truth, baseline := Draw(m, samples.Len(), seedTruth), Draw(m, samples.Len(), seedBaseline)
	ideal, err := Modes(m, baseline)
	if err != nil {
		return nil, ModeReport{}, err
	}
	metrics := []Metric{
		{"modes covered", float64(found.Covered), float64(len(m.Means)), "modes with at least half of their weight"},
		{ModeWeightError, found.Distance, ideal.Distance,
			"total variation between found and true weights: 0 is right, 1 is the worst"},
		found.Test.metric("mode χ²", "the mixture"),
		{"variance", found.Variance, ideal.Variance, "per axis about the nearest mean, over the true one"},
		{"stray share", found.Stray, ideal.Stray, "samples farther from every mean than 99.9 % of a mode"},
	}
	distances, err := mixtureDistances(samples, truth, baseline, ownUnits)
	return append(metrics, distances...), found, err
}

// Distances compares samples with rows that the training did not use. The expected values are those of equally many
// rows of the training.
func Distances(test, train, samples Rows) ([]Metric, error) {
	if err := errors.Join(checkPair(samples, test, 2), checkPair(train, test, 2)); err != nil {
		return nil, fmt.Errorf("distances: %w", err)
	}
	n := min(samples.Len(), train.Len())
	return mixtureDistances(samples.Evenly(n), test, train.Evenly(n), ownUnits)
}

// ownUnits says in which units the distances of rows are that were not scaled.
const ownUnits = "in the data's units"

// mixtureDistances measures the distances of samples, and of a baseline, to truth. unit says in words in which units.
func mixtureDistances(samples, truth, baseline Rows, unit string) ([]Metric, error) {
	width, err := MedianWidth(truth)
	if err != nil {
		return nil, err
	}
	wasserstein := func(x Rows) (float64, error) { return SlicedWasserstein(x, truth, directions, seedDirection) }
	discrepancy := func(x Rows) (float64, error) { return MMD(x, truth, width/4, width/2, width, 2*width) }
	var metrics []Metric
	for _, d := range []struct {
		name, meaning string
		measure       func(Rows) (float64, error)
	}{
		{SlicedWassersteinName, "mean distance of projections, " + unit, wasserstein},
		{MMDName, "kernel distance, unbiased: near 0 if the distributions agree", discrepancy},
	} {
		value, err := d.measure(samples)
		if err != nil {
			return nil, err
		}
		expected, err := d.measure(baseline)
		if err != nil {
			return nil, err
		}
		metrics = append(metrics, Metric{d.name, value, expected, d.meaning})
	}
	return metrics, nil
}

// ScoreMetrics compares a model's score with the exact one at some sigmas, on n points each. low and high bound the
// square of the grid, as in [ScoreError].
func ScoreMetrics(
	ctx context.Context, model sampling.Model, m sampling.Mixture, sigmas []float64, n int, low, high float64,
) ([]Metric, error) {
	var metrics []Metric
	for _, sigma := range sigmas {
		r, err := ScoreError(ctx, model, m, sigma, n, seedTruth, low, high)
		if err != nil {
			return nil, err
		}
		metrics = append(metrics,
			Metric{fmt.Sprintf("score error at σ %.3g", sigma), r.Relative, 0,
				"squared, where the data are, over the error of no score"},
			Metric{fmt.Sprintf("score error on a grid at σ %.3g", sigma), r.Grid, 0,
				"σ²‖s - s*‖² per number, even where no data are"},
		)
	}
	return metrics, nil
}
