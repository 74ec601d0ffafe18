package reproduce

import (
	"context"
	"time"

	"github.com/langevin-ml/langevin/internal/classifier"
	"github.com/langevin-ml/langevin/internal/cli"
	"github.com/langevin-ml/langevin/internal/phrase"
	"github.com/langevin-ml/langevin/internal/trainrun"
	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/ort"
	"github.com/langevin-ml/langevin/sampling"
	"github.com/langevin-ml/langevin/training"
	"github.com/langevin-ml/langevin/training/eval"
	"github.com/langevin-ml/langevin/training/paper"
)

// networkSource trains and loads the networks of the experiments on ONNX Runtime, as a [paper.Laboratory]. Pictures
// need what it opens, so close it after the page is written.
type networkSource struct {
	program *cli.Program
	options training.Options // of every training: library and device
	runtime *ort.Runtime
	models  *models.Repository
	opened  []func()
}

// newNetworkSource returns the error missing if this machine cannot run networks, and err if the device or the folder
// of models that the flags name cannot be used.
func newNetworkSource(ctx context.Context, p *cli.Program, o *command) (l *networkSource, missing, err error) {
	library, _, missing := ort.FindLibrary(o.library)
	if missing != nil {
		return nil, missing, nil
	}
	l = &networkSource{program: p}
	if l.options, err = trainrun.Options(ctx, p, library, o.DeviceFlags); err != nil {
		return nil, nil, err
	}
	if l.runtime, missing = ort.OpenFound(o.library); missing != nil {
		return nil, missing, nil
	}
	l.models, err = models.NewRepository(models.Zoo(), o.modelsDir, models.Rules{})
	return l, nil, err
}

func (l *networkSource) close() {
	for _, closeOne := range l.opened {
		closeOne()
	}
	l.models.Close()
}

// Train implements [paper.Laboratory].
func (l *networkSource) Train(
	ctx context.Context, c training.Config, progress func(training.Progress),
) (*training.Result, error) {
	o := l.options
	if progress == nil {
		return trainrun.Run(ctx, l.program, c, o)
	}
	o.Progress = progress
	return training.Run(ctx, c, o)
}

// Load implements [paper.Laboratory].
func (l *networkSource) Load(
	ctx context.Context, graph []byte, m models.Manifest, threads int,
) (sampling.Model, error) {
	s, err := l.runtime.Load(ctx, graph, m, ort.Options{Threads: threads})
	if err != nil {
		return nil, err
	}
	l.opened = append(l.opened, func() { s.Close() })
	return s, nil
}

// Classifier implements [paper.Laboratory].
func (l *networkSource) Classifier(dataset string) (eval.Classifier, error) {
	c, err := classifier.Open(l.options.Library, "", dataset)
	if err != nil {
		return nil, err
	}
	l.opened = append(l.opened, func() { c.Close() })
	return c, nil
}

// networks returns the experiments that need l.
func (l *networkSource) networks(o *command) paper.Networks {
	return paper.Networks{
		Laboratory: l, Models: l.models, Exact: o.exact(nil), Full: o.full, MNIST: o.dataDir, CIFAR10: o.cifarDir,
		Watch: func(title string, work func(progress func(done, total int, now string)) error) error {
			return watch(l.program, title, work)
		},
		NoModel:   "“langevin train mnist-small --out OUT” makes one, for --models-dir OUT/models",
		NoMNIST:   "“make data” fetches MNIST, --data-dir names another folder",
		NoCIFAR10: "--cifar10-dir names the folder of the binary version of CIFAR-10",
	}
}

// watch runs work and shows its progress by a bar.
func watch(p *cli.Program, title string, work func(progress func(done, total int, now string)) error) error {
	begin := time.Now()
	b := p.NewBar(title)
	err := work(func(done, total int, now string) { b.Set(int64(done), int64(total), now) })
	b.Close(err == nil, phrase.Tidy(time.Since(begin)).String())
	return err
}
