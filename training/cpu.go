package training

import (
	"errors"
	"fmt"
	"slices"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/graph"
	"golang.org/x/sync/errgroup"

	"github.com/langevin-ml/langevin/ort"
	"github.com/langevin-ml/langevin/training/compile"
	"github.com/langevin-ml/langevin/training/nn"
)

// cpu is a [learner] whose computations are programs of ONNX Runtime. A batch is shared out among the cores, each of which
// computes its part of the gradient, and so are the weights when they are moved: ONNX Runtime shares among threads what
// takes longest, but not all of the rest. The parts are added up in their order, so that results depend on how many they
// are, and on nothing else.
type cpu struct {
	lesson  lesson
	runtime *ort.Runtime
	backend compute.Backend // compiles
	crew    *crew
	parts   int // of a batch, each one's of the crew
	block   int // of channels

	state   []*ort.Tensor
	weights [2][]*ort.Tensor // of the network, in the first two vectors of the state
	rates   *ort.Tensor

	starting           func(func() error) error
	gradient, measured *parted  // nil before they are used
	apply              *applied // nil before the first step
}

// parted is a program that runs on every part of a batch.
type parted struct {
	columns []columns
	rows    int // of a part
	parts   []part
}

// part has a copy of the program: memory that two of them take turns in would go from the cache of one core to another's.
type part struct {
	program  *ort.Program
	batch    []*ort.Tensor
	outputs  []*ort.Tensor // some numbers for each row, and before them perhaps the parts of gradient
	gradient *ort.Tensor   // by all parameters; nil if it is not asked for
}

// newCPU takes the backend over: it is closed with the learner, or here if there comes none. The crew stays the caller's, who
// closes it after the learner.
func newCPU(l lesson, crew *crew, library string, backend compute.Backend, starting func(func() error) error) (*cpu, error) {
	r, err := ort.Open(library)
	if err != nil {
		backend.Finalize()
		return nil, err
	}
	c := &cpu{lesson: l, runtime: r, backend: backend, crew: crew, parts: l.partsOf(crew.size()), starting: starting}
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
	for _, which := range []int{stateParams, stateAverage} {
		if c.weights[which], err = c.parameters(c.state[which]); err != nil {
			return err
		}
	}
	return c.replace(state)
}

// The rows that a part of a batch is worth the trouble from.
const (
	fewestImages = 8
	fewestPoints = 48
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

// compile writes the program of f, of tensors of the given shapes.
func (c *cpu) compile(name string, inputs [][]int, f func([]*graph.Node) []*graph.Node) ([]byte, error) {
	return compile.Program(c.backend, name, c.block, inputs, f)
}

// divide compiles f, of the network's parameters and the columns of a batch, for every part.
func (c *cpu) divide(name string, columns []columns, f func([]*graph.Node) []*graph.Node) (*parted, error) {
	p := &parted{columns: columns, rows: c.lesson.rows / c.parts, parts: make([]part, c.parts)}
	var inputs [][]int
	for _, parameter := range c.lesson.network.Params {
		inputs = append(inputs, matrixShape(parameter))
	}
	for _, column := range columns {
		inputs = append(inputs, column.shape(p.rows))
	}
	graph, err := c.compile(name, inputs, f)
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
		threads = max(c.crew.size()/c.parts, 1)
	}
	if p.program, err = c.runtime.LoadProgram(graph, threads); err != nil {
		return p, err
	}
	if p.batch, err = c.tensors(p.program.Inputs()[len(c.lesson.network.Params):]); err != nil {
		return p, err
	}
	shapes := p.program.Outputs()
	if len(shapes) > 1 {
		if p.gradient, err = c.runtime.NewTensor(c.lesson.network.NumParams()); err != nil {
			return p, err
		}
		if p.outputs, err = c.parameters(p.gradient); err != nil {
			return p, err
		}
	}
	rows, err := c.tensors(shapes[len(shapes)-1:])
	p.outputs = append(p.outputs, rows...)
	return p, err
}

// parameters are the parts of a vector of all of them. It returns those that it could make along with an error.
func (c *cpu) parameters(all *ort.Tensor) (parts []*ort.Tensor, err error) {
	from := 0
	for _, parameter := range c.lesson.network.Params {
		part, err := all.Part(from, matrixShape(parameter)...)
		if err != nil {
			return parts, err
		}
		parts = append(parts, part)
		from += parameter.Size()
	}
	return parts, nil
}

// matrixShape is a parameter's shape in programs. Of a vector, the bias of a layer, it is one row, as it is added to many.
func matrixShape(parameter *nn.Node) []int {
	if len(parameter.Shape) == 1 {
		return []int{1, parameter.Shape[0]}
	}
	return parameter.Shape
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

// run has a crew compute all parts, and returns the numbers of their rows.
func (p *parted) run(crew *crew, weights []*ort.Tensor, batch [][]float32) ([]float32, error) {
	if err := crew.do(len(p.parts), func(i int) error { return p.runPart(i, weights, batch) }); err != nil {
		return nil, err
	}
	var values []float32
	for _, part := range p.parts {
		values = append(values, part.outputs[len(part.outputs)-1].X...)
	}
	return values, nil
}

// gradients are those of all parts.
func (p *parted) gradients() []*ort.Tensor {
	all := make([]*ort.Tensor, len(p.parts))
	for i, part := range p.parts {
		all[i] = part.gradient
	}
	return all
}

func (p *parted) runPart(i int, weights []*ort.Tensor, batch [][]float32) error {
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
	return own.program.Run(slices.Concat(weights, own.batch), own.outputs)
}

func (c *cpu) step(rates [2]float32, batch ...[]float32) ([]float32, error) {
	if c.gradient == nil {
		if err := c.starting(c.begin); err != nil {
			return nil, err
		}
	}
	losses, err := c.gradient.run(c.crew, c.weights[stateParams], batch)
	if err != nil {
		return nil, err
	}
	copy(c.rates.X, rates[:])
	return losses, c.apply.run(c.crew)
}

// begin compiles the step.
func (c *cpu) begin() (err error) {
	if c.gradient, err = c.divide("gradient", c.lesson.batch, c.lesson.gradientGraph); err != nil {
		return err
	}
	c.apply, err = c.newApplied()
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
	return c.measured.run(c.crew, c.weights[stateAverage], batch)
}

func (c *cpu) read(which int) ([]float32, error) { return slices.Clone(c.state[which].X), nil }

func (c *cpu) replace(state [][]float32) error {
	for i, values := range state {
		copy(c.state[i].X, values)
	}
	return nil
}

func (c *cpu) close() error {
	var programs []*ort.Program
	var tensors []*ort.Tensor
	if c.apply != nil { // first: its tensors are in memory of the others
		programs, tensors = c.apply.programs, c.apply.tensors
	}
	for _, p := range []*parted{c.gradient, c.measured} {
		if p == nil {
			continue
		}
		for _, part := range p.parts {
			programs = append(programs, part.program)
			tensors = slices.Concat(tensors, part.batch, part.outputs, []*ort.Tensor{part.gradient})
		}
	}
	tensors = slices.Concat(tensors, c.weights[stateParams], c.weights[stateAverage], c.state, []*ort.Tensor{c.rates})
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
