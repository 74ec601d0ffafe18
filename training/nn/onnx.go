package nn

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/gomlx/compute-onnx/support/protos"
)

// The dialect of ONNX that [Graph.ONNX] writes.
const (
	IRVersion = 8
	Opset     = 18
)

// ONNX writes g with the given flat vector of parameters as an ONNX model: inputs x, float32 [N, shape...], and sigma,
// float32 [N]; output score, shaped as x; N free. A classifier has the input x and the outputs features, logits and
// probabilities. Tensors carry the names of g's nodes and the parameters are raw
// little-endian initializers. An operation is one ONNX node except for Softplus, written as the faster
// Relu(x) + Log(1 + Exp(-Abs(x))), and Nearest, an ArgMin of distances.
func (g *Graph) ONNX(name string, params []float32) (*protos.ModelProto, error) {
	if len(params) != g.NumParams() {
		return nil, fmt.Errorf("nn: export %s: %d parameters given, the network has %d", name, len(params), g.NumParams())
	}
	w := onnxWriter{graph: &protos.GraphProto{
		Name: name, Input: valueInfos(g.inputs()), Output: valueInfos(g.Outputs),
	}, constants: make(map[string]bool)}
	for _, n := range g.Nodes {
		w.write(n)
	}
	for i, values := range g.Split(params) {
		w.float32s(g.Params[i].Name, g.Params[i].Shape, values)
	}
	return &protos.ModelProto{
		IrVersion:    IRVersion,
		ProducerName: "langevin",
		OpsetImport:  []*protos.OperatorSetIdProto{{Version: Opset}},
		Graph:        w.graph,
	}, nil
}

// onnxWriter appends to an ONNX graph.
type onnxWriter struct {
	graph     *protos.GraphProto
	constants map[string]bool // initializers written, of those that several nodes may share
}

func (w *onnxWriter) write(n *Node) {
	in := make([]string, len(n.Inputs))
	for i, input := range n.Inputs {
		in[i] = input.Name
	}
	switch n.Op {
	case OpConstant:
		w.float32s(n.Name, n.Shape, float32s(n.Values))
	case OpUnsqueeze:
		w.node("Unsqueeze", n.Name, in[0], w.int64s("axes", n.Axes))
	case OpConcat:
		w.node("Concat", n.Name, in...).Attribute = []*protos.AttributeProto{intAttribute("axis", n.Axes[0])}
	case OpAdd, OpSub, OpMul, OpDiv, OpSigmoid, OpTanh, OpReLU, OpELU, OpExp, OpLog, OpSqrt, OpSin, OpCos, OpSoftmax:
		w.node(string(n.Op), n.Name, in...) // these have ONNX's names
	case OpSoftplus:
		w.softplus(n.Name, in[0])
	case OpDense:
		w.node("Gemm", n.Name, in...)
	case OpNearest:
		w.nearest(n, in[0])
	case OpGather:
		w.node("Gather", n.Name, in...)
	case OpReshape:
		w.node("Reshape", n.Name, in[0], w.int64s("shape", append([]int{0}, n.Shape[1:]...))) // 0: as in the input
	case OpReduceMean:
		w.node("ReduceMean", n.Name, in[0], w.int64s("axes", n.Axes))
	case OpConv, OpConvTranspose, OpInstanceNorm, OpMeanPool, OpMaxPool, OpUpsample, OpResize, OpSpaceToDepth, OpDepthToSpace:
		w.writeImage(n, in)
	default:
		panic(fmt.Sprintf("nn: no ONNX form of %s", n.Op))
	}
}

// node appends an operator whose name is that of its one output.
func (w *onnxWriter) node(op, output string, inputs ...string) *protos.NodeProto {
	n := &protos.NodeProto{OpType: op, Name: output, Input: inputs, Output: []string{output}}
	w.graph.Node = append(w.graph.Node, n)
	return n
}

