package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"runtime"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/ort"
	"github.com/langevin-ml/langevin/sampling"
	"github.com/langevin-ml/langevin/training"
	"github.com/langevin-ml/langevin/training/figure"
)

// What the figures of a training show, as those of Song & Ermon (2019): so many samples unless --samples says
// otherwise, and plain Langevin dynamics of so many steps at the smallest sigma.
const (
	studySamples  = 1280
	plainSteps    = 1000
	plainStepSize = 0.05
	stripLevels   = 10
	lossWindow    = 10 // lines of the training's log
)

// study holds an exported network against the exact distribution of its data.
type study struct {
	result *training.Result
	exact  sampling.Mixture
	model  *ort.Session // of the exported file
	bounds figure.Range
	least  []float64 // the smallest loss that is possible at each level

	data, plainByExact, plainByModel, annealed []float32
}

// newStudy opens the exported file and draws n samples with it. The caller closes its model.
func newStudy(ctx context.Context, result *training.Result, library string, onnx []byte, n int) (*study, error) {
	exact, err := result.Config.Data.Mixture()
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
	s := &study{result: result, exact: exact, model: model, bounds: figure.Range{Low: r.Low, High: r.High}}
	s.least, err = training.LeastLosses(ctx, result.Config)
	if err == nil {
		err = s.sample(ctx, n)
	}
	if err != nil {
		model.Close()
		return nil, err
	}
	return s, nil
}

// sample fills the samples, n of each kind, three runs side by side.
func (s *study) sample(ctx context.Context, n int) error {
	config, schedule := s.result.Config, s.result.Schedule()
	plain, err := sampling.Langevin{Sigma: schedule.Last(), Steps: plainSteps, StepSize: plainStepSize}.Plan()
	if err != nil {
		return err
	}
	annealed, err := defaultPlan(s.result.Manifest())
	if err != nil {
		return err
	}
	s.data = make([]float32, n*s.exact.Dim())
	for i := range n {
		s.exact.Sample(s.data[i*s.exact.Dim():(i+1)*s.exact.Dim()], sampling.Noise{Seed: config.Seed, Chain: uint64(i)})
	}
	var runs errgroup.Group
	draw := func(dst *[]float32, m sampling.Model, plan sampling.Plan) {
		runs.Go(func() (err error) {
			*dst, err = sampling.Run(ctx, m, sampling.Request{
				Plan: plan, Prior: config.Prior, Dim: s.exact.Dim(), Seed: config.Seed, N: n,
			})
			return err
		})
	}
	draw(&s.annealed, s.model, annealed)
	draw(&s.plainByModel, s.model, plain)
	draw(&s.plainByExact, s.exact, plain)
	if err := runs.Wait(); err != nil {
		return fmt.Errorf("sample %s: %w", config.Name, err)
	}
	return nil
}

// drawFigures writes all figures into a folder, side by side, and returns their paths.
func (p *program) drawFigures(ctx context.Context, s *study, folder string) ([]string, error) {
	name := s.result.Config.Name
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
	b := p.newBar(name)
	paths := make([]string, len(all))
	var done atomic.Int64
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(runtime.GOMAXPROCS(0))
	for i, f := range all {
		paths[i] = filepath.Join(folder, f.file)
		work.Go(func() error {
			if err := figure.WriteFile(paths[i], func(w io.Writer) error { return f.draw(ctx, w) }); err != nil {
				return err
			}
			b.set(done.Add(1), int64(len(all)), "drew "+f.file)
			return nil
		})
	}
	err := work.Wait()
	b.close(err == nil, plural(len(all), "figure"))
	return paths, err
}

func (s *study) drawLosses(_ context.Context, w io.Writer) error {
	return drawLosses(w, s.result, s.least)
}

// drawLosses plots the loss of each level, and the least one if that is known.
func drawLosses(w io.Writer, r *training.Result, least []float64) error {
	plot := figure.LossPlot{
		Title: r.Config.Name + ": loss of each noise level", Every: r.Config.Training.LogEvery, Window: lossWindow, LogX: true,
	}
	for level := range r.Schedule().Levels() {
		curve := figure.LossCurve{Sigma: r.Schedule().Sigma(level)}
		if least != nil {
			curve.Minimum = least[level]
		}
		for _, record := range r.History {
			curve.Loss = append(curve.Loss, record.LossPerLevel[level])
		}
		plot.Curves = append(plot.Curves, curve)
	}
	return plot.PNG(w)
}

