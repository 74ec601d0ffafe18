package training

import (
	"context"
	"fmt"
	"iter"

	"github.com/langevin-ml/langevin/sampling"
	"github.com/langevin-ml/langevin/training/data"
)

// batch is what one update of the weights, or one measurement of the loss, is computed from.
type batch struct {
	x     []float32 // clean data, rows of one sample each
	z     []float32 // standard normal, one for each element of x
	sigma []float32 // one for each row
	level []int     // index of that sigma in the schedule
}

// drawer draws batches, each a pure function of the drawer and the batch's index.
type drawer struct {
	source   data.Source
	schedule sampling.Schedule
	rows     int // of a batch
	dim      int // elements of a row
	seed     uint64
}

// draw makes batch index. Row i of all rows ever drawn has level i modulo the number of levels: as even a spread over
// the levels as there is, with less noise in the gradient than levels drawn at random.
func (d drawer) draw(index uint64) (*batch, error) {
	b := &batch{
		x:     make([]float32, d.rows*d.dim),
		z:     make([]float32, d.rows*d.dim),
		sigma: make([]float32, d.rows),
		level: make([]int, d.rows),
	}
	first := index * uint64(d.rows)
	for i := range b.level {
		b.level[i] = int((first + uint64(i)) % uint64(d.schedule.Levels()))
		b.sigma[i] = float32(d.schedule.Sigma(b.level[i]))
	}
	// Step 1: the initial weights use step 0 of the same seed.
	sampling.Noise{Seed: d.seed, Chain: index}.Normal(b.z, 1)
	if err := d.source.Read(b.x, first); err != nil {
		return nil, fmt.Errorf("read %s: %w", d.source.Name(), err)
	}
	return b, nil
}

// ahead yields n batches from index first on. Each is drawn while the one before it is in use. It stops early,
// without an error, when ctx is done.
func (d drawer) ahead(ctx context.Context, first uint64, n int) iter.Seq2[*batch, error] {
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
			for range ready { // until the goroutine has ended
			}
		}()
		for next := range ready {
			if ctx.Err() != nil || !yield(next.batch, next.err) || next.err != nil {
				return
			}
		}
	}
}
