package nn

import (
	"fmt"

	"github.com/gomlx/gomlx/core/graph"
)

// GoMLX builds the network inside the GoMLX graph of its arguments and returns the score, of x's shape: params holds
// a node for each of g.Params, x is float32 [N, shape...] and sigma float32 [N]. Like all of GoMLX's graph building it
// panics on nodes that do not fit; GoMLX's executor turns that into an error.
func (g *Graph) GoMLX(params []*graph.Node, x, sigma *graph.Node) *graph.Node {
	values := map[*Node]*graph.Node{g.X: x, g.Sigma: sigma}
	for i, p := range g.Params {
		values[p] = params[i]
	}
	for _, n := range g.Nodes {
		inputs := make([]*graph.Node, len(n.Inputs))
		for i, in := range n.Inputs {
			inputs[i] = values[in]
		}
		values[n] = n.goMLX(x, inputs)
	}
	return values[g.Score]
}

// SplitGoMLX cuts the flat vector of parameters, [NumParams], into one node for each of g.Params, in their shapes.
func (g *Graph) SplitGoMLX(flat *graph.Node) []*graph.Node {
	nodes := make([]*graph.Node, len(g.Params))
	at := 0
	for i, p := range g.Params {
		nodes[i] = graph.Reshape(graph.Slice(flat, graph.AxisRange(at, at+p.Size())), p.Shape...)
		at += p.Size()
	}
	return nodes
}

// goMLX is n on GoMLX nodes; like is any node of the graph and of the type that constants take.
func (n *Node) goMLX(like *graph.Node, in []*graph.Node) *graph.Node {
	switch n.Op {
	case OpConstant:
		return graph.ConstAs(like, n.Values[0])
	case OpUnsqueeze:
		return graph.ExpandAxes(in[0], n.Axes...)
	case OpConcat:
		return graph.Concatenate(in, n.Axes[0])
	case OpAdd:
		return graph.Add(in[0], in[1])
	case OpSub:
		return graph.Sub(in[0], in[1])
	case OpMul:
		return graph.Mul(in[0], in[1])
	case OpDiv:
		return graph.Div(in[0], in[1])
	case OpSigmoid:
		return graph.Sigmoid(in[0])
	case OpSoftplus:
		return softplus(in[0])
	case OpTanh:
		return graph.Tanh(in[0])
	case OpDense:
		return graph.Add(graph.MatMul(in[0], in[1]), graph.ExpandAxes(in[2], 0))
	case OpNearest:
		distance := graph.Abs(graph.Sub(graph.ExpandAxes(in[0], 1), graph.ConstAs(like, [][]float64{n.Values})))
		return graph.ArgMin(distance, 1)
	case OpGather:
		return graph.Gather(in[0], graph.ExpandAxes(in[1], 1))
	}
	panic(fmt.Sprintf("nn: no GoMLX form of %s", n.Op))
}

// softplus is max(x, 0) + ln(1 + e^-|x|), which overflows nowhere and whose derivative at 0 comes out as 1/2.
func softplus(x *graph.Node) *graph.Node {
	return graph.Add(graph.MaxScalar(x, 0.0), graph.Log1p(graph.Exp(graph.Neg(graph.Abs(x)))))
}
