package models

import (
	"slices"

	"github.com/gomlx/compute-onnx/support/protos"
)

const (
	// widenedRows is how many rows at least a widened product has: kernels of fewer round in another way.
	widenedRows = 4

	// maxWidened is the largest matrix, in elements, that is worth being multiplied widenedRows times as often.
	maxWidened = 1 << 16
)

// widenProducts makes the small products of a graph that convolves independent of the number of rows, as its convolutions
// are, and returns how many. Such products carry the noise level into the layers. Alone they would make every evaluation
// of a single image one of several, to be on the safe side; here each is itself done on widenedRows copies of its rows:
//
//	Gemm(A, B, C) = Gather(Reshape(Gemm(Concat(A, A, A, A), B, C), [4, -1, columns of B]), 0)
//
// Where one product cannot be widened, none is, because nothing would be gained.
func widenProducts(graph *protos.GraphProto, names taken) (widened int) {
	columns := map[*protos.NodeProto]int64{}
	convolves := false
	for _, node := range graph.GetNode() {
		switch node.GetOpType() {
		case "Conv":
			convolves = true
		case "MatMul", "Einsum", "Attention", "LSTM", "GRU", "RNN":
			return 0
		case "Gemm":
			n, ok := productColumns(graph, node)
			if !ok {
				return 0
			}
			columns[node] = n
		}
	}
	if !convolves || len(columns) == 0 {
		return 0
	}
	return replace(graph, func(node *protos.NodeProto) []*protos.NodeProto {
		if n, ok := columns[node]; ok {
			return widen(node, n, names)
		}
		return nil
	})
}

// productColumns is the number of columns of a product of rows with a small stored matrix; ok reports whether node is one.
func productColumns(graph *protos.GraphProto, node *protos.NodeProto) (columns int64, ok bool) {
	in := node.GetInput()
	if !isDefaultDomain(node.GetDomain()) || len(in) < 2 || attributeOf(node, "transA").GetI() != 0 {
		return 0, false
	}
	if len(in) > 2 {
		bias := stored(graph, in[2])
		if bias == nil || len(bias.GetDims()) > 1 && bias.GetDims()[0] != 1 { // one that differs from row to row
			return 0, false
		}
	}
	dims := stored(graph, in[1]).GetDims()
	if len(dims) != 2 || dims[0] < 1 || dims[1] < 1 || dims[0] > maxWidened/dims[1] {
		return 0, false
	}
	if attributeOf(node, "transB").GetI() != 0 {
		return dims[0], true
	}
	return dims[1], true
}

// stored is the tensor of that name in the file; nil if there is none.
func stored(graph *protos.GraphProto, name string) *protos.TensorProto {
	for _, tensor := range graph.GetInitializer() {
		if tensor.GetName() == name {
			return tensor
		}
	}
	return nil
}

func widen(node *protos.NodeProto, columns int64, names taken) []*protos.NodeProto {
	rows, y := node.GetInput()[0], node.GetOutput()[0]
	e := expansion{prefix: y + "/", names: names}
	axis := &protos.AttributeProto{Name: "axis", Type: protos.AttributeProto_INT}
	copies := e.add("Concat", slices.Repeat([]string{rows}, widenedRows)...)
	e.attribute(axis)
	product := e.add("Gemm", append([]string{copies}, node.GetInput()[1:]...)...)
	for _, a := range node.GetAttribute() {
		e.attribute(a)
	}
	shape := e.tensor("shape", integers([]int64{3}, widenedRows, -1, columns))
	stacked := e.add("Reshape", product, shape)
	first := e.tensor("first", integers(nil, 0))
	e.addAs(y, "Gather", stacked, first)
	e.attribute(axis)
	return e.nodes
}

func integers(dims []int64, values ...int64) *protos.TensorProto {
	return &protos.TensorProto{DataType: int32(protos.TensorProto_INT64), Dims: dims, Int64Data: values}
}
