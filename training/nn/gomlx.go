package nn

import (
	"fmt"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/core/graph"
)

// GoMLX builds the network in the GoMLX graph of its arguments and returns the score, with x's shape. params has one
// node for each of g.Params. The inputs are x, float32 [N, shape...], sigma, float32 [N], and c if there is a
// condition, float32 [N] or [N, width]. Like all functions that build GoMLX graphs, it panics on nodes that do not fit.
// GoMLX's executor turns the panic into an error.
func (g *Graph) GoMLX(params []*graph.Node, inputs ...*graph.Node) *graph.Node {
	return g.goMLX(params, nil, inputs...)[0]
}

// ClassifyGoMLX is GoMLX for a classifier. It returns the features, [N, n], and the logits of the classes, [N, k].
func (g *Graph) ClassifyGoMLX(params []*graph.Node, x *graph.Node) (features, logits *graph.Node) {
	outputs := g.goMLX(params, nil, x)
	return outputs[0], outputs[1]
}

// goMLX returns one node for each of g.Outputs. factors are as of GoMLXDropped; nil outside of trainings.
func (g *Graph) goMLX(params []*graph.Node, factors *graph.Node, inputs ...*graph.Node) []*graph.Node {
	values := make(map[*Node]*graph.Node)
	for i, n := range g.inputs() {
		values[n] = inputs[i]
		if n.Op == OpClass {
			values[n] = graph.ConvertDType(inputs[i], dtypes.Int32)
		}
	}
	for i, p := range g.Params {
		values[p] = params[i]
	}
	dropped := 0
	for _, n := range g.Nodes {
		in := make([]*graph.Node, len(n.Inputs))
		for i, input := range n.Inputs {
			in[i] = values[input]
		}
		switch {
		case n.Op != OpDropout:
			values[n] = n.goMLX(inputs[0], in)
		case factors == nil:
			values[n] = in[0]
		default:
			values[n] = n.drop(in[0], factors, dropped)
		}
		dropped += n.dropped()
	}
	outputs := make([]*graph.Node, len(g.Outputs))
	for i, n := range g.Outputs {
		outputs[i] = values[n]
	}
	return outputs
}

// SplitGoMLX divides the flat vector of parameters, [NumParams], into one node for each of g.Params, with their shapes.
func (g *Graph) SplitGoMLX(flat *graph.Node) []*graph.Node {
	nodes := make([]*graph.Node, len(g.Params))
	at := 0
	for i, p := range g.Params {
		nodes[i] = graph.Reshape(graph.Slice(flat, graph.AxisRange(at, at+p.Size())), p.Shape...)
		at += p.Size()
	}
	return nodes
}

// goMLX computes n with GoMLX. like is any node of the graph with the type of constants.
func (n *Node) goMLX(like *graph.Node, in []*graph.Node) *graph.Node {
	switch n.Op {
	case OpConstant:
		return graph.Reshape(graph.ConstAs(like, n.Values), n.Shape...)
	case OpUnsqueeze:
		return graph.ExpandAxes(in[0], n.Axes...)
	case OpConcat:
		return graph.Concatenate(in, n.Axes[0])
	case OpAdd:
		return graph.Add(in[0], in[1])
	case OpSub:
		return graph.Sub(in[0], in[1])
	case OpMul:
		if gate := n.Inputs[1]; gate.Op == OpSigmoid && gate.Inputs[0] == n.Inputs[0] {
			return silu(in[0], in[1])
		}
		return graph.Mul(in[0], in[1])
	case OpDiv:
		return graph.Div(in[0], in[1])
	case OpSigmoid:
		return graph.Sigmoid(in[0])
	case OpSoftplus:
		return softplus(in[0])
	case OpTanh:
		return graph.Tanh(in[0])
	case OpReLU:
		return graph.MaxScalar(in[0], 0.0)
	case OpELU:
		return elu(in[0])
	case OpExp:
		return graph.Exp(in[0])
	case OpLog:
		return graph.Log(in[0])
	case OpSqrt:
		return graph.Sqrt(in[0])
	case OpSin:
		return graph.Sin(in[0])
	case OpCos:
		return graph.Cos(in[0])
	case OpReshape:
		return graph.Reshape(in[0], append([]int{in[0].Shape().Dimensions[0]}, n.Shape[1:]...)...)
	case OpReduceMean:
		return graph.ReduceAndKeep(in[0], graph.ReduceMean, n.Axes...)
	case OpSoftmax:
		return graph.Softmax(in[0], -1)
	case OpTranspose:
		return graph.Transpose(in[0], 1, 2)
	case OpMatMul:
		return graph.DotGeneral(in[0], []int{2}, []int{0}, in[1], []int{1}, []int{0})
	case OpDense:
		return graph.Add(graph.MatMul(in[0], in[1]), graph.ExpandAxes(in[2], 0))
	case OpNearest:
		distance := graph.Abs(graph.Sub(graph.ExpandAxes(in[0], 1), graph.ConstAs(like, [][]float64{n.Values})))
		return graph.ArgMin(distance, 1)
	case OpGather:
		return graph.Gather(in[0], graph.ExpandAxes(in[1], 1))
	}
	return n.goMLXImage(in)
}

