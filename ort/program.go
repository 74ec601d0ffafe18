package ort

import (
	"fmt"

	onnxruntime "github.com/yalue/onnxruntime_go"
)

// Program is a graph of any number of inputs and outputs, all of them float32 and of fixed shapes, that runs on the CPU: a
// step of a training. For one caller at a time.
type Program struct {
	loaded  *onnxruntime.DynamicAdvancedSession
	inputs  [][]int
	outputs [][]int
}

// LoadProgram makes a program of a serialized graph that this program wrote: it is not checked as [Runtime.Load] checks.
// threads, 1 if 0, share one run; results depend on how many they are. They spin while they wait, for as long as the program is
// loaded.
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

// ports are the names and the shapes of inputs or outputs.
func ports(of []onnxruntime.InputOutputInfo) (names []string, shapes [][]int, err error) {
	for _, port := range of {
		if port.OrtValueType != onnxruntime.ONNXTypeTensor || port.DataType != onnxruntime.TensorElementDataTypeFloat {
			return nil, nil, fmt.Errorf("%s is no float32 tensor", port.Name)
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

// Inputs are the shapes of the inputs, in their order.
func (p *Program) Inputs() [][]int { return p.inputs }

// Outputs are the shapes of the outputs, in their order.
func (p *Program) Outputs() [][]int { return p.outputs }

// Close frees the program.
func (p *Program) Close() error { return p.loaded.Destroy() }

// Run computes the outputs from the inputs, which have the shapes of p.Inputs and p.Outputs. A tensor may be both, or in the
// same memory as another, only where the node that writes it does so number by number, and is or comes after all that read
// it: nothing here checks that.
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

// Tensor is float32 numbers that a [Program] reads or writes. X may be read and written, by index or copy, while no program
// that was given the tensor runs; it must not be used after Close.
type Tensor struct {
	X     []float32
	value *onnxruntime.Tensor[float32]
	part  bool // of another tensor, which owns the memory
}

// NewTensor makes a tensor of zeros. Only sizes of at least 1 are allowed.
func (r *Runtime) NewTensor(shape ...int) (*Tensor, error) {
	size, dims := dimensions(shape)
	x := newBuffer(size)
	value, err := onnxruntime.NewTensor(dims, []float32(x))
	if err != nil {
		x.free()
		return nil, fmt.Errorf("make a tensor of shape %v: %w", shape, plain(err))
	}
	return &Tensor{X: x, value: value}, nil
}

// Part is the numbers of t from that one on as a tensor of its own, of any shape, in the same memory, which stays t's: the
// part must not be used after t was closed. Only sizes of at least 1 are allowed. Results may depend on where it begins,
// unless that is a multiple of [PartStep].
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

// PartStep is so many numbers as are aligned to each other, see [Tensor.Part].
const PartStep = alignment / 4

// Close frees the tensor, but of a part not the memory.
func (t *Tensor) Close() error {
	err := t.value.Destroy()
	if !t.part {
		(*buffer)(&t.X).free()
	}
	t.X = nil
	return err
}
