package eval

import (
	"errors"
	"fmt"
	"math"

	"gonum.org/v1/gonum/mat"

	"github.com/langevin-ml/langevin/training/data"
)

// Rows is a set of points. X has them one after the other, with Dim numbers each.
type Rows struct {
	X   []float32
	Dim int
}

// Pixels returns images as points, with pixels in [0, 1].
func Pixels(images *data.Images) Rows {
	rows := Rows{X: make([]float32, len(images.Pixels)), Dim: images.Channels * images.Height * images.Width}
	for i, v := range images.Pixels {
		rows.X[i] = float32(v) / 255
	}
	return rows
}

// Labels returns the class of each image; nil if there are none.
func Labels(images *data.Images) (labels []int) {
	for _, label := range images.Labels {
		labels = append(labels, int(label))
	}
	return labels
}

// Len returns the number of points.
func (r Rows) Len() int { return len(r.X) / r.Dim }

// Row returns point i. It does not copy.
func (r Rows) Row(i int) []float32 { return r.X[i*r.Dim : (i+1)*r.Dim] }

// Slice returns the points from index from up to, but not including, index to. It does not copy.
func (r Rows) Slice(from, to int) Rows { return Rows{r.X[from*r.Dim : to*r.Dim], r.Dim} }

// Evenly returns a copy of n of the points, evenly spread, in order. n is at most their number.
func (r Rows) Evenly(n int) Rows {
	some := Rows{X: make([]float32, 0, n*r.Dim), Dim: r.Dim}
	for i := range n {
		some.X = append(some.X, r.Row(i*r.Len()/n)...)
	}
	return some
}

// Clamped returns a copy of r with all numbers clamped to [low, high], as a picture shows them.
func (r Rows) Clamped(low, high float32) Rows {
	shown := Rows{X: make([]float32, len(r.X)), Dim: r.Dim}
	for i, v := range r.X {
		shown.X[i] = min(high, max(low, v))
	}
	return shown
}

// Check returns an error unless r has whole rows, at least one, of finite numbers.
func (r Rows) Check() error { return r.check(1) }

// check returns an error unless r has at least the given number of whole, finite rows.
func (r Rows) check(least int) error {
	if r.Dim < 1 || len(r.X)%r.Dim != 0 || len(r.X) < least*r.Dim {
		return fmt.Errorf("%d numbers in rows of %d: want at least %d whole rows", len(r.X), r.Dim, least)
	}
	for i, v := range r.X {
		if v := float64(v); math.IsNaN(v) || math.IsInf(v, 0) {
			return fmt.Errorf("row %d has %g: want finite numbers", i/r.Dim, v)
		}
	}
	return nil
}

// checkPair returns an error unless x and y are sets of points of one dimension.
func checkPair(x, y Rows, least int) error {
	if err := errors.Join(x.check(least), y.check(least)); err != nil {
		return err
	}
	if x.Dim != y.Dim {
		return fmt.Errorf("rows of %d and of %d numbers: want equal", x.Dim, y.Dim)
	}
	return nil
}

// dense returns r as a matrix.
func (r Rows) dense() *mat.Dense {
	m := mat.NewDense(r.Len(), r.Dim, nil)
	for i, v := range r.X {
		m.RawMatrix().Data[i] = float64(v)
	}
	return m
}

// squares returns ‖x‖² for every row x of m.
func squares(m *mat.Dense) []float64 {
	n, _ := m.Dims()
	out := make([]float64, n)
	for i := range out {
		row := m.RawRowView(i)
		out[i] = mat.Dot(mat.NewVecDense(len(row), row), mat.NewVecDense(len(row), row))
	}
	return out
}

// distances calls use with the index of each row of x and the squares of its distances to all rows of y. It reuses the
// slice.
func distances(x, y *mat.Dense, use func(i int, square []float64)) {
	const block = 256 // rows of the product at once, so that it needs little memory
	n, dim := x.Dims()
	m, _ := y.Dims()
	xx, yy := squares(x), squares(y)
	var product mat.Dense
	for first := 0; first < n; first += block {
		last := min(first+block, n)
		product.Reset()
		product.Mul(x.Slice(first, last, 0, dim), y.T())
		for i := first; i < last; i++ {
			row := product.RawRowView(i - first)[:m]
			for j, v := range row {
				row[j] = max(0, xx[i]+yy[j]-2*v)
			}
			use(i, row)
		}
	}
}
