package models

import (
	"fmt"

	"github.com/gomlx/compute-onnx/support/protos"
)

// operators checks whether the operators of one model may be served.
type operators struct {
	stored map[string]*protos.TensorProto // by the name of the value, in all graphs
}

func newOperators(root *protos.GraphProto) operators {
	o := operators{map[string]*protos.TensorProto{}}
	for graph := range subgraphs(root) {
		for _, tensor := range graph.GetInitializer() {
			o.stored[tensor.GetName()] = tensor
		}
		for _, node := range graph.GetNode() {
			if isConstant(node) {
				o.stored[node.GetOutput()[0]] = attributeOf(node, "value").GetT()
			}
		}
	}
	return o
}

// check refuses operators that make a row depend on other rows or on chance, and says what to export instead.
func (o operators) check(node *protos.NodeProto) error {
	const evaluation = "export in evaluation mode, model.eval()"
	switch node.GetOpType() {
	case "EPContext":
		return fmt.Errorf("operator is compiled for one provider, from another file: want the network itself")
	case "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Bernoulli", "Multinomial":
		return fmt.Errorf("operator draws random numbers, so a seed would have two answers: %s, "+
			"without noise that the network draws itself", evaluation)
	case "DynamicQuantizeLinear", "DynamicQuantizeMatMul", "DynamicQuantizeLSTM":
		return fmt.Errorf("operator scales by the whole batch, so a row would depend on the others: " +
			"export without dynamic " +
			"quantization, in float32 or with static scales (quantize_static)")
	case "BatchNormalization":
		if attributeOf(node, "training_mode").GetI() != 0 || outputs(node) > 1 {
			return fmt.Errorf("operator is in training mode, so a row would depend on the others: %s", evaluation)
		}
	case "Dropout":
		if in := node.GetInput(); len(in) > 2 && in[2] != "" && !isFalse(o.stored[in[2]]) {
			return fmt.Errorf("operator is in training mode, so a seed would have two answers: %s", evaluation)
		}
	}
	return nil
}

// outputs returns the number of a node's outputs that are used.
func outputs(node *protos.NodeProto) (used int) {
	for _, name := range node.GetOutput() {
		if name != "" {
			used++
		}
	}
	return used
}

// isFalse reports whether a stored tensor is the single boolean false.
func isFalse(tensor *protos.TensorProto) bool {
	if tensor.GetDataType() != int32(protos.TensorProto_BOOL) {
		return false
	}
	raw, values := tensor.GetRawData(), tensor.GetInt32Data()
	return len(raw) == 1 && raw[0] == 0 || len(raw) == 0 && len(values) == 1 && values[0] == 0
}
