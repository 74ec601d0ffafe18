package training

import (
	"fmt"
	"math"

	"github.com/langevin-ml/langevin/internal/memory"
	"github.com/langevin-ml/langevin/internal/phrase"
	"github.com/langevin-ml/langevin/training/learner"
	"github.com/langevin-ml/langevin/training/nn"
)

// need is the memory that a training takes, in bytes. The estimates are low: measured trainings of points took twice as
// much, those of pictures a fifth more. They are floating-point numbers because they may be huge.
type need struct {
	row     float64 // of a batch, with what the network computes for it and the gradient
	network float64 // the weights, the optimizer's state, the gradients and the copies of a checkpoint
	log     float64 // the records of all iterations
}

// need estimates the memory of the training on a CPU.
func (t *trainer) need() need {
	const number, record = 4, 100
	c := t.config
	vectors := float64(2*learner.Vectors(c.Optimizer) + 4)
	lines := math.Ceil(float64(c.Training.Iterations) / float64(c.Training.LogEvery))
	// A gradient needs the result of every operation, and a sliced objective differentiates once more for each
	// projection.
	passes := 1.5 * float64(1+2*t.batcher.projections)
	return need{
		row:     number * (passes*float64(rowSize(t.network)) + float64(t.batcher.rowSize())),
		network: number * vectors * float64(t.network.NumParams()),
		log:     lines * (record + 2*number*float64(c.Noise.Levels)),
	}
}

// rowSize returns the number of elements of a row of a batch.
func (d batcher) rowSize() int {
	size := (2 + d.projections) * d.dim
	if d.dropping != nil {
		size += d.dropping.Dropped()
	}
	return size
}

// rowSize returns the number of elements that a network computes for a row.
func rowSize(g *nn.Graph) (total int) {
	for _, n := range g.Nodes {
		if len(n.Shape) > 0 && n.Shape[0] == nn.Batch {
			total += product(n.Shape[1:])
		}
	}
	return total
}

// mostParams is the largest number of parameters whose model file has less than the 2 GiB of a protobuf message.
const mostParams = 1<<29 - 1<<20

// checkSize refuses a training whose model could not be written, or that takes more memory than there is.
func (t *trainer) checkSize() error {
	begun := Result{Config: t.config, Network: t.network, schedule: t.batcher.schedule, data: t.batcher.source.Name(),
		columns: t.batcher.columnsOfData()}
	if err := begun.Manifest().Validate(); err != nil {
		return fmt.Errorf("no model could have these settings: %w", err)
	}
	if n := t.network.NumParams(); n > mostParams {
		return fmt.Errorf("network has %s parameters: want at most %d, for which a model file has room",
			phrase.Grouped(int64(n)), mostParams)
	}
	if total, ok := memory.Total(); ok {
		return t.checkMemory(float64(total))
	}
	return nil
}

func (t *trainer) checkMemory(total float64) error {
	n := t.need()
	if t.options.foreign() != "" {
		n.row = 0 // the batches are on the GPU
	}
	sum := n.sum(t.config.Training.BatchSize)
	if sum <= total && 2*sum > total && t.options.Notice != nil {
		t.options.Notice(fmt.Sprintf("the training takes %.3g to %.3g GB of memory, and this machine has %.3g GB",
			sum/1e9, 2*sum/1e9, total/1e9))
	}
	return n.check(t.config, total)
}

// sum returns what batches of the given number of rows need in all.
func (n need) sum(rows int) float64 { return n.row*float64(rows) + n.network + n.log }

// check returns an error if more is needed than total. The error names the setting that needs most.
func (n need) check(c Config, total float64) error {
	batch := n.row * float64(c.Training.BatchSize)
	const gigabyte = 1e9
	take := func(bytes float64) string {
		return fmt.Sprintf("take at least %.3g GB of memory, and this machine has %.3g GB", bytes/gigabyte,
			total/gigabyte)
	}
	switch {
	case n.sum(c.Training.BatchSize) <= total:
		return nil
	case n.network >= max(batch, n.log):
		return fmt.Errorf("network: its parameters %s: want a smaller network", take(n.network))
	case n.log >= batch:
		return fmt.Errorf("training.log_every is %d: the records of %s iterations %s: want a larger number",
			c.Training.LogEvery, phrase.Grouped(int64(c.Training.Iterations)), take(n.log))
	}
	room := max(1, int((total-n.network-n.log)/n.row))
	return fmt.Errorf("training.batch_size is %d: such batches %s: want at most %d", c.Training.BatchSize, take(batch),
		room)
}
