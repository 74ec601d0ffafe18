package loss

import (
	"github.com/gomlx/gomlx/core/graph"
)

// ESM is exact score matching (Hyvärinen 2005; Song et al. 2019, equation 1): for each row
//
//	½ ‖s(x, σ)‖² + Σ_d ∂s_d/∂x_d
//
// x is data [N, ...], sigma [N] what the network is told; the result is [N]. It takes as many derivatives as a row has
// elements, so it is for few dimensions. Its minimum is -½ E‖∇ log p‖².
func ESM(score Score, x, sigma *graph.Node) *graph.Node {
	s := score(x, sigma)
	flat, trace := graph.Reshape(s, sigma.Shape().Size(), -1), (*graph.Node)(nil)
	for d := range flat.Shape().Dimensions[1] {
		element := func(n *graph.Node) *graph.Node {
			return graph.Reshape(graph.Slice(n, graph.AxisRange(), graph.AxisElem(d)), -1)
		}
		slope := graph.Gradient(graph.ReduceAllSum(element(flat)), x)[0]
		partial := element(graph.Reshape(slope, flat.Shape().Dimensions...))
		if trace == nil {
			trace = partial
		} else {
			trace = graph.Add(trace, partial)
		}
	}
	return graph.Add(graph.MulScalar(sumSquares(s), 0.5), trace)
}

// SSM is sliced score matching (Song et al. 2019, equation 8): for each row, averaged over the projections v,
//
//	½ (vᵀs(x, σ))² + vᵀ (∂s/∂x) v
//
// x is data [N, ...] and v [P·N, ...] standard normal, P projections of the whole batch one behind the other, which are
// scaled to length 1 here, as the authors' code does: the mean over all of them is [ESM] over the dimension D.
func SSM(score Score, x, v, sigma *graph.Node) *graph.Node {
	axes := rowAxes(v)
	v = graph.Div(v, graph.Sqrt(graph.ReduceAndKeep(graph.Square(v), graph.ReduceSum, axes...)))
	return sliced(score, x, v, sigma, func(s, v *graph.Node) *graph.Node {
		return graph.Square(graph.ReduceSum(graph.Mul(v, s), axes...))
	})
}

// SSMVR is sliced score matching with reduced variance (Song et al. 2019, equation 9): for each row, averaged over the
// projections v,
//
//	½ ‖s(x, σ)‖² + vᵀ (∂s/∂x) v
//
// Arguments are those of [SSM], but v has its normal length: the mean over all v is [ESM].
func SSMVR(score Score, x, v, sigma *graph.Node) *graph.Node {
	return sliced(score, x, v, sigma, func(s, _ *graph.Node) *graph.Node { return sumSquares(s) })
}

// AnnealedSSMVR is [SSMVR] on x + σz with every row weighted by σ², so that levels can be trained together (Song &
// Ermon 2019, appendix A). z is standard normal of x's shape. Its minimum is -½ σ² E‖∇ log q_σ‖², about -D/2.
func AnnealedSSMVR(score Score, x, z, v, sigma *graph.Node) *graph.Node {
	noisy := graph.Add(x, graph.Mul(perElement(sigma, x), z))
	return graph.Mul(SSMVR(score, noisy, v, sigma), graph.Square(sigma))
}

// sliced is the mean over projections of ½ square(s, v) + vᵀ (∂s/∂x) v.
func sliced(score Score, x, v, sigma *graph.Node, square func(s, v *graph.Node) *graph.Node) *graph.Node {
	rows := sigma.Shape().Size()
	projections := v.Shape().Dimensions[0] / rows
	copies := func(n *graph.Node) *graph.Node {
		all := make([]*graph.Node, projections)
		for i := range all {
			all[i] = n
		}
		if projections == 1 {
			return n
		}
		return graph.Concatenate(all, 0)
	}
	x = copies(x)
	s := score(x, copies(sigma))
	slope := graph.Gradient(graph.ReduceAllSum(graph.Mul(v, s)), x)[0]
	curvature := graph.ReduceSum(graph.Mul(v, slope), rowAxes(v)...)
	losses := graph.Add(graph.MulScalar(square(s, v), 0.5), curvature)
	return graph.ReduceMean(graph.Reshape(losses, projections, rows), 0)
}
