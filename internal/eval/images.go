package eval

import (
	"context"
	"io"

	"github.com/langevin-ml/langevin/client"
	"github.com/langevin-ml/langevin/internal/classifier"
	"github.com/langevin-ml/langevin/internal/cli"
	"github.com/langevin-ml/langevin/internal/trainrun"
	"github.com/langevin-ml/langevin/internal/wholefile"
	"github.com/langevin-ml/langevin/training/data"
	"github.com/langevin-ml/langevin/training/eval"
	"github.com/langevin-ml/langevin/training/figure"
)

// evaluateImages compares samples with the test images of their dataset.
func evaluateImages(
	ctx context.Context, p *cli.Program, o *command, config data.Config, res *client.Result, e *Report,
) error {
	train, test, err := readParts(ctx, p, config)
	if err != nil {
		return err
	}
	c, err := classifier.Open(o.Connection.Library(), o.classifier, config.Name)
	if err != nil {
		return err
	}
	defer c.Close()
	samples := rowsOf(res.Batch).Clamped(0, 1)
	metrics, classes, err := eval.ImageMetrics(ctx, c, samples, test)
	if err != nil {
		return err
	}
	memory, err := eval.MemoryMetric(samples, test, train)
	if err != nil {
		return err
	}
	e.Metrics = append(metrics, memory)
	e.Classes = classes.Shares
	if o.neighbours == "" {
		return nil
	}
	draw := func(w io.Writer) error { return drawNeighbours(w, res.Shape, samples, train) }
	e.unwritten = wholefile.Write(o.neighbours, draw)
	return nil
}

// readParts reads the training and the test images of a dataset, with values in [0, 1].
func readParts(ctx context.Context, p *cli.Program, config data.Config) (train, test eval.Rows, err error) {
	b := p.NewBar("images")
	defer b.Close(false, "")
	r := trainrun.Reading(p, b)
	if train, err = pixels(ctx, r, config, data.Train); err == nil {
		test, err = pixels(ctx, r, config, data.Test)
	}
	return train, test, err
}

// pixels reads a part of a dataset, with values in [0, 1].
func pixels(ctx context.Context, r data.Reader, config data.Config, split data.Split) (eval.Rows, error) {
	images, err := r.Images(ctx, config, split)
	if err != nil {
		return eval.Rows{}, err
	}
	return eval.Pixels(images), nil
}

// drawNeighbours draws a row for each of some samples: the sample, and then the training images nearest to it.
func drawNeighbours(w io.Writer, shape []int, samples, train eval.Rows) error {
	const side = 8 // samples, and images of each row
	samples = samples.Slice(0, min(side, samples.Len()))
	grid, err := eval.NeighbourRows(samples, train, side-1)
	if err != nil {
		return err
	}
	return figure.ImageRows(w, shape, figure.Range{Low: 0, High: 1}, grid.X, samples.Len(),
		"left: samples; right of each: nearest training images")
}
