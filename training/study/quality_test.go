package study

import (
	"errors"
	"testing"

	"github.com/langevin-ml/langevin/training"
	"github.com/langevin-ml/langevin/training/eval"
)

// TestFewRows: one row is too few to compare with, and a comparison says so.
func TestFewRows(t *testing.T) {
	rows := eval.Rows{X: []float32{1, 2, 3, 4}, Dim: 1}
	c := Comparison{Shape: []int{1}, Test: rows.Slice(0, 1), Train: rows, Samples: rows}
	if _, err := c.Measure(t.Context(), training.Options{}); !errors.Is(err, ErrFewRows) {
		t.Errorf("one row: %v", err)
	}
	c.Test = rows
	if metrics, err := c.Measure(t.Context(), training.Options{}); err != nil || len(metrics) != 2 {
		t.Errorf("four rows: %v, %v", metrics, err)
	}
}
