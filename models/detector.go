package models

import (
	"context"
	"fmt"

	"github.com/langevin-ml/langevin/sampling"
	"github.com/langevin-ml/langevin/sampling/detect"
)

// Encode returns rows as the network sees them. rows are as users see them, row-major with RowDim elements each. It
// returns rows themselves for a model without columns. The error names the row, counted from 0, and its column.
func (m Manifest) Encode(rows []float32) ([]float32, error) {
	if m.Columns == nil {
		return rows, nil
	}
	width, size := m.Dim(), m.RowDim()
	x := make([]float32, len(rows)/size*width)
	for i := range len(rows) / size {
		row := rows[i*size : (i+1)*size]
		if err := m.Columns.Check(row); err != nil {
			return nil, fmt.Errorf("row %d: %w", i, err)
		}
		m.Columns.Encode(x[i*width:(i+1)*width], row, nil)
	}
	return x, nil
}

// HeldOut has samples that a training did not use, for a detector.
type HeldOut struct {
	Rows     []float32             // as users see them, row-major; see [detect.Fit] for what they must be
	Given    []float32             // the condition of each, as the network takes it; nil for none
	Progress func(done, total int) // receives the number of rows that are done; nil for nobody
}

// fitRows is the number of rows whose norms are computed between two calls of Progress.
const fitRows = 64

// FitDetector returns m with a detector for samples like those given, in place of the one that it has. model evaluates
// the network of m.
func (m Manifest) FitDetector(ctx context.Context, model sampling.Model, held HeldOut) (Manifest, error) {
	if m.Sampler.Kind == SamplerConsistency {
		return m, fmt.Errorf("fit a detector of %q: it is a consistency model, which has no score", m.Name)
	}
	n := len(held.Rows) / m.RowDim()
	if err := detect.CheckRows(n); err != nil {
		return m, err
	}
	x, err := m.Encode(held.Rows)
	if err != nil {
		return m, fmt.Errorf("fit a detector of %q: %w", m.Name, err)
	}
	sigmas := detect.Sigmas(m.Sigmas[0], m.Sigmas[len(m.Sigmas)-1])
	var norms []float64
	for first := 0; first < n; first += fitRows {
		some := min(fitRows, n-first)
		r := sampling.NormRequest{Sigmas: sigmas, Dim: m.Dim(), N: some, X: x[first*m.Dim() : (first+some)*m.Dim()]}
		if width := len(held.Given) / n; width > 0 {
			r.Given = held.Given[first*width : (first+some)*width]
		}
		part, err := sampling.ScoreNorms(ctx, model, r)
		if err != nil {
			return m, fmt.Errorf("fit a detector of %q: rows from %d: %w", m.Name, first, err)
		}
		if norms = append(norms, part...); held.Progress != nil {
			held.Progress(first+some, n)
		}
	}
	if m.Detector, err = detect.Fit(sigmas, norms); err != nil {
		return m, err
	}
	m.Detector.Given = held.Given != nil
	m.Format = m.WantFormat()
	return m, nil
}
