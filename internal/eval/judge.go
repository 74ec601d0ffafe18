package eval

import (
	"context"
	"errors"
	"fmt"

	"github.com/langevin-ml/langevin/client"
	"github.com/langevin-ml/langevin/internal/classifier"
	"github.com/langevin-ml/langevin/internal/cli"
	"github.com/langevin-ml/langevin/internal/datafile"
	"github.com/langevin-ml/langevin/ort"
	"github.com/langevin-ml/langevin/sampling"
	"github.com/langevin-ml/langevin/training"
	"github.com/langevin-ml/langevin/training/data"
	"github.com/langevin-ml/langevin/training/eval"
)

// judge compares samples with the data of a model. It is for one caller at a time.
type judge interface {
	// measure takes some seconds. The same samples measure the same.
	measure(ctx context.Context, samples client.Batch) (quality, error)
	// also measures what is not about one set of samples alone, or takes long, and adds it to a report.
	also(ctx context.Context, c *client.Client, m client.Model, samples client.Batch, e *Report) error
	// shown says which measures a frontier draws, the most telling one first.
	shown() []shownMeasure
	close() error
}

// quality is what a judge measures.
type quality struct {
	Metrics []eval.Metric   `json:"metrics"`
	Modes   *modeTable      `json:"modes,omitempty"`
	Classes []float64       `json:"classes,omitempty"`    // share of the samples in each class
	Shares  *eval.ChiSquare `json:"share_test,omitempty"` // of the shares of classes or modes with the true ones
}

// shownMeasure is a measure that a frontier draws.
type shownMeasure struct {
	name string
	log  bool // whether on a logarithmic axis
}

// Names of the two-sample tests, and the seeds of what they draw.
const (
	twoSamplePoints   = "two-sample accuracy"
	twoSamplePixels   = "two-sample, pixels"
	twoSampleFeatures = "two-sample, features"

	seedJudge  = 0x2a3b // of the classifiers' initial weights
	seedPoints = 0x7e57 // of the exact samples that they compare with
)

// newJudge returns the judge of samples of a model that was trained on the data of config.
func newJudge(ctx context.Context, p *cli.Program, o *command, m client.Model, config data.Config) (judge, error) {
	exact, err := config.Mixture()
	known := err == nil
	if !known && !errors.Is(err, data.ErrNoMixture) {
		return nil, err
	}
	if !known && len(m.Shape) != 3 {
		return nil, fmt.Errorf("%s is neither a mixture of Gaussians nor images: eval has no measure for it",
			config.String())
	}
	library, _, err := ort.FindLibrary(o.Connection.Library())
	if err != nil {
		return nil, err
	}
	judges := training.Options{Library: library}
	if known {
		return mixtureJudge{exact: exact, options: judges}, nil
	}
	return newImageJudge(ctx, p, o, m, config, judges)
}

// mixtureJudge compares points with the mixture that they should come from.
type mixtureJudge struct {
	exact   sampling.Mixture
	options training.Options
}

func (j mixtureJudge) measure(ctx context.Context, samples client.Batch) (quality, error) {
	rows := rowsOf(samples)
	metrics, modes, err := eval.MixtureMetrics(j.exact, rows)
	if err != nil {
		return quality{}, err
	}
	test := training.TwoSampleTest{Shape: samples.Shape, Seed: seedJudge}
	found, err := test.Run(ctx, eval.Draw(j.exact, rows.Len(), seedPoints), rows, j.options)
	if err != nil {
		return quality{}, err
	}
	return quality{
		Metrics: append(metrics, twoSampleMetric(twoSamplePoints, "a new classifier", found)),
		Modes:   &modeTable{modes.Weights, modes.Expected}, Shares: &modes.Test,
	}, nil
}

func twoSampleMetric(name, judge string, t training.TwoSample) eval.Metric {
	return eval.Metric{Name: name, Value: t.Accuracy, Expected: 0.5,
		Meaning: fmt.Sprintf("how often %s tells samples from true ones, ± %.2g", judge, t.Error)}
}

const scorePoints = 2000 // at which the score is compared, for each sigma

// also compares the model's score with the exact one.
func (j mixtureJudge) also(
	ctx context.Context, c *client.Client, m client.Model, _ client.Batch, e *Report,
) error {
	first, middle, last := m.Sigmas[0], m.Sigmas[len(m.Sigmas)/2], m.Sigmas[len(m.Sigmas)-1]
	sigmas := []float64{first, middle, last}
	scores, err := eval.ScoreMetrics(ctx, remoteModel(c, m), j.exact, sigmas, scorePoints, m.Low, m.High)
	e.Metrics = append(e.Metrics, scores...)
	return err
}