// goMLXImage computes n with GoMLX if n is an operation on images.
func (n *Node) goMLXImage(in []*graph.Node) *graph.Node {
	switch n.Op {
	case OpConv:
		y := convolve(in[0], in[1], n.Window)
		if len(in) > 2 {
			y = shifted(y, in[2])
		}
		return y
	case OpConvTranspose:
		return shifted(n.Window.transposed(in[0], in[1]), in[2])
	case OpFilter:
		return n.filter(in[0])
	case OpInstanceNorm:
		return instanceNorm(in[0], n.Values[0])
	case OpMeanPool:
		return n.Window.meanPool(in[0])
	case OpMaxPool:
		return n.Window.maxPool(in[0])
	case OpUpsample:
		return upsample(in[0], n.Window.Stride)
	case OpResize:
		return resize(in[0], n.Shape[2], n.Shape[3])
	case OpSpaceToDepth:
		return spaceToDepth(in[0], n.Window.Stride)
	case OpDepthToSpace:
		return depthToSpace(in[0], n.Window.Stride)
	}
	panic(fmt.Sprintf("nn: no GoMLX form of %s", n.Op))
}

// withGradient returns y, a function of x with x's shape, and replaces its gradient. backward maps the gradient with
// respect to y to the gradient with respect to x. It is itself differentiated if a loss has derivatives. The result is
// y plus 0, and the 0 takes no operation, see NewBackend of package compile.
func withGradient(x, y *graph.Node, backward func(v *graph.Node) *graph.Node) *graph.Node {
	same := graph.IdentityWithCustomGradient(x, func(_, v *graph.Node) *graph.Node { return backward(v) })
	return graph.Add(graph.StopGradient(y), graph.Sub(same, graph.StopGradient(x)))
}

// silu returns x·σ(x) for the gate σ(x). With the result y, its derivative is σ(x)·(1 + x - y), which has fewer
// operations than the derivative of a product.
func silu(x, gate *graph.Node) *graph.Node {
	y := graph.Mul(x, gate)
	return withGradient(x, y, func(v *graph.Node) *graph.Node {
		return graph.Mul(v, graph.Mul(gate, graph.Sub(graph.AddScalar(x, 1), y)))
	})
}

// elu returns max(x, e^min(x, 0) - 1), whose derivative is e^min(x, 0). ONNX Runtime's GoMLX backend has no e^x - 1.
// GoMLX's derivative of a maximum takes eight operations, and two of them are slow.
func elu(x *graph.Node) *graph.Node {
	e := graph.Exp(graph.MinScalar(x, 0.0))
	return withGradient(x, graph.Max(x, graph.AddScalar(e, -1)),
		func(v *graph.Node) *graph.Node { return graph.Mul(v, e) })
}

// softplus returns max(x, 0) + ln(1 + e^-|x|), which never overflows. Its derivative at 0 is 1/2.
func softplus(x *graph.Node) *graph.Node {
	return graph.Add(graph.MaxScalar(x, 0.0), graph.Log1p(graph.Exp(graph.Neg(graph.Abs(x)))))
}
