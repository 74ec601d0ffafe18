package train

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"github.com/langevin-ml/langevin/internal/cli"
	"github.com/langevin-ml/langevin/internal/phrase"
	"github.com/langevin-ml/langevin/internal/trainrun"
	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/ort"
	"github.com/langevin-ml/langevin/sampling/detect"
	"github.com/langevin-ml/langevin/training"
	"github.com/langevin-ml/langevin/training/data"
)

// withDetector returns a model file with a detector that is fitted to the rows of a user's data that the training does
// not use, or the file as it is if that cannot be done. It says so if the settings were proposed for the data (own).
func withDetector(
	ctx context.Context, p *cli.Program, result *training.Result, library string, own bool, onnx []byte,
) (_ []byte, err error) {
	m := result.Manifest()
	if !hasOwnData(result.Config.Data) || result.Config.Loss.Paired() {
		return onnx, nil
	}
	if _, err := m.Condition.NoneRow(); err != nil { // every row needs a condition
		return onnx, nil
	}
	rows, err := heldOut(ctx, result)
	if err != nil {
		return nil, err
	}
	n := len(rows) / m.RowDim()
	if n < detect.LeastRows {
		if own { // who wrote a preset did not ask for one
			fmt.Fprintf(p.Stderr, "  no detector: langevin detect needs %d rows that the training does not use, "+
				"a tenth of %d, and there are %d\n", detect.LeastRows, 10*detect.LeastRows, n)
		}
		return onnx, nil
	}
	engine, err := ort.Open(library)
	if err != nil {
		return nil, err
	}
	session, err := engine.Load(ctx, onnx, m, ort.Options{Threads: runtime.NumCPU()})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, session.Close()) }()
	rows, _ = trainrun.Some(rows, m.RowDim(), nil, trainrun.DetectorRows)
	fitted, err := trainrun.FitDetector(ctx, p, session, m, models.HeldOut{Rows: rows})
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(p.Stderr, "langevin: %s: a detector, fitted to %s that the training does not use: langevin detect %s "+
		"FILE\n", m.Name, phrase.Plural(n, "row"), m.Name)
	return models.WithManifest(onnx, fitted)
}

// heldOut returns the rows that the training does not use, without reading a table again.
func heldOut(ctx context.Context, result *training.Result) ([]float32, error) {
	if t, ok := result.Part(data.Test).(data.Tabular); ok {
		return t.Rows(), nil
	}
	return trainrun.HeldOut(ctx, data.Reader{}, result.Config.Data, result.Config.Seed)
}

// hasOwnData reports whether data come from files of the user, and not from a well-known dataset or distribution.
func hasOwnData(c data.Config) bool {
	switch c.Name {
	case data.Tables, data.NPY, data.CSV, data.Pictures:
		return true
	}
	return false
}
