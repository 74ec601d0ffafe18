package learner

import (
	"errors"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/langevin-ml/langevin/training/optimizer"
)

// gpu is a [Learner] on GoMLX's own ONNX Runtime. The state stays on the device between updates.
type gpu struct {
	backend  compute.Backend
	update   *graph.Exec
	measured *graph.Exec
	state    []*tensors.Tensor

	updating, measuring firstCall
}

// firstCall passes the first of several calls to starting.
type firstCall struct{ starting func(func() error) error }

func (f *firstCall) do(call func() error) error {
	starting := f.starting
	if f.starting = nil; starting == nil {
		return call()
	}
	return starting(call)
}

// newGPU takes over the backend, as newCPU does.
func newGPU(o Objective, backend compute.Backend, starting func(func() error) error) (*gpu, error) {
	g := &gpu{backend: backend, updating: firstCall{starting}, measuring: firstCall{starting}}
	var errUpdate, errMeasure error
	g.update, errUpdate = graph.NewExec(backend, o.updateGraph)
	g.measured, errMeasure = graph.NewExec(backend, func(in []*graph.Node) []*graph.Node {
		return o.measureGraph(append(o.Network.SplitGoMLX(in[0]), in[1:]...))
	})
	if err := errors.Join(errUpdate, errMeasure); err != nil {
		return nil, errors.Join(err, g.Close())
	}
	g.restore(o.begin())
	return g, nil
}

func (g *gpu) restore(state [][]float32) {
	g.state = make([]*tensors.Tensor, len(state))
	for i, values := range state {
		g.state[i] = tensors.FromFlatDataAndDimensions(values, len(values))
	}
}

func (g *gpu) Step(rates optimizer.Rates, batch ...[]float32) ([]float32, error) {
	args := make([]any, 0, len(g.state)+1+len(batch))
	for _, t := range g.state {
		// The update writes new tensors. Donation frees the old memory at once, not at Go's next garbage collection.
		donated, err := graph.DonateTensorBuffer(t, g.backend, 0)
		if err != nil {
			return nil, err
		}
		args = append(args, donated)
	}
	args = append(args, rates[:])
	for _, vector := range batch {
		args = append(args, vector)
	}
	var out []*tensors.Tensor
	err := g.updating.do(func() (err error) { out, err = g.update.Call(args...); return err })
	if err != nil {
		return nil, err
	}
	copy(g.state, out)
	return take(out[len(g.state)])
}

func (g *gpu) Measure(batch ...[]float32) ([]float32, error) {
	args := []any{g.state[Average]}
	for _, vector := range batch {
		args = append(args, vector)
	}
	var out *tensors.Tensor
	err := g.measuring.do(func() (err error) { out, err = g.measured.Call1(args...); return err })
	if err != nil {
		return nil, err
	}
	return take(out)
}

func (g *gpu) Read(which int) ([]float32, error) {
	return tensors.CopyFlatData[float32](g.state[which])
}

func (g *gpu) Replace(state [][]float32) error {
	err := g.free()
	g.restore(state)
	return err
}

func (g *gpu) free() error {
	var bad []error
	for _, t := range g.state {
		bad = append(bad, t.FinalizeAll())
	}
	return errors.Join(bad...)
}

func (g *gpu) Close() error {
	err := g.free()
	for _, computation := range []*graph.Exec{g.update, g.measured} {
		if computation != nil {
			computation.Finalize()
		}
	}
	g.backend.Finalize()
	return err
}

// take copies a tensor to Go's memory and frees it.
func take(t *tensors.Tensor) ([]float32, error) {
	values, err := tensors.CopyFlatData[float32](t)
	return values, errors.Join(err, t.FinalizeAll())
}
