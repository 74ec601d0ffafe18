package eval

import (
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/langevin-ml/langevin/client"
	"github.com/langevin-ml/langevin/internal/cli"
	"github.com/langevin-ml/langevin/internal/trainrun"
	"github.com/langevin-ml/langevin/internal/wholefile"
	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/training"
	"github.com/langevin-ml/langevin/training/data"
	"github.com/langevin-ml/langevin/training/eval"
	"github.com/langevin-ml/langevin/training/figure"
	"github.com/langevin-ml/langevin/training/study"
)

// picturesConfig returns settings for the pictures of --data, on which m was trained without a preset for them. trained
// describes them.
func (o *command) picturesConfig(m client.Model, trained string) (training.Config, error) {
	c := training.Config{Data: data.Described(trained)}
	c.Data.Dir = o.dir
	for _, s := range o.set {
		if err := c.Set(s); err != nil {
			return c, cli.Usagef("%v", err)
		}
	}
	if c.Data.Dir == "" {
		return c, cli.Usagef("%s was trained on %s: want --data, the folder or the file of these pictures", m.Name,
			trained)
	}
	if ofRows(c.Data) && c.Data.Layout == "" {
		a, err := data.ReadArray(c.Data.Dir)
		if err != nil {
			return c, fmt.Errorf("--data: %w", err)
		}
		c.Data.Layout = layout(a.Shape, m.Shape)
	}
	return c, nil
}

// ownPictures reports whether a model of pictures was trained on a user's own: without a preset, or with one of others.
func (o *command) ownPictures(made models.Training, c data.Config) bool {
	own := ofRows(c) || c.Name == data.Pictures
	switch {
	case o.preset != "":
		return false
	case made.Preset == "":
		return own || slices.Contains([]string{data.MNIST, data.FashionMNIST, data.CIFAR10, data.CelebA}, c.Name)
	}
	preset, err := training.Preset(made.Preset)
	return own && len(o.set) == 0 && (err != nil || !sameData(made.Data, preset.Data))
}

// layout returns the order of the axes of an array with which its pictures have a shape.
func layout(axes, shape []int) data.Layout {
	last := append(slices.Clone(shape[1:]), shape[0])
	if len(axes) == 4 && slices.Equal(axes[1:], last) && !slices.Equal(axes[1:], shape) {
		return data.ChannelsLast
	}
	return data.ChannelsFirst
}

// hasClassifier reports whether a classifier comes with the program that knows the data of a preset. Pictures of one's
// own have none, whatever the format of their files is.
func hasClassifier(c training.Config) bool {
	_, err := eval.ClassifierFile(c.Data.Name)
	return c.Preset != "" && err == nil
}

// newPictureJudge returns a judge of pictures for which there is no classifier, and says so.
func newPictureJudge(
	ctx context.Context, p *cli.Program, o *command, m client.Model, config data.Config, a asked,
	options training.Options,
) (judge, error) {
	j, err := newRowJudge(ctx, p, o, m, config, a, options)
	if err == nil {
		fmt.Fprintln(p.Stderr, "langevin: without a classifier of these pictures (--classifier), FID, KID, precision, "+
			"recall and the shares of classes are left out")
	}
	return j, err
}

// pixels reads a part of a dataset, with values in [0, 1], and the class of each image; nil if there are none.
func (j *imageJudge) pixels(ctx context.Context, split data.Split) (rows eval.Rows, labels []int, err error) {
	b := j.program.NewBar(string(split) + " images")
	defer b.Close(false, "")
	r := trainrun.Reading(j.program, b)
	if ofRows(j.config) {
		source, err := r.Open(ctx, j.config, split, 0)
		if err != nil {
			return eval.Rows{}, nil, fmt.Errorf("--data: %w", data.WithoutKey(err))
		}
		return study.PartRows(source, j.scale)
	}
	images, err := r.Images(ctx, j.config, split)
	if err != nil {
		return eval.Rows{}, nil, err
	}
	return eval.Pixels(images), eval.Labels(images), nil
}

// writeNeighbours writes a row for each of some samples: the sample, and then the training images nearest to it. It
// writes nothing without a path.
func writeNeighbours(path string, shape []int, samples, train eval.Rows) error {
	if path == "" {
		return nil
	}
	const side = 8 // samples, and images of each row
	samples = samples.Slice(0, min(side, samples.Len()))
	grid, err := eval.NeighbourRows(samples, train, side-1)
	if err != nil {
		return err
	}
	return wholefile.Write(path, func(w io.Writer) error {
		return figure.ImageRows(w, shape, figure.Range{Low: 0, High: 1}, grid.X, samples.Len(),
			"left: samples; right of each: nearest training images")
	})
}
