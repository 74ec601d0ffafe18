package models

import (
	"slices"

	"github.com/gomlx/compute-onnx/support/protos"
)

const (
	// widenedRows is the smallest number of rows of a widened product. Kernels for fewer rows round differently.
	widenedRows = 4

	// maxWidened is the size in elements of the largest matrix that is worth multiplying widenedRows times as often.
	maxWidened = 1 << 16
)

// widenProducts changes the small products of a graph that convolves, so that they do not depend on the number of rows,
// as its convolutions do not. It returns the number of products. Such products carry the noise level into the layers.
// Without this, every evaluation of a single image would have to be padded to several. Instead, each product itself is
// computed for widenedRows copies of its rows:
//
//	Gemm(A, B, C) = Gather(Reshape(Gemm(Concat(A, A, A, A), B, C), [4, -1, columns of B]), 0)
//
// If one product cannot be widened, none is, because nothing would be gained.
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

// productColumns returns the number of columns of a product of rows with a small stored matrix. ok reports whether node
// is such a product.
func productColumns(graph *protos.GraphProto, node *protos.NodeProto) (columns int64, ok bool) {
	in := node.GetInput()
	if !isDefaultDomain(node.GetDomain()) || len(in) < 2 || attributeOf(node, "transA").GetI() != 0 {
		return 0, false
	}
	if len(in) > 2 {
		bias := stored(graph, in[2])
		if bias == nil || len(bias.GetDims()) > 1 && bias.GetDims()[0] != 1 { // a bias that differs from row to row
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

// stored returns the tensor with the given name in the file; nil if there is none.
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
