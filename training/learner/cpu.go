package learner

import (
	"errors"
	"slices"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/graph"

	"github.com/langevin-ml/langevin/ort"
	"github.com/langevin-ml/langevin/training/compile"
	"github.com/langevin-ml/langevin/training/optimizer"
	"github.com/langevin-ml/langevin/training/pool"
)

// cpu is a [Learner] whose computations are programs of ONNX Runtime. Each core computes the gradient of its shard of a
// batch, and then moves its share of the weights. ONNX Runtime itself would divide the longest operations among
// threads, but not all of the others. The parts of the gradient are added in order, so results depend only on the
// number of shards.
type cpu struct {
	objective Objective
	runtime   *ort.Runtime
	backend   compute.Backend // compiles
	pool      *pool.Pool
	shards    int // number of shards of a batch, each for one goroutine of the pool
	block     int // number of channels in a block of a convolution; 0: no blocks

	state   []*ort.Tensor
	weights [2][]*ort.Tensor // of the network; they are the first two vectors of the state
	rates   *ort.Tensor

	starting           func(func() error) error
	gradient, measured *shardedProgram // nil before they are used
	update             *updateProgram  // nil before the first step
}

// newCPU takes over the backend: it closes it with the learner, or at once if it returns an error. The caller keeps the
// pool.
func newCPU(
	o Objective, p *pool.Pool, library string, backend compute.Backend, starting func(func() error) error,
) (*cpu, error) {
	r, err := ort.Open(library)
	if err != nil {
		backend.Finalize()
		return nil, err
	}
	c := &cpu{objective: o, runtime: r, backend: backend, pool: p, shards: o.shardsOn(p.Size()), starting: starting}
	if err := c.prepare(); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

func (c *cpu) prepare() (err error) {
	if c.block, err = c.runtime.ChannelBlock(); err != nil {
		return err
	}
	if c.rates, err = c.runtime.NewTensor(len(optimizer.Rates{})); err != nil {
		return err
	}
	state := c.objective.begin()
	shapes := slices.Repeat([][]int{{c.objective.Network.NumParams()}}, len(state))
	if c.state, err = c.tensors(shapes); err != nil {
		return err
	}
	for _, which := range []int{Params, Average} {
		if c.weights[which], err = c.parameters(c.state[which]); err != nil {
			return err
		}
	}
	return c.Replace(state)
}

// compile returns a program that computes f of tensors of the given shapes.
func (c *cpu) compile(name string, inputs [][]int, f func([]*graph.Node) []*graph.Node) ([]byte, error) {
	return compile.Program(c.backend, name, c.block, inputs, f)
}

// tensors allocates one tensor for each shape. If it returns an error, it also returns the tensors that it allocated.
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

func (c *cpu) Step(rates optimizer.Rates, batch ...[]float32) ([]float32, error) {
	if c.gradient == nil {
		if err := c.starting(c.begin); err != nil {
			return nil, err
		}
	}
	losses, err := c.gradient.run(c.pool, c.weights[Params], batch)
	if err != nil {
		return nil, err
	}
	copy(c.rates.X, rates[:])
	return losses, c.update.run(c.pool)
}

// begin compiles the step.
func (c *cpu) begin() (err error) {
	if c.gradient, err = c.shard("gradient", c.objective.Batch, c.objective.gradientGraph); err != nil {
		return err
	}
	c.update, err = c.newUpdateProgram()
	return err
}

func (c *cpu) Measure(batch ...[]float32) (values []float32, err error) {
	if c.measured == nil {
		err := c.starting(func() (err error) {
			c.measured, err = c.shard("measure", c.objective.Measured, c.objective.measureGraph)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return c.measured.run(c.pool, c.weights[Average], batch)
}

func (c *cpu) Read(which int) ([]float32, error) { return slices.Clone(c.state[which].X), nil }

func (c *cpu) Replace(state [][]float32) error {
	for i, values := range state {
		copy(c.state[i].X, values)
	}
	return nil
}

func (c *cpu) Close() error {
	var programs []*ort.Program
	var tensors []*ort.Tensor
	if c.update != nil { // first, because its tensors share memory with the others
		programs, tensors = c.update.programs, c.update.tensors
	}
	for _, p := range []*shardedProgram{c.gradient, c.measured} {
		if p == nil {
			continue
		}
		for _, shard := range p.shards {
			programs = append(programs, shard.program)
			tensors = slices.Concat(tensors, shard.batch, shard.outputs, []*ort.Tensor{shard.gradient})
		}
	}
	tensors = slices.Concat(tensors, c.weights[Params], c.weights[Average], c.state, []*ort.Tensor{c.rates})
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
