package ort

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/langevin-ml/langevin/models"
)

const (
	pointRows = 256         // of points in a trial
	imageRows = productRows // of larger samples in a trial, which cost more
	loneRows  = 16          // number of points that are evaluated alone

	// The largest differences of outputs, relative to the largest element of a row, where equal bits are not promised.
	otherKernels = 0.05 // for another number of rows; float16 has 10 bits
	sameKernels  = 1e-3 // in another place or batch
)

// trial compares the results of rows in one batch with their results in other batches: alone with padding, in another
// order, and with rows that are huge or not a number. A network that mixes rows, however little, gives some of them
// other bits. For example, if it adds a millionth of the mean of all rows, the result is not a number if one row is
// not.
//
// A GPU chooses its kernels by the size of a batch, so a row's bits may depend on it. There, outputs only have to agree
// approximately. Rows that are huge or not a number still show whether rows are mixed.
type trial struct {
	s        *Session
	l        *lane
	x, sigma []float32
	c        []float32 // conditions
	odd      []float32 // the condition of rows that are huge
	output   []float32 // the graph's output for all rows in order
}

// newTrial evaluates the rows of a trial in order. It returns an error if a score is not finite.
func (s *Session) newTrial(ctx context.Context, l *lane, manifest models.Manifest) (*trial, error) {
	rows, t := imageRows, &trial{s: s, l: l}
	if s.dim <= PointDim && !s.buckets {
		rows = pointRows
	}
	t.x, t.sigma = make([]float32, rows*s.dim), make([]float32, rows)
	fill(t.x, t.sigma, manifest)
	t.c, t.odd = anyGiven(rows, manifest.Condition), filledGiven(1e30, manifest.Condition)
	if err := t.tryClasses(ctx, manifest.Condition.Kinds()); err != nil {
		return nil, err
	}
	output, err := t.inOrder(ctx)
	if err != nil {
		return nil, fmt.Errorf("trial evaluation: %w", err)
	}
	t.output = slices.Clone(output)
	return t, t.checkFinite(output)
}

// maxClasses is the largest number of classes that a trial evaluates: so many that a mistake in a table shows, and so
// few that it does not take long.
const maxClasses = 256

// tryClasses evaluates classes of all kinds, if there are more of them than rows in the trial.
func (t *trial) tryClasses(ctx context.Context, kinds int) error {
	rows, tried := len(t.sigma), min(kinds, maxClasses)
	if kinds <= rows {
		return nil
	}
	own := t.c
	defer func() { t.c = own }()
	for first := 0; first < tried; first += rows {
		t.c = make([]float32, rows)
		for i := range t.c {
			t.c[i] = spreadClass(min(first+i, tried-1), tried, kinds)
		}
		output, err := t.inOrder(ctx)
		if err != nil {
			return fmt.Errorf("trial evaluation: %w", err)
		}
		if err := t.checkFinite(output); err != nil {
			return err
		}
	}
	return nil
}

// checkFinite returns an error if a row's score is not finite, and says where. output is that of all rows in order.
func (t *trial) checkFinite(output []float32) error {
	dim, score := t.s.dim, make([]float32, t.s.dim)
	for row, sigma := range t.sigma {
		x := t.x[row*dim : (row+1)*dim]
		t.s.convert(score, output[row*dim:(row+1)*dim], x, t.sigma[row:row+1])
		for _, v := range score {
			if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
				return fmt.Errorf("the score is not finite at sigma %.6g%s: it is %g in row %d of %d, "+
					"whose values are up to %.3g", sigma, t.class(row), v, row+1, len(t.sigma), largest(x))
			}
		}
	}
	return nil
}

// class says which class a row has; nothing if it has none.
func (t *trial) class(row int) string {
	c := t.s.manifest.Condition
	if c == nil || c.Classes == 0 || int(t.c[row]) == c.Classes {
		return ""
	}
	return fmt.Sprintf(" for class %s", c.ClassName(int(t.c[row])))
}

