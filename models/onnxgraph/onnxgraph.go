// Package onnxgraph writes ONNX graphs node by node.
package onnxgraph

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/gomlx/compute-onnx/support/protos"
)

// Writer appends nodes and constants to a graph. For one goroutine at a time.
type Writer struct {
	Graph *protos.GraphProto

	shared map[string]bool // names of the constants that several nodes may use
}

// NewWriter returns a writer that appends to graph.
func NewWriter(graph *protos.GraphProto) *Writer {
	return &Writer{Graph: graph, shared: make(map[string]bool)}
}

// Node appends an operator with one output, whose name it has too.
func (w *Writer) Node(op, output string, inputs ...string) *protos.NodeProto {
	n := &protos.NodeProto{OpType: op, Name: output, Input: inputs, Output: []string{output}}
	w.Graph.Node = append(w.Graph.Node, n)
	return n
}

// Step appends an operator that is a part of the node called output, and returns the name of its result.
func (w *Writer) Step(op, output string, inputs ...string) string {
	return w.Node(op, output+"/"+op, inputs...).Output[0]
}

// Float32s appends a constant of the given shape.
func (w *Writer) Float32s(name string, shape []int, values []float32) {
	raw := make([]byte, 0, 4*len(values))
	for _, v := range values {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
	}
	w.initializer(name, protos.TensorProto_FLOAT, shape, raw)
}

// Scalar returns the name of a float32 scalar that many nodes may use. One name stands for one value.
func (w *Writer) Scalar(name string, value float32) string {
	return w.once(name, func() { w.Float32s(name, nil, []float32{value}) })
}

// Repeated returns the name of a vector of n equal values that many nodes may use. One name stands for one value.
func (w *Writer) Repeated(name string, value float32, n int) string {
	name += "_" + strconv.Itoa(n)
	return w.once(name, func() { w.Float32s(name, []int{n}, slices.Repeat([]float32{value}, n)) })
}

// Int64s returns the name of a list of integers that many nodes may use. The name ends with the integers.
func (w *Writer) Int64s(name string, values []int) string {
	var raw []byte
	for _, v := range values {
		name += fmt.Sprintf("_%d", v)
		raw = binary.LittleEndian.AppendUint64(raw, uint64(v))
	}
	return w.once(name, func() { w.initializer(name, protos.TensorProto_INT64, []int{len(values)}, raw) })
}

// once calls write the first time that it gets a name.
func (w *Writer) once(name string, write func()) string {
	if !w.shared[name] {
		w.shared[name] = true
		write()
	}
	return name
}

func (w *Writer) initializer(name string, dtype protos.TensorProto_DataType, shape []int, raw []byte) {
	dims := make([]int64, len(shape))
	for i, n := range shape {
		dims[i] = int64(n)
	}
	tensor := &protos.TensorProto{Name: name, DataType: int32(dtype), Dims: dims, RawData: raw}
	w.Graph.Initializer = append(w.Graph.Initializer, tensor)
}

// Int is an attribute of one integer.
func Int(name string, value int) *protos.AttributeProto {
	return &protos.AttributeProto{Name: name, Type: protos.AttributeProto_INT, I: int64(value)}
}

// Ints is an attribute of a list of integers.
func Ints(name string, values ...int) *protos.AttributeProto {
	a := &protos.AttributeProto{Name: name, Type: protos.AttributeProto_INTS}
	for _, v := range values {
		a.Ints = append(a.Ints, int64(v))
	}
	return a
}

// Float is an attribute of one number.
func Float(name string, value float64) *protos.AttributeProto {
	return &protos.AttributeProto{Name: name, Type: protos.AttributeProto_FLOAT, F: float32(value)}
}

// Text is an attribute of a string.
func Text(name, value string) *protos.AttributeProto {
	return &protos.AttributeProto{Name: name, Type: protos.AttributeProto_STRING, S: []byte(value)}
}
