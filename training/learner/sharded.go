package learner

import (
	"fmt"
	"slices"

	"github.com/gomlx/gomlx/core/graph"
	"golang.org/x/sync/errgroup"

	"github.com/langevin-ml/langevin/ort"
	"github.com/langevin-ml/langevin/training/nn"
	"github.com/langevin-ml/langevin/training/pool"
)

// shardedProgram is a program that runs on every shard of a batch.
type shardedProgram struct {
	columns []Columns
	rows    int // number of rows in a shard
	shards  []shard
}

// shard has its own copy of the program. If two cores shared a copy, its memory would move between their caches.
type shard struct {
	program  *ort.Program
	batch    []*ort.Tensor
	outputs  []*ort.Tensor // the parts of gradient, if there is one, and the values of the rows
	gradient *ort.Tensor   // with respect to all parameters; nil if it is not needed
}

// This is the smallest number of rows in a shard. With fewer rows, sharding does not pay.
const (
	fewestImages = 8
	fewestPoints = 48
)

// shardsOn returns how many equal shards to split a batch into for the given number of cores.
func (o Objective) shardsOn(cores int) int {
	fewest := fewestImages
	if o.ofPoints() {
		fewest = fewestPoints
	}
	shards := max(min(cores, o.Rows/fewest), 1)
	for o.Rows%shards != 0 {
		shards--
	}
	return shards
}

func (o Objective) ofPoints() bool {
	size := 1
	for _, n := range o.Network.X.Shape[1:] {
		size *= n
	}
	return size <= ort.PointDim
}

// shard compiles f, a function of the network's parameters and the columns of a batch, for every shard.
func (c *cpu) shard(
	name string, columns []Columns, f func([]*graph.Node) []*graph.Node,
) (*shardedProgram, error) {
	p := &shardedProgram{columns: columns, rows: c.objective.Rows / c.shards, shards: make([]shard, c.shards)}
	var inputs [][]int
	for _, parameter := range c.objective.Network.Params {
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
	for i := range p.shards {
		loading.Go(func() (err error) { p.shards[i], err = c.load(graph); return err })
	}
	return p, loading.Wait()
}

// load returns a shard. For images it uses an equal share of all cores. Operations on points are too small for several
// cores. If it returns an error, it also returns the resources that it created.
func (c *cpu) load(graph []byte) (s shard, err error) {
	threads := 1
	if !c.objective.ofPoints() {
		threads = max(c.pool.Size()/c.shards, 1)
	}
	if s.program, err = c.runtime.LoadProgram(graph, threads); err != nil {
		return s, err
	}
	if s.batch, err = c.tensors(s.program.Inputs()[len(c.objective.Network.Params):]); err != nil {
		return s, err
	}
	shapes := s.program.Outputs()
	if len(shapes) > 1 {
		if s.gradient, err = c.runtime.NewTensor(c.objective.Network.NumParams()); err != nil {
			return s, err
		}
		if s.outputs, err = c.parameters(s.gradient); err != nil {
			return s, err
		}
	}
	rows, err := c.tensors(shapes[len(shapes)-1:])
	s.outputs = append(s.outputs, rows...)
	return s, err
}

// parameters divides a vector of all parameters into one tensor for each. If it returns an error, it also returns the
// tensors that it created.
func (c *cpu) parameters(all *ort.Tensor) (parts []*ort.Tensor, err error) {
	from := 0
	for _, parameter := range c.objective.Network.Params {
		part, err := all.Part(from, matrixShape(parameter)...)
		if err != nil {
			return parts, err
		}
		parts = append(parts, part)
		from += parameter.Size()
	}
	return parts, nil
}

// matrixShape returns the shape of a parameter in programs. A vector, which is the bias of a layer, is one row there,
// because it is added to many rows.
func matrixShape(parameter *nn.Node) []int {
	if len(parameter.Shape) == 1 {
		return []int{1, parameter.Shape[0]}
	}
	return parameter.Shape
}

// run computes all shards on a pool and returns the values of all rows.
func (p *shardedProgram) run(workers *pool.Pool, weights []*ort.Tensor, batch [][]float32) ([]float32, error) {
	if err := workers.Do(len(p.shards), func(i int) error { return p.runShard(i, weights, batch) }); err != nil {
		return nil, err
	}
	var values []float32
	for _, shard := range p.shards {
		values = append(values, shard.outputs[len(shard.outputs)-1].X...)
	}
	return values, nil
}

func (p *shardedProgram) runShard(i int, weights []*ort.Tensor, batch [][]float32) error {
	own := p.shards[i]
	for k, column := range p.columns {
		size := p.rows * column.Width
		if want := size * len(p.shards) * column.Copies; len(batch[k]) != want {
			return fmt.Errorf("vector %d of the batch has %d elements: want %d", k, len(batch[k]), want)
		}
		for n := range column.Copies {
			copy(own.batch[k].X[n*size:(n+1)*size], batch[k][(n*len(p.shards)+i)*size:])
		}
	}
	return own.program.Run(slices.Concat(weights, own.batch), own.outputs)
}

// gradients returns the gradient of each shard.
func (p *shardedProgram) gradients() []*ort.Tensor {
	all := make([]*ort.Tensor, len(p.shards))
	for i, shard := range p.shards {
		all[i] = shard.gradient
	}
	return all
}
