package study

import (
	"context"
	"fmt"
	"math"

	"github.com/langevin-ml/langevin/internal/wholefile"
	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/training"
	"github.com/langevin-ml/langevin/training/data"
	"github.com/langevin-ml/langevin/training/figure"
)

// TableSamples draws n rows of a table as users see them, with the model's default sampler.
func TableSamples(ctx context.Context, r *training.Result, library string, n int) ([]float32, error) {
	x, err := Draw(ctx, r, library, n)
	if err != nil {
		return nil, err
	}
	columns := r.Manifest().Columns
	width, size := columns.Width(), len(columns)
	rows := make([]float32, n*size)
	for i := range n {
		columns.Decode(rows[i*size:(i+1)*size], x[i*width:(i+1)*width])
	}
	return rows, nil
}

// mostPairs is the number of pairs of columns in a figure.
const mostPairs = 3

// drawTable draws pairs of the columns of a table: rows of the data on the left, samples on the right. drawn is false
// if the table has fewer than two columns of numbers.
func drawTable(ctx context.Context, r *training.Result, library, path string, n int) (drawn bool, err error) {
	columns := r.Manifest().Columns
	var numbers []int
	for j, c := range columns {
		if c.Kind == models.ColumnNumber || c.Kind == models.ColumnInteger {
			numbers = append(numbers, j)
		}
	}
	if len(numbers) < 2 {
		return false, nil
	}
	source, err := data.Reader{}.Table(ctx, r.Config.Data, data.Train, r.Config.Seed)
	if err != nil {
		return false, err
	}
	samples, err := TableSamples(ctx, r, library, n)
	if err != nil {
		return false, err
	}
	f := figure.Figure{Columns: 2, Bounds: figure.Range{Low: r.Config.Range.Low, High: r.Config.Range.High}}
	scaled := len(columns) > 2
	if f.Title = r.Config.Name; scaled {
		f.Title += ", in standard deviations"
		f.Bounds = figure.Range{Low: -4, High: 4}
	}
	rows := source.Rows()
	rows = rows[:min(len(rows), n*len(columns))]
	for p := 0; 2*p+1 < len(numbers) && p < mostPairs; p++ {
		pair := [2]int{numbers[2*p], numbers[2*p+1]}
		title := fmt.Sprintf("%s and %s", columns[pair[0]].Name, columns[pair[1]].Name)
		for i, part := range [][]float32{rows, samples} {
			layer, err := figure.Samples(pairOf(part, columns, pair, scaled))
			if err != nil {
				return false, err
			}
			note := []string{"data", "samples"}[i]
			f.Panels = append(f.Panels, figure.Panel{Title: title, Note: note, Layers: []figure.Layer{layer}})
		}
	}
	return true, wholefile.Write(path, f.PNG)
}

// pairOf returns two columns of rows, in standard deviations if scaled.
func pairOf(rows []float32, columns models.Columns, pair [2]int, scaled bool) []float32 {
	var points []float32
	for i := 0; i < len(rows); i += len(columns) {
		for _, j := range pair {
			v := float64(rows[i+j])
			if c := columns[j]; scaled {
				v = (v - c.Mean) / math.Max(c.Std, math.SmallestNonzeroFloat32)
			}
			points = append(points, float32(v))
		}
	}
	return points
}
