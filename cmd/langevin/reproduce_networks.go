package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/ort"
	"github.com/langevin-ml/langevin/training"
	"github.com/langevin-ml/langevin/training/data"
	"github.com/langevin-ml/langevin/training/paper"
)

// laboratory makes the networks that experiments need. Pictures may need them too: it closes after the page is written.
type laboratory struct {
	*program
	*reproduceCommand
	training training.Options // of every training: the library and the device
	engine   *ort.Runtime
	models   *models.Repository
	loaded   []*ort.Session

	classifier classifier
}

// newLaboratory says what is missing for networks in general, and fails if only the device or the folder of models is that was
// asked for.
func (p *program) newLaboratory(ctx context.Context, o *reproduceCommand) (l *laboratory, missing, err error) {
	library, _, missing := ort.FindLibrary(o.library)
	if missing != nil {
		return nil, missing, nil
	}
	l = &laboratory{program: p, reproduceCommand: o}
	if l.training, err = p.trainingOptions(ctx, library, o.deviceFlags); err != nil {
		return nil, nil, err
	}
	if l.engine, missing = ort.OpenFound(o.library); missing != nil {
		return nil, missing, nil
	}
	l.models, err = models.NewRepository(models.Zoo(), o.modelsDir)
	return l, nil, err
}

func (l *laboratory) close() {
	for _, s := range l.loaded {
		s.Close()
	}
	if l.classifier.Function != nil {
		l.classifier.Close()
	}
	l.models.Close()
}

// load opens a model file for callers side by side.
func (l *laboratory) load(ctx context.Context, graph []byte, m models.Manifest) (*ort.Session, error) {
	return l.loadWith(ctx, graph, m, ort.Options{})
}

func (l *laboratory) loadWith(ctx context.Context, graph []byte, m models.Manifest, o ort.Options) (*ort.Session, error) {
	s, err := l.engine.Load(ctx, graph, m, o)
	if err == nil {
		l.loaded = append(l.loaded, s)
	}
	return s, err
}

// toySections are the experiments on points in the plane.
func (l *laboratory) toySections(ctx context.Context) ([]paper.Section, error) {
	ssm, err := l.trainUnconditional(ctx)
	if err != nil {
		return nil, err
	}
	figure2, err := paper.SlicedSection(ctx, ssm)
	if err != nil {
		return nil, err
	}
	var single []paper.Unconditional
	for _, settings := range [][]string{
		{"name=2gauss-dsm"},
		{"name=ring-dsm", "data.name=ring", "data.modes=8", "data.radius=5"},
	} {
		u, err := l.trainUnconditional(ctx, append(settings, "loss.name=dsm", "loss.power=2", "loss.projections=0")...)
		if err != nil {
			return nil, err
		}
		single = append(single, u)
	}
	b := l.newBar("noise-conditional toys")
	begin := time.Now()
	conditional, err := l.conditionalSection(ctx)
	b.close(err == nil, tidy(time.Since(begin)).String())
	return []paper.Section{figure2, paper.SingleLevelSection(single), conditional}, err
}

// trainUnconditional trains the network of figure 2, with some settings changed.
func (l *laboratory) trainUnconditional(ctx context.Context, settings ...string) (paper.Unconditional, error) {
	config, err := configure("toy-ssm", settings)
	if err != nil {
		return paper.Unconditional{}, err
	}
	mixture, err := config.Data.Mixture()
	if err != nil {
		return paper.Unconditional{}, err
	}
	r, err := l.runTraining(ctx, config, l.training)
	if err != nil {
		return paper.Unconditional{}, err
	}
	least, err := training.LeastLosses(ctx, config)
	if err != nil {
		return paper.Unconditional{}, err
	}
	graph, err := r.ONNX()
	if err != nil {
		return paper.Unconditional{}, err
	}
	model, err := l.load(ctx, graph, r.Manifest())
	if err != nil {
		return paper.Unconditional{}, err
	}
	return paper.Unconditional{
		Name: config.Name, Mixture: mixture, Model: model, Sigma: r.Schedule().Last(),
		History: losses(r), Every: config.Training.LogEvery, Loss: r.Loss, Least: least[0],
	}, nil
}

