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
	c = study.Comparison{Shape: result.Manifest().Shape, Seed: result.Config.Seed}
	if c.Train, err = rows(result, data.Train); err != nil {
		return c, err
	}
	if c.Test, err = rows(result, data.Test); err != nil {
		return c, err
	}
	x, err := study.Draw(ctx, result, library, mostPictures)
	if err != nil {
		return c, err
	}
	c.Samples = eval.Rows{X: x, Dim: result.Manifest().Dim()}
	if len(c.Shape) == 3 {
		c.Samples = c.Samples.Clamped(0, 1)
	}
	c.Test = c.Test.Evenly(min(c.Test.Len(), study.MostCompared))
	return c, nil
}

// rows returns a part of pictures or series, as the network is trained on them but for noise and mirrors.
func rows(result *training.Result, split data.Split) (eval.Rows, error) {
	pictures, ok := result.Part(split).(data.Pictured)
	if !ok || result.Config.Data.Name == data.NPY {
		return study.FirstRows(result.Part(split))
	}
	images, err := pictures.Images()
	if err != nil {
		return eval.Rows{}, err
	}
	return eval.Pixels(images), nil
}
