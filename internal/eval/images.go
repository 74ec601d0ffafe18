package eval

import (
	"context"
	"io"

	"github.com/langevin-ml/langevin/internal/cli"
	"github.com/langevin-ml/langevin/internal/trainrun"
	"github.com/langevin-ml/langevin/internal/wholefile"
	"github.com/langevin-ml/langevin/training/data"
	"github.com/langevin-ml/langevin/training/eval"
	"github.com/langevin-ml/langevin/training/figure"
)

// pixels reads a part of a dataset, with values in [0, 1], and the class of each image; nil if there are none.
func pixels(
	ctx context.Context, p *cli.Program, config data.Config, split data.Split,
) (rows eval.Rows, labels []int, err error) {
	b := p.NewBar(string(split) + " images")
	defer b.Close(false, "")
	images, err := trainrun.Reading(p, b).Images(ctx, config, split)
	if err != nil {
		return eval.Rows{}, nil, err
	}
	for _, label := range images.Labels {
		labels = append(labels, int(label))
	}
	return eval.Pixels(images), labels, nil
}

// writeNeighbours writes a row for each of some samples: the sample, and then the training images nearest to it.
func (j *imageJudge) writeNeighbours(samples, train eval.Rows) error {
	if j.neighbours == "" {
		return nil
	}
	const side = 8 // samples, and images of each row
	samples = samples.Slice(0, min(side, samples.Len()))
	grid, err := eval.NeighbourRows(samples, train, side-1)
	if err != nil {
		return err
	}
	return wholefile.Write(j.neighbours, func(w io.Writer) error {
		return figure.ImageRows(w, j.shape, figure.Range{Low: 0, High: 1}, grid.X, samples.Len(),
			"left: samples; right of each: nearest training images")
	})
}
