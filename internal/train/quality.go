package train

import (
	"context"
	"errors"
	"fmt"

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
	mostRows     = 2000 // of samples and of the test part, because comparing takes the square of the time
	mostPictures = 500  // the same of pictures, which take longer to draw
	leastSamples = 1000
	leastTested  = 100 // rows of the test part for a two-sample test
)

// measure draws samples and compares them with the test part.
func measure(ctx context.Context, p *cli.Program, result *training.Result, library string) (quality, error) {
	q, test, samples, err := distances(ctx, p, result, library)
	if err != nil || test.Len() < leastTested {
		return q, err
	}
	judge := training.TwoSampleTest{Shape: result.Manifest().Shape, Seed: result.Config.Seed}
	found, err := judge.Run(ctx, test, samples, training.Options{Library: library})
	if err != nil {
		return q, err
	}
	q.metrics = append(q.metrics, eval.Metric{Name: "two-sample accuracy", Value: found.Accuracy, Expected: 0.5,
		Meaning: fmt.Sprintf("how often a new network tells samples from the others, ± %.2g", found.Error)})
	return q, nil
}

// distances measures what needs no training. It also returns what it compared.
func distances(
	ctx context.Context, p *cli.Program, result *training.Result, library string,
) (q quality, test, samples eval.Rows, err error) {
	if result.Manifest().Columns == nil {
		return pictureDistances(ctx, p, result, library)
	}
	used, unused, err := tables(ctx, result.Config)
	if err != nil {
		return q, test, samples, err
	}
	columns := used.Columns()
	train, test := eval.TableRows(columns, used.Rows()), eval.TableRows(columns, unused.Rows())
	rows, err := study.TableSamples(ctx, result, library, min(max(train.Len(), leastSamples), mostRows))
	if err != nil {
		return q, test, samples, err
	}
	samples, test = eval.TableRows(columns, rows), test.Evenly(min(test.Len(), mostRows))
	q.samples, q.test = samples.Len(), test.Len()
	q.metrics, err = eval.TableMetrics(columns, test, train, samples)
	return q, test, samples, err
}

// tables opens both parts of a table.
func tables(ctx context.Context, c training.Config) (train, test data.Tabular, err error) {
	train, trainErr := data.Reader{}.Table(ctx, c.Data, data.Train, c.Seed)
	test, testErr := data.Reader{}.Table(ctx, c.Data, data.Test, c.Seed)
	return train, test, errors.Join(trainErr, testErr)
}

// pictureDistances is distances for pictures and series.
func pictureDistances(
	ctx context.Context, p *cli.Program, result *training.Result, library string,
) (q quality, test, samples eval.Rows, err error) {
	b := p.NewBar("measuring")
	defer b.Close(false, "")
	parts := map[data.Split]eval.Rows{}
	for _, split := range []data.Split{data.Train, data.Test} {
		if parts[split], err = rows(ctx, trainrun.Reading(p, b), result.Config, split); err != nil {
			return q, test, samples, err
		}
	}
	x, err := study.Draw(ctx, result, library, mostPictures)
	if err != nil {
		return q, test, samples, err
	}
	samples = eval.Rows{X: x, Dim: result.Manifest().Dim()}
	if len(result.Manifest().Shape) == 3 {
		samples = samples.Clamped(0, 1)
	}
	test = parts[data.Test].Evenly(min(parts[data.Test].Len(), mostRows))
	q.samples, q.test = samples.Len(), test.Len()
	if q.metrics, err = eval.Distances(test, parts[data.Train], samples); err != nil {
		return q, test, samples, err
	}
	if len(result.Manifest().Shape) != 3 {
		return q, test, samples, nil
	}
	memory, err := eval.MemoryMetric(samples, test, parts[data.Train])
	q.metrics = append(q.metrics, memory)
	return q, test, samples, err
}

// rows returns a part of pictures or series, as the network is trained on them but for noise and mirrors.
func rows(ctx context.Context, r data.Reader, c training.Config, split data.Split) (eval.Rows, error) {
	if c.Data.Name == data.NPY {
		return arrayRows(ctx, r, c, split)
	}
	images, err := r.Images(ctx, c.Data, split)
	if err != nil {
		return eval.Rows{}, err
	}
	return eval.Pixels(images), nil
}

// arrayRows returns draws from a part of an array.
func arrayRows(ctx context.Context, r data.Reader, c training.Config, split data.Split) (eval.Rows, error) {
	source, err := r.Open(ctx, c.Data, split, c.Seed)
	if err != nil {
		return eval.Rows{}, err
	}
	dim := 1
	for _, n := range source.Shape() {
		dim *= n
	}
	x := make([]float32, mostRows*dim)
	return eval.Rows{X: x, Dim: dim}, source.Read(x, 0)
}
