package training

import (
	"context"
	"fmt"
	"iter"
	"slices"

	"github.com/gomlx/gomlx/core/graph"

	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/ort"
	"github.com/langevin-ml/langevin/sampling"
	"github.com/langevin-ml/langevin/training/data"
	"github.com/langevin-ml/langevin/training/learner"
	"github.com/langevin-ml/langevin/training/loss"
	"github.com/langevin-ml/langevin/training/nn"
	"github.com/langevin-ml/langevin/training/pool"
)

// batch is the input of one update of the weights, or of one measurement of the loss.
type batch struct {
	x      []float32 // clean data, rows of one sample each
	z      []float32 // standard normal, one for each element of x
	sigma  []float32 // one for each row, as are weight, level and u
	weight []float32 // of the row's loss
	v      []float32 // standard normal, for each projection of the objective one vector of x's size
	level  []int     // index of the row's sigma in the schedule
	u      []float32 // uniform on [0, 1): the row's place in its level, see loss.Config.Places
	c      []float32 // conditions, rows as the network takes them; none without conditions

	known, dropped []float32 // conditions of the data, and for each row whether it is dropped, see drop

	factors []float32 // rows of nn.Graph.DropFactors; none if nothing is dropped

	// smaller is the smaller sigma of each row, see loss.Config.Smaller; empty if the objective has no pairs.
	smaller []float32
}

// batcher draws batches. Each is a pure function of the batcher and the batch's index.
type batcher struct {
	source   data.Source
	schedule sampling.Schedule
	rows     int // number of rows in a batch
	dim      int // number of elements in a row
	seed     uint64

	given   nn.Condition
	dropped float64 // part of the rows without their condition

	dropping *nn.Graph // a network that drops numbers of its layers; nil: none

	place       func(level int, u float64) loss.Place
	projections int
	smaller     func(sigma float64, index uint64) float64 // nil if the objective has no pairs
	pool        *pool.Pool                                // draws batches of points; batches of images need none
}

// columnsOfData returns the columns of a table; nil for other data.
func (d batcher) columnsOfData() models.Columns {
	if t, ok := d.source.(data.Tabular); ok {
		return t.Columns()
	}
	return nil
}

// newBatch allocates a batch.
func (d batcher) newBatch() *batch {
	pairs := 0
	if d.smaller != nil {
		pairs = d.rows
	}
	b := &batch{
		x:      make([]float32, d.rows*d.dim),
		z:      make([]float32, d.rows*d.dim),
		sigma:  make([]float32, d.rows),
		level:  make([]int, d.rows),
		weight: make([]float32, d.rows),
		v:      make([]float32, d.projections*d.rows*d.dim),
		u:      make([]float32, d.rows),

		smaller: make([]float32, pairs),
	}
	if d.dropping != nil {
		b.factors = make([]float32, d.rows*d.dropping.Dropped())
	}
	if width := d.given.Width(); width > 0 {
		b.c, b.dropped = make([]float32, d.rows*width), make([]float32, d.rows)
		b.known = make([]float32, d.rows*max(d.given.Size, 1))
	}
	return b
}

// draw returns batch index.
func (d batcher) draw(index uint64) (*batch, error) {
	b := d.newBatch()
	return b, d.fill(b, index)
}

// fill overwrites b with batch index. If the rows of all batches are numbered in order, row i has level i modulo the
// number of levels. This spreads the rows evenly over the levels. The gradient then has less noise than with levels
// drawn at random.
func (d batcher) fill(b *batch, index uint64) error {
	noise := sampling.Noise{Seed: d.seed, Chain: index}
	noise.Uniform(b.u, 1)
	first := index * uint64(d.rows)
	for i := range b.level {
		b.level[i] = int((first + uint64(i)) % uint64(d.schedule.Levels()))
		p := d.place(b.level[i], float64(b.u[i]))
		b.sigma[i], b.weight[i] = float32(p.Sigma), float32(p.Weight)
		if d.smaller != nil {
			b.smaller[i] = float32(d.smaller(p.Sigma, index))
		}
	}
	// Step 1: the initial weights use step 0 of the same seed.
	noise.Normal(b.z, 1)
	noise.Normal(b.v, 2)
	for i := 0; len(b.factors) > 0 && i < d.rows; i++ {
		row := len(b.factors) / d.rows
		factors := b.factors[i*row : (i+1)*row]
		noise.Uniform(factors, uint32(3+i))
		d.dropping.DropFactors(factors)
	}
	err := d.source.Read(b.x, first)
	if err == nil && len(b.c) > 0 {
		noise.Uniform(b.dropped, 2)
		err = d.source.(data.Conditional).ReadCondition(b.known, first)
		drop(b.c, b.known, b.dropped, d.given, d.dropped)
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", d.source.Name(), err)
	}
	return nil
}

