package models

import (
	"slices"

	"github.com/gomlx/compute-onnx/support/protos"
)

const (
	// productRows is how many rows at least a widened product has: kernels of fewer round in another way.
	productRows = 4

	// maxWidened is the largest matrix, in elements, that is worth being multiplied productRows times as often.
	maxWidened = 1 << 16
)

// widenProducts makes the small products of a graph that convolves independent of the number of rows, as its convolutions
// are, and returns how many. Such products carry the noise level into the layers. Alone they would make every evaluation
// of a single image one of several, to be on the safe side; here each is itself done on productRows copies of its rows:
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
	nodes := make([]*protos.NodeProto, 0, len(graph.GetNode()))
	for _, node := range graph.GetNode() {
		if n, ok := columns[node]; ok {
			nodes = append(nodes, widen(node, n, names)...)
		} else {
			nodes = append(nodes, node)
		}
	}
	graph.Node = nodes
	return len(columns)
}

// productColumns is the number of columns of a product of rows with a small stored matrix; ok reports whether node is one.
func productColumns(graph *protos.GraphProto, node *protos.NodeProto) (columns int64, ok bool) {
	if !isDefaultDomain(node.GetDomain()) || len(node.GetInput()) < 2 || integerAttribute(node, "transA") != 0 {
		return 0, false
	}
	if len(node.GetInput()) > 2 && rowsOf(graph, node.GetInput()[2]) != 1 {
		return 0, false
	}
	i := slices.IndexFunc(graph.GetInitializer(), func(t *protos.TensorProto) bool { return t.GetName() == node.GetInput()[1] })
	if i < 0 {
		return 0, false
	}
	dims := graph.GetInitializer()[i].GetDims()
	if len(dims) != 2 || dims[0] < 1 || dims[1] < 1 || dims[0] > maxWidened/dims[1] {
		return 0, false
	}
	if integerAttribute(node, "transB") != 0 {
		return dims[0], true
	}
	return dims[1], true
}

// rowsOf is how many rows the stored tensor of that name has, 1 if it has fewer than two axes, and 0 if there is none.
func rowsOf(graph *protos.GraphProto, name string) int64 {
	for _, t := range graph.GetInitializer() {
		if t.GetName() != name {
			continue
		}
		if len(t.GetDims()) < 2 {
			return 1
		}
		return t.GetDims()[0]
	}
	return 0
}

func integerAttribute(node *protos.NodeProto, name string) int64 {
	for _, a := range node.GetAttribute() {
		if a.GetName() == name {
			return a.GetI()
		}
	}
	return 0
}

func widen(node *protos.NodeProto, columns int64, names taken) []*protos.NodeProto {
	rows, y := node.GetInput()[0], node.GetOutput()[0]
	e := expansion{prefix: y + "/", names: names}
	axis := &protos.AttributeProto{Name: "axis", Type: protos.AttributeProto_INT}
	copies := e.add("Concat", slices.Repeat([]string{rows}, productRows)...)
	e.attribute(axis)
	product := e.add("Gemm", append([]string{copies}, node.GetInput()[1:]...)...)
	for _, a := range node.GetAttribute() {
		e.attribute(a)
	}
	shape := e.tensor("shape", integers([]int64{3}, productRows, -1, columns))
	stacked := e.add("Reshape", product, shape)
	first := e.tensor("first", integers(nil, 0))
	e.addAs(y, "Gather", stacked, first)
	e.attribute(axis)
	return e.nodes
}

func integers(dims []int64, values ...int64) *protos.TensorProto {
	return &protos.TensorProto{DataType: int32(protos.TensorProto_INT64), Dims: dims, Int64Data: values}
}
