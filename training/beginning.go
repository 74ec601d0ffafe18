package training

import (
	"context"
	"fmt"

	"github.com/langevin-ml/langevin/training/data"
	"github.com/langevin-ml/langevin/training/loss"
	"github.com/langevin-ml/langevin/training/nn"
)

// Beginning is the state from which a training starts. It is for comparing another implementation with this one.
type Beginning struct {
	Network *nn.Graph
	Params  []float32    // of Network, before the first update
	Batches []Batch      // of the first iterations
	Levels  []loss.Place // of the noise schedule, largest sigma first
}

// Batch is the input of one update of the weights: clean rows X and standard normal noise Z, both with the elements of
// the data, and the sigma and the weight of each row's loss,
//
//	½ ‖σ s(x + σz, σ) + z‖² · weight
//
// where the score is also given C if there are conditions. For the sliced objectives, only X, Z, Sigma and C are
// meaningful: Batch does not have their projections.
type Batch struct {
	X, Z          []float32
	Sigma, Weight []float32
	Level         []int     // of each row, 0 for the largest sigma
	C             []float32 // conditions, see nn.Condition.Width; none without conditions
}

// Begin returns the state from which Run starts with the same c, and the batches of the first iterations. It returns an
// error if c is not valid or the data cannot be read.
func Begin(c Config, iterations int) (*Beginning, error) {
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("begin %s: %w", c.Name, err)
	}
	t, err := prepare(context.Background(), c, data.Reader{})
	if err != nil {
		return nil, fmt.Errorf("begin %s: %w", c.Name, err)
	}
	b := &Beginning{Network: t.network, Params: t.network.NewParams(c.Seed)}
	for level := range t.batcher.schedule.Levels() {
		b.Levels = append(b.Levels, t.batcher.place(level, 0.5))
	}
	for i := range iterations {
		drawn, err := t.batcher.draw(uint64(i))
		if err != nil {
			return nil, fmt.Errorf("begin %s: %w", c.Name, err)
		}
		b.Batches = append(b.Batches,
			Batch{X: drawn.x, Z: drawn.z, Sigma: drawn.sigma, Weight: drawn.weight, Level: drawn.level, C: drawn.c})
	}
	return b, nil
}
