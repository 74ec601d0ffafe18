package eval

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/langevin-ml/langevin/models"
)

// These are the names of the measures of tables.
const (
	MarginalsName    = "marginals"
	CorrelationsName = "correlations"
)

// TableRows returns what a network sees of rows of a table, one after the other as users see them. In this form all
// numbers of a row have the same scale, and categories count.
func TableRows(columns models.Columns, rows []float32) Rows {
	size, width := len(columns), columns.Width()
	n := len(rows) / size
	out := Rows{X: make([]float32, n*width), Dim: width}
	for i := range n {
		columns.Encode(out.Row(i), rows[i*size:(i+1)*size], nil)
	}
	return out
}

// TableMetrics compares samples of a table with rows that the training did not use. The expected values are those of
// equally many rows of the training. All rows are as [TableRows] returns them.
func TableMetrics(columns models.Columns, test, train, samples Rows) ([]Metric, error) {
	if err := errors.Join(checkPair(samples, test, 2), checkPair(train, test, 2)); err != nil {
		return nil, fmt.Errorf("table: %w", err)
	}
	if n := columns.Width(); n != test.Dim {
		return nil, fmt.Errorf("table: rows of %d numbers: want %d, as the columns have", test.Dim, n)
	}
	copies, measured, err := CopiesMetric("row", samples, test, train)
	if err != nil {
		return nil, err
	}
	n := min(samples.Len(), train.Len())
	samples, train = samples.Evenly(n), train.Evenly(n)
	metrics, err := mixtureDistances(samples, test, train, "in standard deviations")
	if err != nil {
		return nil, err
	}
	value, worst := marginals(columns, samples, test)
	expected, _ := marginals(columns, train, test)
	metrics = append(metrics, Metric{MarginalsName, value, expected,
		"largest difference of the distribution functions, mean over the columns; most in " + worst})
	if test.Dim > 1 {
		metrics = append(metrics, Metric{CorrelationsName, correlations(samples, test), correlations(train, test),
			"mean difference of the correlations of all pairs"})
	}
	if measured {
		metrics = append(metrics, copies)
	}
	return metrics, nil
}

// marginals returns the mean over the columns of the Kolmogorov-Smirnov distance, or of the total variation of a
// category, and the name of the column with the largest.
func marginals(columns models.Columns, x, y Rows) (mean float64, worst string) {
	at, most, seen := 0, -1.0, 0
	for _, c := range columns {
		width := c.Width()
		if width == 0 {
			continue
		}
		distance := 0.0
		if c.Kind == models.ColumnCategory {
			p, q := shares(x, at, width), shares(y, at, width)
			for k := range p {
				distance += math.Abs(p[k]-q[k]) / 2
			}
		} else {
			distance = kolmogorovSmirnov(column(x, at), column(y, at))
		}
		if distance > most {
			most, worst = distance, c.Name
		}
		mean, seen, at = mean+distance, seen+1, at+width
	}
	return mean / float64(seen), worst
}

// shares returns the share of the rows whose largest number of width ones, from index at, is each of them.
func shares(r Rows, at, width int) []float64 {
	share := make([]float64, width)
	for i := range r.Len() {
		code := r.Row(i)[at : at+width]
		share[slices.Index(code, slices.Max(code))] += 1 / float64(r.Len())
	}
	return share
}

// column returns the numbers at an index of all rows, sorted.
func column(r Rows, at int) []float64 {
	all := make([]float64, r.Len())
	for i := range all {
		all[i] = float64(r.Row(i)[at])
	}
	slices.Sort(all)
	return all
}

// kolmogorovSmirnov returns the largest difference of the distribution functions of two sorted samples.
func kolmogorovSmirnov(x, y []float64) (most float64) {
	for i, j := 0, 0; i < len(x) && j < len(y); {
		v := min(x[i], y[j])
		for i < len(x) && x[i] == v {
			i++
		}
		for j < len(y) && y[j] == v {
			j++
		}
		most = max(most, math.Abs(float64(i)/float64(len(x))-float64(j)/float64(len(y))))
	}
	return most
}

// correlations returns the mean difference of the correlations of all pairs of numbers.
func correlations(x, y Rows) float64 {
	a, b := correlation(x), correlation(y)
	sum, pairs := 0.0, 0
	for i := range x.Dim {
		for j := range i {
			sum += math.Abs(a[i*x.Dim+j] - b[i*x.Dim+j])
			pairs++
		}
	}
	return sum / float64(pairs)
}

// correlation returns the matrix of the correlations of the numbers of rows, row-major. Numbers that do not vary have
// correlation 0.
func correlation(r Rows) []float64 {
	n, dim := float64(r.Len()), r.Dim
	mean, std := make([]float64, dim), make([]float64, dim)
	for i, v := range r.X {
		mean[i%dim] += float64(v) / n
	}
	for i, v := range r.X {
		std[i%dim] += math.Pow(float64(v)-mean[i%dim], 2) / n
	}
	scaled := make([]float64, len(r.X))
	for i, v := range r.X {
		if s := std[i%dim]; s > 0 {
			scaled[i] = (float64(v) - mean[i%dim]) / math.Sqrt(s)
		}
	}
	c := make([]float64, dim*dim)
	for row := range r.Len() {
		z := scaled[row*dim : (row+1)*dim]
		for i, a := range z {
			for j, b := range z[:i+1] {
				c[i*dim+j] += a * b / n
			}
		}
	}
	return c
}
