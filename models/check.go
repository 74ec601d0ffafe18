package models

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gomlx/compute-onnx/support/protos"
	"google.golang.org/protobuf/proto"
)

// The names of a graph's inputs and output.
const (
	InputX      = "x"
	InputSigma  = "sigma"
	OutputScore = "score"
)

// maxNesting bounds the nesting of graphs (Loop, If, Scan), which ONNX Runtime walks recursively.
const maxNesting = 16

// knownDomains are the operator sets that ONNX Runtime ships. Another one needs a library of native code.
var knownDomains = []string{"", "ai.onnx", "com.microsoft"}

// Decode parses the bytes of an .onnx file with manifest m and checks it with [Check]. Errors wrap [ErrInvalid].
func Decode(file []byte, m Manifest) (*protos.ModelProto, error) {
	if len(file) == 0 {
		return nil, fmt.Errorf("%w: the file is empty", ErrInvalid)
	}
	model := &protos.ModelProto{}
	// The C++ parser in ONNX Runtime has the same limit.
	if err := (proto.UnmarshalOptions{RecursionLimit: 100}).Unmarshal(file, model); err != nil {
		return nil, fmt.Errorf("%w: not an ONNX file, or a damaged one: %w", ErrInvalid, err)
	}
	return model, Check(model, m)
}

// Check returns an error unless ONNX Runtime may run model as the graph of m. The contract: inputs x and sigma and
// output score are float32, in the manifest's shape with a free first axis. All operators are of known domains, and
// none reads other files, draws random numbers or combines the rows of a batch. No tensor is stored in another file.
// There are no functions in the model and no training graphs. Subgraphs are checked too. The error wraps [ErrInvalid]
// and names the tensor or node.
func Check(model *protos.ModelProto, m Manifest) error {
	if err := check(model, m); err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return nil
}

func check(model *protos.ModelProto, m Manifest) error {
	graph := model.GetGraph()
	if graph == nil {
		return fmt.Errorf("the file has no graph")
	}
	if len(model.GetTrainingInfo()) > 0 {
		return fmt.Errorf("training graphs: want none, an export for inference")
	}
	if functions := model.GetFunctions(); len(functions) > 0 {
		return fmt.Errorf("function %q: want none, inlined by the exporter", functions[0].GetName())
	}
	if err := checkSurface(graph, m.Shape); err != nil {
		return err
	}
	return newOperators(graph).checkGraph(graph, 0)
}

func checkSurface(graph *protos.GraphProto, shape []int) error {
	inputs := withoutInitializers(graph)
	if err := checkNames("inputs", inputs, InputX, InputSigma); err != nil {
		return err
	}
	if err := checkNames("outputs", graph.GetOutput(), OutputScore); err != nil {
		return err
	}
	for _, value := range slices.Concat(inputs, graph.GetOutput()) {
		want := shape
		if value.GetName() == InputSigma {
			want = nil
		}
		if err := checkTensorType(value.GetType().GetTensorType(), want); err != nil {
			return fmt.Errorf("%s: %w", value.GetName(), err)
		}
	}
	return nil
}

// withoutInitializers returns the inputs that a caller must give. Files of IR version 3 list the weights as inputs too.
func withoutInitializers(graph *protos.GraphProto) []*protos.ValueInfoProto {
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
		names[i] = value.GetName()
	}
	if !slices.Equal(slices.Sorted(slices.Values(names)), slices.Sorted(slices.Values(want))) {
		return fmt.Errorf("%s are %q: want %q", what, names, want)
	}
	return nil
}

// checkTensorType returns an error unless a value is float32 [free, shape...]. An axis without a fixed size matches any
// size.
func checkTensorType(t *protos.TypeProto_Tensor, shape []int) error {
	if elem := protos.TensorProto_DataType(t.GetElemType()); elem != protos.TensorProto_FLOAT {
		return fmt.Errorf("type is %s: want FLOAT", elem)
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

func (o operators) checkGraph(graph *protos.GraphProto, depth int) error {
	if depth > maxNesting {
		return fmt.Errorf("graph %q: nested more than %d deep", graph.GetName(), maxNesting)
	}
	for _, tensor := range graph.GetInitializer() {
		if err := checkTensor(tensor); err != nil {
			return err
		}
	}
	for _, tensor := range graph.GetSparseInitializer() {
		if err := checkSparse(tensor); err != nil {
			return err
		}
	}
	for _, node := range graph.GetNode() {
		if err := o.checkNode(node, depth); err != nil {
			return fmt.Errorf("node %q (%s): %w", node.GetName(), node.GetOpType(), err)
		}
	}
	return nil
}

func (o operators) checkNode(node *protos.NodeProto, depth int) error {
	if !slices.Contains(knownDomains, node.GetDomain()) {
		return fmt.Errorf("operator domain is %q: want ai.onnx or com.microsoft", node.GetDomain())
	}
	if err := o.check(node); err != nil {
		return err
	}
	for _, attribute := range node.GetAttribute() {
		if err := o.checkAttribute(attribute, depth); err != nil {
			return err
		}
	}
	return nil
}

func (o operators) checkAttribute(attribute *protos.AttributeProto, depth int) error {
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

func checkSparse(tensor *protos.SparseTensorProto) error {
	if err := checkTensor(tensor.GetValues()); err != nil {
		return err
	}
	return checkTensor(tensor.GetIndices())
}

// checkTensor refuses data in other files. For a model in memory, ONNX Runtime would look for them in the working
// directory of the process.
func checkTensor(tensor *protos.TensorProto) error {
	if isExternal(tensor) {
		return fmt.Errorf("tensor %q: stored in another file: want its data in the model, so export with "+
			"external_data=False, or run langevin models import, which reads that file", tensor.GetName())
	}
	return nil
}
