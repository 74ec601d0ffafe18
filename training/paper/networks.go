package paper

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/langevin-ml/langevin/internal/processors"
	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/sampling"
	"github.com/langevin-ml/langevin/training"
	"github.com/langevin-ml/langevin/training/data"
	"github.com/langevin-ml/langevin/training/eval"
)

// Laboratory trains and loads networks for the experiments. What it opens stays open until the report is written,
// because the pictures need it.
type Laboratory interface {
	// Train trains a network and calls progress during the training. If progress is nil, the laboratory shows the
	// progress itself.
	Train(ctx context.Context, c training.Config, progress func(training.Progress)) (*training.Result, error)
	// Load opens a model file for several concurrent callers, with the given number of threads; 0 is the runtime's
	// default.
	Load(ctx context.Context, graph []byte, m models.Manifest, threads int) (sampling.Model, error)
	// Classifier opens the built-in classifier of a dataset.
	Classifier(dataset string) (eval.Classifier, error)
}

// Networks has the settings of the experiments that need trained networks.
type Networks struct {
	Laboratory Laboratory
	Models     *models.Repository
	Exact      Options // of the comparisons with exact scores
	Full       bool    // use the papers' sizes, and train networks for them
	MNIST      string  // folder of the images
	CIFAR10    string  // folder of the images; only with Full

	// These texts say what the user should do if something is missing.
	NoModel, NoMNIST, NoCIFAR10 string

	// Watch runs work and shows its progress under a title. Several goroutines may report progress.
	Watch func(title string, work func(progress func(done, total int, now string)) error) error
}

// Sections repeats the experiments. If a model or data are missing, the section says what is missing.
func (n Networks) Sections(ctx context.Context) ([]Section, error) {
	noise, err := n.pixelNoise(ctx)
	if err != nil {
		return nil, err
	}
	toys, err := n.toys(ctx)
	if err != nil {
		return nil, err
	}
	images, err := n.images(ctx)
	return append(append([]Section{noise}, toys...), images...), err
}

// configured returns a preset with some settings changed.
func configured(preset string, settings ...string) (training.Config, error) {
	c, err := training.Preset(preset)
	if err != nil {
		return c, err
	}
	return c.With(settings...)
}

// toys repeats the experiments on points in the plane.
func (n Networks) toys(ctx context.Context) ([]Section, error) {
	ssm, err := n.unconditional(ctx)
	if err != nil {
		return nil, err
	}
	figure2, err := SlicedSection(ctx, ssm)
	if err != nil {
		return nil, err
	}
	var single []Unconditional
	for _, settings := range [][]string{
		{"name=2gauss-dsm"},
		{"name=ring-dsm", "data.name=ring", "data.modes=8", "data.radius=5"},
	} {
		u, err := n.unconditional(ctx, append(settings, "loss.name=dsm", "loss.power=2", "loss.projections=0")...)
		if err != nil {
			return nil, err
		}
		single = append(single, u)
	}
	two, err := n.conditionalNetwork(ctx, "2gauss")
	if err != nil {
		return nil, err
	}
	ring, err := n.conditionalNetwork(ctx, "ring")
	if err != nil {
		return nil, err
	}
	var levels Section
	err = n.Watch("noise-conditional toys", func(func(int, int, string)) (err error) {
		levels, err = ConditionalSection(ctx, two, ring, n.Exact)
		return err
	})
	if err != nil {
		return nil, err
	}
	product, err := n.product(ctx, ring)
	return []Section{figure2, SingleLevelSection(single), levels, product}, err
}

// product trains a network of the second factor and samples the product of both.
func (n Networks) product(ctx context.Context, ring Conditional) (s Section, err error) {
	other, err := n.factorNetwork(ctx)
	if err != nil {
		return s, err
	}
	err = n.Watch("product of networks", func(progress func(done, total int, now string)) (err error) {
		o := n.Exact
		o.Progress = progress
		s, err = ProductSection(ctx, ring, other, o)
		return err
	})
	return s, err
}

// factorNetwork trains a network of the second mixture of productFactors.
func (n Networks) factorNetwork(ctx context.Context) (Conditional, error) {
	_, mixture, err := productFactors()
	if err != nil {
		return Conditional{}, err
	}
	config, err := configured("toy-2gauss", "name=factor", "data.name=mixture", fmt.Sprintf("data.std=%g", mixture.Std),
		"data.means="+yaml(mixture.Means), "data.weights="+yaml(mixture.Weights))
	if err != nil {
		return Conditional{}, err
	}
	graph, manifest, err := n.train(ctx, config)
	if err != nil {
		return Conditional{}, err
	}
	return n.load(ctx, config.Name, mixture, graph, manifest)
}

// yaml returns numbers as a value of a setting: "[[3, 1], [-2, -3]]".
func yaml(numbers any) string { return strings.ReplaceAll(fmt.Sprint(numbers), " ", ", ") }

