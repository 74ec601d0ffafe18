package models

import (
	"fmt"
	"math"
	"slices"

	"github.com/gomlx/compute-onnx/support/protos"
)

// LevelKind says in which form a foreign network takes the noise level.
type LevelKind string

const (
	LevelLabel LevelKind = "label" // the index of the level, an integer: NCSN, NCSNv2
	LevelSigma LevelKind = "sigma" // sigma itself: the VE networks of Score SDE
)

// Foreign describes the inputs and the output of a network that another program exported. The zero Foreign lets [Adopt]
// find out.
type Foreign struct {
	X         string    // name of the input for samples; if empty, types, shapes and names decide
	Level     string    // name of the input for the noise level; if empty, the other one
	Output    string    // name of the output; if empty, the only one
	LevelKind LevelKind // if empty, label for an integer input and sigma for a float one
	Rules     Rules     // of the check of the result
}

// adoptOpset is the first operator set that has the ArgMin, Cast and Reshape that are written here.
const adoptOpset = 11

// Adopt rewrites model, the graph of another program's network, to the contract of [Rules.Check] and attaches m. A
// network that takes the index of a noise level gets the index of the sigma of m that is nearest by ratio. For the
// sigmas of m, which samplers use, that is the level itself. m.Shape may be empty; the shape then comes from the input.
// Errors wrap [ErrInvalid] and say what to export instead.
func Adopt(model *protos.ModelProto, f Foreign, m Manifest) (Manifest, error) {
	m, err := adopt(model, f, m)
	if err != nil {
		return m, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if err := Attach(model, m); err != nil {
		return m, err
	}
	return m, f.Rules.Check(model, m)
}

func adopt(model *protos.ModelProto, f Foreign, m Manifest) (Manifest, error) {
	graph := model.GetGraph()
	if graph == nil {
		return m, fmt.Errorf("the file has no graph")
	}
	if opset := defaultOpset(model); opset < adoptOpset {
		return m, fmt.Errorf("operator set is %d: export with opset_version=%d or newer", opset, adoptOpset)
	}
	output, err := f.output(graph.GetOutput())
	if err != nil {
		return m, err
	}
	x, level, err := f.inputs(inputsOf(graph), output)
	if err != nil {
		return m, err
	}
	if err := checkPrecision(x, output); err != nil {
		return m, err
	}
	if m.Shape, err = foreignShape(x, m.Shape); err != nil {
		return m, err
	}
	kind, err := levelKind(level, f.LevelKind)
	if err != nil {
		return m, err
	}
	if kind == LevelLabel {
		if err := checkLabels(graph, len(m.Sigmas)); err != nil {
			return m, err
		}
	}
	a := adoption{graph: graph, names: takenNames(graph)}
	// The inputs x and level and the output are renamed too.
	for _, name := range []string{InputX, InputSigma, OutputScore} {
		a.free(name)
	}
	a.prepend("Identity", x.GetName(), a.cast(InputX, protos.TensorProto_FLOAT, elementType(x)))
	a.level(level, kind, m.Sigmas)
	a.expose(x, level, output, m.Shape)
	return m, nil
}

func (f Foreign) output(outputs []*protos.ValueInfoProto) (*protos.ValueInfoProto, error) {
	for _, v := range outputs {
		if v.GetName() == f.Output || f.Output == "" && len(outputs) == 1 {
			return v, nil
		}
	}
	return nil, fmt.Errorf("outputs are %q: want one, so say which of them with --output-name", namesOf(outputs))
}

func namesOf(values []*protos.ValueInfoProto) []string {
	names := make([]string, len(values))
	for i, v := range values {
		names[i] = v.GetName()
	}
	return names
}

// foreignShape returns the shape of a sample. The input may leave axes open, and shape may fill them.
func foreignShape(x *protos.ValueInfoProto, shape []int) ([]int, error) {
	axes := x.GetType().GetTensorType().GetShape().GetDim()
	if len(axes) < 2 {
		return nil, fmt.Errorf("%s: shape is %s: want [N, ...]", x.GetName(), describe(axes))
	}
	if _, fixed := fixedSize(axes[0]); fixed {
		return nil, fmt.Errorf("%s: shape is %s: want a free first axis, "+
			"so export with dynamic_axes={%q: {0: \"N\"}, ...} for both inputs and the output",
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
			return nil, fmt.Errorf("%s: shape is %s: say the shape of a sample with --shape", x.GetName(),
				describe(axes))
		case fixed && int(size) != shape[i]:
			return nil, fmt.Errorf("%s: shape is %s: want %s", x.GetName(), describe(axes), want(shape))
		}
	}
	return found, nil
}

// adoption adds nodes before and after a graph.
type adoption struct {
	graph *protos.GraphProto
	names taken
	first []*protos.NodeProto
}

// free renames the value with the given name, so that the name can be used.
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

// prepend adds a node before the graph.
func (a *adoption) prepend(op, output string, inputs ...string) *protos.NodeProto {
	node := &protos.NodeProto{Name: a.names.fresh("adopt/" + op), OpType: op, Input: inputs, Output: []string{output}}
	a.first = append(a.first, node)
	return node
}

// compute adds a node before the graph and returns its output, which has a new name.
func (a *adoption) compute(op string, inputs ...string) (output string, node *protos.NodeProto) {
	output = a.names.fresh("adopt/" + op + "_value")
	return output, a.prepend(op, output, inputs...)
}

// cast returns a value converted to another type.
func (a *adoption) cast(value string, is, want protos.TensorProto_DataType) string {
	if is == want {
		return value
	}
	output, node := a.compute("Cast", value)
	node.Attribute = []*protos.AttributeProto{integer("to", int64(want))}
	return output
}

func (a *adoption) constant(name string, tensor *protos.TensorProto) string {
	tensor.Name = a.names.fresh("adopt/" + name)
	a.graph.Initializer = append(a.graph.Initializer, tensor)
	return tensor.Name
}

func (a *adoption) ints(name string, values ...int64) string {
	return a.constant(name, &protos.TensorProto{DataType: int32(protos.TensorProto_INT64),
		Dims: []int64{int64(len(values))}, Int64Data: values})
}

// level computes the input for the level from sigma.
func (a *adoption) level(level *protos.ValueInfoProto, kind LevelKind, sigmas []float64) {
	value, is := InputSigma, protos.TensorProto_FLOAT
	if kind == LevelLabel {
		value, is = a.nearest(sigmas), protos.TensorProto_INT64
	}
	value = a.cast(value, is, elementType(level))
	if n := len(level.GetType().GetTensorType().GetShape().GetDim()); n > 1 { // [N, 1...]
		axes := append([]int64{-1}, slices.Repeat([]int64{1}, n-1)...)
		value, _ = a.compute("Reshape", value, a.ints("level_shape", axes...))
	}
	a.prepend("Identity", level.GetName(), value)
}

// nearest returns the index of the sigma whose logarithm is nearest to the input's.
func (a *adoption) nearest(sigmas []float64) string {
	logs := make([]float32, len(sigmas))
	for i, sigma := range sigmas {
		logs[i] = float32(math.Log(sigma))
	}
	table := a.constant("log_sigmas", &protos.TensorProto{
		DataType: int32(protos.TensorProto_FLOAT), Dims: []int64{1, int64(len(logs))}, FloatData: logs,
	})
	log, _ := a.compute("Log", InputSigma)
	column, _ := a.compute("Reshape", log, a.ints("column", -1, 1))
	difference, _ := a.compute("Sub", column, table)
	distance, _ := a.compute("Abs", difference)
	label, node := a.compute("ArgMin", distance)
	node.Attribute = []*protos.AttributeProto{integer("axis", 1), integer("keepdims", 0)}
	return label
}

func integer(name string, value int64) *protos.AttributeProto {
	return &protos.AttributeProto{Name: name, Type: protos.AttributeProto_INT, I: value}
}

// expose gives the graph the inputs and the output of the contract.
func (a *adoption) expose(x, level, output *protos.ValueInfoProto, shape []int) {
	graph := a.graph
	score := &protos.NodeProto{
		Name: a.names.fresh("adopt/score"), OpType: "Cast", Input: []string{output.GetName()},
		Output:    []string{OutputScore},
		Attribute: []*protos.AttributeProto{integer("to", int64(protos.TensorProto_FLOAT))},
	}
	if elementType(output) == protos.TensorProto_FLOAT {
		score.OpType, score.Attribute = "Identity", nil
	}
	graph.Node = slices.Concat(a.first, graph.GetNode(), []*protos.NodeProto{score})
	kept := slices.DeleteFunc(graph.GetInput(), func(v *protos.ValueInfoProto) bool { return v == x || v == level })
	graph.Input = append([]*protos.ValueInfoProto{float32Value(InputX, shape), float32Value(InputSigma, nil)}, kept...)
	graph.Output = []*protos.ValueInfoProto{float32Value(OutputScore, shape)}
}

// float32Value describes a tensor [N, shape...].
func float32Value(name string, shape []int) *protos.ValueInfoProto {
	axes := []*protos.TensorShapeProto_Dimension{{Value: &protos.TensorShapeProto_Dimension_DimParam{DimParam: "N"}}}
	for _, n := range shape {
		size := &protos.TensorShapeProto_Dimension_DimValue{DimValue: int64(n)}
		axes = append(axes, &protos.TensorShapeProto_Dimension{Value: size})
	}
	return &protos.ValueInfoProto{Name: name,
		Type: &protos.TypeProto{Value: &protos.TypeProto_TensorType{TensorType: &protos.TypeProto_Tensor{
			ElemType: int32(protos.TensorProto_FLOAT), Shape: &protos.TensorShapeProto{Dim: axes},
		}}}}
}
