package study

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/langevin-ml/langevin/internal/wholefile"
	"github.com/langevin-ml/langevin/ort"
	"github.com/langevin-ml/langevin/sampling"
	"github.com/langevin-ml/langevin/training"
	"github.com/langevin-ml/langevin/training/data"
	"github.com/langevin-ml/langevin/training/figure"
)

// drawLosses plots the loss of each level, and the least loss if it is known.
func drawLosses(w io.Writer, r *training.Result, least []float64) error {
	plot := figure.LossPlot{
		Title: r.Config.Name + ": loss of each noise level",
		Every: r.Config.Training.LogEvery, Window: lossWindow, LogX: true,
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

// gridSamples is the number of samples in the figure of a model whose data have an unknown distribution, as in NCSNv2.
const gridSamples = 36

// tableRows is the least number of rows in the figure of a table.
const tableRows = 1000

// Unknown draws figures of a model whose samples have an unknown distribution into a folder: its losses, and samples if
// their shape can be drawn. It returns the paths of the figures.
func Unknown(ctx context.Context, r *training.Result, library, folder string) ([]string, error) {
	losses := filepath.Join(folder, "losses_"+r.Config.Name+".png")
	least, err := training.LeastLosses(ctx, r.Config)
	if err != nil && !errors.Is(err, data.ErrNoMixture) {
		return nil, err
	}
	if err := wholefile.Write(losses, func(w io.Writer) error { return drawLosses(w, r, least) }); err != nil {
		return nil, err
	}
	samples := filepath.Join(folder, "samples_"+r.Config.Name+".png")
	drawn, err := drawSamples(ctx, r, library, samples, gridSamples)
	if err != nil || !drawn {
		return []string{losses}, err
	}
	return []string{losses, samples}, nil
}

// drawSamples draws n samples of a model with its default sampler, with the conditions of [training.Result.Conditions];
// drawn is false if their shape cannot be drawn.
func drawSamples(ctx context.Context, r *training.Result, library, path string, n int) (drawn bool, err error) {
	if r.Manifest().Columns != nil {
		return drawTable(ctx, r, library, path, max(n, tableRows))
	}
	if figure.IsSeries(r.Manifest().Shape) {
		return drawSeries(ctx, r, library, path, n)
	}
	manifest, bounds := r.Manifest(), figure.Range{Low: r.Config.Range.Low, High: r.Config.Range.High}
	dim := 1
	for _, size := range manifest.Shape {
		dim *= size
	}
	if figure.Still(io.Discard, manifest.Shape, bounds, make([]float32, dim), "") != nil {
		return false, nil
	}
	x, err := Draw(ctx, r, library, n)
	if err != nil {
		return false, err
	}
	title := fmt.Sprintf("%s after %d iterations", r.Config.Name, r.Iterations)
	return true, wholefile.Write(path, func(w io.Writer) error {
		return figure.Still(w, manifest.Shape, bounds, x, title)
	})
}

// drawSeries draws samples as lines over time.
func drawSeries(ctx context.Context, r *training.Result, library, path string, n int) (drawn bool, err error) {
	x, err := Draw(ctx, r, library, n)
	if err != nil {
		return false, err
	}
	bounds := figure.Range{Low: r.Config.Range.Low, High: r.Config.Range.High}
	return true, wholefile.Write(path, func(w io.Writer) error {
		return figure.Series(w, r.Manifest().Shape, bounds, x, r.Config.Name)
	})
}

// Draw draws n samples of a model with its default sampler, with the conditions of [training.Result.Conditions]. The
// samples are what the network sees.
func Draw(ctx context.Context, r *training.Result, library string, n int) ([]float32, error) {
	onnx, err := r.ONNX()
	if err != nil {
		return nil, err
	}
	engine, err := ort.Open(library)
	if err != nil {
		return nil, err
	}
	manifest := r.Manifest()
	model, err := engine.Load(ctx, onnx, manifest, ort.Options{})
	if err != nil {
		return nil, err
	}
	defer model.Close()
	plan, prior, err := manifest.Default()
	if err != nil {
		return nil, err
	}
	x, err := sampling.Run(ctx, withConditions(model.Model(), r.Conditions(n)), sampling.Request{
		Plan: plan, Prior: prior, Dim: manifest.Dim(), Seed: r.Config.Seed, N: n,
		Observe: func(int, []float32) {}, // so that every evaluation has all chains
	})
	if err != nil {
		return nil, fmt.Errorf("sample %s: %w", r.Config.Name, err)
	}
	return x, nil
}

// withConditions returns m given c, which has one row for each row of every evaluation, or m itself if c is empty.
func withConditions(m sampling.Model, c []float32) sampling.Model {
	given, ok := m.(sampling.Conditional)
	if !ok || len(c) == 0 {
		return m
	}
	return sampling.ModelFunc(func(ctx context.Context, dst, x, sigma []float32) error {
		return given.ScoreGiven(ctx, dst, x, sigma, c)
	})
}

// Snapshots returns a function for training.Options.Snapshot. It draws n samples of each checkpoint into samples/NAME
// of a folder. Snapshots returns nil if n is 0.
func Snapshots(folder, library string, n int) func(context.Context, *training.Result) error {
	if n == 0 {
		return nil
	}
	return func(ctx context.Context, r *training.Result) error {
		_, err := drawSamples(ctx, r, library, snapshotPath(folder, r), n)
		return err
	}
}

func snapshotPath(folder string, r *training.Result) string {
	return filepath.Join(folder, "samples", r.Config.Name, fmt.Sprintf("iteration_%09d.png", r.Iterations))
}

// Newest copies the picture that [Snapshots] has drawn of r into the same folder to a path. There is none if the
// samples cannot be drawn.
func Newest(folder string, r *training.Result, path string) error {
	picture, err := os.ReadFile(snapshotPath(folder, r))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return wholefile.Write(path, func(w io.Writer) error {
		_, err := w.Write(picture)
		return err
	})
}