// unconditional trains the network of figure 2, with some settings changed.
func (n Networks) unconditional(ctx context.Context, settings ...string) (Unconditional, error) {
	config, err := configured("toy-ssm", settings...)
	if err != nil {
		return Unconditional{}, err
	}
	mixture, err := config.Data.Mixture()
	if err != nil {
		return Unconditional{}, err
	}
	r, err := n.Laboratory.Train(ctx, config, nil)
	if err != nil {
		return Unconditional{}, err
	}
	least, err := training.LeastLosses(ctx, config)
	if err != nil {
		return Unconditional{}, err
	}
	graph, err := r.ONNX()
	if err != nil {
		return Unconditional{}, err
	}
	model, err := n.Laboratory.Load(ctx, graph, r.Manifest(), 0)
	if err != nil {
		return Unconditional{}, err
	}
	return Unconditional{
		Name: config.Name, Mixture: mixture, Model: model, Sigma: r.Schedule().Last(),
		History: losses(r), Every: config.Training.LogEvery, Loss: r.Loss, Least: least[0],
	}, nil
}

// losses returns the losses in the log of a training.
func losses(r *training.Result) []float64 {
	all := make([]float64, len(r.History))
	for i, record := range r.History {
		all[i] = record.Loss
	}
	return all
}

// conditionalNetwork returns the network of a preset's mixture.
func (n Networks) conditionalNetwork(ctx context.Context, name string) (Conditional, error) {
	config, err := configured("toy-" + name)
	if err != nil {
		return Conditional{}, err
	}
	mixture, err := config.Data.Mixture()
	if err != nil {
		return Conditional{}, err
	}
	graph, manifest, err := n.toyModel(ctx, name, config)
	if err != nil {
		return Conditional{}, err
	}
	return n.load(ctx, name, mixture, graph, manifest)
}

// load opens the file of a noise-conditional network.
func (n Networks) load(
	ctx context.Context, name string, m sampling.Mixture, graph []byte, manifest models.Manifest,
) (Conditional, error) {
	schedule, err := manifest.Schedule()
	if err != nil {
		return Conditional{}, err
	}
	model, err := n.Laboratory.Load(ctx, graph, manifest, 0)
	return Conditional{Name: name, Mixture: m, Model: model, Schedule: schedule}, err
}

// toyModel returns a model of the repository or, with Full, one that it trains.
func (n Networks) toyModel(ctx context.Context, name string, c training.Config) ([]byte, models.Manifest, error) {
	if !n.Full {
		file, err := n.Models.Open(name, 0)
		return file.Graph, file.Manifest, err
	}
	return n.train(ctx, c)
}

// train trains a network and exports it.
func (n Networks) train(ctx context.Context, c training.Config) ([]byte, models.Manifest, error) {
	r, err := n.Laboratory.Train(ctx, c, nil)
	if err != nil {
		return nil, models.Manifest{}, err
	}
	graph, err := r.ONNX()
	if err != nil {
		return nil, models.Manifest{}, fmt.Errorf("export %s: %w", c.Name, err)
	}
	return graph, r.Manifest(), nil
}

// imagesModel is the model of the experiments on images.
const imagesModel = "mnist"

// images repeats the experiments on images.
func (n Networks) images(ctx context.Context) (sections []Section, err error) {
	file, err := n.Models.Open(imagesModel, 0)
	if errors.Is(err, models.ErrNotFound) {
		return WithoutImages(fmt.Sprintf("there is no model %s; %s", imagesModel, n.NoModel)), nil
	}
	if err != nil {
		return nil, err
	}
	m, err := n.imagesOf(ctx, file)
	if err != nil {
		return nil, err
	}
	err = n.Watch(imagesModel, func(progress func(done, total int, now string)) (err error) {
		m.Progress = progress
		sections, err = ImageSections(ctx, m)
		return err
	})
	return sections, err
}

func (n Networks) imagesOf(ctx context.Context, file models.File) (m Images, err error) {
	m = Images{
		Name: imagesModel, Shape: file.Manifest.Shape, Prior: file.Manifest.Prior,
		Seed: n.Exact.Seed, Sizes: SmallImages(),
	}
	if n.Full {
		m.Sizes = PaperImages()
	}
	if m.Sampler, err = file.Manifest.AnnealedLangevin(); err != nil {
		return m, err
	}
	if m.Model, err = n.Laboratory.Load(ctx, file.Graph, file.Manifest, processors.Count()); err != nil {
		return m, err
	}
	if m.Classifier, err = n.Laboratory.Classifier(imagesModel); err != nil {
		return m, err
	}
	if err := n.readImages(&m); err != nil {
		m.NoData = fmt.Sprintf("%v; %s", err, n.NoMNIST)
	}
	return m, nil
}

func (n Networks) readImages(m *Images) error {
	config, err := configured("mnist-small", "data.dir="+n.MNIST)
	if err != nil {
		return err
	}
	for split, rows := range map[data.Split]*eval.Rows{data.Train: &m.Train, data.Test: &m.Test} {
		images, err := config.Data.Images(split)
		if err != nil {
			return err
		}
		*rows = eval.Pixels(images)
	}
	return nil
}
