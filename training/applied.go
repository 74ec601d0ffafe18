package training

import (
	"slices"

	"github.com/langevin-ml/langevin/ort"
)

// applied is the program that moves the weights, in pieces of the vectors that it is of.
type applied struct{ pieces []piece }

// piece reads numbers of one state and writes those of the other: which, is the first index.
type piece struct {
	program         *ort.Program
	inputs, outputs [2][]*ort.Tensor
	parts           []*ort.Tensor // all of these but the rates
}

// newApplied divides the vectors among the crew.
func (c *cpu) newApplied() (a *applied, err error) {
	a = &applied{}
	var graph []byte
	var length int
	for _, cut := range c.cuts() {
		if n := cut[1] - cut[0]; n != length {
			if graph, err = c.compileApply(n); err != nil {
				return a, err
			}
			length = n
		}
		p, err := c.newPiece(graph, cut[0], cut[1])
		a.pieces = append(a.pieces, p)
		if err != nil {
			return a, err
		}
	}
	return a, nil
}

// cuts are from where to where the pieces go.
func (c *cpu) cuts() (all [][2]int) {
	n, pieces := c.lesson.network.NumParams(), c.crew.size()
	if c.lesson.optimizer.Clip > 0 { // by the length of the whole gradient
		pieces = 1
	}
	length := (n + pieces - 1) / pieces
	length = (length + ort.PartStep - 1) / ort.PartStep * ort.PartStep
	for from := 0; from < n; from += length {
		all = append(all, [2]int{from, min(from+length, n)})
	}
	return all
}

func (c *cpu) compileApply(length int) ([]byte, error) {
	state, gradients := len(c.state()), c.crew.size()
	inputs := slices.Repeat([][]int{{length}}, state+1+gradients)
	inputs[state] = []int{len(c.rates.X)}
	return c.compile("apply", inputs, c.lesson.applyGraph)
}

// newPiece returns what it could make along with an error.
func (c *cpu) newPiece(graph []byte, from, to int) (p piece, err error) {
	if p.program, err = c.runtime.LoadProgram(graph, 1); err != nil {
		return p, err
	}
	cut := func(whole []*ort.Tensor) (parts []*ort.Tensor) {
		for _, t := range whole {
			part, errPart := t.Part(from, to-from)
			if errPart != nil {
				err = errPart
				return parts
			}
			p.parts = append(p.parts, part)
			parts = append(parts, part)
		}
		return parts
	}
	states := [2][]*ort.Tensor{cut(c.states[0]), cut(c.states[1])}
	gradient := cut(c.gradient.gradients())
	for i := range states {
		p.inputs[i] = slices.Concat(states[i], []*ort.Tensor{c.rates}, gradient)
		p.outputs[i] = states[1-i]
	}
	return p, err
}

// run moves the weights from the state of that index to the other.
func (a *applied) run(crew *crew, from int) error {
	return crew.do(func(i int) error {
		if i >= len(a.pieces) {
			return nil
		}
		p := a.pieces[i]
		return p.program.Run(p.inputs[from], p.outputs[from])
	})
}
