package models

import (
	"errors"
	"fmt"
	"slices"

	"github.com/gomlx/compute-onnx/support/protos"
)

// table is a stored tensor from which an input of whole numbers selects elements or rows.
type table struct {
	name string
	rows int64
}

// selectedBy returns the values from which the input with the given name selects elements or rows.
func selectedBy(graph *protos.GraphProto, input string) (names []string) {
	indices := map[string]bool{input: true}
	for _, node := range graph.GetNode() {
		in := node.GetInput()
		switch node.GetOpType() {
		case "Cast", "Identity", "Unsqueeze", "Squeeze", "Reshape", "Flatten", "Expand":
			if len(in) > 0 && indices[in[0]] {
				mark(indices, node.GetOutput())
			}
		case "Gather", "GatherND":
			if len(in) == 2 && indices[in[1]] && attributeOf(node, "axis").GetI() == 0 {
				names = append(names, in[0])
			}
		}
	}
	return names
}

// tablesOf returns the stored tensors from which an input selects, in their order in the graph.
func tablesOf(graph *protos.GraphProto, input string) (tables []table) {
	for _, tensor := range storedTensors(graph, among(selectedBy(graph, input))) {
		if dims := tensor.GetDims(); len(dims) > 0 {
			tables = append(tables, table{tensor.GetName(), dims[0]})
		}
	}
	return tables
}

// storedTensors returns the tensors that a graph has under a wanted name: as initializers, as constants, or as
// initializers of float16 that are cast to float32.
func storedTensors(graph *protos.GraphProto, wanted func(name string) bool) (stored []*protos.TensorProto) {
	for _, tensor := range graph.GetInitializer() {
		if wanted(tensor.GetName()) {
			stored = append(stored, tensor)
		}
	}
	halves := halfTensors(graph)
	for _, node := range graph.GetNode() {
		if !slices.ContainsFunc(node.GetOutput(), wanted) {
			continue
		}
		if isCastToFloat32(node) {
			if half, ok := halves[node.GetInput()[0]]; ok {
				stored = append(stored, widen32(graph.GetInitializer()[half], node.GetOutput()[0]))
			}
		}
		if value := attributeOf(node, "value").GetT(); isConstant(node) && value != nil {
			stored = append(stored, &protos.TensorProto{
				Name: node.GetOutput()[0], DataType: value.GetDataType(), Dims: value.GetDims(),
				RawData: value.GetRawData(), FloatData: value.GetFloatData(), DoubleData: value.GetDoubleData(),
			})
		}
	}
	return stored
}

// among returns whether a name is one of some.
func among(names []string) func(name string) bool {
	return func(name string) bool { return slices.Contains(names, name) }
}

func isConstant(node *protos.NodeProto) bool {
	return node.GetOpType() == "Constant" && len(node.GetOutput()) == 1
}

// checkClassTables returns an error if a class of the condition has no row in a table that the input c selects from.
func checkClassTables(graph *protos.GraphProto, c *Condition) error {
	if c == nil || c.Classes == 0 {
		return nil
	}
	for _, t := range tablesOf(graph, InputC) {
		if t.rows < int64(c.Kinds()) {
			return fmt.Errorf("condition.classes is %s: the network has %d, the rows of its tensor %q", c.counted(),
				t.rows, brief(t.name))
		}
	}
	return nil
}

// checkTables compares the tables of a foreign network, from which its labels or steps and its classes select, with
// what the flags say. Too few rows are an error. Rows that nothing can select are a warning.
func (f Foreign) checkTables(graph *protos.GraphProto, theirs foreignValues, m Manifest) error {
	level := theirs.level.GetName()
	if n := len(m.Sigmas); f.Takes.Kind == LevelLabel {
		err := f.checkRows(graph, level, n, func(t table) string {
			return fmt.Sprintf("the network knows the labels of %d levels, the rows of its tensor %q, and the "+
				"schedule has %d: give the training's with --sigmas", t.rows, brief(t.name), n)
		})
		if err != nil {
			return err
		}
	}
	if n := f.Takes.Steps; f.Takes.Kind == LevelStep && isInteger(theirs.level) {
		err := f.checkRows(graph, level, n, func(t table) string {
			return fmt.Sprintf("--time is steps:%d: the network has %d steps, the rows of its tensor %q", n, t.rows,
				brief(t.name))
		})
		if err != nil {
			return err
		}
	}
	if c := m.Condition; theirs.given != nil && c.Classes > 0 && isInteger(theirs.given) {
		return f.checkRows(graph, theirs.given.GetName(), c.Kinds(), func(t table) string {
			return fmt.Sprintf("--classes is %s: the network has %d, the rows of its tensor %q", c.counted(), t.rows,
				brief(t.name))
		})
	}
	return nil
}

// checkRows returns an error if a table from which an input selects has fewer rows than wanted, and warns if it has
// more.
func (f Foreign) checkRows(graph *protos.GraphProto, input string, wanted int, describe func(table) string) error {
	for _, t := range tablesOf(graph, input) {
		switch {
		case t.rows < int64(wanted):
			return errors.New(describe(t))
		case t.rows > int64(wanted) && f.Warn != nil:
			f.Warn(describe(t))
		}
	}
	return nil
}