// ahead yields n batches, the first of which is batch first. Each batch is valid until the next one. It stops early,
// without an error, when ctx is done.
func (d batcher) ahead(ctx context.Context, first uint64, n int) iter.Seq2[*batch, error] {
	if d.dim <= ort.PointDim {
		return d.many(ctx, first, n)
	}
	return d.next(ctx, first, n)
}

// many draws several batches at once, on all cores. It is for batches that take no longer to draw than to pass to
// another goroutine.
func (d batcher) many(ctx context.Context, first uint64, n int) iter.Seq2[*batch, error] {
	const most, room = 64, 1 << 24 // batches, numbers
	batches := make([]*batch, min(n, most, 1+room/(d.rows*d.dim*(2+d.projections))))
	for i := range batches {
		batches[i] = d.newBatch()
	}
	return func(yield func(*batch, error) bool) {
		for done := 0; done < n; done += len(batches) {
			drawn := batches[:min(len(batches), n-done)]
			if err := d.fillAll(drawn, first+uint64(done)); err != nil {
				yield(nil, err)
				return
			}
			for _, b := range drawn {
				if ctx.Err() != nil || !yield(b, nil) {
					return
				}
			}
		}
	}
}

// fillAll overwrites batches with batch first and the ones after it.
func (d batcher) fillAll(batches []*batch, first uint64) error {
	cores := d.pool.Size()
	return d.pool.Do(cores, func(core int) (err error) {
		for i := core; i < len(batches) && err == nil; i += cores {
			err = d.fill(batches[i], first+uint64(i))
		}
		return err
	})
}

// next draws each batch while the previous one is in use.
func (d batcher) next(ctx context.Context, first uint64, n int) iter.Seq2[*batch, error] {
	type drawn struct {
		batch *batch
		err   error
	}
	return func(yield func(*batch, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		ready := make(chan drawn, 1)
		go func() {
			defer close(ready)
			for i := range n {
				b, err := d.draw(first + uint64(i))
				select {
				case ready <- drawn{b, err}:
				case <-ctx.Done():
					return
				}
			}
		}()
		defer func() {
			cancel()
			for range ready { // wait until the goroutine has ended
			}
		}()
		for next := range ready {
			if ctx.Err() != nil || !yield(next.batch, next.err) || next.err != nil {
				return
			}
		}
	}
}

// vectors returns the arguments of a computation, in the order in which lossBatch takes them.
func (b *batch) vectors() [][]float32 {
	all := [][]float32{b.x, b.z, b.sigma, b.weight}
	for _, more := range [][]float32{b.c, b.v} {
		if len(more) > 0 {
			all = append(all, more)
		}
	}
	for _, more := range [][]float32{b.smaller, b.factors} {
		if len(more) > 0 {
			all = append(all, more)
		}
	}
	return all
}

// columns describes the vectors of a batch.
func (d batcher) columns() []learner.Columns {
	elements, rows := learner.Columns{Copies: 1, Width: d.dim}, learner.Columns{Copies: 1, Width: 1}
	all := []learner.Columns{elements, elements, rows, rows}
	if width := d.given.Width(); width > 0 {
		all = append(all, learner.Columns{Copies: 1, Width: width})
	}
	if d.projections > 0 {
		all = append(all, learner.Columns{Copies: d.projections, Width: d.dim})
	}
	if d.smaller != nil {
		all = append(all, rows)
	}
	if d.dropping != nil {
		all = append(all, learner.Columns{Copies: 1, Width: d.dropping.Dropped()})
	}
	return all
}

// lossBatch reshapes the tensors of a batch of a network, in the order of vectors, to samples. c is nil without
// conditions, and factors if nothing is dropped.
func (d batcher) lossBatch(in []*graph.Node, network *nn.Graph) (b loss.Batch, c, factors *graph.Node) {
	sample := network.X.Shape[1:]
	shaped := func(n *graph.Node) *graph.Node { return graph.Reshape(n, append([]int{-1}, sample...)...) }
	b = loss.Batch{X: shaped(in[0]), Z: shaped(in[1]), Sigma: in[2], Weight: in[3]}
	in = in[4:]
	if network.C != nil {
		if c, in = in[0], in[1:]; d.given.Size > 0 {
			c = graph.Reshape(c, -1, d.given.Width())
		}
	}
	if d.projections > 0 {
		b.V, in = shaped(in[0]), in[1:]
	}
	if d.smaller != nil {
		b.Smaller, in = in[0], in[1:]
	}
	if d.dropping != nil {
		factors = graph.Reshape(in[0], -1, d.dropping.Dropped())
	}
	return b, c, factors
}

// repeated returns something of each row of a batch, or nil, for the given number of rows: as many copies of the batch
// as it has, one after the other.
func repeated(of *graph.Node, rows int) *graph.Node {
	if of == nil || rows <= of.Shape().Dimensions[0] {
		return of
	}
	return graph.Concatenate(slices.Repeat([]*graph.Node{of}, rows/of.Shape().Dimensions[0]), 0)
}
