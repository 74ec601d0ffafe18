package data

import (
	"math/rand/v2"
	"sync"
)

// deal returns rows in epochs. Each epoch has every row once, in its own order. It is safe for concurrent use.
type deal struct {
	seed uint64

	mu    sync.Mutex
	epoch uint64 // the epoch of order
	order []int
}

// pick returns the row of sample i out of a number of rows, which must be the same in all calls. It is a pure function
// of the rows, the seed and i.
func (d *deal) pick(i uint64, rows int) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := uint64(rows)
	if epoch := i / n; d.order == nil || d.epoch != epoch {
		d.epoch, d.order = epoch, rand.New(rand.NewPCG(d.seed, epoch)).Perm(rows)
	}
	return d.order[i%n]
}
