package loss

import (
	"github.com/gomlx/gomlx/core/graph"

	"github.com/langevin-ml/langevin/training/settings"
)

const (
	ESM           = "esm"             // exact score matching of the data, or of the data with noise of one size
	SSM           = "ssm"             // sliced score matching of the same data
	SSMVR         = "ssm-vr"          // sliced score matching of the same data, with reduced variance
	AnnealedSSMVR = "annealed-ssm-vr" // SSMVR on the levels of the noise schedule
)

// onData is shared by the objectives that match the score of the data, or of the data with noise of one size. They use
// the level only as an input of the network. Their loss has derivatives. Its mean at the exact score s is -½ ‖s‖².
type onData struct{ onLevels }

func (onData) Keys() []string { return []string{"noise_std"} }

func (onData) check(c Config, _ int, bad *settings.Mistakes) {
	bad.Require(c.NoiseStd == 0 || settings.Positive(c.NoiseStd),
		"loss.noise_std is %g: want it absent, or a finite number above 0", c.NoiseStd)
}

func (onData) noise(c Config, _ float64) float64 { return c.NoiseStd }

func (onData) exact(_ Config, score, _ []float32, _ float64) float64 { return -halfSquare(score) }

// noisy returns the data that the objective uses.
func (onData) noisy(c Config, b Batch) *graph.Node {
	return graph.Add(b.X, graph.MulScalar(b.Z, c.NoiseStd))
}

// checkProjections checks the settings of objectives with random projections.
func checkProjections(c Config, bad *settings.Mistakes) {
	bad.Require(c.Projections >= 1 && c.Projections <= 1024, "loss.projections is %d: want 1 to 1024", c.Projections)
}

type esmKind struct{ onData }

func (k esmKind) rows(c Config, score Score, b Batch) *graph.Node {
	return esm(score, k.noisy(c, b), b.Sigma)
}

// slicedOnData is onData with projections.
type slicedOnData struct{ onData }

func (slicedOnData) Keys() []string { return []string{"noise_std", "projections"} }

func (k slicedOnData) check(c Config, levels int, bad *settings.Mistakes) {
	k.onData.check(c, levels, bad)
	checkProjections(c, bad)
}

type ssmKind struct{ slicedOnData }

func (k ssmKind) rows(c Config, score Score, b Batch) *graph.Node {
	return ssm(score, k.noisy(c, b), b.V, b.Sigma)
}

// exact is the value of esm divided by the dimension, because projections have length 1.
func (ssmKind) exact(_ Config, score, _ []float32, _ float64) float64 {
	return -halfSquare(score) / float64(len(score))
}

type ssmVRKind struct{ slicedOnData }

func (k ssmVRKind) rows(c Config, score Score, b Batch) *graph.Node {
	return ssmVR(score, k.noisy(c, b), b.V, b.Sigma)
}

type annealedSSMVRKind struct{ onLevels }

func (annealedSSMVRKind) Keys() []string { return []string{"projections"} }

func (annealedSSMVRKind) check(c Config, _ int, bad *settings.Mistakes) { checkProjections(c, bad) }

func (annealedSSMVRKind) rows(_ Config, score Score, b Batch) *graph.Node {
	return annealedSSMVR(score, b.X, b.Z, b.V, b.Sigma)
}

func (annealedSSMVRKind) exact(_ Config, score, _ []float32, sigma float64) float64 {
	return -halfSquare(score) * sigma * sigma
}

// esm is exact score matching (Hyvärinen 2005; Song et al. 2019, equation 1). The loss of a row is
//
//	½ ‖s(x, σ)‖² + Σ_d ∂s_d/∂x_d
//
// x is data [N, ...], and sigma [N] is an input of the network. The result is [N]. It takes one derivative for each
// element of a row, so it is for few dimensions. Its minimum is -½ E‖∇ log p‖².
func esm(score Score, x, sigma *graph.Node) *graph.Node {
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

// ssm is sliced score matching (Song et al. 2019, equation 8). The loss of a row is the mean over the projections v of
//
//	½ (vᵀs(x, σ))² + vᵀ (∂s/∂x) v
//
// x is data [N, ...]. v [P·N, ...] is standard normal: P projections of the whole batch, one after the other. ssm
// scales each to length 1, as the authors' code does. The mean over all projections is [esm] divided by the dimension
// D.
func ssm(score Score, x, v, sigma *graph.Node) *graph.Node {
	axes := rowAxes(v)
	v = graph.Div(v, graph.Sqrt(graph.ReduceAndKeep(graph.Square(v), graph.ReduceSum, axes...)))
	return sliced(score, x, v, sigma, func(s, v *graph.Node) *graph.Node {
		return graph.Square(graph.ReduceSum(graph.Mul(v, s), axes...))
	})
}

// ssmVR is sliced score matching with reduced variance (Song et al. 2019, equation 9). The loss of a row is the mean
// over the projections v of
//
//	½ ‖s(x, σ)‖² + vᵀ (∂s/∂x) v
//
// It has the arguments of [ssm], but does not scale v. The mean over all v is [esm].
func ssmVR(score Score, x, v, sigma *graph.Node) *graph.Node {
	return sliced(score, x, v, sigma, func(s, _ *graph.Node) *graph.Node { return sumSquares(s) })
}

// annealedSSMVR is [ssmVR] on x + σz. Every row has the weight σ², so that levels can be trained together (Song & Ermon
// 2019, appendix A). z is standard normal with x's shape. Its minimum is -½ σ² E‖∇ log q_σ‖², about -D/2.
func annealedSSMVR(score Score, x, z, v, sigma *graph.Node) *graph.Node {
	noisy := graph.Add(x, graph.Mul(perElement(sigma, x), z))
	return graph.Mul(ssmVR(score, noisy, v, sigma), graph.Square(sigma))
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
