package training

import (
	"errors"
	"fmt"
	"runtime"
	"slices"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/graph"
	"golang.org/x/sync/errgroup"

	"github.com/langevin-ml/langevin/ort"
	"github.com/langevin-ml/langevin/training/nn"
)

// cpu is a [learner] whose computations are programs of ONNX Runtime. A batch of images is shared out among the cores, each
// of which computes its part of the gradient: ONNX Runtime shares among threads what takes longest, but not all of the
// rest. The parts are added up in their order, so that results depend on how many they are, and on nothing else.
type cpu struct {
	lesson  lesson
	runtime *ort.Runtime
	backend compute.Backend // compiles
	parts   int             // of a batch
	block   int             // of channels

	// An update reads one state and writes the other.
	state, next []*ort.Tensor
	rates       *ort.Tensor

	starting           func(func() error) error
	gradient, measured *parted      // nil before they are used
	apply              *ort.Program // nil before the first step
}

// parted is a program that runs on every part of a batch.
type parted struct {
	columns []columns
	rows    int // of a part
	parts   []part
}

// part has a copy of the program: memory that two of them take turns in would go from the cache of one core to another's.
// The last of the outputs is some numbers for each row.
type part struct {
	program        *ort.Program
	batch, outputs []*ort.Tensor
}

// newCPU takes the backend over: it is closed with the learner, or here if there comes none.
func newCPU(l lesson, library string, backend compute.Backend, starting func(func() error) error) (*cpu, error) {
	r, err := ort.Open(library)
	if err != nil {
		backend.Finalize()
		return nil, err
	}
	c := &cpu{lesson: l, runtime: r, backend: backend, parts: l.partsOf(runtime.GOMAXPROCS(0)), starting: starting}
	if err := c.prepare(); err != nil {
		return nil, errors.Join(err, c.close())
	}
	return c, nil
}

func (c *cpu) prepare() (err error) {
	if c.block, err = c.runtime.ChannelBlock(); err != nil {
		return err
	}
	if c.rates, err = c.runtime.NewTensor(len([2]float32{})); err != nil {
		return err
	}
	state := c.lesson.begin()
	shapes := slices.Repeat([][]int{{c.lesson.network.NumParams()}}, len(state))
	if c.state, err = c.tensors(shapes); err != nil {
		return err
	}
	if c.next, err = c.tensors(shapes); err != nil {
		return err
	}
	return c.replace(state)
}

// What a part of a batch is worth the trouble from: to wake another thread takes as long as some rows.
const (
	fewestImages = 8
	fewestPoints = 256
)

// partsOf is into how many equal parts so many cores divide the batch.
func (l lesson) partsOf(cores int) int {
	fewest := fewestImages
	if l.ofPoints() {
		fewest = fewestPoints
	}
	parts := max(min(cores, l.rows/fewest), 1)
	for l.rows%parts != 0 {
		parts--
	}
	return parts
}

func (l lesson) ofPoints() bool { return product(l.network.X.Shape[1:]) <= ort.PointDim }

// compile writes the program of f, of vectors of the given sizes.
func (c *cpu) compile(name string, sizes []int, f func([]*graph.Node) []*graph.Node) ([]byte, error) {
	inputs := make([][]int, len(sizes))
	for i, n := range sizes {
		inputs[i] = []int{n}
	}
	return nn.Compile(c.backend, name, c.block, inputs, f)
}

// divide compiles f, of the parameters and the columns of a batch, for every part.
func (c *cpu) divide(name string, columns []columns, f func([]*graph.Node) []*graph.Node) (*parted, error) {
	p := &parted{columns: columns, rows: c.lesson.rows / c.parts, parts: make([]part, c.parts)}
	sizes := []int{len(c.state[stateParams].X)}
	for _, column := range columns {
		sizes = append(sizes, column.copies*p.rows*column.width)
	}
	graph, err := c.compile(name, sizes, f)
	if err != nil {
		return nil, err
	}
	var loading errgroup.Group
	for i := range p.parts {
		loading.Go(func() (err error) { p.parts[i], err = c.load(graph); return err })
	}
	return p, loading.Wait()
}

// load makes a part, with all the cores that there are for each if it is of images: operations on points are too small.
func (c *cpu) load(graph []byte) (p part, err error) {
	threads := 1
	if !c.lesson.ofPoints() {
		threads = max(runtime.GOMAXPROCS(0)/c.parts, 1)
	}
	if p.program, err = c.runtime.LoadProgram(graph, threads); err != nil {
		return p, err
	}
	if p.batch, err = c.tensors(p.program.Inputs()[1:]); err != nil {
		return p, err
	}
	p.outputs, err = c.tensors(p.program.Outputs())
	return p, err
}

