package models

import (
	"fmt"
	"slices"

	"github.com/gomlx/compute-onnx/support/protos"
)

// LevelKind says in which form a foreign network takes the noise level.
type LevelKind string

const (
	LevelLabel    LevelKind = "label"      // the index of the level, an integer: NCSN, NCSNv2
	LevelSigma    LevelKind = "sigma"      // sigma itself: the VE networks of Score SDE
	LevelLogSigma LevelKind = "log_sigma"  // a multiple of its logarithm: EDM
	LevelTime     LevelKind = "continuous" // the time of the process: Score SDE, rectified flow
	LevelStep     LevelKind = "steps"      // the index of a step, 0 for the least noise: DDPM
)

// Foreign describes the inputs and the output of a network that another program exported. The zero Foreign lets [Adopt]
// find out.
type Foreign struct {
	X        string   // name of the input for samples; if empty, types, shapes and names decide
	Level    string   // name of the input for the noise level; if empty, the other one
	Given    string   // name of the input for the condition; if empty, types, shapes and names decide
	Output   string   // name of the output; if empty, the only one
	Process  Process  // of the training
	Takes    Level    // for the noise level
	Computes Computed // if empty, the manifest's parameterization for VE, and else what is usual for the process
	Rules    Rules    // of the check of the result

	// Warn is called with one line for each oddity that [Adopt] finds, such as rows of a table that no class selects;
	// may be nil.
	Warn func(text string)

	// LearnedVariance says that the output has twice the channels of a sample, and that the second half is a variance,
	// which is left out (Nichol & Dhariwal 2021).
	LearnedVariance bool
}

// adoptOpset is the first operator set that has the ArgMin, Cast and Reshape that are written here.
const adoptOpset = 11

// Adopt rewrites model, the graph of another program's network, to the contract of [Rules.Check] and attaches m. Nodes
// around the network scale its input, make what it takes for the noise level, and convert its output.
//
// A network that takes the index of a noise level gets the index of the sigma of m that is nearest by ratio. For the
// sigmas of m, which samplers use, that is the level itself. A network that takes an integer step gets the step whose
// sigma is nearest by ratio; one that takes the step as a floating-point number gets a number between two steps, linear
// in the logarithm of sigma. Beyond the times or steps of the process it gets the last one.
//
// If m has a condition, the network has a third input for it: an integer, or a row with a 1 at the class, or a vector.
//
// m.Shape may be empty; the shape then comes from the input. For a process other than VE, so may m.Sigmas, m.Prior and
// m.Sampler.StepLR, which then come from the process, and m.Description, which then tells the process.
// m.Parameterization is set for networks that compute something else. Errors wrap [ErrInvalid] and say what to export
// instead, or which flag of the import to change.
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
	if err := m.Condition.Validate(); err != nil {
		return m, err
	}
	theirs, err := f.values(graph, m.Condition)
	if err != nil {
		return m, err
	}
	if err := checkPrecision(theirs.x, theirs.output); err != nil {
		return m, err
	}
	if m.Shape, err = foreignShape(theirs.x, m.Shape); err != nil {
		return m, err
	}
	if err := f.checkChannels(theirs.output, m.Shape); err != nil {
		return m, err
	}
	if f, err = f.decide(theirs.level, m.Parameterization); err != nil {
		return m, err
	}
	if m, err = f.Process.schedule(m, f.Takes); err != nil {
		return m, err
	}
	if err := f.checkTables(graph, theirs, m); err != nil {
		return m, err
	}
	if m.Description == "" && f.Process.Kind != ProcessVE {
		m.Description = "imported network: " + f.origin()
	}
	return surround(graph, theirs, f, m)
}

// foreignValues are the inputs and the output of a foreign graph. There is no condition if given is nil.
type foreignValues struct{ x, level, given, output *protos.ValueInfoProto }

