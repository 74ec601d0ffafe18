package training

import (
	"github.com/gomlx/gomlx/core/graph"

	"github.com/langevin-ml/langevin/training/nn"
	"github.com/langevin-ml/langevin/training/optimizer"
)

// lesson is what weights learn from: a loss of each row of a batch.
type lesson struct {
	network   *nn.Graph
	seed      uint64 // of the first weights
	optimizer optimizer.Config
	rows      int // of a batch

	losses func(weights, batch []*graph.Node) *graph.Node // one for each row
	batch  []columns

	measure  func(weights, batch []*graph.Node) *graph.Node // so many numbers for each row: often the losses, of data not learned from
	measured []columns                                      // of a batch that it takes
}

// columns are one vector of a batch: copies, one behind the other, of so many numbers for each row.
type columns struct{ copies, width int }

// shape is that of the vector of so many rows.
func (c columns) shape(rows int) []int {
	if c.width == 1 {
		return []int{c.copies * rows}
	}
	return []int{c.copies * rows, c.width}
}

// The vectors of a learner's state, of the network's parameters.
const (
	stateParams  = iota // θ
	stateAverage        // the moving average of θ, which is exported
	stateMoments        // and what the optimiser remembers, Optimizer.moments vectors
)

// vectors is how many there are in the state of a learner with an optimizer.
func vectors(o optimizer.Config) int { return stateMoments + o.Moments() }

// learner holds the weights of a lesson where they are computed. For one caller at a time.
type learner interface {
	// step updates the weights once, and returns the loss of each row before the update.
	step(rates [2]float32, batch ...[]float32) ([]float32, error)
	// measure is that of the lesson under the averaged weights.
	measure(batch ...[]float32) ([]float32, error)
	// read returns a copy of one of the vectors of the state, replace sets them all.
	read(which int) ([]float32, error)
	replace(state [][]float32) error
	close() error
}

// newLearner starts a learner on a device. Its crew, of as many as there are cores, is closed after it. Nothing is ever
// downloaded.
func newLearner(l lesson, crew *crew, o Options) (learner, error) {
	backend, err := openBackend(o.Library, o.Device)
	if err != nil {
		return nil, err
	}
	starting := o.Starting
	if starting == nil {
		starting = func(start func() error) error { return start() }
	}
	if o.foreign() != "" {
		return newGPU(l, backend, starting)
	}
	return newCPU(l, crew, o.Library, backend, starting)
}

// begin is the state before the first update.
func (l lesson) begin() [][]float32 {
	params := l.network.NewParams(l.seed)
	state := [][]float32{stateParams: params, stateAverage: params}
	for range l.optimizer.Moments() {
		state = append(state, make([]float32, len(params)))
	}
	return state
}

// updateGraph is one training step, of state, rates and batch to state and losses.
func (l lesson) updateGraph(in []*graph.Node) []*graph.Node {
	count := vectors(l.optimizer)
	gradients := l.gradientGraph(append(l.network.SplitGoMLX(in[stateParams]), in[count+1:]...))
	losses := gradients[len(gradients)-1]
	return append(l.applyGraph(append(in[:count+1:count+1], flat(gradients[:len(gradients)-1]))), losses)
}

// gradientGraph is of the network's parameters, in any shapes, and some rows of a batch to their part of the gradient of the
// mean loss, by each parameter and in its shape, and their losses.
func (l lesson) gradientGraph(in []*graph.Node) []*graph.Node {
	weights, batch := l.weights(in)
	losses := l.losses(weights, batch)
	mean := graph.MulScalar(graph.ReduceAllSum(losses), 1/float64(l.rows))
	return append(graph.Gradient(mean, in[:len(weights)]...), losses)
}

// weights are the network's parameters, in their shapes, and what comes behind them.
func (l lesson) weights(in []*graph.Node) (weights, rest []*graph.Node) {
	for i, parameter := range l.network.Params {
		weights = append(weights, graph.Reshape(in[i], parameter.Shape...))
	}
	return weights, in[len(weights):]
}

// applyGraph is of state, rates and the parts of the gradient to state: the optimiser and the moving average of the weights
// (Song & Ermon 2020, section 3.4).
func (l lesson) applyGraph(in []*graph.Node) []*graph.Node {
	count := vectors(l.optimizer)
	params, average, moments := in[stateParams], in[stateAverage], in[stateMoments:count]
	rates, g := in[count], in[count+1]
	for _, part := range in[count+2:] {
		g = graph.Add(g, part)
	}
	params, moments = l.optimizer.Move(params, g, rates, moments)
	average = optimizer.Averaged(average, params, l.optimizer.EMA)
	return append([]*graph.Node{params, average}, moments...)
}

// measureGraph is of the network's parameters and some rows of a batch to what is measured of each.
func (l lesson) measureGraph(in []*graph.Node) []*graph.Node {
	return []*graph.Node{graph.Reshape(l.measure(l.weights(in)), -1)}
}

// flat joins tensors of any shapes to one vector.
func flat(nodes []*graph.Node) *graph.Node {
	vectors := make([]*graph.Node, len(nodes))
	for i, n := range nodes {
		vectors[i] = graph.Reshape(n, -1)
	}
	return graph.Concatenate(vectors, 0)
}
