package learner

import (
	"github.com/gomlx/gomlx/core/graph"

	"github.com/langevin-ml/langevin/training/nn"
	"github.com/langevin-ml/langevin/training/optimizer"
	"github.com/langevin-ml/langevin/training/pool"
)

// Objective is what the weights learn: a loss for each row of a batch.
type Objective struct {
	Network   *nn.Graph
	Params    []float32 // of Network, before the first step
	Optimizer optimizer.Config
	Rows      int // number of rows in a batch

	// Losses returns one loss for each row. batch has one node for each element of Batch.
	Losses func(weights, batch []*graph.Node) *graph.Node
	Batch  []Columns

	// Measure returns the same number of values for each row, often the losses of data that are not used for learning.
	// batch has one node for each element of Measured.
	Measure  func(weights, batch []*graph.Node) *graph.Node
	Measured []Columns
}

// Columns describes one vector of a batch. It has Copies copies of the batch one after the other, with Width numbers
// per row.
type Columns struct{ Copies, Width int }

// shape returns the shape of the vector for the given number of rows.
func (c Columns) shape(rows int) []int {
	if c.Width == 1 {
		return []int{c.Copies * rows}
	}
	return []int{c.Copies * rows, c.Width}
}

// These are the vectors of a learner's state. Each has a number for every parameter of the network.
const (
	Params  = iota // θ
	Average        // the moving average of θ, which is exported
	moments        // the optimizer's moments, optimizer.Config.Moments vectors
)

// Vectors returns the number of vectors in the state of a learner with the given optimizer.
func Vectors(o optimizer.Config) int { return moments + o.Moments() }

// Learner keeps the weights of an objective on a device. It is for one caller at a time.
type Learner interface {
	// Step updates the weights once, and returns the loss of each row before the update. rates are the
	// optimizer.Config.Rates; batch has the vectors of Objective.Batch.
	Step(rates optimizer.Rates, batch ...[]float32) ([]float32, error)
	// Measure returns the values of Objective.Measure for each row, for the averaged weights.
	Measure(batch ...[]float32) ([]float32, error)
	// Read returns a copy of one vector of the state. Replace sets all of them.
	Read(which int) ([]float32, error)
	Replace(state [][]float32) error
	// Close frees all memory. The learner must not be used after it.
	Close() error
}

// Options says where a learner runs.
type Options struct {
	Library  string                         // path of the ONNX Runtime library; required
	Device   string                         // [CPU], also if empty, or [CUDA]
	Starting func(start func() error) error // called with the first run of each computation; may be nil
}

// New starts a learner. On a CPU it computes on p, which has a goroutine for each core and must be closed after the
// learner. It downloads nothing.
func New(o Objective, p *pool.Pool, options Options) (Learner, error) {
	backend, err := openBackend(options.Library, options.Device)
	if err != nil {
		return nil, err
	}
	starting := options.Starting
	if starting == nil {
		starting = func(start func() error) error { return start() }
	}
	if options.Device == CUDA {
		return newGPU(o, backend, starting)
	}
	return newCPU(o, p, options.Library, backend, starting)
}

// begin returns the state before the first update.
func (o Objective) begin() [][]float32 {
	state := [][]float32{Params: o.Params, Average: o.Params}
	for range o.Optimizer.Moments() {
		state = append(state, make([]float32, len(o.Params)))
	}
	return state
}

// updateGraph is one training step: it maps state, rates and batch to the new state and the losses.
func (o Objective) updateGraph(in []*graph.Node) []*graph.Node {
	count := Vectors(o.Optimizer)
	gradients := o.gradientGraph(append(o.Network.SplitGoMLX(in[Params]), in[count+1:]...))
	losses := gradients[len(gradients)-1]
	return append(o.applyGraph(append(in[:count+1:count+1], flat(gradients[:len(gradients)-1]))), losses)
}

// gradientGraph maps the parameters and a shard of the batch to the shard's part of the gradient of the mean loss, and
// to the losses of its rows. The gradient has one tensor for each parameter, with the parameter's shape. The parameters
// may have any shapes.
func (o Objective) gradientGraph(in []*graph.Node) []*graph.Node {
	weights, batch := o.weights(in)
	losses := o.Losses(weights, batch)
	mean := graph.MulScalar(graph.ReduceAllSum(losses), 1/float64(o.Rows))
	return append(graph.Gradient(mean, in[:len(weights)]...), losses)
}

// weights splits in into the network's parameters, in their shapes, and the rest.
func (o Objective) weights(in []*graph.Node) (weights, rest []*graph.Node) {
	for i, parameter := range o.Network.Params {
		weights = append(weights, graph.Reshape(in[i], parameter.Shape...))
	}
	return weights, in[len(weights):]
}

// applyGraph maps the state, the rates and the parts of the gradient to the new state. It computes the optimizer's step
// and the moving average of the weights (Song & Ermon 2020, section 3.4).
func (o Objective) applyGraph(in []*graph.Node) []*graph.Node {
	count := Vectors(o.Optimizer)
	params, average, remembered := in[Params], in[Average], in[moments:count]
	rates, g := in[count], in[count+1]
	for _, part := range in[count+2:] {
		g = graph.Add(g, part)
	}
	params, remembered = o.Optimizer.Move(params, g, rates, remembered)
	average = o.Optimizer.Average(average, params, rates)
	return append([]*graph.Node{params, average}, remembered...)
}

// measureGraph maps the parameters and a shard of the batch to the measured values of each row.
func (o Objective) measureGraph(in []*graph.Node) []*graph.Node {
	return []*graph.Node{graph.Reshape(o.Measure(o.weights(in)), -1)}
}

// flat joins tensors of any shapes into one vector.
func flat(nodes []*graph.Node) *graph.Node {
	vectors := make([]*graph.Node, len(nodes))
	for i, n := range nodes {
		vectors[i] = graph.Reshape(n, -1)
	}
	return graph.Concatenate(vectors, 0)
}
