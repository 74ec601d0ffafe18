package models

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gomlx/compute-onnx/support/protos"
)

// The names of a graph's inputs and output.
const (
	InputX      = "x"
	InputSigma  = "sigma"
	OutputScore = "score"
)

const (
	// maxNesting bounds the nesting of graphs (Loop, If, Scan). ONNX Runtime takes four times as long for each level.
	maxNesting = 3

	// maxNodes bounds the nodes of all graphs of a model. ONNX Runtime's time to open a graph grows faster than their
	// number. The networks of Song et al. (2021) have up to 10,000.
	maxNodes = 1 << 15
)

// knownDomains are the operator sets that ONNX Runtime ships. Another one needs a library of native code. Operators of
// com.microsoft need a rule.
var knownDomains = []string{"", "ai.onnx", "com.microsoft"}

func (r Rules) check(model *protos.ModelProto, m Manifest) error {
	graph := model.GetGraph()
	if graph == nil {
		return fmt.Errorf("the file has no graph")
	}
	if len(model.GetTrainingInfo()) > 0 {
		return fmt.Errorf("training graphs: want none, an export for inference")
	}
	if functions := model.GetFunctions(); len(functions) > 0 {
		return fmt.Errorf("function %q: want none, inlined by the exporter", brief(functions[0].GetName()))
	}
	if err := checkSurface(graph, m); err != nil {
		return err
	}
	if err := newOperators(r, inputsOf(graph)).checkGraph(graph, 0); err != nil {
		return err
	}
	return checkClassTables(graph, m.Condition)
}

func checkSurface(graph *protos.GraphProto, m Manifest) error {
	inputs, names := inputsOf(graph), []string{InputX, InputSigma}
	if m.Condition != nil {
		names = append(names, InputC)
	}
	if err := checkNames("inputs", inputs, names...); err != nil {
		return err
	}
	if err := checkNames("outputs", graph.GetOutput(), OutputScore); err != nil {
		return err
	}
	for _, value := range slices.Concat(inputs, graph.GetOutput()) {
		kind, shape := protos.TensorProto_FLOAT, m.Shape
		switch value.GetName() {
		case InputSigma:
			shape = nil
		case InputC:
			kind, shape = m.Condition.tensor()
		}
		if err := checkTensorType(value.GetType().GetTensorType(), kind, shape); err != nil {
			return fmt.Errorf("%s: %w", value.GetName(), err)
		}
	}
	return nil
}

// inputsOf returns the inputs that a caller must give. Files of IR version 3 list the weights as inputs too.
func inputsOf(graph *protos.GraphProto) []*protos.ValueInfoProto {
	stored := make(map[string]bool, len(graph.GetInitializer()))
	for _, tensor := range graph.GetInitializer() {
		stored[tensor.GetName()] = true
	}
	var inputs []*protos.ValueInfoProto
	for _, value := range graph.GetInput() {
		if !stored[value.GetName()] {
			inputs = append(inputs, value)
		}
	}
	return inputs
}

func checkNames(what string, values []*protos.ValueInfoProto, want ...string) error {
	names := make([]string, len(values))
	for i, value := range values {
		names[i] = brief(value.GetName())
	}
	if !slices.Equal(slices.Sorted(slices.Values(names)), slices.Sorted(slices.Values(want))) {
		return fmt.Errorf("%s are %q: want %q", what, names, want)
	}
	return nil
}

// checkTensorType returns an error unless a value is of the given type and [free, shape...]. An axis without a fixed
// size matches any size.
func checkTensorType(t *protos.TypeProto_Tensor, kind protos.TensorProto_DataType, shape []int) error {
	if elem := protos.TensorProto_DataType(t.GetElemType()); elem != kind {
		return fmt.Errorf("type is %s: want %s", elem, kind)
	}
	axes := t.GetShape().GetDim()
	if len(axes) != 1+len(shape) {
		return fmt.Errorf("shape is %s: want %s", describe(axes), want(shape))
	}
	if _, fixed := fixedSize(axes[0]); fixed {
		return fmt.Errorf("shape is %s: want a free first axis, %s", describe(axes), want(shape))
	}
	for i, n := range shape {
		if size, fixed := fixedSize(axes[1+i]); fixed && size != int64(n) {
			return fmt.Errorf("shape is %s: want %s", describe(axes), want(shape))
		}
	}
	return nil
}

