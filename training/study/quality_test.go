package study

import (
	"errors"
	"slices"
	"testing"

	"github.com/langevin-ml/langevin/models"
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

// TestShown: pictures have levels from 0 to 1, whatever the range of their model is. Points stay as they are.
func TestShown(t *testing.T) {
	x := eval.Rows{X: []float32{-1.5, -1, 0, 1}, Dim: 4}
	for _, c := range []struct {
		shape []int
		r     models.Range
		want  []float32
	}{
		{[]int{1, 2, 2}, models.Range{Low: -1, High: 1}, []float32{0, 0, 0.5, 1}},
		{[]int{1, 2, 2}, models.Range{Low: 0, High: 1}, []float32{0, 0, 0, 1}},
		{[]int{4}, models.Range{Low: 0, High: 1}, x.X},
	} {
		if got := Shown(x, c.shape, c.r); !slices.Equal(got.X, c.want) {
			t.Errorf("shape %v, range %v: %v, want %v", c.shape, c.r, got.X, c.want)
		}
	}
}