// gridSamples is how many samples show a model of data whose distribution is not known, as in NCSNv2.
const gridSamples = 36

// drawUnknown draws what can be of such a model: its losses, and samples if they have a shape that can be drawn.
func drawUnknown(ctx context.Context, r *training.Result, library, folder string) ([]string, error) {
	losses := filepath.Join(folder, "losses_"+r.Config.Name+".png")
	if err := figure.WriteFile(losses, func(w io.Writer) error { return drawLosses(w, r, nil) }); err != nil {
		return nil, err
	}
	samples := filepath.Join(folder, "samples_"+r.Config.Name+".png")
	drawn, err := drawSamples(ctx, r, library, samples, gridSamples)
	if err != nil || !drawn {
		return []string{losses}, err
	}
	return []string{losses, samples}, nil
}

// defaultPlan is that of a model's default sampler.
func defaultPlan(m models.Manifest) (sampling.Plan, error) {
	sampler, err := m.AnnealedLangevin()
	if err != nil {
		return sampling.Plan{}, err
	}
	return sampler.Plan()
}

// drawSamples draws n samples of a model by its default sampler; drawn is false if their shape has no picture.
func drawSamples(ctx context.Context, r *training.Result, library, path string, n int) (drawn bool, err error) {
	manifest, bounds := r.Manifest(), figure.Range{Low: r.Config.Range.Low, High: r.Config.Range.High}
	dim := elements(manifest.Shape)
	if figure.Still(io.Discard, manifest.Shape, bounds, make([]float32, dim), "") != nil {
		return false, nil
	}
	onnx, err := r.ONNX()
	if err != nil {
		return false, err
	}
	engine, err := ort.Open(library)
	if err != nil {
		return false, err
	}
	model, err := engine.Load(ctx, onnx, manifest, ort.Options{})
	if err != nil {
		return false, err
	}
	defer model.Close()
	plan, err := defaultPlan(manifest)
	if err != nil {
		return false, err
	}
	x, err := sampling.Run(ctx, model, sampling.Request{Plan: plan, Prior: r.Config.Prior, Dim: dim, Seed: r.Config.Seed, N: n})
	if err != nil {
		return false, fmt.Errorf("sample %s: %w", r.Config.Name, err)
	}
	title := fmt.Sprintf("%s after %s iterations", r.Config.Name, grouped(int64(r.Iterations)))
	return true, figure.WriteFile(path, func(w io.Writer) error { return figure.Still(w, manifest.Shape, bounds, x, title) })
}

// snapshots draws n samples with each checkpoint, into OUT/samples/NAME; nil for n 0.
func snapshots(folder, library string, n int) func(context.Context, *training.Result) error {
	if n == 0 {
		return nil
	}
	return func(ctx context.Context, r *training.Result) error {
		folder := filepath.Join(folder, "samples", r.Config.Name)
		if err := makeFolder(folder); err != nil {
			return err
		}
		_, err := drawSamples(ctx, r, library, filepath.Join(folder, fmt.Sprintf("iteration_%09d.png", r.Iterations)), n)
		return err
	}
}

func (s *study) drawLangevin(ctx context.Context, w io.Writer) error {
	f, err := figure.Langevin{
		Bounds: s.bounds, Sigma: s.result.Schedule().Last(), Exact: s.exact, Model: s.model, Density: figure.MixtureDensity(s.exact, 0),
		Data: s.data, ByExact: s.plainByExact, ByModel: s.plainByModel,
	}.Figure(ctx)
	if err != nil {
		return err
	}
	return f.PNG(w)
}

func (s *study) fields() figure.Annealed {
	return figure.Annealed{
		Bounds: s.bounds, Schedule: s.result.Schedule(), Model: s.model, Exact: s.exact,
		Density: func(sigma, x, y float64) float64 { return figure.MixtureDensity(s.exact, sigma)(x, y) },
	}
}

func (s *study) drawAnnealed(ctx context.Context, w io.Writer) error {
	f, err := s.fields().Figure(ctx, s.plainByModel, s.annealed)
	if err != nil {
		return err
	}
	return f.PNG(w)
}

func (s *study) drawScores(ctx context.Context, w io.Writer) error {
	f, err := s.fields().Strip(ctx, stripLevels)
	if err != nil {
		return err
	}
	return f.PNG(w)
}

func (s *study) animateScores(ctx context.Context, w io.Writer) error {
	return s.fields().Animate(ctx, w, figure.Timing{})
}