// values identifies the inputs and the output of a foreign graph with a valid condition, or none.
func (f Foreign) values(graph *protos.GraphProto, c *Condition) (foreignValues, error) {
	output, err := f.output(graph.GetOutput())
	if err != nil {
		return foreignValues{}, err
	}
	given, others, err := f.split(inputsOf(graph), output, c)
	if err != nil {
		return foreignValues{}, err
	}
	x, level, err := f.inputs(others, output)
	return foreignValues{x, level, given, output}, err
}

// surround writes nodes before and after a graph, so that it has the inputs and the output of the contract. f and m are
// complete except for the parameterization, which is set.
func surround(graph *protos.GraphProto, theirs foreignValues, f Foreign, m Manifest) (Manifest, error) {
	a := adoption{graph: graph, names: takenNames(graph)}
	// The inputs and the output are renamed too.
	for _, name := range []string{InputX, InputSigma, InputC, OutputScore} {
		a.free(name)
	}
	axes := len(m.Shape)
	scaled := a.cast(a.scaled(f, axes), protos.TensorProto_FLOAT, elementType(theirs.x))
	a.write("Identity", theirs.x.GetName(), scaled)
	a.level(theirs.level, f, m.Sigmas)
	if theirs.given != nil {
		if err := a.given(theirs.given, m.Condition); err != nil {
			return m, err
		}
	}
	before := a.take()
	out := a.cast(theirs.output.GetName(), elementType(theirs.output), protos.TensorProto_FLOAT)
	if f.LearnedVariance {
		out, _ = a.compute("Slice", out, a.ints("from", 0), a.ints("to", int64(m.Shape[0])), a.ints("channels", 1))
	}
	score, parameterization := a.converted(f, out, axes)
	a.write("Identity", OutputScore, score)
	graph.Node = slices.Concat(before, graph.GetNode(), a.take())
	m.Parameterization = parameterization
	a.expose([]*protos.ValueInfoProto{theirs.x, theirs.level, theirs.given}, m)
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
	nodes []*protos.NodeProto // that were written since the last take
}

// take returns the nodes that were written since the last take.
func (a *adoption) take() []*protos.NodeProto {
	nodes := a.nodes
	a.nodes = nil
	return nodes
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

// write adds a node.
func (a *adoption) write(op, output string, inputs ...string) *protos.NodeProto {
	node := &protos.NodeProto{Name: a.names.fresh("adopt/" + op), OpType: op, Input: inputs, Output: []string{output}}
	a.nodes = append(a.nodes, node)
	return node
}

// compute adds a node and returns its output, which has a new name.
func (a *adoption) compute(op string, inputs ...string) (output string, node *protos.NodeProto) {
	output = a.names.fresh("adopt/" + op + "_value")
	return output, a.write(op, output, inputs...)
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
func (a *adoption) level(level *protos.ValueInfoProto, f Foreign, sigmas []float64) {
	value, is := a.levelOf(f, sigmas, isInteger(level))
	value = a.cast(value, is, elementType(level))
	if n := len(level.GetType().GetTensorType().GetShape().GetDim()); n > 1 { // [N, 1...]
		axes := append([]int64{-1}, slices.Repeat([]int64{1}, n-1)...)
		value, _ = a.compute("Reshape", value, a.ints("level_shape", axes...))
	}
	a.write("Identity", level.GetName(), value)
}

func integer(name string, value int64) *protos.AttributeProto {
	return &protos.AttributeProto{Name: name, Type: protos.AttributeProto_INT, I: value}
}

// expose gives the graph the inputs and the output of the contract, in place of foreign ones.
func (a *adoption) expose(foreign []*protos.ValueInfoProto, m Manifest) {
	graph := a.graph
	kept := slices.DeleteFunc(graph.GetInput(),
		func(v *protos.ValueInfoProto) bool { return slices.Contains(foreign, v) })
	own := []*protos.ValueInfoProto{float32Value(InputX, m.Shape), float32Value(InputSigma, nil)}
	if m.Condition != nil {
		own = append(own, conditionValue(m.Condition))
	}
	graph.Input = append(own, kept...)
	graph.Output = []*protos.ValueInfoProto{float32Value(OutputScore, m.Shape)}
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
