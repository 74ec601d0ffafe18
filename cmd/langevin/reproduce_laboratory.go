package main

import (
	"context"
	"time"

	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/ort"
	"github.com/langevin-ml/langevin/sampling"
	"github.com/langevin-ml/langevin/training"
	"github.com/langevin-ml/langevin/training/eval"
	"github.com/langevin-ml/langevin/training/paper"
)

// laboratory is a [paper.Laboratory] on ONNX Runtime. Pictures need what it opens, so it closes after the page is
// written.
type laboratory struct {
	*program
	options training.Options // of every training: the library and the device
	runtime *ort.Runtime
	models  *models.Repository
	opened  []func()
}

// newLaboratory returns an error missing if networks in general cannot be had, and err if the device or the folder of
// models that was asked for cannot.
func (p *program) newLaboratory(ctx context.Context, o *reproduceCommand) (l *laboratory, missing, err error) {
	library, _, missing := ort.FindLibrary(o.library)
	if missing != nil {
		return nil, missing, nil
	}
	l = &laboratory{program: p}
	if l.options, err = p.trainingOptions(ctx, library, o.deviceFlags); err != nil {
		return nil, nil, err
	}
	if l.runtime, missing = ort.OpenFound(o.library); missing != nil {
		return nil, missing, nil
	}
	l.models, err = models.NewRepository(models.Zoo(), o.modelsDir)
	return l, nil, err
}

func (l *laboratory) close() {
	for _, closeOne := range l.opened {
		closeOne()
	}
	l.models.Close()
}

func (l *laboratory) Train(
	ctx context.Context, c training.Config, progress func(training.Progress),
) (*training.Result, error) {
	o := l.options
	if progress == nil {
		return l.runTraining(ctx, c, o)
	}
	o.Progress = progress
	return training.Run(ctx, c, o)
}

func (l *laboratory) Load(ctx context.Context, graph []byte, m models.Manifest, threads int) (sampling.Model, error) {
	s, err := l.runtime.Load(ctx, graph, m, ort.Options{Threads: threads})
	if err != nil {
		return nil, err
	}
	l.opened = append(l.opened, func() { s.Close() })
	return s, nil
}

func (l *laboratory) Classifier(dataset string) (eval.Classifier, error) {
	c, err := openClassifier(l.options.Library, "", dataset)
	if err != nil {
		return nil, err
	}
	l.opened = append(l.opened, func() { c.Close() })
	return c, nil
}

// networks are the experiments that need l.
func (l *laboratory) networks(o *reproduceCommand) paper.Networks {
	return paper.Networks{
		Laboratory: l, Models: l.models, Exact: o.exact(nil), Full: o.full, MNIST: o.dataDir, CIFAR10: o.cifarDir,
		Watch:     l.watch,
		NoModel:   "“langevin train mnist-small --out OUT” makes one, for --models-dir OUT/models",
		NoMNIST:   "“make data” fetches MNIST, --data-dir names another folder",
		NoCIFAR10: "--cifar10-dir names the folder of the binary version of CIFAR-10",
	}
}

// watch runs work with a bar.
func (p *program) watch(title string, work func(progress func(done, total int, now string)) error) error {
	begin := time.Now()
	b := p.newBar(title)
	err := work(func(done, total int, now string) { b.set(int64(done), int64(total), now) })
	b.close(err == nil, tidy(time.Since(begin)).String())
	return err
}
