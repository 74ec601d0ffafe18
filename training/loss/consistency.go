package loss

import (
	"math"

	"github.com/gomlx/gomlx/core/graph"

	"github.com/langevin-ml/langevin/sampling"
	"github.com/langevin-ml/langevin/training/settings"
)

// Consistency is consistency tuning: the denoised estimates at two noise levels of a row agree.
const Consistency = "consistency"

type consistencyKind struct{ onLevels }

func (consistencyKind) Keys() []string {
	return []string{"data_std", "log_mean", "log_std", "huber", "stage", "first_stage", "last_stage"}
}

// mostStages is the largest stage. With more, neighbouring sigmas would differ by less than float32 can show.
const mostStages = 16

func (consistencyKind) check(c Config, _ int, bad *settings.Mistakes) {
	c.checkDistribution(bad)
	bad.Require(c.Huber >= 0 && settings.Finite(c.Huber),
		"loss.huber is %g: want a finite number of at least 0", c.Huber)
	bad.Require(c.Stage >= 1, "loss.stage is %d: want at least 1", c.Stage)
	bad.Require(c.FirstStage >= 0 && c.FirstStage <= mostStages,
		"loss.first_stage is %d: want 0 to %d", c.FirstStage, mostStages)
	bad.Require(c.LastStage >= c.FirstStage && c.LastStage <= mostStages,
		"loss.last_stage is %d: want at least loss.first_stage, %d, and at most %d", c.LastStage, c.FirstStage,
		mostStages)
}

func (consistencyKind) places(c Config, schedule sampling.Schedule) func(level int, u float64) Place {
	at := c.distributed(schedule)
	return func(level int, u float64) Place { return Place{at(level, u), 1} }
}

func (consistencyKind) rows(c Config, score Score, b Batch) *graph.Node {
	return consistency(score, b.X, b.Z, b.Sigma, b.Smaller, c.Huber)
}

// exact panics: see [Config.Paired].
func (consistencyKind) exact(Config, []float32, []float32, float64) float64 {
	panic("loss: the least loss of pairs is not known")
}

// Paired reports whether the objective compares two noise levels of a row. The least possible loss is then not known,
// so [Config.Exact] must not be called.
func (c Config) Paired() bool { return c.Name == Consistency }

// Smaller returns the smaller sigma r of a row with the given sigma t, for an objective with pairs. In stage k,
//
//	r = t·(1 - 2^-k·(1 + 8/(1 + e^(t/(2·data_std)))))
//
// as in the code of Geng et al. (2024, arXiv 2406.14548), whose data have the standard deviation ½. The first stage is
// at iteration 0. Where r would be less than the schedule's last sigma, it is a thousandth of that. There a network's
// denoised estimate is its input, the data with almost no noise, so that such a row learns to denoise. All rows of
// stage 0 are such.
func (c Config) Smaller(schedule sampling.Schedule, sigma float64, iteration uint64) float64 {
	k := float64(c.FirstStage) + float64(min(iteration/uint64(c.Stage), uint64(c.LastStage-c.FirstStage)))
	r := sigma * (1 - math.Pow(2, -k)*(1+8/(1+math.Exp(sigma/(2*c.DataStd)))))
	if last := schedule.Last(); r < last {
		return last / 1000
	}
	return r
}

// consistency is the loss of Geng et al. (2024, equation 12). With the denoised estimate D(x, σ) = x + σ²·s(x, σ) and
// the difference d = D(x + tz, t) - D(x + rz, r), in which the second term counts as a constant, the loss of a row is
//
//	½ ‖d‖²/(t - r)   or, with huber c > 0,   (√(‖d‖² + c²) - c)/(t - r)
//
// x is clean data [N, ...], z is standard normal with x's shape, and t and r are [N], with r below t in every row. The
// result is [N].
func consistency(score Score, x, z, t, r *graph.Node, huber float64) *graph.Node {
	denoised := func(sigma *graph.Node) *graph.Node {
		std := perElement(sigma, x)
		noisy := graph.Add(x, graph.Mul(std, z))
		return graph.Add(noisy, graph.Mul(graph.Square(std), score(noisy, sigma)))
	}
	square := sumSquares(graph.Sub(denoised(t), graph.StopGradient(denoised(r))))
	if huber == 0 {
		return graph.Div(graph.MulScalar(square, 0.5), graph.Sub(t, r))
	}
	rooted := graph.AddScalar(graph.Sqrt(graph.AddScalar(square, huber*huber)), -huber)
	return graph.Div(rooted, graph.Sub(t, r))
}
