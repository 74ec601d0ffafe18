package models

import (
	"encoding/binary"

	"github.com/gomlx/compute-onnx/support/protos"
)

// value is what is known of a value in a graph before the graph is run.
type value struct {
	float  bool                // whether its elements are surely floating-point numbers
	varies bool                // whether its elements may depend on x, sigma or c
	stored *protos.TensorProto // its elements, if the file has them; otherwise nil
}

// constant returns the value of a stored tensor.
func constant(tensor *protos.TensorProto) value {
	return value{float: isFloat(int64(tensor.GetDataType())), stored: tensor}
}

// valueOf returns what is known of the value with a name. Of a value that has not been computed so far, nothing is.
func (o *operators) valueOf(name string) value {
	if v, known := o.values[name]; known {
		return v
	}
	return value{varies: true}
}

// define adds a value. If graphs have several values with one name, nothing is known of it.
func (o *operators) define(name string, v value) {
	if _, again := o.values[name]; again {
		v = value{varies: true}
	}
	o.values[name] = v
}

// defineOutputs adds the outputs of a node. The operators that the rules allow may compute anything.
func (o *operators) defineOutputs(node *protos.NodeProto) {
	operator, needed := scoreOperators[node.GetOpType()]
	needed = needed && isDefaultDomain(node.GetDomain())
	for i, name := range node.GetOutput() {
		switch {
		case name == "":
		case !needed:
			o.define(name, value{varies: true})
		default:
			v := o.result(node, operator)
			v.float = v.float && (i == 0 || node.GetOpType() == "Split")
			o.define(name, v)
		}
	}
}

// result returns what is known of the first output of a node.
func (o *operators) result(node *protos.NodeProto, operator operator) (result value) {
	in := node.GetInput()
	for _, name := range in {
		result.varies = result.varies || name != "" && o.valueOf(name).varies
	}
	switch operator.gives {
	case likeInput:
		if operator.like < len(in) {
			result.float = o.valueOf(in[operator.like]).float
		}
	case attributeType:
		result.float = isFloat(attributeOf(node, "to").GetI())
	case storedValue:
		return storedBy(node)
	case sizes:
		result.varies = false // all sizes depend on nothing but the number of rows
	}
	if operator.keeps && len(in) > 0 {
		result.stored = o.valueOf(in[0]).stored
	}
	return result
}

// storedBy returns the value of a Constant, and of ConstantOfShape, of which one element says all.
func storedBy(node *protos.NodeProto) value {
	for _, attribute := range node.GetAttribute() {
		switch attribute.GetName() {
		case "value":
			return constant(attribute.GetT())
		case "value_int":
			return constant(integers(nil, attribute.GetI()))
		case "value_ints":
			return constant(integers([]int64{int64(len(attribute.GetInts()))}, attribute.GetInts()...))
		case "value_float", "value_floats":
			return value{float: true}
		}
	}
	return value{float: node.GetOpType() == "ConstantOfShape"} // whose default is 0, a float32
}

func isFloat(dataType int64) bool {
	return dataType == int64(protos.TensorProto_FLOAT) || isOtherFloat(dataType)
}

// divides reports whether a stored tensor has integers of at least 1 and nothing else.
func divides(tensor *protos.TensorProto) bool {
	bits := elementBits[protos.TensorProto_DataType(tensor.GetDataType())]
	if tensor == nil || isFloat(int64(tensor.GetDataType())) || bits < 8 {
		return false
	}
	found := false
	least := int64(1)
	note := func(v int64) { found, least = true, min(least, v) }
	for raw, width := tensor.GetRawData(), int(bits/8); len(raw) >= width; raw = raw[width:] {
		note(signed(raw[:width]))
	}
	for _, v := range tensor.GetInt32Data() {
		note(int64(v))
	}
	for _, v := range tensor.GetInt64Data() {
		note(v)
	}
	return found && least >= 1
}

// signed returns the little-endian integer in two's complement of up to eight bytes.
func signed(raw []byte) int64 {
	var wide [8]byte
	copy(wide[8-len(raw):], raw)
	return int64(binary.LittleEndian.Uint64(wide[:])) >> (64 - 8*len(raw))
}