// step appends an operator inside the expansion of the node called output, and returns the name of its result.
func (w *onnxWriter) step(op, output string, inputs ...string) string {
	return w.node(op, output+"/"+op, inputs...).Output[0]
}

// softplus: ONNX Runtime's own Softplus takes four times as long.
func (w *onnxWriter) softplus(name, x string) {
	one := w.shared("one", 1)
	tail := w.step("Log", name, w.step("Add", name, w.step("Exp", name, w.step("Neg", name, w.step("Abs", name, x))), one))
	w.node("Add", name, w.step("Relu", name, x), tail)
}

func (w *onnxWriter) nearest(n *Node, sigma string) {
	values := n.Name + "/values"
	w.float32s(values, []int{1, len(n.Values)}, float32s(n.Values))
	column := w.step("Unsqueeze", n.Name, sigma, w.int64s("axes", []int{1}))
	index := w.node("ArgMin", n.Name, w.step("Abs", n.Name, w.step("Sub", n.Name, column, values)))
	index.Attribute = []*protos.AttributeProto{intAttribute("axis", 1), intAttribute("keepdims", 0)}
}

func intAttribute(name string, value int) *protos.AttributeProto {
	return &protos.AttributeProto{Name: name, Type: protos.AttributeProto_INT, I: int64(value)}
}

func (w *onnxWriter) float32s(name string, shape []int, values []float32) {
	raw := make([]byte, 0, 4*len(values))
	for _, v := range values {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
	}
	w.initializer(name, protos.TensorProto_FLOAT, shape, raw)
}

// shared is a float32 scalar that many nodes may use.
func (w *onnxWriter) shared(name string, value float32) string {
	if !w.constants[name] {
		w.constants[name] = true
		w.float32s(name, nil, []float32{value})
	}
	return name
}

// int64s is a list of integers that many nodes may use, under a name that tells its contents.
func (w *onnxWriter) int64s(name string, values []int) string {
	var raw []byte
	for _, v := range values {
		name += fmt.Sprintf("_%d", v)
		raw = binary.LittleEndian.AppendUint64(raw, uint64(v))
	}
	if !w.constants[name] {
		w.constants[name] = true
		w.initializer(name, protos.TensorProto_INT64, []int{len(values)}, raw)
	}
	return name
}

func (w *onnxWriter) initializer(name string, dtype protos.TensorProto_DataType, shape []int, raw []byte) {
	dims := make([]int64, len(shape))
	for i, n := range shape {
		dims[i] = int64(n)
	}
	tensor := &protos.TensorProto{Name: name, DataType: int32(dtype), Dims: dims, RawData: raw}
	w.graph.Initializer = append(w.graph.Initializer, tensor)
}

func valueInfos(nodes []*Node) []*protos.ValueInfoProto {
	infos := make([]*protos.ValueInfoProto, len(nodes))
	for i, n := range nodes {
		infos[i] = valueInfo(n)
	}
	return infos
}

// valueInfo declares a float32 tensor whose first axis is called N.
func valueInfo(n *Node) *protos.ValueInfoProto {
	shape := &protos.TensorShapeProto{}
	for _, size := range n.Shape {
		axis := &protos.TensorShapeProto_Dimension{Value: &protos.TensorShapeProto_Dimension_DimValue{DimValue: int64(size)}}
		if size == Batch {
			axis.Value = &protos.TensorShapeProto_Dimension_DimParam{DimParam: "N"}
		}
		shape.Dim = append(shape.Dim, axis)
	}
	tensor := &protos.TypeProto_Tensor{ElemType: int32(protos.TensorProto_FLOAT), Shape: shape}
	return &protos.ValueInfoProto{Name: n.Name, Type: &protos.TypeProto{Value: &protos.TypeProto_TensorType{TensorType: tensor}}}
}

func float32s(values []float64) []float32 {
	converted := make([]float32, len(values))
	for i, v := range values {
		converted[i] = float32(v)
	}
	return converted
}
