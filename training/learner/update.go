package learner

import (
	"slices"

	"github.com/langevin-ml/langevin/ort"
	"github.com/langevin-ml/langevin/training/pool"
)

// updateProgram moves the weights in place, one piece at a time.
type updateProgram struct {
	cores    [][]piece // the pieces of each goroutine of a pool
	programs []*ort.Program
	tensors  []*ort.Tensor
}

// piece is the same range of numbers of every vector of the state.
type piece struct {
	program       *ort.Program // used by one core only
	inputs, state []*ort.Tensor
}

// pieceLength is the largest length of a piece. A core's cache has room for everything that is computed for a piece.
const pieceLength = 1 << 14

// newUpdateProgram divides the vectors among the cores that have a shard of the batch. If it returns an error, it also
// returns the resources that it created.
func (c *cpu) newUpdateProgram() (*updateProgram, error) {
	n, cores := c.objective.Network.NumParams(), c.shards
	length := min((n+cores-1)/cores, pieceLength)
	if c.objective.Optimizer.Clip > 0 { // clipping needs the length of the whole gradient
		length = n
	}
	length = (length + ort.PartStep - 1) / ort.PartStep * ort.PartStep
	u := &updateProgram{cores: make([][]piece, cores)}
	whole := n / length * length
	if err := c.addPieces(u, 0, whole, length); err != nil || whole == n {
		return u, err
	}
	return u, c.addPieces(u, whole, n, n-whole)
}

// addPieces divides the numbers from one index to another into pieces of the given length, and distributes them.
func (c *cpu) addPieces(u *updateProgram, from, to, length int) error {
	if from == to {
		return nil
	}
	vectors := len(c.state)
	shapes := slices.Repeat([][]int{{length}}, vectors+1+c.shards)
	shapes[vectors] = []int{len(c.rates.X)}
	graph, err := c.compile("apply", shapes, c.objective.applyGraph)
	if err != nil {
		return err
	}
	programs := make([]*ort.Program, c.shards)
	for ; from < to; from += length {
		core := from / length % len(programs)
		if programs[core] == nil {
			if programs[core], err = c.runtime.LoadProgram(graph, 1); err != nil {
				return err
			}
			u.programs = append(u.programs, programs[core])
		}
		state, err := u.cut(c.state, from, length)
		if err != nil {
			return err
		}
		gradients, err := u.cut(c.gradient.gradients(), from, length)
		if err != nil {
			return err
		}
		inputs := slices.Concat(state, []*ort.Tensor{c.rates}, gradients)
		u.cores[core] = append(u.cores[core], piece{programs[core], inputs, state})
	}
	return nil
}

// cut returns the given range of each vector.
func (u *updateProgram) cut(vectors []*ort.Tensor, from, length int) (parts []*ort.Tensor, err error) {
	for _, vector := range vectors {
		part, err := vector.Part(from, length)
		if err != nil {
			return nil, err
		}
		parts, u.tensors = append(parts, part), append(u.tensors, part)
	}
	return parts, nil
}

// run moves the weights. A program may write the memory that it reads, because each number of the new state depends
// only on the old state at the same place, see optimizer.Config.Move.
func (u *updateProgram) run(p *pool.Pool) error {
	return p.Do(len(u.cores), func(core int) error {
		for _, piece := range u.cores[core] {
			if err := piece.program.Run(piece.inputs, piece.state); err != nil {
				return err
			}
		}
		return nil
	})
}
