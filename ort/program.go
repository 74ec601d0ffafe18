package ort

import (
	"fmt"

	onnxruntime "github.com/yalue/onnxruntime_go"
)

// Program is a graph with any number of inputs and outputs that runs on the CPU, such as a training step. All inputs
// and outputs are float32 and have fixed shapes. One caller at a time may use it.
type Program struct {
	loaded  *onnxruntime.DynamicAdvancedSession
	inputs  [][]int
	outputs [][]int
}

// LoadProgram loads a program from a serialized graph that this process wrote. The graph is not checked as
// [Runtime.Load] checks it. threads, 1 if 0, share one run; results depend on their number. They spin while they wait,
// as long as the program is loaded.
func (r *Runtime) LoadProgram(graph []byte, threads int) (*Program, error) {
	inputs, outputs, err := onnxruntime.GetInputOutputInfoWithONNXData(graph)
	if err != nil {
		return nil, fmt.Errorf("load program: %w", plain(err))
	}
	p := &Program{}
	var from, to []string
	if from, p.inputs, err = ports(inputs); err != nil {
		return nil, fmt.Errorf("load program: input %w", err)
	}
	if to, p.outputs, err = ports(outputs); err != nil {
		return nil, fmt.Errorf("load program: output %w", err)
	}
	if p.loaded, err = programSession(graph, from, to, threads); err != nil {
		return nil, fmt.Errorf("load program: %w", err)
	}
	return p, nil
}

func programSession(graph []byte, inputs, outputs []string, threads int) (*onnxruntime.DynamicAdvancedSession, error) {
	settings, err := sessionOptions(Options{Threads: threads}.withDefaults(), Device{})
	if err != nil {
		return nil, err
	}
	defer settings.Destroy()
	if err := settings.AddSessionConfigEntry("session.intra_op.allow_spinning", "1"); err != nil {
		return nil, plain(err)
	}
	return openSession(graph, inputs, outputs, settings)
}

// ports returns the names and the shapes of inputs or outputs.
func ports(of []onnxruntime.InputOutputInfo) (names []string, shapes [][]int, err error) {
	for _, port := range of {
		if port.OrtValueType != onnxruntime.ONNXTypeTensor || port.DataType != onnxruntime.TensorElementDataTypeFloat {
			return nil, nil, fmt.Errorf("%s is not a float32 tensor", port.Name)
		}
		var shape []int
		for _, n := range port.Dimensions {
			if n < 1 {
				return nil, nil, fmt.Errorf("%s has shape %v: want all axes fixed", port.Name, port.Dimensions)
			}
			shape = append(shape, int(n))
		}
		names, shapes = append(names, port.Name), append(shapes, shape)
	}
	return names, shapes, nil
}

// Inputs returns the shapes of the inputs, in order.
func (p *Program) Inputs() [][]int { return p.inputs }

// Outputs returns the shapes of the outputs, in order.
func (p *Program) Outputs() [][]int { return p.outputs }

// Close frees the program.
func (p *Program) Close() error { return p.loaded.Destroy() }

// Run computes the outputs from the inputs, which have the shapes of p.Inputs and p.Outputs. A tensor may be both input
// and output, or share memory with another one, only under two conditions: the node that writes it works element by
// element, and it is or follows every node that reads it. Run does not check this.
func (p *Program) Run(inputs, outputs []*Tensor) error {
	if err := p.loaded.Run(values(inputs), values(outputs)); err != nil {
		return plain(err)
	}
	return nil
}

func values(tensors []*Tensor) []onnxruntime.Value {
	all := make([]onnxruntime.Value, len(tensors))
	for i, t := range tensors {
		all[i] = t.value
	}
	return all
}

// Tensor has float32 elements that a [Program] reads or writes. X may be read and written, by index or copy, while no
// program that has the tensor runs. It must not be used after Close.
type Tensor struct {
	X     []float32
	value *onnxruntime.Tensor[float32]
	part  bool // of another tensor, which owns the memory
}

// NewTensor returns a tensor of zeros. Sizes must be at least 1.
func (r *Runtime) NewTensor(shape ...int) (*Tensor, error) {
	size, dims := dimensions(shape)
	x := newBuffer[float32](size)
	value, err := onnxruntime.NewTensor(dims, []float32(x))
	if err != nil {
		x.free()
		return nil, fmt.Errorf("make a tensor of shape %v: %w", shape, plain(err))
	}
	return &Tensor{X: x, value: value}, nil
}

// Part returns a tensor of the elements of t from the given index on, in any shape. It shares the memory of t and must
// not be used after t is closed. Sizes must be at least 1. Results may depend on the index unless it is a multiple of
// [PartStep].
func (t *Tensor) Part(from int, shape ...int) (*Tensor, error) {
	size, dims := dimensions(shape)
	x := t.X[from : from+size : from+size]
	value, err := onnxruntime.NewTensor(dims, x)
	if err != nil {
		return nil, fmt.Errorf("make a tensor of shape %v of numbers from %d: %w", shape, from, plain(err))
	}
	return &Tensor{X: x, value: value, part: true}, nil
}

func dimensions(shape []int) (size int, dims onnxruntime.Shape) {
	size, dims = 1, make(onnxruntime.Shape, len(shape))
	for i, n := range shape {
		size *= n
		dims[i] = int64(n)
	}
	return size, dims
}

// PartStep is a number of elements that keeps parts aligned, see [Tensor.Part].
const PartStep = alignment / 4

// Close frees the tensor. For a part it does not free the memory.
func (t *Tensor) Close() error {
	err := t.value.Destroy()
	if !t.part {
		(*buffer[float32])(&t.X).free()
	}
	t.X = nil
	return err
}
