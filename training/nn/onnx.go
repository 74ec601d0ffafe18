package nn

import (
	"fmt"

	"github.com/gomlx/compute-onnx/support/protos"

	"github.com/langevin-ml/langevin/models/onnxgraph"
)

// This is the dialect of ONNX that [Graph.ONNX] writes.
const (
	IRVersion = 8
	Opset     = 18
)

// ONNX returns g with the given flat vector of parameters as an ONNX model. The inputs are x, float32 [N, shape...],
// and sigma, float32 [N]. If there is a condition, there is a third input c: int64 [N] for a class, float32 [N, width]
// for a vector. The output is score, with x's shape. N is free. A classifier has the input x and the outputs features,
// logits and probabilities. Tensors have the names of g's nodes, and the parameters are raw little-endian initializers.
// An operation is one ONNX node, with two exceptions: Softplus is the faster Relu(x) + Log(1 + Exp(-Abs(x))), and
// Nearest is an ArgMin of distances.
func (g *Graph) ONNX(name string, params []float32) (*protos.ModelProto, error) {
	if len(params) != g.NumParams() {
		return nil, fmt.Errorf("nn: export %s: %d parameters given, the network has %d",
			name, len(params), g.NumParams())
	}
	w := onnxWriter{onnxgraph.NewWriter(&protos.GraphProto{
		Name: name, Input: valueInfos(g.inputs()), Output: valueInfos(g.Outputs),
	})}
	for _, n := range g.Nodes {
		w.write(n)
	}
	for i, values := range g.Split(params) {
		w.Float32s(g.Params[i].Name, g.Params[i].Shape, values)
	}
	return &protos.ModelProto{
		IrVersion:    IRVersion,
		ProducerName: "langevin",
		OpsetImport:  []*protos.OperatorSetIdProto{{Version: Opset}},
		Graph:        w.Graph,
	}, nil
}

// onnxWriter appends the nodes of a network to an ONNX graph.
type onnxWriter struct{ *onnxgraph.Writer }

func (w onnxWriter) write(n *Node) {
	in := make([]string, len(n.Inputs))
	for i, input := range n.Inputs {
		in[i] = input.Name
	}
	switch n.Op {
	case OpConstant:
		w.Float32s(n.Name, n.Shape, float32s(n.Values))
	case OpUnsqueeze:
		w.Node("Unsqueeze", n.Name, in[0], w.Int64s("axes", n.Axes))
	case OpConcat:
		w.Node("Concat", n.Name, in...).Attribute = []*protos.AttributeProto{onnxgraph.Int("axis", n.Axes[0])}
	case OpAdd, OpSub, OpMul, OpDiv, OpSigmoid, OpTanh, OpReLU, OpELU, OpExp, OpLog, OpSqrt, OpSin, OpCos, OpSoftmax,
		OpMatMul:
		w.Node(string(n.Op), n.Name, in...) // the names of these are ONNX's names
	case OpSoftplus:
		w.softplus(n.Name, in[0])
	case OpDense:
		w.Node("Gemm", n.Name, in...)
	case OpNearest:
		w.nearest(n, in[0])
	case OpGather:
		w.Node("Gather", n.Name, in...)
	case OpReshape:
		w.Node("Reshape", n.Name, in[0], w.Int64s("shape", append([]int{0}, n.Shape[1:]...))) // 0: like the input
	case OpTranspose:
		w.Node("Transpose", n.Name, in...).Attribute = []*protos.AttributeProto{onnxgraph.Ints("perm", 0, 2, 1)}
	case OpDropout: // of a training only
		w.Node("Identity", n.Name, in...)
	case OpReduceMean:
		w.Node("ReduceMean", n.Name, in[0], w.Int64s("axes", n.Axes))
	case OpConv, OpConvTranspose, OpFilter, OpInstanceNorm, OpMeanPool, OpMaxPool, OpUpsample, OpResize,
		OpSpaceToDepth, OpDepthToSpace:
		w.writeImage(n, in)
	default:
		panic(fmt.Sprintf("nn: no ONNX form of %s", n.Op))
	}
}

// softplus replaces ONNX Runtime's own Softplus, which takes four times as long.
func (w onnxWriter) softplus(name, x string) {
	one := w.Scalar("one", 1)
	decay := w.Step("Exp", name, w.Step("Neg", name, w.Step("Abs", name, x)))
	tail := w.Step("Log", name, w.Step("Add", name, decay, one))
	w.Node("Add", name, w.Step("Relu", name, x), tail)
}

func (w onnxWriter) nearest(n *Node, sigma string) {
	values := n.Name + "/values"
	w.Float32s(values, []int{1, len(n.Values)}, float32s(n.Values))
	column := w.Step("Unsqueeze", n.Name, sigma, w.Int64s("axes", []int{1}))
	index := w.Node("ArgMin", n.Name, w.Step("Abs", n.Name, w.Step("Sub", n.Name, column, values)))
	index.Attribute = []*protos.AttributeProto{onnxgraph.Int("axis", 1), onnxgraph.Int("keepdims", 0)}
}

func valueInfos(nodes []*Node) []*protos.ValueInfoProto {
	infos := make([]*protos.ValueInfoProto, len(nodes))
	for i, n := range nodes {
		infos[i] = valueInfo(n)
	}
	return infos
}

// valueInfo declares a tensor whose first axis is called N. It is float32, except for the index of a class.
func valueInfo(n *Node) *protos.ValueInfoProto {
	shape := &protos.TensorShapeProto{}
	for _, size := range n.Shape {
		value := &protos.TensorShapeProto_Dimension_DimValue{DimValue: int64(size)}
		axis := &protos.TensorShapeProto_Dimension{Value: value}
		if size == Batch {
			axis.Value = &protos.TensorShapeProto_Dimension_DimParam{DimParam: "N"}
		}
		shape.Dim = append(shape.Dim, axis)
	}
	kind := protos.TensorProto_FLOAT
	if n.Op == OpClass {
		kind = protos.TensorProto_INT64
	}
	tensor := &protos.TypeProto_Tensor{ElemType: int32(kind), Shape: shape}
	return &protos.ValueInfoProto{Name: n.Name,
		Type: &protos.TypeProto{Value: &protos.TypeProto_TensorType{TensorType: tensor}}}
}

func float32s(values []float64) []float32 {
	converted := make([]float32, len(values))
	for i, v := range values {
		converted[i] = float32(v)
	}
	return converted
}
