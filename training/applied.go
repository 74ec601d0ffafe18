package training

import (
	"slices"

	"github.com/langevin-ml/langevin/ort"
)

// applied is the program that moves the weights, in place and in pieces of the vectors that it is of.
type applied struct {
	cores    [][]piece // what each of a crew does
	programs []*ort.Program
	tensors  []*ort.Tensor
}

// piece is some numbers of the state.
type piece struct {
	program       *ort.Program // no other core has it
	inputs, state []*ort.Tensor
}

// pieceLength is how long a piece of the vectors is at most: all that is computed of it stays in a core's cache.
const pieceLength = 1 << 14

// newApplied divides the vectors among those who have parts of the batch. It returns what it could make along with an error.
func (c *cpu) newApplied() (*applied, error) {
	n, cores := c.lesson.network.NumParams(), c.parts
	length := min((n+cores-1)/cores, pieceLength)
	if c.lesson.optimizer.Clip > 0 { // by the length of the whole gradient
		length = n
	}
	length = (length + ort.PartStep - 1) / ort.PartStep * ort.PartStep
	a := &applied{cores: make([][]piece, cores)}
	whole := n / length * length
	if err := c.addPieces(a, 0, whole, length); err != nil || whole == n {
		return a, err
	}
	return a, c.addPieces(a, whole, n, n-whole)
}

// addPieces cuts the numbers between two into pieces of that length, and deals them out.
func (c *cpu) addPieces(a *applied, from, to, length int) error {
	if from == to {
		return nil
	}
	vectors := len(c.state)
	shapes := slices.Repeat([][]int{{length}}, vectors+1+c.parts)
	shapes[vectors] = []int{len(c.rates.X)}
	graph, err := c.compile("apply", shapes, c.lesson.applyGraph)
	if err != nil {
		return err
	}
	programs := make([]*ort.Program, c.parts)
	for ; from < to; from += length {
		core := from / length % len(programs)
		if programs[core] == nil {
			if programs[core], err = c.runtime.LoadProgram(graph, 1); err != nil {
				return err
			}
			a.programs = append(a.programs, programs[core])
		}
		state, err := a.cut(c.state, from, length)
		if err != nil {
			return err
		}
		gradients, err := a.cut(c.gradient.gradients(), from, length)
		if err != nil {
			return err
		}
		a.cores[core] = append(a.cores[core], piece{programs[core], slices.Concat(state, []*ort.Tensor{c.rates}, gradients), state})
	}
	return nil
}

// cut is so many numbers of each vector.
func (a *applied) cut(vectors []*ort.Tensor, from, length int) (parts []*ort.Tensor, err error) {
	for _, vector := range vectors {
		part, err := vector.Part(from, length)
		if err != nil {
			return nil, err
		}
		parts, a.tensors = append(parts, part), append(a.tensors, part)
	}
	return parts, nil
}

// run moves the weights. That a program may write what it reads, see optimizer.Config.Move: each number of the old
// state is only read for that number of the new one, before it is written.
func (a *applied) run(crew *crew) error {
	return crew.do(len(a.cores), func(core int) error {
		for _, p := range a.cores[core] {
			if err := p.program.Run(p.inputs, p.state); err != nil {
				return err
			}
		}
		return nil
	})
}