// inOrder evaluates the rows in order. The result belongs to the lane and is valid until the next evaluation.
func (t *trial) inOrder(ctx context.Context) ([]float32, error) {
	all := make(batch, len(t.sigma))
	for i := range all {
		all[i] = i
	}
	return t.evaluate(ctx, all)
}

// batch is the rows of one evaluation: indices of rows in the trial, and extra rows.
type batch []int

// Rows that a batch may have in addition to the rows in the trial.
const (
	extra      = -1 - iota
	padding    // as the session pads
	huge       // elements whose squares are infinite
	notANumber // as in a chain that diverged
)

// evaluate returns the graph's output for a batch.
func (t *trial) evaluate(ctx context.Context, c batch) ([]float32, error) {
	b, err := t.l.binding(len(c))
	if err != nil {
		return nil, err
	}
	for i, row := range c {
		t.write(i, row)
	}
	if err := b.runUntil(ctx); err != nil {
		return nil, plain(err)
	}
	return t.l.score[:len(c)*t.s.dim], nil
}

// write writes a row of a batch, the i-th, into the lane.
func (t *trial) write(i, row int) {
	x, width := t.l.x[i*t.s.dim:(i+1)*t.s.dim], t.l.c.width
	switch row {
	case padding:
		clear(x)
		t.l.sigma[i] = t.l.sigma[0]
		t.l.c.copyRow(i, 0)
	case huge:
		fillWith(x, 1e30)
		t.l.sigma[i] = t.sigma[len(t.sigma)/2] / 2
		t.l.c.set(i, t.odd)
	case notANumber:
		fillWith(x, float32(math.NaN()))
		t.l.sigma[i] = t.sigma[len(t.sigma)/2] / 2
		t.l.c.set(i, t.c[:width])
	default:
		copy(x, t.x[row*t.s.dim:])
		t.l.sigma[i] = t.sigma[row]
		t.l.c.set(i, t.c[row*width:(row+1)*width])
	}
}

func fillWith(x []float32, v float32) {
	for i := range x {
		x[i] = v
	}
}

// batches returns the batches in which rows of the session's multiple are compared. The first ones have a single row,
// among them the row of the largest sigma and the row of the smallest. Larger ones follow.
func (t *trial) batches() []batch {
	rows, multiple := len(t.sigma), t.s.multiple
	alone := []int{0, rows - 1}
	if rows == pointRows {
		for i := 1; i < loneRows; i++ {
			alone = append(alone, i*rows/loneRows)
		}
	}
	var all []batch
	for _, row := range alone {
		c := batch{row}
		for len(c) < multiple {
			c = append(c, padding)
		}
		all = append(all, c)
	}
	for i, n := range t.sizes() {
		all = append(all, t.mixed(n, i))
	}
	if multiple >= rows && !t.s.buckets { // otherwise the number of rows might never change
		all = append(all, batch{rows - 1})
	}
	return all
}

// sizes returns the numbers of rows of batches with more than one row.
func (t *trial) sizes() []int {
	rows, multiple := len(t.sigma), t.s.multiple
	switch {
	case multiple >= rows && t.s.rows < 2*rows:
		return []int{rows, rows}
	case multiple >= rows:
		return []int{rows, 2 * rows}
	case multiple == 1:
		return []int{2, 3, 7}
	}
	var sizes []int
	for n := multiple; n < rows; n += max(multiple, n/8/multiple*multiple) {
		sizes = append(sizes, n)
	}
	return sizes
}

// mixed returns the i-th batch of n rows: rows in the trial, the last first, and an extra row in every third place.
func (t *trial) mixed(n, i int) batch {
	const stride = 5 // has no common divisor with the number of rows
	c, kind := make(batch, n), huge
	if i%2 == 1 {
		kind = notANumber
	}
	for j := range c {
		c[j] = len(t.sigma) - 1 - stride*(i+j)%len(t.sigma)
		if j%3 == (1+2*i)%3 {
			c[j] = kind
		}
	}
	return c
}

// dependence is a row whose output differs in another batch.
type dependence struct {
	row     int
	batch   batch
	was, is float32 // an element of the output: in the first batch, and in the other
	failed  error   // error of the evaluation of the batch, or nil
}

