package models

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"github.com/gomlx/compute-onnx/support/protos"
	"github.com/x448/float16"
)

// leastHalf is the least size in bytes of a tensor that [StoreHalf] stores as float16.
const leastHalf = 1024

// StoreHalf stores the float32 tensors of a model as float16, rounded to nearest, which halves its file. A Cast after
// each of them gives the value in float32 again, so everything is computed in float32. It leaves small tensors alone,
// because they save nothing. It is an error if float16 cannot represent a weight.
func StoreHalf(model *protos.ModelProto) error {
	graph := model.GetGraph()
	h := newHalving(graph)
	for i, tensor := range graph.GetInitializer() {
		size, err := sizeOf(tensor)
		if err != nil {
			return fmt.Errorf("tensor %q: %w", tensor.GetName(), err)
		}
		if tensor.GetDataType() != int32(protos.TensorProto_FLOAT) || size < leastHalf {
			continue
		}
		data, err := halfData(tensor)
		if err != nil {
			return err
		}
		name := h.names.fresh(tensor.GetName() + "/half")
		graph.Initializer[i] = &protos.TensorProto{
			Name: name, Dims: tensor.GetDims(), DataType: int32(protos.TensorProto_FLOAT16), RawData: data,
		}
		h.cast(name, tensor.GetName(), protos.TensorProto_FLOAT)
	}
	graph.Node = append(h.nodes, graph.GetNode()...)
	return nil
}

// WidenStored undoes [StoreHalf]: it stores as float32 what is stored as float16 and only cast to float32. It returns
// the number of such tensors. The score does not change.
func WidenStored(model *protos.ModelProto) (widened int) {
	graph := model.GetGraph()
	halves, readers := halfTensors(graph), readersOf(graph)
	return replace(graph, func(node *protos.NodeProto) []*protos.NodeProto {
		if !isCastToFloat32(node) || readers[node.GetInput()[0]] != 1 {
			return nil
		}
		half, ok := halves[node.GetInput()[0]]
		if !ok {
			return nil
		}
		graph.Initializer[half] = widen32(graph.GetInitializer()[half], node.GetOutput()[0])
		return []*protos.NodeProto{}
	})
}

// halfTensors returns the indices of the stored tensors of float16, by name.
func halfTensors(graph *protos.GraphProto) map[string]int {
	halves := map[string]int{}
	for i, tensor := range graph.GetInitializer() {
		if tensor.GetDataType() == int32(protos.TensorProto_FLOAT16) && len(tensor.GetRawData()) > 0 {
			halves[tensor.GetName()] = i
		}
	}
	return halves
}

// readersOf returns how often each value is read, in all graphs and by the caller.
func readersOf(root *protos.GraphProto) map[string]int {
	readers := map[string]int{}
	for graph := range subgraphs(root) {
		for _, node := range graph.GetNode() {
			for _, name := range node.GetInput() {
				readers[name]++
			}
		}
		for _, value := range slices.Concat(graph.GetInput(), graph.GetOutput()) {
			readers[value.GetName()]++
		}
	}
	return readers
}

func isCastToFloat32(node *protos.NodeProto) bool {
	return node.GetOpType() == "Cast" && isDefaultDomain(node.GetDomain()) &&
		len(node.GetInput()) == 1 && len(node.GetOutput()) == 1 &&
		attributeOf(node, "to").GetI() == int64(protos.TensorProto_FLOAT)
}

// widen32 returns a tensor of float16 as one of float32 with the given name.
func widen32(half *protos.TensorProto, name string) *protos.TensorProto {
	raw := half.GetRawData()
	data := make([]byte, 0, 2*len(raw))
	for i := 0; i+1 < len(raw); i += 2 {
		value := float16.Frombits(binary.LittleEndian.Uint16(raw[i:])).Float32()
		data = binary.LittleEndian.AppendUint32(data, math.Float32bits(value))
	}
	return &protos.TensorProto{
		Name: name, Dims: half.GetDims(), DataType: int32(protos.TensorProto_FLOAT), RawData: data,
	}
}
