package models

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"github.com/gomlx/compute-onnx/support/protos"
	"github.com/x448/float16"
	"google.golang.org/protobuf/proto"
)

// halfProducts are the operators for which half precision is useful: nearly all of a network's arithmetic.
var halfProducts = []string{"Conv", "ConvTranspose", "Gemm", "MatMul"}

// halfOperands are the operators that may be between products in half precision, with the inputs that have the type of
// the output; nil for all inputs. Sums over many elements, powers and quotients are excluded, because they overflow or
// lose most precision.
var halfOperands = map[string][]int{
	"Conv": nil, "ConvTranspose": nil, "Gemm": nil, "MatMul": nil,
	"Add": nil, "Sub": nil, "Mul": nil, "Neg": nil, "Abs": nil, "Identity": nil, "Concat": nil,
	"Relu": nil, "LeakyRelu": nil, "Elu": nil, "Sigmoid": nil, "Tanh": nil, "Softplus": nil,
	"AveragePool": nil, "MaxPool": nil, "GlobalAveragePool": nil, "InstanceNormalization": nil,
	"Reshape": {0}, "Transpose": {0}, "Squeeze": {0}, "Unsqueeze": {0}, "Expand": {0}, "Slice": {0}, "Split": {0},
	"Resize": {0}, "Pad": {0, 2},
}

// HalfPrecision rewrites model so that its products, and the operators between them, are computed in float16. It
// returns the number of those nodes. Inputs and output stay float32. The first and the last products of every path stay
// float32, because x may differ from the data by less than a float16 can represent. Everything before and after them
// stays float32 too: the processing of sigma, and the division of the score by it. It is an error if float16 cannot
// represent a weight, or if no product is between others.
//
// The bytes and the precision of samples change, so compare them with those of the original.
func HalfPrecision(model *protos.ModelProto) (converted int, err error) {
	h := newHalving(model.GetGraph())
	h.choose()
	if len(h.half) == 0 {
		return 0, fmt.Errorf("half precision: no product of the graph is between others, so nothing would be gained")
	}
	if err := h.rewrite(); err != nil {
		return 0, fmt.Errorf("half precision: %w", err)
	}
	return len(h.half), nil
}

// ToHalf returns the bytes of the model of a file after [HalfPrecision], with the manifest m, and the number of nodes
// in float16.
func ToHalf(file []byte, m Manifest) (converted []byte, nodes int, err error) {
	model, err := Decode(file, m)
	if err != nil {
		return nil, 0, err
	}
	WidenStored(model)
	if nodes, err = HalfPrecision(model); err != nil {
		return nil, 0, err
	}
	if err := Attach(model, m); err != nil {
		return nil, 0, err
	}
	converted, err = proto.MarshalOptions{Deterministic: true}.Marshal(model)
	return converted, nodes, err
}

// halving rewrites a graph. A value's own name keeps its float32 meaning.
type halving struct {
	graph  *protos.GraphProto
	names  taken
	stored map[string]*protos.TensorProto
	half   map[*protos.NodeProto]bool
	made   map[string]bool   // values that nodes in float16 compute
	halves map[string]string // the float16 copy of a value
	nodes  []*protos.NodeProto
}

func newHalving(graph *protos.GraphProto) *halving {
	h := &halving{
		graph: graph, names: takenNames(graph), stored: map[string]*protos.TensorProto{},
		half: map[*protos.NodeProto]bool{}, made: map[string]bool{}, halves: map[string]string{},
	}
	for _, tensor := range graph.GetInitializer() {
		h.stored[tensor.GetName()] = tensor
	}
	return h
}

func isProduct(node *protos.NodeProto) bool {
	return isDefaultDomain(node.GetDomain()) && slices.Contains(halfProducts, node.GetOpType())
}

// operands returns the inputs of a node that would become float16, and whether the node may be converted.
func operands(node *protos.NodeProto) (names []string, ok bool) {
	which, ok := halfOperands[node.GetOpType()]
	if !ok || !isDefaultDomain(node.GetDomain()) {
		return nil, false
	}
	for i, name := range node.GetInput() {
		if name != "" && (which == nil || slices.Contains(which, i)) {
			names = append(names, name)
		}
	}
	return names, true
}

// choose marks the products that have others before and after them, and the operators between marked nodes.
func (h *halving) choose() {
	after := map[string]bool{}  // values that depend on a product
	before := map[string]bool{} // values on which a product depends
	nodes := h.graph.GetNode()
	for _, node := range slices.Backward(nodes) {
		if isProduct(node) || anyOf(before, node.GetOutput()) {
			mark(before, node.GetInput())
		}
	}
	for _, node := range nodes {
		inputs, may := operands(node)
		dependent := anyOf(after, node.GetInput())
		if dependent || isProduct(node) {
			mark(after, node.GetOutput())
		}
		between := dependent && anyOf(before, node.GetOutput())
		if may && between && (isProduct(node) || anyOf(h.made, inputs)) {
			h.half[node] = true
			mark(h.made, node.GetOutput())
		}
	}
}

