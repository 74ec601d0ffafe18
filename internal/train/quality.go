package train

import (
	"context"
	"fmt"

	"github.com/langevin-ml/langevin/training"
	"github.com/langevin-ml/langevin/training/data"
	"github.com/langevin-ml/langevin/training/eval"
	"github.com/langevin-ml/langevin/training/study"
)

// tableQuality is how good the samples of a table are.
type tableQuality struct {
	samples, test int // numbers of rows
	metrics       []eval.Metric
}

const (
	mostRows     = 2000 // of samples and of the test part, because comparing takes the square of the time
	leastSamples = 1000
	leastTested  = 100 // rows of the test part for a two-sample test
)

// measureTable draws as many samples as the training has rows, and compares them with the test part.
func measureTable(
	ctx context.Context, result *training.Result, library string,
) (q tableQuality, err error) {
	train, err := data.Reader{}.Table(ctx, result.Config.Data, data.Train, result.Config.Seed)
	if err != nil {
		return q, err
	}
	test, err := data.Reader{}.Table(ctx, result.Config.Data, data.Test, result.Config.Seed)
	if err != nil {
		return q, err
	}
	columns := train.Columns()
	real, held := eval.TableRows(columns, train.Rows()), eval.TableRows(columns, test.Rows())
	rows, err := study.TableSamples(ctx, result, library, min(max(real.Len(), leastSamples), mostRows))
	if err != nil {
		return q, err
	}
	samples := eval.TableRows(columns, rows)
	held = held.Evenly(min(held.Len(), mostRows))
	q.samples, q.test = samples.Len(), held.Len()
	if q.metrics, err = eval.TableMetrics(columns, held, real, samples); err != nil || held.Len() < leastTested {
		return q, err
	}
	judge := training.TwoSampleTest{Shape: []int{columns.Width()}, Seed: result.Config.Seed}
	found, err := judge.Run(ctx, held, samples, training.Options{Library: library})
	if err != nil {
		return q, err
	}
	q.metrics = append(q.metrics, eval.Metric{Name: "two-sample accuracy", Value: found.Accuracy, Expected: 0.5,
		Meaning: fmt.Sprintf("how often a new network tells samples from rows, ± %.2g", found.Error)})
	return q, nil
}
