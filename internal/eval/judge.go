package eval

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/langevin-ml/langevin/client"
	"github.com/langevin-ml/langevin/internal/classifier"
	"github.com/langevin-ml/langevin/internal/cli"
	"github.com/langevin-ml/langevin/internal/datafile"
	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/ort"
	"github.com/langevin-ml/langevin/sampling"
	"github.com/langevin-ml/langevin/training"
	"github.com/langevin-ml/langevin/training/data"
	"github.com/langevin-ml/langevin/training/eval"
	"github.com/langevin-ml/langevin/training/study"
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
	ByClass []classQuality  `json:"by_class,omitempty"`   // of each class that was asked for
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
func newJudge(
	ctx context.Context, p *cli.Program, o *command, m client.Model, of training.Config, a asked,
) (judge, error) {
	library, _, err := ort.FindLibrary(o.Connection.Library())
	if err != nil {
		return nil, err
	}
	judges, config := training.Options{Library: library}, of.Data
	pictures := len(m.Shape) == 3
	if ofRows(config) && !pictures {
		return newRowJudge(ctx, p, o, m, config, a, judges)
	}
	exact, err := config.Mixture()
	switch {
	case err == nil:
		return newMixtureJudge(exact, a, config, judges)
	case !errors.Is(err, data.ErrNoMixture):
		return nil, err
	case !pictures:
		return nil, fmt.Errorf("%s is neither a mixture of Gaussians nor images: eval has no measure for it",
			config.String())
	case o.classifier == "" && !hasClassifier(of):
		return newPictureJudge(ctx, p, o, m, config, a, judges)
	}
	return newImageJudge(ctx, p, o, m, config, a, judges)
}

// mixtureJudge compares points with the mixture that they should come from.
type mixtureJudge struct {
	exact   sampling.Mixture // of the classes that are asked for
	all     sampling.Mixture // a component for each class of the data
	asked   asked
	options training.Options
}

func newMixtureJudge(m sampling.Mixture, a asked, config data.Config, o training.Options) (judge, error) {
	j := mixtureJudge{exact: m, all: m, asked: a, options: o}
	if err := a.check(len(m.Means), config.String()); err != nil {
		return nil, err
	}
	if len(a.list) > 0 {
		j.exact = eval.Restricted(m, a.proportions())
	}
	return j, nil
}

func (j mixtureJudge) measure(ctx context.Context, samples client.Batch) (quality, error) {
	rows, classes := j.asked.order(rowsOf(samples))
	metrics, modes, err := eval.MixtureMetrics(j.exact, rows)
	if err != nil {
		return quality{}, err
	}
	test := training.TwoSampleTest{Shape: samples.Shape, Seed: seedJudge}
	found, err := test.Run(ctx, eval.Draw(j.exact, rows.Len(), seedPoints), rows, j.options)
	if err != nil {
		return quality{}, err
	}
	q := quality{
		Metrics: append(metrics, twoSampleMetric(twoSamplePoints, "a new classifier", found)),
		Modes:   &modeTable{modes.Weights, modes.Expected}, Shares: &modes.Test,
	}
	if classes == nil {
		return q, nil
	}
	q.ByClass, err = j.asked.byClass(rows, classes, func(class int, x eval.Rows, _ []int) ([]eval.Metric, error) {
		return eval.ComponentMetrics(j.all, class, x)
	})
	q.Metrics = append(q.Metrics, j.asked.whole(eval.Components(j.all, rows), classes, q.ByClass))
	return q, err
}

func twoSampleMetric(name, judge string, t training.TwoSample) eval.Metric {
	return eval.Metric{Name: name, Value: t.Accuracy, Expected: 0.5,
		Meaning: fmt.Sprintf("how often %s tells samples from true ones, ± %.2g", judge, t.Error)}
}

const scorePoints = 2000 // at which the score is compared, for each sigma

// also compares the model's score with the exact one. If classes are asked for, it compares that of each, and the
// report of all samples has the means over the classes.
func (j mixtureJudge) also(
	ctx context.Context, c *client.Client, m client.Model, _ client.Batch, e *Report,
) error {
	if jumps(m) {
		return nil // it has no score
	}
	if len(e.ByClass) == 0 {
		scores, err := scoreMetrics(ctx, c, m, nil, j.exact)
		e.Metrics = append(e.Metrics, scores...)
		return err
	}
	var means []eval.Metric
	for i, q := range e.ByClass {
		scores, err := scoreMetrics(ctx, c, m, client.Class(q.Class), eval.Component(j.all, q.Class))
		if err != nil {
			return err
		}
		e.ByClass[i].Metrics = append(q.Metrics, scores...)
		if i == 0 {
			means = slices.Clone(scores)
		}
		for k, s := range scores {
			means[k].Value += (s.Value - means[k].Value) / float64(i+1)
		}
	}
	e.Metrics = append(e.Metrics, means...)
	return nil
}

// scoreMetrics compares a model's score, given a condition, with the exact one.
func scoreMetrics(
	ctx context.Context, c *client.Client, m client.Model, given client.Given, exact sampling.Mixture,
) ([]eval.Metric, error) {
	first, middle, last := m.Sigmas[0], m.Sigmas[len(m.Sigmas)/2], m.Sigmas[len(m.Sigmas)-1]
	sigmas := []float64{first, middle, last}
	return eval.ScoreMetrics(ctx, remoteModel(c, m, given), exact, sigmas, scorePoints, m.Low, m.High)
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
	asked      asked
	parts      map[int]*eval.TestImages // of each class that is asked for
	shape      []int
	scale      models.Range // of the model's data
	options    training.Options
	neighbours string // file for a picture of nearest training images; may be empty
}