// tensors returns those that it could make along with an error.
func (c *cpu) tensors(shapes [][]int) (tensors []*ort.Tensor, err error) {
	for _, shape := range shapes {
		t, err := c.runtime.NewTensor(shape...)
		if err != nil {
			return tensors, err
		}
		tensors = append(tensors, t)
	}
	return tensors, nil
}

// run computes all parts, side by side, and returns the numbers of their rows.
func (p *parted) run(params *ort.Tensor, batch [][]float32) ([]float32, error) {
	var parts errgroup.Group
	for i := range p.parts[1:] {
		parts.Go(func() error { return p.runPart(i+1, params, batch) })
	}
	err := p.runPart(0, params, batch) // here: to wake another goroutine takes longer
	if err := errors.Join(err, parts.Wait()); err != nil {
		return nil, err
	}
	var values []float32
	for _, part := range p.parts {
		values = append(values, part.outputs[len(part.outputs)-1].X...)
	}
	return values, nil
}

func (p *parted) runPart(i int, params *ort.Tensor, batch [][]float32) error {
	own := p.parts[i]
	for k, column := range p.columns {
		size := p.rows * column.width
		if want := size * len(p.parts) * column.copies; len(batch[k]) != want {
			return fmt.Errorf("vector %d of the batch has %d elements: want %d", k, len(batch[k]), want)
		}
		for n := range column.copies {
			copy(own.batch[k].X[n*size:(n+1)*size], batch[k][(n*len(p.parts)+i)*size:])
		}
	}
	return own.program.Run(append([]*ort.Tensor{params}, own.batch...), own.outputs)
}

func (c *cpu) step(rates [2]float32, batch ...[]float32) ([]float32, error) {
	if c.gradient == nil {
		if err := c.starting(c.begin); err != nil {
			return nil, err
		}
	}
	losses, err := c.gradient.run(c.state[stateParams], batch)
	if err != nil {
		return nil, err
	}
	copy(c.rates.X, rates[:])
	inputs := append(slices.Clone(c.state), c.rates)
	for _, part := range c.gradient.parts {
		inputs = append(inputs, part.outputs[0])
	}
	if err := c.apply.Run(inputs, c.next); err != nil {
		return nil, err
	}
	c.state, c.next = c.next, c.state
	return losses, nil
}

// begin compiles the step.
func (c *cpu) begin() (err error) {
	params := len(c.state[stateParams].X)
	sizes := append(slices.Repeat([]int{params}, len(c.state)), len(c.rates.X))
	graph, err := c.compile("apply", append(sizes, slices.Repeat([]int{params}, c.parts)...), c.lesson.applyGraph)
	if err != nil {
		return err
	}
	if c.apply, err = c.runtime.LoadProgram(graph, 1); err != nil {
		return err
	}
	c.gradient, err = c.divide("gradient", c.lesson.batch, c.lesson.gradientGraph)
	return err
}

func (c *cpu) measure(batch ...[]float32) (values []float32, err error) {
	if c.measured == nil {
		err := c.starting(func() (err error) {
			c.measured, err = c.divide("measure", c.lesson.measured, c.lesson.measureGraph)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return c.measured.run(c.state[stateAverage], batch)
}

func (c *cpu) read(which int) ([]float32, error) { return slices.Clone(c.state[which].X), nil }

func (c *cpu) replace(state [][]float32) error {
	for i, values := range state {
		copy(c.state[i].X, values)
	}
	return nil
}

func (c *cpu) close() error {
	tensors := append(slices.Concat(c.state, c.next), c.rates)
	programs := []*ort.Program{c.apply}
	for _, p := range []*parted{c.gradient, c.measured} {
		if p == nil {
			continue
		}
		for _, part := range p.parts {
			programs = append(programs, part.program)
			tensors = slices.Concat(tensors, part.batch, part.outputs)
		}
	}
	var bad []error
	for _, p := range programs {
		if p != nil {
			bad = append(bad, p.Close())
		}
	}
	for _, t := range tensors {
		if t != nil {
			bad = append(bad, t.Close())
		}
	}
	c.backend.Finalize()
	return errors.Join(bad...)
}
