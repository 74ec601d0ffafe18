package models

import (
	"iter"
	"slices"

	"github.com/gomlx/compute-onnx/support/protos"
)

// tensorsOf yields the tensors of an attribute, but not those of its graphs.
func tensorsOf(attribute *protos.AttributeProto) iter.Seq[*protos.TensorProto] {
	return func(yield func(*protos.TensorProto) bool) {
		tensors := append([]*protos.TensorProto{attribute.GetT()}, attribute.GetTensors()...)
		for _, sparse := range append([]*protos.SparseTensorProto{attribute.GetSparseTensor()},
			attribute.GetSparseTensors()...) {
			tensors = append(tensors, sparse.GetValues(), sparse.GetIndices())
		}
		for _, tensor := range tensors {
			if tensor != nil && !yield(tensor) {
				return
			}
		}
	}
}

// graphsOf yields the bodies of an attribute of Loop, If or Scan.
func graphsOf(attribute *protos.AttributeProto) iter.Seq[*protos.GraphProto] {
	return func(yield func(*protos.GraphProto) bool) {
		for _, graph := range append([]*protos.GraphProto{attribute.GetG()}, attribute.GetGraphs()...) {
			if graph != nil && !yield(graph) {
				return
			}
		}
	}
}

// allTensors yields the tensors that graph stores, including those of its nodes and of every graph within it.
func allTensors(root *protos.GraphProto) iter.Seq[*protos.TensorProto] {
	return func(yield func(*protos.TensorProto) bool) {
		for graph := range subgraphs(root) {
			tensors := slices.Clone(graph.GetInitializer())
			for _, sparse := range graph.GetSparseInitializer() {
				tensors = append(tensors, sparse.GetValues(), sparse.GetIndices())
			}
			for _, node := range graph.GetNode() {
				for _, attribute := range node.GetAttribute() {
					tensors = slices.AppendSeq(tensors, tensorsOf(attribute))
				}
			}
			for _, tensor := range tensors {
				if tensor != nil && !yield(tensor) {
					return
				}
			}
		}
	}
}

// subgraphs yields graph and, depth first, every graph within it.
func subgraphs(graph *protos.GraphProto) iter.Seq[*protos.GraphProto] {
	return func(yield func(*protos.GraphProto) bool) { walk(graph, yield) }
}

func walk(graph *protos.GraphProto, yield func(*protos.GraphProto) bool) bool {
	if !yield(graph) {
		return false
	}
	for _, node := range graph.GetNode() {
		for _, attribute := range node.GetAttribute() {
			for inner := range graphsOf(attribute) {
				if !walk(inner, yield) {
					return false
				}
			}
		}
	}
	return true
}