func (mixtureJudge) shown() []shownMeasure {
	return []shownMeasure{{eval.SlicedWassersteinName, true}, {twoSamplePoints, false}, {eval.ModeWeightError, true}}
}

func (mixtureJudge) close() error { return nil }

// imageJudge compares images with the test images of their dataset.
type imageJudge struct {
	program    *cli.Program
	config     data.Config
	classifier classifier.Classifier
	images     *eval.TestImages
	test       eval.Rows
	shape      []int
	options    training.Options
	neighbours string // file for a picture of nearest training images; may be empty
}

func newImageJudge(
	ctx context.Context, p *cli.Program, o *command, m client.Model, config data.Config, options training.Options,
) (judge, error) {
	test, err := pixels(ctx, p, config, data.Test)
	if err != nil {
		return nil, err
	}
	c, err := classifier.Open(o.Connection.Library(), o.classifier, config.Name)
	if err != nil {
		return nil, err
	}
	images, err := eval.NewTestImages(ctx, c, test)
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return &imageJudge{program: p, config: config, classifier: c, images: images, test: test, shape: m.Shape,
		options: options, neighbours: o.neighbours}, nil
}

func (j *imageJudge) close() error { return j.classifier.Close() }

func (*imageJudge) shown() []shownMeasure {
	return []shownMeasure{{eval.FIDRatio, true}, {twoSamplePixels, false}, {twoSampleFeatures, false},
		{eval.Confident, false}}
}

func (j *imageJudge) measure(ctx context.Context, samples client.Batch) (quality, error) {
	rows := rowsOf(samples).Clamped(0, 1)
	found, err := j.images.Measure(ctx, rows)
	if err != nil {
		return quality{}, err
	}
	tests, err := j.twoSample(ctx, rows, found.Features)
	return quality{
		Metrics: append(found.Metrics, tests...), Classes: found.Classes.Shares, Shares: &found.Classes.Test,
	}, err
}

// twoSample tells samples from the reference images in two ways, because each sees what the other misses. A network
// that learns from the pixels sees artefacts that the features of the classifier leave out. From few images it learns
// less about shapes than the features already know. found is the features of rows.
func (j *imageJudge) twoSample(ctx context.Context, rows, found eval.Rows) ([]eval.Metric, error) {
	pixels := training.TwoSampleTest{Shape: j.shape, Seed: seedJudge}
	ofPixels, err := pixels.Run(ctx, j.images.Reference(), rows, j.options)
	if err != nil {
		return nil, err
	}
	features := training.TwoSampleTest{Shape: []int{found.Dim}, Seed: seedJudge}
	ofFeatures, err := features.Run(ctx, j.images.ReferenceFeatures(), found, j.options)
	return []eval.Metric{
		twoSampleMetric(twoSamplePixels, "a new network", ofPixels),
		twoSampleMetric(twoSampleFeatures, "a classifier of the features", ofFeatures),
	}, err
}

// also looks for samples that were copied from the training images, and draws the nearest ones if it is asked to.
func (j *imageJudge) also(
	ctx context.Context, _ *client.Client, _ client.Model, samples client.Batch, e *Report,
) error {
	train, err := pixels(ctx, j.program, j.config, data.Train)
	if err != nil {
		return err
	}
	rows := rowsOf(samples).Clamped(0, 1)
	memory, err := eval.MemoryMetric(rows, j.test, train)
	if err != nil {
		return err
	}
	e.Metrics = append(e.Metrics, memory)
	e.unwritten = j.writeNeighbours(rows, train)
	return nil
}

func rowsOf(b client.Batch) eval.Rows { return eval.Rows{X: b.X, Dim: datafile.Elements(b.Shape)} }

// remoteModel returns a model of a server as a [sampling.Model].
func remoteModel(c *client.Client, m client.Model) sampling.Model {
	return sampling.ModelFunc(func(ctx context.Context, dst, x, sigma []float32) error {
		scores, err := c.Score(ctx, client.ScoreRequest{Model: m.Name, Version: m.Version, X: x, Shape: m.Shape,
			Sigma: sigma})
		if err != nil {
			return err
		}
		copy(dst, scores.X)
		return nil
	})
}
