package models

import (
	"fmt"
	"slices"

	"github.com/gomlx/compute-onnx/support/protos"
)

// operators checks whether the operators of one model may be used.
type operators struct {
	allowed []string         // of the rules
	values  map[string]value // what is known of the values computed so far, in all graphs
	nodes   int              // of the graphs seen so far
}

func newOperators(r Rules, inputs []*protos.ValueInfoProto) *operators {
	o := &operators{allowed: r.Operators, values: map[string]value{}}
	for _, input := range inputs {
		o.define(input.GetName(), value{float: !isInteger(input), varies: true})
	}
	return o
}

// check refuses operators that score networks do not need, and the ways to use the others that make a row depend on
// other rows or on chance, that can end the process, or that give a result of unknown size. It says what to export
// instead.
func (o *operators) check(node *protos.NodeProto) error {
	if err := o.checkRows(node); err != nil {
		return err
	}
	if slices.Contains(o.allowed, named(node)) {
		return nil
	}
	operator, needed := scoreOperators[node.GetOpType()]
	if !needed || !isDefaultDomain(node.GetDomain()) {
		return fmt.Errorf("score networks do not need operator %s: export without it, or name it in --allow-operators "+
			"(models.allow_operators of a server) if you trust the file", brief(named(node)))
	}
	for _, i := range operator.sizes {
		if in := node.GetInput(); i < len(in) && in[i] != "" && o.valueOf(in[i]).varies {
			return fmt.Errorf("the size of its result depends on input %q, which is computed from x, sigma or c: want "+
				"sizes that depend on nothing but the number of rows", brief(in[i]))
		}
	}
	in := append(slices.Clone(node.GetInput()), "", "")
	x, by := o.valueOf(in[0]), o.valueOf(in[1])
	switch {
	case operator.divides && !x.float && !by.float && !divides(by.stored):
		return fmt.Errorf("integers are divided, and the divisor may be 0 or -1, which ends a process: " +
			"want a division of floating-point numbers, or a stored divisor of at least 1")
	case operator.counts && !x.float:
		return fmt.Errorf("integers are divided by their number, which may be 0: want floating-point numbers")
	}
	return nil
}

// checkRows refuses operators that make a row depend on other rows or on chance.
func (o *operators) checkRows(node *protos.NodeProto) error {
	const evaluation = "export in evaluation mode, model.eval()"
	switch node.GetOpType() {
	case "EPContext":
		return fmt.Errorf("operator is compiled for one provider, from another file: want the network itself")
	case "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Bernoulli", "Multinomial":
		return fmt.Errorf("operator draws random numbers, so a seed would have two answers: %s, "+
			"without noise that the network draws itself", evaluation)
	case "DynamicQuantizeLinear", "DynamicQuantizeMatMul", "DynamicQuantizeLSTM":
		return fmt.Errorf("operator scales by the whole batch, so a row would depend on the others: " +
			"export without dynamic quantization, in float32 or with static scales (quantize_static)")
	case "BatchNormalization":
		if attributeOf(node, "training_mode").GetI() != 0 || outputs(node) > 1 {
			return fmt.Errorf("operator is in training mode, so a row would depend on the others: %s", evaluation)
		}
	case "Dropout":
		if in := node.GetInput(); len(in) > 2 && in[2] != "" && !isFalse(o.valueOf(in[2]).stored) {
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
