package data

import "math/rand/v2"

// deal hands out rows in epochs, each of which has every row once, in an order of its own.
type deal struct {
	rows  int
	seed  uint64
	epoch uint64 // that order belongs to
	order []int
}

// pick is the row that sample i shows, a pure function of the rows, the seed and i.
func (d *deal) pick(i uint64) int {
	n := uint64(d.rows)
	if epoch := i / n; d.order == nil || d.epoch != epoch {
		d.epoch, d.order = epoch, rand.New(rand.NewPCG(d.seed, epoch)).Perm(d.rows)
	}
	return d.order[i%n]
}