// find returns the first dependence that it finds, or nil.
func (t *trial) find(ctx context.Context) (*dependence, error) {
	for _, c := range t.batches() {
		output, err := t.evaluate(ctx, c)
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case err != nil:
			return &dependence{batch: c, failed: err}, nil
		}
		for i, row := range c {
			if row <= extra {
				continue
			}
			was, is := t.output[row*t.s.dim:(row+1)*t.s.dim], output[i*t.s.dim:(i+1)*t.s.dim]
			if at := differ(was, is, t.toleranceOf(c)); at >= 0 {
				return &dependence{row: row, batch: c, was: was[at], is: is[at]}, nil
			}
		}
	}
	return nil, nil
}

// toleranceOf returns the largest allowed difference of a row's output in a batch. It is 0, except on a GPU and for a
// batch that is not padded.
func (t *trial) toleranceOf(c batch) float64 {
	switch {
	case len(c)%t.s.multiple != 0, t.s.buckets && len(c) != len(t.sigma):
		return otherKernels
	case t.s.buckets:
		return sameKernels
	}
	return 0
}

// differ returns the first element in which a row's outputs differ; -1 if there is none. They differ if their bits
// differ or, for a tolerance above 0, if the difference exceeds tolerance times the largest element.
func differ(a, b []float32, tolerance float64) int {
	allowed := tolerance * largest(a)
	for i := range a {
		same := math.Float32bits(a[i]) == math.Float32bits(b[i])
		if !same && !(tolerance > 0 && math.Abs(float64(a[i])-float64(b[i])) <= allowed) {
			return i
		}
	}
	return -1
}

func largest(x []float32) float64 {
	most := 0.0
	for _, v := range x {
		most = max(most, math.Abs(float64(v)))
	}
	return most
}

// explain returns the error for a network in which a row depends on other rows.
func (t *trial) explain(ctx context.Context, d *dependence) error {
	const demand = "a row's output must depend on that row alone"
	where := "alone"
	switch {
	case slices.Contains(d.batch, huge):
		where = "beside rows of 1e+30"
	case slices.Contains(d.batch, notANumber):
		where = "beside rows of NaN, as of chains that diverged"
	}
	if d.failed != nil {
		return fmt.Errorf("%s, the evaluation of rows fails: %s: %w", where, demand, d.failed)
	}
	again, err := t.inOrder(ctx)
	if err != nil {
		return fmt.Errorf("trial evaluation: %w", err)
	}
	if differ(t.output, again, 0) >= 0 {
		return fmt.Errorf("it answers twice differently: export it in evaluation mode, model.eval(), " +
			"without dropout or noise of its own")
	}
	return fmt.Errorf("row %d of %d at sigma %.6g changes with its neighbours: an element of its output is %.9g among "+
		"the others and %.9g %s: %s, so export it in evaluation mode, model.eval(), without statistics over the batch",
		d.row+1, len(t.sigma), t.sigma[d.row], d.was, d.is, where, demand)
}

// fill writes states and sigmas that use every bit: sigmas from the whole schedule of m, the largest first and the
// smallest last, and a fixed sequence of states in the range of the data, widened by sigma.
func fill(x, sigma []float32, m models.Manifest) {
	next := uniforms()
	middle, half := (m.Range.Low+m.Range.High)/2, (m.Range.High-m.Range.Low)/2
	last, dim := len(m.Sigmas)-1, len(x)/len(sigma)
	for i := range sigma {
		s := m.Sigmas[(i*last+(len(sigma)-1)/2)/max(len(sigma)-1, 1)]
		sigma[i] = float32(s)
		for j := range dim {
			x[i*dim+j] = float32(middle + (half+s)*next())
		}
	}
}

// uniforms returns the fixed sequence of numbers between -1 and 1, from its beginning.
func uniforms() func() float64 {
	state := uint32(1)
	return func() float64 {
		state = state*1664525 + 1013904223 // Numerical Recipes' linear congruential generator
		return float64(int32(state)) * (1.0 / (1 << 31))
	}
}
