package ort

import (
	"errors"
	"fmt"

	"github.com/gomlx/compute-onnx/support/protos"
	onnxruntime "github.com/yalue/onnxruntime_go"
	"google.golang.org/protobuf/proto"

	"github.com/langevin-ml/langevin/models"
)

// ChannelBlock returns the number of channels that ONNX Runtime's fastest convolutions keep next to each other in
// memory. The layout is [batch, channels/block, height, width, block], as in the operators of [models.BlockedDomain]:
// 16 with AVX-512, 8 with AVX2. It returns 0 if the library has no such operators for this CPU.
func (r *Runtime) ChannelBlock() (block int, err error) {
	const channels = 4 // the smallest number that the operator accepts; it fills up the block
	graph, err := proto.Marshal(reorderGraph(channels))
	if err != nil {
		return 0, fmt.Errorf("find the channel block: %w", err)
	}
	reorder, err := programSession(graph, []string{"x"}, []string{"y"}, 1)
	if err != nil {
		return 0, nil // the library does not know the operator
	}
	defer func() { err = errors.Join(err, reorder.Destroy()) }()
	x, err := r.NewTensor(1, channels, 1, 1)
	if err != nil {
		return 0, fmt.Errorf("find the channel block: %w", err)
	}
	defer func() { err = errors.Join(err, x.Close()) }()
	result := []onnxruntime.Value{nil} // its shape is the answer
	if err := reorder.Run(values([]*Tensor{x}), result); err != nil {
		return 0, nil // or has none for this CPU
	}
	block = int(result[0].GetShape()[1])
	if block != 8 && block != 16 {
		block = 0
	}
	return block, result[0].Destroy()
}

// reorderGraph returns a graph that reorders one pixel into blocks.
func reorderGraph(channels int64) *protos.ModelProto {
	shape := &protos.TensorShapeProto{}
	for _, n := range []int64{1, channels, 1, 1} {
		shape.Dim = append(shape.Dim,
			&protos.TensorShapeProto_Dimension{Value: &protos.TensorShapeProto_Dimension_DimValue{DimValue: n}})
	}
	port := func(name string) []*protos.ValueInfoProto {
		tensor := &protos.TypeProto_Tensor{ElemType: int32(protos.TensorProto_FLOAT), Shape: shape}
		return []*protos.ValueInfoProto{{Name: name,
			Type: &protos.TypeProto{Value: &protos.TypeProto_TensorType{TensorType: tensor}}}}
	}
	return &protos.ModelProto{
		IrVersion:   9,
		OpsetImport: []*protos.OperatorSetIdProto{{Version: 21}, {Domain: models.BlockedDomain, Version: 1}},
		Graph: &protos.GraphProto{
			Name: "reorder", Input: port("x"), Output: port("y"),
			Node: []*protos.NodeProto{{OpType: "ReorderInput", Domain: models.BlockedDomain, Input: []string{"x"},
				Output: []string{"y"}}},
		},
	}
}
