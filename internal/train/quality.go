package train

import (
	"context"

	"github.com/langevin-ml/langevin/training"
	"github.com/langevin-ml/langevin/training/data"
	"github.com/langevin-ml/langevin/training/eval"
	"github.com/langevin-ml/langevin/training/study"
)

// quality is how good samples are.
type quality struct {
	samples, test int // numbers of rows
	metrics       []eval.Metric
}

const (
	mostPictures = 500 // to compare, because they take longer to draw
	leastSamples = 1000
)

// measure draws samples and compares them with the test part.
func measure(ctx context.Context, result *training.Result, library string) (quality, error) {
	compare := rowComparison
	if result.Manifest().Columns != nil {
		compare = tableComparison
	}
	c, err := compare(ctx, result, library)
	if err != nil {
		return quality{}, err
	}
	q := quality{samples: c.Samples.Len(), test: c.Test.Len()}
	q.metrics, err = c.Measure(ctx, training.Options{Library: library})
	return q, err
}

// tableComparison draws rows of a table.
func tableComparison(ctx context.Context, result *training.Result, library string) (study.Comparison, error) {
	c := study.Comparison{Shape: result.Manifest().Shape, Seed: result.Config.Seed}
	used, unused := result.Part(data.Train).(data.Tabular), result.Part(data.Test).(data.Tabular)
	c.Columns = used.Columns()
	c.Train, c.Test = eval.TableRows(c.Columns, used.Rows()), eval.TableRows(c.Columns, unused.Rows())
	n := min(max(c.Train.Len(), leastSamples), study.MostCompared)
	rows, err := study.TableSamples(ctx, result, library, n)
	if err != nil {
		return c, err
	}
	c.Samples, c.Test = eval.TableRows(c.Columns, rows), c.Test.Evenly(min(c.Test.Len(), study.MostCompared))
	return c, nil
}

// rowComparison draws pictures or series.
func rowComparison(ctx context.Context, result *training.Result, library string) (c study.Comparison, err error) {
	m := result.Manifest()
	c = study.Comparison{Shape: m.Shape, Seed: result.Config.Seed}
	if c.Train, _, err = study.PartRows(result.Part(data.Train), m.Range); err != nil {
		return c, err
	}
	if c.Test, _, err = study.PartRows(result.Part(data.Test), m.Range); err != nil {
		return c, err
	}
	x, err := study.Draw(ctx, result, library, mostPictures)
	if err != nil {
		return c, err
	}
	c.Samples = study.Shown(eval.Rows{X: x, Dim: m.Dim()}, m.Shape, m.Range)
	c.Test = c.Test.Evenly(min(c.Test.Len(), study.MostCompared))
	return c, nil
}
