// Package study shows what a training has learned. It draws samples with the exported network, and samples of the exact
// distribution of the data if that is known, and writes figures of them.
package study

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"runtime"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/langevin-ml/langevin/internal/wholefile"
	"github.com/langevin-ml/langevin/ort"
	"github.com/langevin-ml/langevin/sampling"
	"github.com/langevin-ml/langevin/training"
	"github.com/langevin-ml/langevin/training/figure"
)

// Samples is the number of samples in the figures of Song & Ermon (2019).
const Samples = 1280

// Their figures also show plain Langevin dynamics at the smallest sigma.
const (
	plainSteps    = 1000
	plainStepSize = 0.05
	stripLevels   = 10
	lossWindow    = 10 // lines of the training's log
)

// Study compares an exported network with the exact distribution of its data.
type Study struct {
	Result   *training.Result
	Exact    sampling.Mixture
	Least    []float64 // the smallest loss that is possible at each level
	Annealed []float32 // samples of the model with its default sampler

	model  *ort.Session // of the exported file
	bounds figure.Range

	data, plainByExact, plainByModel []float32
}

// New opens the exported file onnx of a result with the ONNX Runtime library at the given path, and draws n samples of
// each kind. It returns an error that wraps data.ErrNoMixture if the distribution of the data is not known; use
// [Unknown] for such data. The caller closes the study.
func New(ctx context.Context, result *training.Result, library string, onnx []byte, n int) (*Study, error) {
	exact, err := result.Config.Mixture()
	if err != nil {
		return nil, err
	}
	engine, err := ort.Open(library)
	if err != nil {
		return nil, err
	}
	model, err := engine.Load(ctx, onnx, result.Manifest(), ort.Options{})
	if err != nil {
		return nil, err
	}
	r := result.Config.Range
	s := &Study{Result: result, Exact: exact, model: model, bounds: figure.Range{Low: r.Low, High: r.High}}
	s.Least, err = training.LeastLosses(ctx, result.Config)
	if err == nil {
		err = s.sample(ctx, n)
	}
	if err != nil {
		model.Close()
		return nil, err
	}
	return s, nil
}

// Close frees the model.
func (s *Study) Close() error { return s.model.Close() }

// sample draws n samples of each kind, with three runs at the same time.
func (s *Study) sample(ctx context.Context, n int) error {
	config, schedule := s.Result.Config, s.Result.Schedule()
	plain, err := sampling.Langevin{Sigma: schedule.Last(), Steps: plainSteps, StepSize: plainStepSize}.Plan()
	if err != nil {
		return err
	}
	sampler, err := s.Result.Manifest().AnnealedLangevin()
	if err != nil {
		return err
	}
	annealed, err := sampler.Plan()
	if err != nil {
		return err
	}
	s.data = make([]float32, n*s.Exact.Dim())
	for i := range n {
		s.Exact.Sample(s.data[i*s.Exact.Dim():(i+1)*s.Exact.Dim()], sampling.Noise{Seed: config.Seed, Chain: uint64(i)})
	}
	var runs errgroup.Group
	draw := func(dst *[]float32, m sampling.Model, plan sampling.Plan) {
		runs.Go(func() (err error) {
			*dst, err = sampling.Run(ctx, m, sampling.Request{
				Plan: plan, Prior: config.Prior, Dim: s.Exact.Dim(), Seed: config.Seed, N: n,
			})
			return err
		})
	}
	draw(&s.Annealed, s.model, annealed)
	draw(&s.plainByModel, s.model, plain)
	draw(&s.plainByExact, s.Exact, plain)
	if err := runs.Wait(); err != nil {
		return fmt.Errorf("sample %s: %w", config.Name, err)
	}
	return nil
}

// WriteFigures writes all figures into a folder, several at the same time, and returns their paths. It calls progress
// after each figure, from several goroutines.
func (s *Study) WriteFigures(
	ctx context.Context, folder string, progress func(done, total int, file string),
) ([]string, error) {
	name := s.Result.Config.Name
	all := []struct {
		file string
		draw func(context.Context, io.Writer) error
	}{
		{"losses_" + name + ".png", s.drawLosses},
		{"langevin_" + name + ".png", s.drawLangevin},
		{"annealed_" + name + ".png", s.drawAnnealed},
		{"scores_" + name + ".png", s.drawScores},
		{"annealed_scores_" + name + ".gif", s.animateScores},
	}
	paths := make([]string, len(all))
	var done atomic.Int64
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(runtime.GOMAXPROCS(0))
	for i, f := range all {
		paths[i] = filepath.Join(folder, f.file)
		work.Go(func() error {
			if err := wholefile.Write(paths[i], func(w io.Writer) error { return f.draw(ctx, w) }); err != nil {
				return err
			}
			progress(int(done.Add(1)), len(all), f.file)
			return nil
		})
	}
	return paths, work.Wait()
}

func (s *Study) drawLosses(_ context.Context, w io.Writer) error {
	return drawLosses(w, s.Result, s.Least)
}

func (s *Study) drawLangevin(ctx context.Context, w io.Writer) error {
	f, err := figure.Langevin{
		Bounds: s.bounds, Sigma: s.Result.Schedule().Last(), Exact: s.Exact, Model: s.model,
		Density: figure.MixtureDensity(s.Exact, 0),
		Data:    s.data, ByExact: s.plainByExact, ByModel: s.plainByModel,
	}.Figure(ctx)
	if err != nil {
		return err
	}
	return f.PNG(w)
}

func (s *Study) fields() figure.Annealed {
	return figure.Annealed{
		Bounds: s.bounds, Schedule: s.Result.Schedule(), Model: s.model, Exact: s.Exact,
		Density: func(sigma, x, y float64) float64 { return figure.MixtureDensity(s.Exact, sigma)(x, y) },
	}
}

func (s *Study) drawAnnealed(ctx context.Context, w io.Writer) error {
	f, err := s.fields().Figure(ctx, s.plainByModel, s.Annealed)
	if err != nil {
		return err
	}
	return f.PNG(w)
}

func (s *Study) drawScores(ctx context.Context, w io.Writer) error {
	f, err := s.fields().Strip(ctx, stripLevels)
	if err != nil {
		return err
	}
	return f.PNG(w)
}

func (s *Study) animateScores(ctx context.Context, w io.Writer) error {
	return s.fields().Animate(ctx, w, figure.Timing{})
}
