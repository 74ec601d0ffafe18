package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/langevin-ml/langevin/client"
	"github.com/langevin-ml/langevin/ort"
	"github.com/langevin-ml/langevin/training/data"
	"github.com/langevin-ml/langevin/training/eval"
	"github.com/langevin-ml/langevin/training/figure"
)

// classifier evaluates an .onnx file with outputs features and probabilities.
type classifier struct{ *ort.Function }

// openClassifier opens the file that --classifier names, or the classifier that comes with the program.
func openClassifier(library, path, dataset string) (classifier, error) {
	var file []byte
	var err error
	if path != "" {
		file, err = os.ReadFile(path)
	} else if file, err = eval.ClassifierFile(dataset); err != nil {
		err = usagef("%v: want --classifier", err)
	}
	if err != nil {
		return classifier{}, err
	}
	engine, err := ort.OpenFound(library)
	if err != nil {
		return classifier{}, err
	}
	f, err := engine.LoadFunction(file)
	if err != nil {
		return classifier{}, fmt.Errorf("load the classifier: %w", err)
	}
	return classifier{f}, nil
}

// Classify implements [eval.Classifier].
func (c classifier) Classify(ctx context.Context, images eval.Rows) (features, probabilities eval.Rows, err error) {
	if want := elements(c.Shape()); images.Dim != want {
		return features, probabilities, fmt.Errorf("the classifier wants images of shape %v, these have %d numbers", c.Shape(), images.Dim)
	}
	out, err := c.Evaluate(ctx, images.X)
	if err != nil {
		return features, probabilities, err
	}
	for _, name := range []string{"features", "probabilities"} {
		if out[name].Dim == 0 {
			return features, probabilities, fmt.Errorf("the classifier has the outputs %s: want features and probabilities among them", strings.Join(c.Outputs(), ", "))
		}
	}
	return eval.Rows(out["features"]), eval.Rows(out["probabilities"]), nil
}

// evaluateImages holds samples against the test images of their dataset.
func (p *program) evaluateImages(ctx context.Context, o *evalCommand, config data.Config, res *client.Result, e *evaluation) error {
	train, test, err := p.readParts(ctx, config)
	if err != nil {
		return err
	}
	library := o.connection.flags.Lookup("onnxruntime-library").Value.String()
	c, err := openClassifier(library, o.classifier, config.Name)
	if err != nil {
		return err
	}
	defer c.Close()
	samples := rowsOf(res.Batch).Clamped(0, 1)
	metrics, classes, err := eval.ImageMetrics(ctx, c, samples, test)
	if err != nil {
		return err
	}
	memory, err := eval.MemoryMetric(samples, test, train)
	if err != nil {
		return err
	}
	e.Metrics = append(metrics, memory)
	e.Classes = classes.Shares
	if o.neighbours == "" {
		return nil
	}
	return figure.WriteFile(o.neighbours, func(w io.Writer) error { return drawNeighbours(w, res.Shape, samples, train) })
}

// readParts reads both parts of a dataset, as pixels does.
func (p *program) readParts(ctx context.Context, config data.Config) (train, test eval.Rows, err error) {
	b := p.newBar("images")
	defer b.close(false, "")
	r := p.reading(b)
	if train, err = pixels(ctx, r, config, data.Train); err == nil {
		test, err = pixels(ctx, r, config, data.Test)
	}
	return train, test, err
}

// pixels is a part of a dataset, in [0, 1].
func pixels(ctx context.Context, r data.Reader, config data.Config, split data.Split) (eval.Rows, error) {
	images, err := r.Images(ctx, config, split)
	if err != nil {
		return eval.Rows{}, err
	}
	return eval.Pixels(images), nil
}

// drawNeighbours draws samples, each at the left of its nearest training images.
func drawNeighbours(w io.Writer, shape []int, samples, train eval.Rows) error {
	const side = 8 // samples, and images of each row
	samples = samples.Slice(0, min(side, samples.Len()))
	grid, err := eval.NeighbourRows(samples, train, side-1)
	if err != nil {
		return err
	}
	return figure.ImageRows(w, shape, figure.Range{Low: 0, High: 1}, grid.X, samples.Len(), "left: samples; right of each: nearest training images")
}