// losses is the loss in the course of a training.
func losses(r *training.Result) []float64 {
	all := make([]float64, len(r.History))
	for i, record := range r.History {
		all[i] = record.Loss
	}
	return all
}

// conditionalSection takes the models of the zoo, or with full trains their presets afresh.
func (l *laboratory) conditionalSection(ctx context.Context) (paper.Section, error) {
	var networks [2]paper.Conditional
	for i, name := range []string{"2gauss", "ring"} {
		c, err := l.conditional(ctx, name)
		if err != nil {
			return paper.Section{}, err
		}
		networks[i] = c
	}
	return paper.ConditionalSection(ctx, networks[0], networks[1], l.exact(nil))
}

func (l *laboratory) conditional(ctx context.Context, name string) (paper.Conditional, error) {
	config, err := configure("toy-"+name, nil)
	if err != nil {
		return paper.Conditional{}, err
	}
	mixture, err := config.Data.Mixture()
	if err != nil {
		return paper.Conditional{}, err
	}
	graph, manifest, err := l.toyModel(ctx, name, config)
	if err != nil {
		return paper.Conditional{}, err
	}
	schedule, err := manifest.Schedule()
	if err != nil {
		return paper.Conditional{}, err
	}
	model, err := l.load(ctx, graph, manifest)
	return paper.Conditional{Name: name, Mixture: mixture, Model: model, Schedule: schedule}, err
}

// toyModel is a model of the zoo, or with full the same trained afresh.
func (l *laboratory) toyModel(ctx context.Context, name string, config training.Config) ([]byte, models.Manifest, error) {
	if !l.full {
		file, err := l.models.Open(name, 0)
		return file.Graph, file.Manifest, err
	}
	r, err := l.runTraining(ctx, config, l.training)
	if err != nil {
		return nil, models.Manifest{}, err
	}
	graph, err := r.ONNX()
	if err != nil {
		return nil, models.Manifest{}, fmt.Errorf("export %s: %w", name, err)
	}
	return graph, r.Manifest(), nil
}

// imagesModel is the model of the experiments on images.
const imagesModel = "mnist"

// imageSections are the experiments on images. A model or data that are not there are said to be missing.
func (l *laboratory) imageSections(ctx context.Context) ([]paper.Section, error) {
	file, err := l.models.Open(imagesModel, 0)
	if errors.Is(err, models.ErrNotFound) {
		return paper.WithoutImages(fmt.Sprintf("there is no model %s; “langevin train mnist-small --out OUT” makes one, for --models-dir OUT/models", imagesModel)), nil
	}
	if err != nil {
		return nil, err
	}
	images, err := l.images(ctx, file)
	if err != nil {
		return nil, err
	}
	begin := time.Now()
	b := l.newBar(imagesModel)
	images.Progress = func(done, total int, now string) { b.set(int64(done), int64(total), now) }
	sections, err := paper.ImageSections(ctx, images)
	b.close(err == nil, tidy(time.Since(begin)).String())
	return sections, err
}

func (l *laboratory) images(ctx context.Context, file models.File) (paper.Images, error) {
	m := paper.Images{Name: imagesModel, Shape: file.Manifest.Shape, Prior: file.Manifest.Prior, Seed: l.seed, Sizes: paper.SmallImages()}
	if l.full {
		m.Sizes = paper.PaperImages()
	}
	var err error
	if m.Sampler, err = file.Manifest.AnnealedLangevin(); err != nil {
		return m, err
	}
	if m.Model, err = l.loadWith(ctx, file.Graph, file.Manifest, ort.Options{Threads: runtime.NumCPU()}); err != nil {
		return m, err
	}
	if l.classifier, err = openClassifier(l.training.Library, "", imagesModel); err != nil {
		return m, err
	}
	m.Classifier = l.classifier
	if err := l.readImages(&m); err != nil {
		m.NoData = fmt.Sprintf("%v; “make data” fetches MNIST, --data-dir names another folder", err)
	}
	return m, nil
}

func (l *laboratory) readImages(m *paper.Images) error {
	config, err := configure("mnist-small", []string{"data.dir=" + l.dataDir})
	if err != nil {
		return err
	}
	if m.Train, err = pixels(config.Data, data.Train); err != nil {
		return err
	}
	m.Test, err = pixels(config.Data, data.Test)
	return err
}