func newImageJudge(
	ctx context.Context, p *cli.Program, o *command, m client.Model, config data.Config, a asked,
	options training.Options,
) (judge, error) {
	j := &imageJudge{program: p, config: config, asked: a, shape: m.Shape, scale: rangeOf(m), options: options,
		neighbours: o.neighbours}
	var labels []int
	var err error
	if j.test, labels, err = j.pixels(ctx, data.Test); err != nil {
		return nil, err
	}
	if j.classifier, err = classifier.Open(o.Connection.Library(), o.classifier, config.Name); err != nil {
		return nil, err
	}
	if err := j.restrict(ctx, labels); err != nil {
		return nil, errors.Join(err, j.classifier.Close())
	}
	return j, nil
}

// restrict chooses the test images to compare with: all, or those of the classes that are asked for.
func (j *imageJudge) restrict(ctx context.Context, labels []int) (err error) {
	if len(j.asked.list) == 0 {
		j.images, err = eval.NewTestImages(ctx, j.classifier, j.test)
		return err
	}
	known := 0
	if len(labels) > 0 {
		known = 1 + slices.Max(labels)
	}
	if err := j.asked.check(known, j.config.String()); err != nil {
		return err
	}
	of := func(proportions []int) (*eval.TestImages, eval.Rows, error) {
		chosen, err := eval.InProportion(labels, proportions)
		if err != nil {
			return nil, eval.Rows{}, fmt.Errorf("test images of %s: %w", j.config.String(), err)
		}
		test, _ := j.test.Pick(chosen).Shuffled() // which are halved by taking every second one
		images, err := eval.NewTestImages(ctx, j.classifier, test)
		return images, test, err
	}
	j.parts = map[int]*eval.TestImages{}
	for _, k := range j.asked.classes() {
		if j.parts[k], _, err = of(only(k, known)); err != nil {
			return err
		}
	}
	j.images, j.test, err = of(j.asked.proportions())
	return err
}

func (j *imageJudge) close() error { return j.classifier.Close() }

func (*imageJudge) shown() []shownMeasure {
	return []shownMeasure{{eval.FIDRatio, true}, {twoSamplePixels, false}, {twoSampleFeatures, false},
		{eval.Confident, false}}
}

func (j *imageJudge) measure(ctx context.Context, samples client.Batch) (quality, error) {
	rows, classes := j.asked.order(study.Shown(rowsOf(samples), j.shape, j.scale))
	found, err := j.images.Measure(ctx, rows)
	if err != nil {
		return quality{}, err
	}
	tests, err := j.twoSample(ctx, rows, found.Features)
	q := quality{
		Metrics: append(found.Metrics, tests...), Classes: found.Classes.Shares, Shares: &found.Classes.Test,
	}
	if classes == nil || err != nil {
		return q, err
	}
	q.ByClass, err = j.asked.byClass(rows, classes, func(class int, x eval.Rows, indices []int) ([]eval.Metric, error) {
		return j.ofClass(ctx, class, x, indices, found.Classes.Of)
	})
	q.Metrics = append(q.Metrics, j.asked.whole(found.Classes.Of, classes, q.ByClass))
	return q, err
}

// ofClass compares samples of one class with test images of this class. The share that has the class is that of all
// samples, and the other measures compare as many samples as there are test images to compare them with.
func (j *imageJudge) ofClass(
	ctx context.Context, class int, x eval.Rows, indices, found []int,
) ([]eval.Metric, error) {
	own := make([]int, len(indices))
	for i, k := range indices {
		own[i] = found[k]
	}
	images := j.parts[class]
	report, err := images.Measure(ctx, x.Slice(0, min(x.Len(), images.True())))
	if err != nil {
		return nil, err
	}
	share := eval.AskedShare(own, slices.Repeat([]int{class}, len(own)))
	return append([]eval.Metric{eval.AskedMetric(share, report.True[class])}, report.Metrics...), nil
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
	train, _, err := j.pixels(ctx, data.Train)
	if err != nil {
		return err
	}
	rows := study.Shown(rowsOf(samples), j.shape, j.scale)
	memory, err := eval.MemoryMetric(rows, j.test, train)
	if err != nil {
		return err
	}
	e.Metrics = append(e.Metrics, memory)
	e.unwritten = writeNeighbours(j.neighbours, j.shape, rows, train)
	return nil
}

// rangeOf returns the range of a model's data.
func rangeOf(m client.Model) models.Range { return models.Range{Low: m.Low, High: m.High} }

func rowsOf(b client.Batch) eval.Rows { return eval.Rows{X: b.X, Dim: datafile.Elements(b.Shape)} }

// remoteModel returns a model of a server, given a condition, as a [sampling.Model].
func remoteModel(c *client.Client, m client.Model, given client.Given) sampling.Model {
	return sampling.ModelFunc(func(ctx context.Context, dst, x, sigma []float32) error {
		scores, err := c.Score(ctx, client.ScoreRequest{Model: m.Name, Version: m.Version, X: x, Shape: m.Shape,
			Sigma: sigma, Given: given})
		if err != nil {
			return err
		}
		copy(dst, scores.X)
		return nil
	})
}
