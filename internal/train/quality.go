package train

import (
	"context"
	"errors"

	"github.com/langevin-ml/langevin/internal/cli"
	"github.com/langevin-ml/langevin/internal/trainrun"
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
func measure(ctx context.Context, p *cli.Program, result *training.Result, library string) (quality, error) {
	compare := rowComparison
	if result.Manifest().Columns != nil {
		compare = tableComparison
	}
	c, err := compare(ctx, p, result, library)
	if err != nil {
		return quality{}, err
	}
	q := quality{samples: c.Samples.Len(), test: c.Test.Len()}
	q.metrics, err = c.Measure(ctx, training.Options{Library: library})
	return q, err
}

// tableComparison draws rows of a table.
func tableComparison(
	ctx context.Context, _ *cli.Program, result *training.Result, library string,
) (study.Comparison, error) {
	c := study.Comparison{Shape: result.Manifest().Shape, Seed: result.Config.Seed}
	used, unused, err := tables(ctx, result.Config)
	if err != nil {
		return c, err
	}
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

// tables opens both parts of a table.
func tables(ctx context.Context, c training.Config) (train, test data.Tabular, err error) {
	train, trainErr := data.Reader{}.Table(ctx, c.Data, data.Train, c.Seed)
	test, testErr := data.Reader{}.Table(ctx, c.Data, data.Test, c.Seed)
	return train, test, errors.Join(trainErr, testErr)
}

// rowComparison draws pictures or series.
func rowComparison(
	ctx context.Context, p *cli.Program, result *training.Result, library string,
) (c study.Comparison, err error) {
	b := p.NewBar("measuring")
	defer b.Close(false, "")
	c = study.Comparison{Shape: result.Manifest().Shape, Seed: result.Config.Seed}
	parts := map[data.Split]eval.Rows{}
	for _, split := range []data.Split{data.Train, data.Test} {
		if parts[split], err = rows(ctx, trainrun.Reading(p, b), result.Config, split); err != nil {
			return c, err
		}
	}
	x, err := study.Draw(ctx, result, library, mostPictures)
	if err != nil {
		return c, err
	}
	c.Samples = eval.Rows{X: x, Dim: result.Manifest().Dim()}
	if len(c.Shape) == 3 {
		c.Samples = c.Samples.Clamped(0, 1)
	}
	c.Train, c.Test = parts[data.Train], parts[data.Test]
	c.Test = c.Test.Evenly(min(c.Test.Len(), study.MostCompared))
	return c, nil
}

// rows returns a part of pictures or series, as the network is trained on them but for noise and mirrors.
func rows(ctx context.Context, r data.Reader, c training.Config, split data.Split) (eval.Rows, error) {
	if c.Data.Name == data.NPY {
		source, err := r.Open(ctx, c.Data, split, c.Seed)
		if err != nil {
			return eval.Rows{}, err
		}
		return study.FirstRows(source)
	}
	images, err := r.Images(ctx, c.Data, split)
	if err != nil {
		return eval.Rows{}, err
	}
	return eval.Pixels(images), nil
}
