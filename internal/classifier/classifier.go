// Package classifier evaluates, on ONNX Runtime, the classifiers that judge generated images.
package classifier

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/langevin-ml/langevin/internal/cli"
	"github.com/langevin-ml/langevin/internal/datafile"
	"github.com/langevin-ml/langevin/ort"
	"github.com/langevin-ml/langevin/training/eval"
)

// Classifier evaluates an .onnx file with outputs features and probabilities.
type Classifier struct{ *ort.Function }

// Open opens the classifier in the file at path, or, if path is empty, the built-in one of a dataset. It runs on the
// library at the given path, or on the one that is found if that is empty.
func Open(library, path, dataset string) (Classifier, error) {
	var file []byte
	var err error
	if path != "" {
		file, err = os.ReadFile(path)
	} else if file, err = eval.ClassifierFile(dataset); err != nil {
		err = cli.Usagef("%v: want --classifier", err)
	}
	if err != nil {
		return Classifier{}, err
	}
	runtime, err := ort.OpenFound(library)
	if err != nil {
		return Classifier{}, err
	}
	f, err := runtime.LoadFunction(file)
	if err != nil {
		return Classifier{}, fmt.Errorf("load the classifier: %w", err)
	}
	return Classifier{f}, nil
}

// Classify implements [eval.Classifier].
func (c Classifier) Classify(ctx context.Context, images eval.Rows) (features, probabilities eval.Rows, err error) {
	if want := datafile.Elements(c.Shape()); images.Dim != want {
		return features, probabilities, fmt.Errorf("the classifier wants images of shape %v, these have %d numbers",
			c.Shape(), images.Dim)
	}
	out, err := c.Evaluate(ctx, images.X)
	if err != nil {
		return features, probabilities, err
	}
	for _, name := range []string{"features", "probabilities"} {
		if out[name].Dim == 0 {
			return features, probabilities, fmt.Errorf("the classifier has the outputs %s: want features and "+
				"probabilities among them", strings.Join(c.Outputs(), ", "))
		}
	}
	return eval.Rows(out["features"]), eval.Rows(out["probabilities"]), nil
}
