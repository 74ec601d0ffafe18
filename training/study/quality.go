package study

import (
	"context"
	"errors"
	"fmt"

	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/training"
	"github.com/langevin-ml/langevin/training/data"
	"github.com/langevin-ml/langevin/training/eval"
)

// MostCompared is the most samples, and rows of the test part, that a [Comparison] should have. Comparing takes the
// square of the time.
const MostCompared = 2000

// ErrFewRows is wrapped by the error for a test part with too few rows to compare with.
var ErrFewRows = errors.New("too few rows that the training did not use")

// Comparison has samples of a model, and the two parts of the data that it was trained on. Rows of tables are as
// [eval.TableRows] returns them.
type Comparison struct {
	Columns              models.Columns // of a table; nil for others
	Shape                []int          // of a row
	Test, Train, Samples eval.Rows
	Seed                 uint64 // of the two-sample test
}

// Measure compares the samples with the test part, which the training did not use. The expected values are those of
// the train part. Pictures, with values in [0, 1], are also compared with the nearest ones of the train part. If the
// test part is large enough, a new network tells samples from it. It uses the library and the device of o.
func (c Comparison) Measure(ctx context.Context, o training.Options) ([]eval.Metric, error) {
	const least, leastTested = 2, 100 // rows of the test part: to compare with, and for a two-sample test
	if n := c.Test.Len(); n < least {
		return nil, fmt.Errorf("%w: %d, want at least %d", ErrFewRows, n, least)
	}
	metrics, err := c.distances()
	if err != nil || c.Test.Len() < leastTested {
		return metrics, err
	}
	found, err := training.TwoSampleTest{Shape: c.Shape, Seed: c.Seed}.Run(ctx, c.Test, c.Samples, o)
	if err != nil {
		return nil, err
	}
	return append(metrics, eval.Metric{Name: "two-sample accuracy", Value: found.Accuracy, Expected: 0.5,
		Meaning: fmt.Sprintf("how often a new network tells samples from the others, ± %.2g", found.Error)}), nil
}

// distances measures what needs no training.
func (c Comparison) distances() ([]eval.Metric, error) {
	if c.Columns != nil {
		return eval.TableMetrics(c.Columns, c.Test, c.Train, c.Samples)
	}
	metrics, err := eval.Distances(c.Test, c.Train, c.Samples)
	if err != nil || len(c.Shape) != 3 {
		return metrics, err
	}
	memory, err := eval.PictureMemory(c.Samples, c.Test, c.Train)
	return append(metrics, memory...), err
}

// PartRows returns a part of data whose range is given, as it is compared: all its pictures, without noise and mirrors,
// and their classes if they have any, or the first rows of other data, as [FirstRows].
func PartRows(s data.Source, r models.Range) (rows eval.Rows, classes []int, err error) {
	if pictures, ok := s.(data.Pictured); ok {
		images, err := pictures.Images()
		if err != nil {
			return eval.Rows{}, nil, err
		}
		return eval.Pixels(images), eval.Labels(images), nil
	}
	rows, err = FirstRows(s)
	return Shown(rows, s.Shape(), r), nil, err
}

// Shown returns samples of a shape, and of a model of data whose range is given, as they are compared: pictures with
// levels from 0 to 1, and others as they are.
func Shown(x eval.Rows, shape []int, r models.Range) eval.Rows {
	if len(shape) != 3 {
		return x
	}
	low, high := float32(r.Low), float32(r.High)
	levels := x.Clamped(low, high)
	for i, v := range levels.X {
		levels.X[i] = (v - low) / (high - low)
	}
	return levels
}

// FirstRows returns the first rows of a source, at most [MostCompared], and no row of a file twice.
func FirstRows(s data.Source) (eval.Rows, error) {
	n, dim := MostCompared, 1
	if finite, ok := s.(data.Finite); ok {
		n = min(n, finite.Len())
	}
	for _, size := range s.Shape() {
		dim *= size
	}
	rows := eval.Rows{X: make([]float32, n*dim), Dim: dim}
	return rows, s.Read(rows.X, 0)
}
