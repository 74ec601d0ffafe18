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

// write writes the file of a trained model, and returns its bytes. It has a detector if its data have rows for one. A
// detector that cannot be fitted is no reason to lose the training.
func (f *trainingFiles) write(
	ctx context.Context, p *cli.Program, result *training.Result, library string, own bool,
) ([]byte, error) {
	onnx, err := result.ONNX()
	if err != nil {
		return nil, err
	}
	onnx, unfit := withDetector(ctx, p, result, library, own, onnx)
	if err := f.pending.CommitBytes(onnx); err != nil {
		return nil, fmt.Errorf("%w; the training is complete, and --resume writes its model", err)
	}
	switch {
	case unfit == nil:
	case ctx.Err() != nil:
		return nil, cli.Interrupted(fmt.Sprintf("%s is trained and written, its detector and its figures are not; "+
			"--resume makes them", f.model), unfit)
	default:
		fmt.Fprintf(p.Stderr, "langevin: %s: no detector: %s; langevin detect fit %s --data FILE adds one, from rows "+
			"that the training did not use\n", result.Config.Name, phrase.OneLine(unfit), f.model)
	}
	return onnx, nil
}

// withDetector returns a model file with a detector that is fitted to the rows of a user's data that the training does
// not use, or the file as it is if there are too few or there is an error. It says that there are too few only if the
// settings were proposed for the data (own).
func withDetector(
	ctx context.Context, p *cli.Program, result *training.Result, library string, own bool, onnx []byte,
) ([]byte, error) {
	m := result.Manifest()
	if !hasOwnData(result.Config.Data) || result.Config.Loss.Paired() {
		return onnx, nil
	}
	if _, err := m.Condition.NoneRow(); err != nil { // every row needs a condition
		return onnx, nil
	}
	rows, err := heldOut(ctx, result)
	if err != nil {
		return onnx, err
	}
	n := len(rows) / m.RowDim()
	if n < detect.LeastRows {
		if own { // who wrote a preset did not ask for one
			fmt.Fprintf(p.Stderr, "  no detector: langevin detect needs %d rows that the training does not use, "+
				"a tenth of %d, and there are %d\n", detect.LeastRows, 10*detect.LeastRows, n)
		}
		return onnx, nil
	}
	fitted, err := fitDetector(ctx, p, m, library, rows, onnx)
	if err != nil {
		return onnx, err
	}
	fmt.Fprintf(p.Stderr, "langevin: %s: a detector, fitted to %s that the training does not use: langevin detect %s "+
		"FILE\n", m.Name, phrase.Plural(n, "row"), m.Name)
	return fitted, nil
}

// fitDetector returns a model file with a detector that is fitted to some of the rows.
func fitDetector(
	ctx context.Context, p *cli.Program, m models.Manifest, library string, rows []float32, onnx []byte,
) (_ []byte, err error) {
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
