package models

import (
	"slices"
	"strconv"

	"github.com/gomlx/compute-onnx/support/protos"
)

// RewriteVersion is the version of what [Rewrite] does. A rewritten graph rounds differently, so the version is part of
// the identity of a sample.
const RewriteVersion = 2

// BlockedDomain is the domain of ONNX Runtime's operators on images whose channels are stored in blocks.
const BlockedDomain = "com.microsoft.nchwc"

// rewriteOpset is the first operator set in which all operators written here broadcast.
const rewriteOpset = 8

// Rewrite replaces operators that ONNX Runtime computes slowly by faster equivalents, in all graphs of model. It
// returns the number of replacements:
//
//	Softplus(x)     = Relu(x) + Log(1 + Exp(-Abs(x)))     12 → 3 ns an element
//	Elu(x), alpha 1 = Relu(x) + (Exp(Min(x, 0)) - 1)       2 → 1 ns an element
//
// Both equal the operator up to float32 rounding of 1, and pass NaN and infinities on. In graphs that convolve, Rewrite
// also replaces small matrix products, see [widenProducts]. It does not change a model with another floating-point type
// than float32, or with an operator set before 8.
func Rewrite(model *protos.ModelProto) (rewritten int) {
	if defaultOpset(model) < rewriteOpset || !onlyFloat32(model.GetGraph()) {
		return 0
	}
	names := takenNames(model.GetGraph())
	// They are collected first, because replacing a graph's nodes would disturb the walk through its subgraphs.
	for _, graph := range slices.Collect(subgraphs(model.GetGraph())) {
		rewritten += replace(graph, func(node *protos.NodeProto) []*protos.NodeProto { return expand(node, names) })
	}
	return rewritten + widenProducts(model.GetGraph(), names)
}

// replace replaces each node by the result of faster, unless that is nil, and returns the number of replaced nodes.
func replace(graph *protos.GraphProto, faster func(*protos.NodeProto) []*protos.NodeProto) (replaced int) {
	nodes := make([]*protos.NodeProto, 0, len(graph.GetNode()))
	for _, node := range graph.GetNode() {
		if instead := faster(node); instead != nil {
			nodes = append(nodes, instead...)
			replaced++
		} else {
			nodes = append(nodes, node)
		}
	}
	graph.Node = nodes
	return replaced
}

// expand returns the nodes that replace node, or nil to keep it.
func expand(node *protos.NodeProto, names taken) []*protos.NodeProto {
	if !isDefaultDomain(node.GetDomain()) || len(node.GetInput()) != 1 || len(node.GetOutput()) != 1 {
		return nil
	}
	x, y := node.GetInput()[0], node.GetOutput()[0]
	e := expansion{prefix: y + "/", names: names}
	switch {
	case node.GetOpType() == "Softplus":
		tail := e.add("Log", e.add("Add", e.constant("one", 1), e.add("Exp", e.add("Neg", e.add("Abs", x)))))
		e.addAs(y, "Add", e.add("Relu", x), tail)
	case node.GetOpType() == "Elu" && eluAlpha(node) == 1:
		tail := e.add("Sub", e.add("Exp", e.add("Min", x, e.constant("zero", 0))), e.constant("one", 1))
		e.addAs(y, "Add", e.add("Relu", x), tail)
	}
	return e.nodes
}

func eluAlpha(node *protos.NodeProto) float32 {
	if alpha := attributeOf(node, "alpha"); alpha != nil {
		return alpha.GetF()
	}
	return 1
}

// attributeOf returns the attribute with the given name. If the node has none it returns nil, for which every getter
// returns zero.
func attributeOf(node *protos.NodeProto, name string) *protos.AttributeProto {
	for _, attribute := range node.GetAttribute() {
		if attribute.GetName() == name {
			return attribute
		}
	}
	return nil
}

// expansion writes nodes whose names start with the name of the value that they help to compute.
type expansion struct {
	prefix string
	names  taken
	nodes  []*protos.NodeProto
}

func (e *expansion) add(op string, inputs ...string) (output string) {
	return e.addAs(e.names.fresh(e.prefix+op), op, inputs...)
}

func (e *expansion) addAs(output, op string, inputs ...string) string {
	e.nodes = append(e.nodes, &protos.NodeProto{
		Name: e.names.fresh(e.prefix + op + "_node"), OpType: op, Input: inputs, Output: []string{output},
	})
	return output
}

func (e *expansion) constant(name string, value float32) (output string) {
	return e.tensor(name, &protos.TensorProto{DataType: int32(protos.TensorProto_FLOAT), FloatData: []float32{value}})
}

func (e *expansion) tensor(name string, value *protos.TensorProto) (output string) {
	output = e.addAs(e.names.fresh(e.prefix+name), "Constant")
	e.attribute(&protos.AttributeProto{Name: "value", Type: protos.AttributeProto_TENSOR, T: value})
	return output
}

// attribute adds an attribute to the last node.
func (e *expansion) attribute(a *protos.AttributeProto) {
	last := e.nodes[len(e.nodes)-1]
	last.Attribute = append(last.Attribute, a)
}

// taken has the names of a model's values and nodes.
type taken map[string]bool

func takenNames(root *protos.GraphProto) taken {
	names := taken{}
	for graph := range subgraphs(root) {
		for _, value := range slices.Concat(graph.GetInput(), graph.GetOutput(), graph.GetValueInfo()) {
			names[value.GetName()] = true
		}
		for _, tensor := range graph.GetInitializer() {
			names[tensor.GetName()] = true
		}
		for _, tensor := range graph.GetSparseInitializer() {
			names[tensor.GetValues().GetName()] = true
		}
		for _, node := range graph.GetNode() {
			names[node.GetName()] = true
			for _, output := range node.GetOutput() {
				names[output] = true
			}
		}
	}
	return names
}

func (t taken) fresh(name string) string {
	unique := name
	for i := 2; t[unique]; i++ {
		unique = name + "_" + strconv.Itoa(i)
	}
	t[unique] = true
	return unique
}

func isDefaultDomain(domain string) bool { return domain == "" || domain == "ai.onnx" }

func defaultOpset(model *protos.ModelProto) int64 {
	for _, opset := range model.GetOpsetImport() {
		if isDefaultDomain(opset.GetDomain()) {
			return opset.GetVersion()
		}
	}
	return 0
}

// onlyFloat32 reports whether no other floating-point type can occur in the graph. Inputs are float32, so another type
// would have to come from a stored tensor or from an operator that is told to make one.
func onlyFloat32(root *protos.GraphProto) bool {
	for graph := range subgraphs(root) {
		for _, tensor := range graph.GetInitializer() {
			if isOtherFloat(int64(tensor.GetDataType())) {
				return false
			}
		}
		for _, node := range graph.GetNode() {
			if slices.ContainsFunc(node.GetAttribute(), makesOtherFloat) {
				return false
			}
		}
	}
	return true
}

func makesOtherFloat(attribute *protos.AttributeProto) bool {
	for tensor := range tensorsOf(attribute) {
		if isOtherFloat(int64(tensor.GetDataType())) {
			return true
		}
	}
	switch attribute.GetName() {
	case "to", "dtype", "output_dtype":
		return isOtherFloat(attribute.GetI())
	}
	return false
}

func isOtherFloat(dataType int64) bool {
	switch protos.TensorProto_DataType(dataType) {
	case protos.TensorProto_FLOAT16, protos.TensorProto_BFLOAT16, protos.TensorProto_DOUBLE:
		return true
	}
	return false
}
