// Package loss holds what score networks are trained on, as GoMLX graph functions.
//
// All of them return one value for each row of a batch, not their mean: so the caller can weigh, log and average them
// by noise level.
package loss

import (
	"github.com/gomlx/gomlx/core/graph"
)

// Score is a network as a loss sees it: the score at x, [N, ...], with noise levels sigma, [N]; shaped as x.
type Score func(x, sigma *graph.Node) *graph.Node

// DSM is denoising score matching (Vincent 2011; Song & Ermon 2019, equation 2): for each row
//
//	½ ‖s(x + σz, σ) + z/σ‖²
//
// x is clean data [N, ...], z standard normal of x's shape, sigma [N]; the result is [N]. Its minimum is D/2·(1/σ² -
// 1/(σ² + τ²)) for data N(μ, τ² I) in D dimensions; it grows as 1/σ².
func DSM(score Score, x, z, sigma *graph.Node) *graph.Node { return AnnealedDSM(score, x, z, sigma, 0) }

// AnnealedDSM is DSM with every row weighted by σ^power, so that levels can be trained together (Song & Ermon 2019,
// equations 5 and 6, where power is 2):
//
//	½ ‖s(x + σz, σ) + z/σ‖² · σ^power = ½ ‖σ s(x + σz, σ) + z‖² · σ^(power-2)
//
// Arguments and result are those of [DSM]. With power 2 a network that gives 0 has a loss of D/2 at every level.
func AnnealedDSM(score Score, x, z, sigma *graph.Node, power float64) *graph.Node {
	std := perElement(sigma, x)
	s := score(graph.Add(x, graph.Mul(std, z)), sigma)
	residual := graph.Add(graph.Mul(std, s), z)
	losses := graph.MulScalar(sumSquares(residual), 0.5)
	if power == 2 {
		return losses
	}
	return graph.Mul(losses, graph.Pow(sigma, graph.ConstAs(sigma, power-2)))
}

// Diffused is denoising score matching along a diffusion process (Song et al. 2021, equation 7): for each row
//
//	½ ‖a·s(αx + az, t) + z‖² · weight
//
// where α and a are the mean and the standard deviation of x(t). weight is 1 by default and g(t)²/a² for the bound on
// the likelihood (Song, Durkan et al. 2021); SMLD and DDPM are the cases of their discrete ladders.
//
// The network is one of data plus noise: x(t)/α is x + σz with σ = a/α, and its score ŝ there is α·s. So the residual
// is σ·ŝ(x + σz, σ) + z, the same for VE, VP and sub-VP, which differ by where sigma lies. sigma and weight are [N],
// the other arguments and the result those of [DSM].
func Diffused(score Score, x, z, sigma, weight *graph.Node) *graph.Node {
	return graph.Mul(AnnealedDSM(score, x, z, sigma, 2), weight)
}

// perElement gives each row's number to all elements of the row of x.
func perElement(rows, x *graph.Node) *graph.Node {
	for rows.Rank() < x.Rank() {
		rows = graph.ExpandAxes(rows, -1)
	}
	return rows
}

// sumSquares is ‖v‖² of every row of v.
func sumSquares(v *graph.Node) *graph.Node { return graph.ReduceSum(graph.Square(v), rowAxes(v)...) }

// rowAxes are those within a row of v.
func rowAxes(v *graph.Node) []int {
	axes := make([]int, v.Rank()-1)
	for i := range axes {
		axes[i] = i + 1
	}
	return axes
}