func mark(set map[string]bool, names []string) {
	for _, name := range names {
		set[name] = true
	}
}

func anyOf(set map[string]bool, names []string) bool {
	return slices.ContainsFunc(names, func(name string) bool { return name != "" && set[name] })
}

// rewrite replaces the nodes of the graph and adds casts between the types.
func (h *halving) rewrite() error {
	wanted := h.wantedWhole()
	for _, node := range h.graph.GetNode() {
		if !h.half[node] {
			h.nodes = append(h.nodes, node)
			continue
		}
		inputs, _ := operands(node)
		for i, name := range node.GetInput() {
			if slices.Contains(inputs, name) {
				twin, err := h.twin(name)
				if err != nil {
					return err
				}
				node.Input[i] = twin
			}
		}
		h.nodes = append(h.nodes, node)
		for i, name := range node.GetOutput() {
			node.Output[i] = h.names.fresh(name + "/half")
			h.halves[name] = node.Output[i]
			if wanted[name] {
				h.cast(node.Output[i], name, protos.TensorProto_FLOAT)
			}
		}
	}
	h.graph.Node = h.nodes
	h.graph.ValueInfo = nil // it has types that have changed
	h.dropUnused()
	return nil
}

// wantedWhole returns the values that are read in float32: by other nodes, by nested graphs, or as the graph's output.
func (h *halving) wantedWhole() map[string]bool {
	wanted := map[string]bool{}
	for graph := range subgraphs(h.graph) {
		for _, node := range graph.GetNode() {
			if !h.half[node] {
				mark(wanted, node.GetInput())
				continue
			}
			inputs, _ := operands(node)
			for _, name := range node.GetInput() {
				if !slices.Contains(inputs, name) {
					wanted[name] = true
				}
			}
		}
		for _, output := range graph.GetOutput() {
			wanted[output.GetName()] = true
		}
	}
	return wanted
}

// twin returns the float16 copy of a value, and makes it if necessary.
func (h *halving) twin(name string) (string, error) {
	if twin := h.halves[name]; twin != "" {
		return twin, nil
	}
	twin := h.names.fresh(name + "/half")
	h.halves[name] = twin
	tensor := h.stored[name]
	if tensor == nil {
		h.cast(name, twin, protos.TensorProto_FLOAT16)
		return twin, nil
	}
	data, err := halfData(tensor)
	h.graph.Initializer = append(h.graph.Initializer, &protos.TensorProto{
		Name: twin, Dims: tensor.GetDims(), DataType: int32(protos.TensorProto_FLOAT16), RawData: data,
	})
	return twin, err
}

func (h *halving) cast(from, to string, kind protos.TensorProto_DataType) {
	h.nodes = append(h.nodes, &protos.NodeProto{
		Name: h.names.fresh(to + "/cast"), OpType: "Cast", Input: []string{from}, Output: []string{to},
		Attribute: []*protos.AttributeProto{{Name: "to", Type: protos.AttributeProto_INT, I: int64(kind)}},
	})
}

// dropUnused removes the stored tensors that no node reads.
func (h *halving) dropUnused() {
	used := map[string]bool{}
	for graph := range subgraphs(h.graph) {
		for _, node := range graph.GetNode() {
			mark(used, node.GetInput())
		}
		for _, output := range graph.GetOutput() {
			used[output.GetName()] = true
		}
	}
	unused := func(name string) bool { return h.stored[name] != nil && !used[name] }
	h.graph.Initializer = slices.DeleteFunc(h.graph.Initializer,
		func(t *protos.TensorProto) bool { return unused(t.GetName()) })
	h.graph.Input = slices.DeleteFunc(h.graph.Input, func(v *protos.ValueInfoProto) bool { return unused(v.GetName()) })
}

// halfData returns a float32 tensor's elements as little-endian float16, rounded to nearest.
func halfData(tensor *protos.TensorProto) ([]byte, error) {
	if kind := protos.TensorProto_DataType(tensor.GetDataType()); kind != protos.TensorProto_FLOAT {
		return nil, fmt.Errorf("tensor %q is %s: want FLOAT", tensor.GetName(), kind)
	}
	values := tensor.GetFloatData()
	if raw := tensor.GetRawData(); len(raw) > 0 {
		values = make([]float32, len(raw)/4)
		for i := range values {
			values[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
		}
	}
	data := make([]byte, 0, 2*len(values))
	for i, v := range values {
		f := float16.Fromfloat32(v)
		if f.IsInf(0) || f.IsNaN() {
			return nil, fmt.Errorf("tensor %q: element %d is %g, beyond float16", tensor.GetName(), i, v)
		}
		data = binary.LittleEndian.AppendUint16(data, f.Bits())
	}
	return data, nil
}
