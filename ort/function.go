package ort

import (
	"context"
	"errors"
	"fmt"

	onnxruntime "github.com/yalue/onnxruntime_go"

	"github.com/langevin-ml/langevin/models"
)

// Function is a graph that is not a score model. It has one input of float32 rows, and outputs of float32 rows. It is
// safe for concurrent use, except for Close.
type Function struct {
	loaded  *onnxruntime.DynamicAdvancedSession
	shape   []int
	outputs []string
}

// Rows is one output of a [Function]: Dim elements for each row of its input.
type Rows struct {
	X   []float32
	Dim int
}

// LoadFunction loads a function from the bytes of an .onnx file. The first axis of its input is free. Errors about the
// graph wrap [models.ErrInvalid].
func (r *Runtime) LoadFunction(graph []byte) (*Function, error) {
	inputs, outputs, err := onnxruntime.GetInputOutputInfoWithONNXData(graph)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", models.ErrInvalid, plain(err))
	}
	if len(inputs) != 1 || len(outputs) == 0 || len(inputs[0].Dimensions) < 2 {
		return nil, fmt.Errorf("%w: %d inputs and %d outputs: want one input of rows and at least one output",
			models.ErrInvalid, len(inputs), len(outputs))
	}
	f := &Function{}
	for _, n := range inputs[0].Dimensions[1:] {
		if n < 1 {
			return nil, fmt.Errorf("%w: input %s has shape %v: want all axes but the first fixed", models.ErrInvalid,
				inputs[0].Name, inputs[0].Dimensions)
		}
		f.shape = append(f.shape, int(n))
	}
	for _, output := range outputs {
		f.outputs = append(f.outputs, output.Name)
	}
	settings, err := sessionOptions(Options{}.withDefaults(), Device{})
	if err != nil {
		return nil, err
	}
	defer settings.Destroy()
	if f.loaded, err = openSession(graph, []string{inputs[0].Name}, f.outputs, settings); err != nil {
		return nil, fmt.Errorf("%w: %w", models.ErrInvalid, err)
	}
	return f, nil
}

// Shape returns the shape of one row of the input.
func (f *Function) Shape() []int { return f.shape }

// Outputs returns the names of the outputs.
func (f *Function) Outputs() []string { return f.outputs }

// Close frees the function.
func (f *Function) Close() error { return f.loaded.Destroy() }

// Evaluate returns every output by its name, for the rows of x. It checks ctx between parts of a few hundred rows.
func (f *Function) Evaluate(ctx context.Context, x []float32) (map[string]Rows, error) {
	const piece = 256
	dim := 1
	for _, n := range f.shape {
		dim *= n
	}
	if len(x) == 0 || len(x)%dim != 0 {
		return nil, fmt.Errorf("evaluate: %d numbers: want at least one row of %d", len(x), dim)
	}
	all := make(map[string]Rows)
	for ; len(x) > 0; x = x[min(piece*dim, len(x)):] {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := f.evaluate(all, x[:min(piece*dim, len(x))], dim); err != nil {
			return nil, fmt.Errorf("evaluate: %w", err)
		}
	}
	return all, nil
}

// evaluate appends the outputs of one part.
func (f *Function) evaluate(all map[string]Rows, x []float32, dim int) (err error) {
	rows := len(x) / dim
	shape := onnxruntime.NewShape(int64(rows))
	for _, n := range f.shape {
		shape = append(shape, int64(n))
	}
	input, err := onnxruntime.NewTensor(shape, x)
	if err != nil {
		return plain(err)
	}
	results := make([]onnxruntime.Value, len(f.outputs))
	defer func() {
		for _, r := range append(results, input) {
			if r != nil {
				err = errors.Join(err, r.Destroy())
			}
		}
	}()
	if err := f.loaded.Run([]onnxruntime.Value{input}, results); err != nil {
		return plain(err)
	}
	for i, name := range f.outputs {
		tensor, ok := results[i].(*onnxruntime.Tensor[float32])
		if !ok || len(tensor.GetData())%rows != 0 {
			return fmt.Errorf("output %s is not float32 with one row for each row of the input", name)
		}
		// append copies, because the tensor's memory is freed.
		all[name] = Rows{append(all[name].X, tensor.GetData()...), len(tensor.GetData()) / rows}
	}
	return nil
}