func fixedSize(axis *protos.TensorShapeProto_Dimension) (size int64, fixed bool) {
	value, fixed := axis.GetValue().(*protos.TensorShapeProto_Dimension_DimValue)
	if !fixed {
		return 0, false
	}
	return value.DimValue, true
}

func describe(axes []*protos.TensorShapeProto_Dimension) string {
	sizes := make([]string, len(axes))
	for i, axis := range axes {
		sizes[i] = "?"
		if size, fixed := fixedSize(axis); fixed {
			sizes[i] = fmt.Sprint(size)
		} else if name := axis.GetDimParam(); name != "" {
			sizes[i] = name
		}
	}
	return "[" + strings.Join(sizes, " ") + "]"
}

func want(shape []int) string {
	return strings.TrimSuffix("[N "+strings.Trim(fmt.Sprint(shape), "[]"), " ") + "]"
}

func (o *operators) checkGraph(graph *protos.GraphProto, depth int) error {
	if depth > maxNesting {
		return fmt.Errorf("graph %q: nested more than %d deep", brief(graph.GetName()), maxNesting)
	}
	if o.nodes += len(graph.GetNode()); o.nodes > maxNodes {
		return fmt.Errorf("graph %q: more than %d nodes", brief(graph.GetName()), maxNodes)
	}
	if sparse := graph.GetSparseInitializer(); len(sparse) > 0 {
		return fmt.Errorf("tensor %q: sparse: want all of its elements", brief(sparse[0].GetValues().GetName()))
	}
	for _, tensor := range graph.GetInitializer() {
		if err := checkTensor(tensor); err != nil {
			return err
		}
		o.define(tensor.GetName(), constant(tensor))
	}
	for _, node := range graph.GetNode() {
		if err := o.checkNode(node, depth); err != nil {
			return fmt.Errorf("node %q (%s): %w", brief(node.GetName()), brief(node.GetOpType()), err)
		}
	}
	return nil
}

func (o *operators) checkNode(node *protos.NodeProto, depth int) error {
	if !slices.Contains(knownDomains, node.GetDomain()) {
		return fmt.Errorf("operator domain is %q: want ai.onnx", brief(node.GetDomain()))
	}
	if err := o.check(node); err != nil {
		return err
	}
	for _, attribute := range node.GetAttribute() {
		if err := o.checkAttribute(attribute, depth); err != nil {
			return err
		}
	}
	o.defineOutputs(node)
	return nil
}

func (o *operators) checkAttribute(attribute *protos.AttributeProto, depth int) error {
	if attribute.GetSparseTensor() != nil || len(attribute.GetSparseTensors()) > 0 {
		return fmt.Errorf("attribute %q: sparse: want all of its elements", brief(attribute.GetName()))
	}
	for tensor := range tensorsOf(attribute) {
		if err := checkTensor(tensor); err != nil {
			return err
		}
	}
	for graph := range graphsOf(attribute) {
		if err := o.checkGraph(graph, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// checkTensor refuses data in other files, and a shape that promises other data than there are. For a model in memory,
// ONNX Runtime would look for the files in the working directory of the process.
func checkTensor(tensor *protos.TensorProto) error {
	if isExternal(tensor) {
		return fmt.Errorf("tensor %q: stored in another file: want its data in the model, so export with "+
			"external_data=False, or run langevin models import, which reads that file", brief(tensor.GetName()))
	}
	size, err := sizeOf(tensor)
	if err != nil {
		return fmt.Errorf("tensor %q: %w", brief(tensor.GetName()), err)
	}
	if raw := tensor.GetRawData(); len(raw) > 0 && int64(len(raw)) != size {
		return fmt.Errorf("tensor %q: it has %d bytes of data: want %d for its shape %v", brief(tensor.GetName()),
			len(raw), size, tensor.GetDims())
	} else if listed := listedBytes(tensor); len(raw) == 0 && listed < size {
		return fmt.Errorf("tensor %q: it has too few elements for its shape %v", brief(tensor.GetName()),
			tensor.GetDims())
	}
	return nil
}

// listedBytes returns the most bytes of data that the elements can have that a tensor has in lists.
func listedBytes(tensor *protos.TensorProto) int64 {
	return int64(4*len(tensor.GetFloatData()) + 4*len(tensor.GetInt32Data()) + 8*len(tensor.GetInt64Data()) +
		8*len(tensor.GetDoubleData()) + 8*len(tensor.GetUint64Data()))
}
