package models

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/gomlx/compute-onnx/support/protos"
)

// Condition says how a foreign network is told the noise level.
type Condition string

const (
	ConditionLabel Condition = "label" // the level's index, an integer: NCSN, NCSNv2
	ConditionSigma Condition = "sigma" // sigma itself: Score SDE's VE networks
)

// Foreign says what the inputs and the output of a network are that another program exported. The zero Foreign lets
// [Adopt] find out.
type Foreign struct {
	X         string    // name of the input for samples; if empty, the input with the most axes
	Level     string    // name of the input for the noise level; if empty, the other one
	Output    string    // name of the output; if empty, the only one
	Condition Condition // if empty, label for an integer input and sigma for a float one
}

// adoptOpset is the first operator set whose ArgMin, Cast and Reshape are those written here.
const adoptOpset = 11

// Adopt rewrites model, the graph of another program's network, to the contract of [Check] and attaches m. A network that
// takes the index of a noise level gets the index of the sigma of m that is nearest to the one asked for, by ratio: for
// the sigmas of m, which samplers use, that is the level itself. m.Shape may be empty: it is then that of the input.
// Errors wrap [ErrInvalid] and say what to export otherwise.
func Adopt(model *protos.ModelProto, f Foreign, m Manifest) (Manifest, error) {
	m, err := adopt(model, f, m)
	if err != nil {
		return m, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if err := Attach(model, m); err != nil {
		return m, err
	}
	return m, Check(model, m)
}

func adopt(model *protos.ModelProto, f Foreign, m Manifest) (Manifest, error) {
	graph := model.GetGraph()
	if graph == nil {
		return m, fmt.Errorf("the file holds no graph")
	}
	if opset := defaultOpset(model); opset < adoptOpset {
		return m, fmt.Errorf("operator set is %d: export with opset_version=%d or newer", opset, adoptOpset)
	}
	x, level, err := f.inputs(withoutInitializers(graph))
	if err != nil {
		return m, err
	}
	output, err := f.output(graph.GetOutput())
	if err != nil {
		return m, err
	}
	if m.Shape, err = foreignShape(x, m.Shape); err != nil {
		return m, err
	}
	condition, err := conditionOf(level, f.Condition)
	if err != nil {
		return m, err
	}
	a := adoption{graph: graph, names: takenNames(graph)}
	for _, name := range []string{InputX, InputSigma, OutputScore} { // x, level and output change their names with the rest
		a.free(name)
	}
	a.front("Identity", x.GetName(), InputX)
	a.condition(level, condition, m.Sigmas)
	a.expose(x, level, output, m.Shape)
	return m, nil
}

// inputs picks the two inputs.
func (f Foreign) inputs(inputs []*protos.ValueInfoProto) (x, level *protos.ValueInfoProto, err error) {
	names := namesOf(inputs)
	if len(inputs) != 2 {
		return nil, nil, fmt.Errorf("inputs are %q: want two, samples and noise level, so export a module whose forward takes just these", names)
	}
	axes := func(v *protos.ValueInfoProto) int { return len(v.GetType().GetTensorType().GetShape().GetDim()) }
	x, level = inputs[0], inputs[1]
	if axes(level) > axes(x) {
		x, level = level, x
	}
	for _, v := range inputs {
		if v.GetName() == f.X || f.X == "" && f.Level != "" && v.GetName() != f.Level {
			x, level = v, inputs[1-slices.Index(inputs, v)]
		}
	}
	if f.X != "" && x.GetName() != f.X || f.Level != "" && level.GetName() != f.Level {
		return nil, nil, fmt.Errorf("inputs are %q: want %q and %q among them", names, f.X, f.Level)
	}
	return x, level, nil
}

func (f Foreign) output(outputs []*protos.ValueInfoProto) (*protos.ValueInfoProto, error) {
	for _, v := range outputs {
		if v.GetName() == f.Output || f.Output == "" && len(outputs) == 1 {
			return v, nil
		}
	}
	return nil, fmt.Errorf("outputs are %q: want one, or say which of them with its name", namesOf(outputs))
}

func namesOf(values []*protos.ValueInfoProto) []string {
	names := make([]string, len(values))
	for i, v := range values {
		names[i] = v.GetName()
	}
	return names
}

// foreignShape is the shape of a sample, which the input may leave open and shape may fill.
func foreignShape(x *protos.ValueInfoProto, shape []int) ([]int, error) {
	axes := x.GetType().GetTensorType().GetShape().GetDim()
	if len(axes) < 2 {
		return nil, fmt.Errorf("%s: shape is %s: want [N, ...]", x.GetName(), describe(axes))
	}
	if _, fixed := fixedSize(axes[0]); fixed {
		return nil, fmt.Errorf("%s: shape is %s: want a free first axis, so export with dynamic_axes={%q: {0: \"N\"}, ...} for both inputs and the output",
			x.GetName(), describe(axes), x.GetName())
	}
	if len(shape) > 0 && len(shape) != len(axes)-1 {
		return nil, fmt.Errorf("%s: shape is %s: want %s", x.GetName(), describe(axes), want(shape))
	}
	found := slices.Clone(shape)
	for i, axis := range axes[1:] {
		size, fixed := fixedSize(axis)
		switch {
		case len(shape) == 0 && fixed:
			found = append(found, int(size))
		case len(shape) == 0:
			return nil, fmt.Errorf("%s: shape is %s: say the shape of a sample", x.GetName(), describe(axes))
		case fixed && int(size) != shape[i]:
			return nil, fmt.Errorf("%s: shape is %s: want %s", x.GetName(), describe(axes), want(shape))
		}
	}
	return found, nil
}

// conditionOf holds the input for the noise level against what it is said to be.
func conditionOf(level *protos.ValueInfoProto, condition Condition) (Condition, error) {
	t := level.GetType().GetTensorType()
	kind := protos.TensorProto_DataType(t.GetElemType())
	found := ConditionSigma
	switch kind {
	case protos.TensorProto_INT64, protos.TensorProto_INT32:
		found = ConditionLabel
	case protos.TensorProto_FLOAT:
	default:
		return "", fmt.Errorf("%s: type is %s: want FLOAT for sigma, or INT64 or INT32 for the index of a level", level.GetName(), kind)
	}
	switch condition {
	case "", ConditionLabel, ConditionSigma:
	default:
		return "", fmt.Errorf("condition is %q: want %s or %s", condition, ConditionLabel, ConditionSigma)
	}
	if condition == ConditionSigma && found == ConditionLabel {
		return "", fmt.Errorf("%s: type is %s, an index: want FLOAT for sigma", level.GetName(), kind)
	}
	if _, fixed := fixedSize(firstAxis(t)); fixed {
		return "", fmt.Errorf("%s: shape is %s: want a free first axis, so export with dynamic_axes for it too", level.GetName(), describe(t.GetShape().GetDim()))
	}
	if condition == "" {
		return found, nil
	}
	return condition, nil
}

func firstAxis(t *protos.TypeProto_Tensor) *protos.TensorShapeProto_Dimension {
	if axes := t.GetShape().GetDim(); len(axes) > 0 {
		return axes[0]
	}
	return nil
}

// adoption puts nodes before and after a graph.
type adoption struct {
	graph *protos.GraphProto
	names taken
	first []*protos.NodeProto
}

// free gives the value of a name another one, so that the name can be used.
func (a *adoption) free(name string) {
	if !a.names[name] {
		return
	}
	fresh := a.names.fresh("foreign/" + name)
	rename := func(names []string) {
		for i := range names {
			if names[i] == name {
				names[i] = fresh
			}
		}
	}
	for graph := range subgraphs(a.graph) {
		for _, node := range graph.GetNode() {
			rename(node.GetInput())
			rename(node.GetOutput())
		}
		for _, value := range slices.Concat(graph.GetInput(), graph.GetOutput(), graph.GetValueInfo()) {
			if value.GetName() == name {
				value.Name = fresh
			}
		}
		for _, tensor := range graph.GetInitializer() {
			if tensor.GetName() == name {
				tensor.Name = fresh
			}
		}
		for _, tensor := range graph.GetSparseInitializer() {
			if tensor.GetValues().GetName() == name {
				tensor.Values.Name = fresh
			}
		}
	}
}

// front puts a node before the graph.
func (a *adoption) front(op, output string, inputs ...string) *protos.NodeProto {
	node := &protos.NodeProto{Name: a.names.fresh("adopt/" + op), OpType: op, Input: inputs, Output: []string{output}}
	a.first = append(a.first, node)
	return node
}

// step is front with an output of its own, which it returns.
func (a *adoption) step(op string, inputs ...string) (output string, node *protos.NodeProto) {
	output = a.names.fresh("adopt/" + op + "_value")
	return output, a.front(op, output, inputs...)
}

func (a *adoption) constant(name string, tensor *protos.TensorProto) string {
	tensor.Name = a.names.fresh("adopt/" + name)
	a.graph.Initializer = append(a.graph.Initializer, tensor)
	return tensor.Name
}

func (a *adoption) ints(name string, values ...int64) string {
	return a.constant(name, &protos.TensorProto{DataType: int32(protos.TensorProto_INT64), Dims: []int64{int64(len(values))}, Int64Data: values})
}

// condition computes the level's input from sigma.
func (a *adoption) condition(level *protos.ValueInfoProto, condition Condition, sigmas []float64) {
	t := level.GetType().GetTensorType()
	value := InputSigma
	if condition == ConditionLabel {
		value = a.nearest(sigmas)
		if kind := t.GetElemType(); kind != int32(protos.TensorProto_INT64) {
			cast, node := a.step("Cast", value)
			node.Attribute = []*protos.AttributeProto{integer("to", int64(kind))}
			value = cast
		}
	}
	if n := len(t.GetShape().GetDim()); n > 1 { // [N, 1...]
		axes := append([]int64{-1}, slices.Repeat([]int64{1}, n-1)...)
		value, _ = a.step("Reshape", value, a.ints("level_shape", axes...))
	}
	a.front("Identity", level.GetName(), value)
}

// nearest is the index of the sigma whose logarithm is nearest to that of the input.
func (a *adoption) nearest(sigmas []float64) string {
	logs := make([]float32, len(sigmas))
	for i, sigma := range sigmas {
		logs[i] = float32(math.Log(sigma))
	}
	table := a.constant("log_sigmas", &protos.TensorProto{
		DataType: int32(protos.TensorProto_FLOAT), Dims: []int64{1, int64(len(logs))}, FloatData: logs,
	})
	log, _ := a.step("Log", InputSigma)
	column, _ := a.step("Reshape", log, a.ints("column", -1, 1))
	difference, _ := a.step("Sub", column, table)
	distance, _ := a.step("Abs", difference)
	label, node := a.step("ArgMin", distance)
	node.Attribute = []*protos.AttributeProto{integer("axis", 1), integer("keepdims", 0)}
	return label
}

func integer(name string, value int64) *protos.AttributeProto {
	return &protos.AttributeProto{Name: name, Type: protos.AttributeProto_INT, I: value}
}

// expose gives the graph the inputs and the output of the contract.
func (a *adoption) expose(x, level, output *protos.ValueInfoProto, shape []int) {
	graph := a.graph
	graph.Node = append(a.first, graph.GetNode()...)
	graph.Node = append(graph.Node, &protos.NodeProto{
		Name: a.names.fresh("adopt/score"), OpType: "Identity", Input: []string{output.GetName()}, Output: []string{OutputScore},
	})
	kept := slices.DeleteFunc(graph.GetInput(), func(v *protos.ValueInfoProto) bool { return v == x || v == level })
	graph.Input = append([]*protos.ValueInfoProto{float32Value(InputX, shape), float32Value(InputSigma, nil)}, kept...)
	elem := output.GetType().GetTensorType().GetElemType()
	graph.Output = []*protos.ValueInfoProto{float32Value(OutputScore, shape)}
	graph.Output[0].GetType().GetTensorType().ElemType = elem // Check refuses what is not float32
}

// float32Value describes a tensor [N, shape...].
func float32Value(name string, shape []int) *protos.ValueInfoProto {
	axes := []*protos.TensorShapeProto_Dimension{{Value: &protos.TensorShapeProto_Dimension_DimParam{DimParam: "N"}}}
	for _, n := range shape {
		axes = append(axes, &protos.TensorShapeProto_Dimension{Value: &protos.TensorShapeProto_Dimension_DimValue{DimValue: int64(n)}})
	}
	return &protos.ValueInfoProto{Name: name, Type: &protos.TypeProto{Value: &protos.TypeProto_TensorType{TensorType: &protos.TypeProto_Tensor{
		ElemType: int32(protos.TensorProto_FLOAT), Shape: &protos.TensorShapeProto{Dim: axes},
	}}}}
}

// FindSigmas returns the noise schedule that a foreign graph holds as a tensor called sigmas, as NCSNv2's networks do, or
// nil if there is none: positive float32 numbers, strictly decreasing.
func FindSigmas(model *protos.ModelProto) []float64 {
	for _, tensor := range model.GetGraph().GetInitializer() {
		name := tensor.GetName()
		if name[strings.LastIndex(name, ".")+1:] != "sigmas" || tensor.GetDataType() != int32(protos.TensorProto_FLOAT) || len(tensor.GetDims()) != 1 {
			continue
		}
		var sigmas []float64
		for _, v := range floatsOf(tensor) {
			if n := len(sigmas); !(v > 0) || n > 0 && float64(v) >= sigmas[n-1] {
				return nil
			}
			sigmas = append(sigmas, float64(v))
		}
		return sigmas
	}
	return nil
}

// floatsOf are a float32 tensor's values, in either of the places where a file may have them.
func floatsOf(tensor *protos.TensorProto) []float32 {
	raw := tensor.GetRawData()
	if len(raw) == 0 {
		return tensor.GetFloatData()
	}
	values := make([]float32, len(raw)/4)
	for i := range values {
		values[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
	}
	return values
}
