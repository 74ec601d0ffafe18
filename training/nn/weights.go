package nn

import (
	"encoding/binary"
	"fmt"

	"github.com/gomlx/compute-onnx/support/protos"
)

// ReadONNX returns the flat vector of g's parameters in an ONNX model that [Graph.ONNX] wrote for the same network. It
// returns an error that names the first parameter that the model does not have in its shape, as float32. A model of the
// network without a condition is enough: the parameters of the condition are 0 then, so that the score is the model's.
func (g *Graph) ReadONNX(model *protos.ModelProto) ([]float32, error) {
	stored := make(map[string]*protos.TensorProto)
	for _, tensor := range model.GetGraph().GetInitializer() {
		stored[tensor.GetName()] = tensor
	}
	params := make([]float32, g.NumParams())
	rest := params
	for _, p := range g.Params {
		if tensor := stored[p.Name]; tensor == nil && p.OfCondition {
			rest = rest[p.Size():]
			continue
		}
		if err := readTensor(rest[:p.Size()], p, stored[p.Name]); err != nil {
			return nil, fmt.Errorf("parameter %s: %w", p.Name, err)
		}
		rest = rest[p.Size():]
	}
	return params, nil
}

func readTensor(dst []float32, p *Node, tensor *protos.TensorProto) error {
	switch {
	case tensor == nil:
		return fmt.Errorf("the file has none: want the same network")
	case tensor.GetDataType() != int32(protos.TensorProto_FLOAT) || len(tensor.GetRawData()) != 4*len(dst):
		return fmt.Errorf("the file has %v in %d bytes: want %v as raw float32, %d bytes", tensor.GetDims(),
			len(tensor.GetRawData()), p.Shape, 4*len(dst))
	}
	for i, n := range p.Shape {
		if len(tensor.GetDims()) != len(p.Shape) || tensor.GetDims()[i] != int64(n) {
			return fmt.Errorf("the file has shape %v: want %v", tensor.GetDims(), p.Shape)
		}
	}
	_, err := binary.Decode(tensor.GetRawData(), binary.LittleEndian, dst)
	return err
}
