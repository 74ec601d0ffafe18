package training

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/gomlx/compute"
	onnxbackend "github.com/gomlx/compute-onnx"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/langevin-ml/langevin/training/loss"
	"github.com/langevin-ml/langevin/training/nn"
)

// openBackend starts GoMLX on the ONNX Runtime library at path. Nothing is ever downloaded.
func openBackend(path string) (compute.Backend, error) {
	if path == "" {
		return nil, errors.New("no ONNX Runtime library given")
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("open ONNX Runtime: %w", err)
	}
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("open ONNX Runtime: %w", err)
	}
	if strings.ContainsAny(path, ",=") { // they separate GoMLX's settings, of which the path is one
		return nil, fmt.Errorf("open ONNX Runtime %s: the path has a comma or an equals sign, which GoMLX cannot take", path)
	}
	backend, err := onnxbackend.New(path + ",cpu")
	if err != nil {
		return nil, fmt.Errorf("open ONNX Runtime %s: %w", path, err)
	}
	return backend, nil
}

// The tensors of a device's state, flat vectors of the network's parameters.
const (
	stateParams   = iota // θ
	stateGradient        // Adam's m, a moving average of the gradient
	stateSquare          // Adam's v, a moving average of its square
	stateAverage         // the moving average of θ, which is exported
	stateCount
)

// device holds a training's compiled computations and the tensors that stay where they run from one update to the next.
type device struct {
	backend compute.Backend
	config  Config
	network *nn.Graph
	update  *graph.Exec // state, rates, batch -> state, losses
	measure *graph.Exec // parameters, batch -> losses
	state   [stateCount]*tensors.Tensor
}

func newDevice(backend compute.Backend, c Config, network *nn.Graph) (*device, error) {
	d := &device{backend: backend, config: c, network: network}
	var errUpdate, errMeasure error
	d.update, errUpdate = graph.NewExec(backend, d.updateGraph)
	d.measure, errMeasure = graph.NewExec(backend, d.measureGraph)
	if err := errors.Join(errUpdate, errMeasure); err != nil {
		return nil, err
	}
	params := network.NewParams(c.Seed)
	zeros := make([]float32, len(params))
	for i, values := range [stateCount][]float32{stateParams: params, stateGradient: zeros, stateSquare: zeros, stateAverage: params} {
		d.state[i] = tensors.FromFlatDataAndDimensions(values, len(values))
	}
	return d, nil
}

// close frees what the device holds outside of Go's memory.
func (d *device) close() error {
	var bad []error
	for _, t := range d.state {
		bad = append(bad, t.FinalizeAll())
	}
	d.update.Finalize()
	d.measure.Finalize()
	d.backend.Finalize()
	return errors.Join(bad...)
}

// updateGraph is one training step: losses, their gradient, Adam (Kingma & Ba 2015, algorithm 1) and the moving average
// of the weights (Song & Ermon 2020, section 3.4).
func (d *device) updateGraph(in []*graph.Node) []*graph.Node {
	params, mean, square, average := in[stateParams], in[stateGradient], in[stateSquare], in[stateAverage]
	rates, batch := in[stateCount], in[stateCount+1:]
	o := d.config.Optimizer

	weights := d.network.SplitGoMLX(params)
	losses := d.losses(weights, batch)
	g := flat(graph.Gradient(graph.ReduceAllMean(losses), weights...))

	mean = decayed(mean, g, o.Beta1)
	square = decayed(square, graph.Square(g), o.Beta2)
	rate, correction := graph.Slice(rates, graph.AxisElem(0)), graph.Slice(rates, graph.AxisElem(1))
	root := graph.AddScalar(graph.Mul(correction, graph.Sqrt(square)), o.Epsilon)
	params = graph.Sub(params, graph.Mul(rate, graph.Div(mean, root)))
	average = decayed(average, params, o.EMA)
	return []*graph.Node{stateParams: params, stateGradient: mean, stateSquare: square, stateAverage: average, stateCount: losses}
}

func (d *device) measureGraph(in []*graph.Node) *graph.Node {
	return d.losses(d.network.SplitGoMLX(in[0]), in[1:])
}

// losses are those of the rows of a batch: x, z and sigma, flat.
func (d *device) losses(weights []*graph.Node, batch []*graph.Node) *graph.Node {
	sigma := batch[2]
	shape := append([]int{sigma.Shape().Size()}, d.network.X.Shape[1:]...)
	score := func(x, sigma *graph.Node) *graph.Node { return d.network.GoMLX(weights, x, sigma) }
	return loss.AnnealedDSM(score, graph.Reshape(batch[0], shape...), graph.Reshape(batch[1], shape...), sigma, d.config.Loss.Power)
}

// flat joins tensors of any shapes to one vector.
func flat(nodes []*graph.Node) *graph.Node {
	vectors := make([]*graph.Node, len(nodes))
	for i, n := range nodes {
		vectors[i] = graph.Reshape(n, -1)
	}
	return graph.Concatenate(vectors, 0)
}

// decayed is decay·old + (1 - decay)·news.
func decayed(old, news *graph.Node, decay float64) *graph.Node {
	return graph.Add(graph.MulScalar(old, decay), graph.MulScalar(news, 1-decay))
}

// step updates the weights once and returns the loss of each row of b before the update.
func (d *device) step(b *batch, rates [2]float32) ([]float32, error) {
	args := make([]any, 0, stateCount+4)
	for _, t := range d.state {
		// The update writes new tensors: the old memory goes back at once, not when Go next collects.
		donated, err := graph.DonateTensorBuffer(t, d.backend, 0)
		if err != nil {
			return nil, err
		}
		args = append(args, donated)
	}
	out, err := d.update.Call(append(args, rates[:], b.x, b.z, b.sigma)...)
	if err != nil {
		return nil, err
	}
	copy(d.state[:], out)
	return take(out[stateCount])
}

// evaluate returns the loss of each row of b under the averaged weights.
func (d *device) evaluate(b *batch) ([]float32, error) {
	out, err := d.measure.Call1(d.state[stateAverage], b.x, b.z, b.sigma)
	if err != nil {
		return nil, err
	}
	return take(out)
}

// read returns a copy of one of the vectors of the state.
func (d *device) read(which int) ([]float32, error) {
	return tensors.CopyFlatData[float32](d.state[which])
}

// take copies a tensor to Go's memory and frees it.
func take(t *tensors.Tensor) ([]float32, error) {
	values, err := tensors.CopyFlatData[float32](t)
	return values, errors.Join(err, t.FinalizeAll())
}
