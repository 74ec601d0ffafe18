package loss

import (
	"math"

	"github.com/gomlx/gomlx/core/graph"

	"github.com/langevin-ml/langevin/training/settings"
)

// DSM is denoising score matching on the levels of the noise schedule.
const DSM = "dsm"

type dsmKind struct{ onLevels }

func (dsmKind) Keys() []string { return []string{"power"} }

func (dsmKind) check(c Config, _ int, bad *settings.Mistakes) {
	bad.Require(settings.Finite(c.Power), "loss.power is %g: want a finite number", c.Power)
}

func (dsmKind) rows(c Config, score Score, b Batch) *graph.Node {
	return annealedDSM(score, b.X, b.Z, b.Sigma, c.Power)
}

func (dsmKind) exact(c Config, score, z []float32, sigma float64) float64 {
	return residual(score, z, sigma) * math.Pow(sigma, c.Power-2)
}

// annealedDSM is denoising score matching (Vincent 2011; Song & Ermon 2019, equation 2). Every row has the weight
// σ^power, so that levels can be trained together (equations 5 and 6, where power is 2). The loss of a row is
//
//	½ ‖s(x + σz, σ) + z/σ‖² · σ^power = ½ ‖σ s(x + σz, σ) + z‖² · σ^(power-2)
//
// x is clean data [N, ...], z is standard normal with x's shape, and sigma is [N]. The result is [N]. With power 2, a
// network that returns 0 has a loss of D/2 at every level. With power 0, the minimum for data N(μ, τ² I) in D
// dimensions is D/2·(1/σ² - 1/(σ² + τ²)), which grows as 1/σ².
func annealedDSM(score Score, x, z, sigma *graph.Node, power float64) *graph.Node {
	std := perElement(sigma, x)
	s := score(graph.Add(x, graph.Mul(std, z)), sigma)
	residual := graph.Add(graph.Mul(std, s), z)
	losses := graph.MulScalar(sumSquares(residual), 0.5)
	if power == 2 {
		return losses
	}
	return graph.Mul(losses, graph.Pow(sigma, graph.ConstAs(sigma, power-2)))
}
