package training

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/gomlx/compute"
	onnxbackend "github.com/gomlx/compute-onnx"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/langevin-ml/langevin/training/nn"
)

// What trainings run on.
const (
	CPU  = "cpu"
	CUDA = "cuda" // the first GPU that the process sees: CUDA_VISIBLE_DEVICES says which
)

// openBackend starts GoMLX on the ONNX Runtime library at path and a device. Nothing is ever downloaded.
func openBackend(path, device string) (compute.Backend, error) {
	device = cmp.Or(device, CPU)
	if device != CPU && device != CUDA {
		return nil, fmt.Errorf("device is %q: want %s or %s", device, CPU, CUDA)
	}
	if path == "" {
		return nil, errors.New("no ONNX Runtime library given")
	}
	path, err := filepath.EvalSymlinks(path) // providers are looked for beside the file itself
	if err == nil {
		path, err = filepath.Abs(path)
	}
	if err != nil {
		return nil, fmt.Errorf("open ONNX Runtime: %w", err)
	}
	if strings.ContainsAny(path, ",=") { // they separate GoMLX's settings, of which the path is one
		return nil, fmt.Errorf("open ONNX Runtime %s: the path has a comma or an equals sign, which GoMLX cannot take", path)
	}
	backend, err := onnxbackend.New(path + "," + device)
	if err != nil {
		return nil, fmt.Errorf("open ONNX Runtime %s: %w", path, err)
	}
	return nn.KernelProducts(backend), nil
}

// The tensors of a device's state, flat vectors of the network's parameters.
const (
	stateParams  = iota // θ
	stateAverage        // the moving average of θ, which is exported
	stateMoments        // and what the optimiser remembers, Optimizer.moments vectors
)

// device holds a training's compiled computations and the tensors that stay where they run from one update to the next.
type device struct {
	backend compute.Backend
	config  Config
	network *nn.Graph
	update  *graph.Exec // state, rates, batch -> state, losses
	measure *graph.Exec // parameters, batch -> losses
	state   []*tensors.Tensor

	updating, measuring firstCall
}

// firstCall hands the first of several calls to start, unless that is nil.
type firstCall struct{ start func(func() error) error }

func (f *firstCall) do(call func() error) error {
	start := f.start
	if f.start = nil; start == nil {
		return call()
	}
	return start(call)
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
	state := [][]float32{stateParams: params, stateAverage: params}
	for range c.Optimizer.moments() {
		state = append(state, make([]float32, len(params)))
	}
	d.state = make([]*tensors.Tensor, len(state))
	d.restore(state)
	return d, nil
}

// restore sets the state, one vector for each tensor of it.
func (d *device) restore(state [][]float32) {
	for i, values := range state {
		d.state[i] = tensors.FromFlatDataAndDimensions(values, len(values))
	}
}

// replace sets the state and frees the one before it.
func (d *device) replace(state [][]float32) error {
	var bad []error
	for _, t := range d.state {
		bad = append(bad, t.FinalizeAll())
	}
	d.restore(state)
	return errors.Join(bad...)
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

// updateGraph is one training step: losses, their gradient, the optimiser and the moving average of the weights (Song &
// Ermon 2020, section 3.4).
func (d *device) updateGraph(in []*graph.Node) []*graph.Node {
	o := d.config.Optimizer
	count := stateMoments + o.moments()
	params, average, moments := in[stateParams], in[stateAverage], in[stateMoments:count]
	rates, batch := in[count], in[count+1:]

	weights := d.network.SplitGoMLX(params)
	losses := d.losses(weights, batch)
	g := flat(graph.Gradient(graph.ReduceAllMean(losses), weights...))

	params, moments = o.move(params, g, rates, moments)
	average = decayed(average, params, o.EMA)
	return append(append([]*graph.Node{params, average}, moments...), losses)
}

func (d *device) measureGraph(in []*graph.Node) *graph.Node {
	return d.losses(d.network.SplitGoMLX(in[0]), in[1:])
}

// losses are those of the rows of a batch.
func (d *device) losses(weights []*graph.Node, batch []*graph.Node) *graph.Node {
	score := func(x, sigma *graph.Node) *graph.Node { return d.network.GoMLX(weights, x, sigma) }
	return d.config.Loss.rows(score, newBatchNodes(batch, d.network.X.Shape[1:]))
}

// flat joins tensors of any shapes to one vector.
func flat(nodes []*graph.Node) *graph.Node {
	vectors := make([]*graph.Node, len(nodes))
	for i, n := range nodes {
		vectors[i] = graph.Reshape(n, -1)
	}
	return graph.Concatenate(vectors, 0)
}

// step updates the weights once and returns the loss of each row of b before the update.
func (d *device) step(b *batch, rates [2]float32) ([]float32, error) {
	args := make([]any, 0, len(d.state)+6)
	for _, t := range d.state {
		// The update writes new tensors: the old memory goes back at once, not when Go next collects.
		donated, err := graph.DonateTensorBuffer(t, d.backend, 0)
		if err != nil {
			return nil, err
		}
		args = append(args, donated)
	}
	args = append(append(args, rates[:]), b.tensors()...)
	var out []*tensors.Tensor
	err := d.updating.do(func() (err error) { out, err = d.update.Call(args...); return err })
	if err != nil {
		return nil, err
	}
	copy(d.state[:], out)
	return take(out[len(d.state)])
}

// evaluate returns the loss of each row of b under the averaged weights.
func (d *device) evaluate(b *batch) ([]float32, error) {
	args := append([]any{d.state[stateAverage]}, b.tensors()...)
	var out *tensors.Tensor
	err := d.measuring.do(func() (err error) { out, err = d.measure.Call1(args...); return err })
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
