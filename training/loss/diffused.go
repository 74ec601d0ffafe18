package loss

import (
	"math"

	"github.com/gomlx/gomlx/core/graph"

	"github.com/langevin-ml/langevin/sampling"
	"github.com/langevin-ml/langevin/training/settings"
)

const (
	Diffusion = "diffusion" // denoising along a whole process of Song et al. (2021)
	DDPM      = "ddpm"      // denoising on DDPM's ladder, which has one step for each level
	EDM       = "edm"       // denoising on the levels, with the weights of Karras et al. (2022)
)

// weighted is shared by the objectives whose weights depend on the places of the rows.
type weighted struct{ onLevels }

func (weighted) rows(_ Config, score Score, b Batch) *graph.Node {
	return diffused(score, b.X, b.Z, b.Sigma, b.Weight)
}

func (weighted) exact(_ Config, score, z []float32, sigma float64) float64 {
	return residual(score, z, sigma)
}

type diffusionKind struct{ weighted }

func (diffusionKind) Keys() []string { return []string{"process", "likelihood_weighting"} }

func (diffusionKind) check(c Config, _ int, bad *settings.Mistakes) {
	bad.Require(c.Process != nil, "loss.process: want ve, vp or sub_vp with diffusion, and absent with others")
}

// smallestTime is the time at which training begins (Song et al. 2021, appendix C).
const smallestTime = 1e-5

// places divides time into one interval for each level, all of the same length. Level 0 has the interval with most
// noise.
func (diffusionKind) places(c Config, schedule sampling.Schedule) func(level int, u float64) Place {
	levels := schedule.Levels()
	sde := sampling.PaperSDE(*c.Process)
	sde.SigmaMin, sde.SigmaMax = schedule.Last(), schedule.Sigma(0)
	return func(level int, u float64) Place {
		t := smallestTime + (1-smallestTime)*(1-(float64(level)+u)/float64(levels))
		weight := 1.0
		if c.Likelihood {
			weight = math.Pow(sde.Diffusion(t)/sde.Std(t), 2)
		}
		return Place{sde.Sigma(t), weight}
	}
}

type ddpmKind struct{ weighted }

func (ddpmKind) Keys() []string { return nil }

func (ddpmKind) check(_ Config, levels int, bad *settings.Mistakes) {
	bad.Require(levels > 20, "noise.levels is %d: ddpm wants more than 20", levels)
}

func (ddpmKind) places(_ Config, schedule sampling.Schedule) func(level int, u float64) Place {
	ladder, err := sampling.DDPM(schedule.Levels())
	if err != nil {
		panic(err) // check has counted the levels
	}
	return func(level int, _ float64) Place { return Place{ladder.Sigma(level), 1} }
}

type edmKind struct{ weighted }

func (edmKind) Keys() []string { return []string{"data_std", "log_mean", "log_std"} }

func (edmKind) check(c Config, _ int, bad *settings.Mistakes) { c.checkDistribution(bad) }

// checkDistribution checks the settings of the data's standard deviation and of a log-normal distribution of noise.
func (c Config) checkDistribution(bad *settings.Mistakes) {
	bad.Require(settings.Positive(c.DataStd), "loss.data_std is %g: want a finite number above 0", c.DataStd)
	bad.Require(c.LogStd == 0 || c.LogStd >= 0.1 && settings.Finite(c.LogStd),
		"loss.log_std is %g: want at least 0.1, or absent for rows on the levels", c.LogStd)
	bad.Require(math.Abs(c.LogMean) <= 100 && (c.LogMean == 0 || c.LogStd != 0),
		"loss.log_mean is %g: want -100 to 100, and absent without loss.log_std", c.LogMean)
}

func (edmKind) places(c Config, schedule sampling.Schedule) func(level int, u float64) Place {
	at := c.distributed(schedule)
	return func(level int, u float64) Place {
		sigma := at(level, u)
		return Place{sigma, edmWeight(sigma, c.DataStd)}
	}
}

// distributed returns the sigma of a place: by the log-normal distribution if there is one, and else the level's.
func (c Config) distributed(schedule sampling.Schedule) func(level int, u float64) float64 {
	if c.LogStd != 0 {
		return c.logNormal(schedule)
	}
	return func(level int, _ float64) float64 { return schedule.Sigma(level) }
}

// logNormal divides the log-normal distribution between the schedule's smallest and largest sigma into one part for
// each level, all equally likely. Level 0 has the part with most noise.
func (c Config) logNormal(schedule sampling.Schedule) func(level int, u float64) float64 {
	cumulated := func(sigma float64) float64 {
		return math.Erfc((c.LogMean-math.Log(sigma))/(c.LogStd*math.Sqrt2)) / 2
	}
	low, high := schedule.Last(), schedule.Sigma(0)
	least, most := cumulated(low), cumulated(high)
	return func(level int, u float64) float64 {
		p := most + (least-most)*(float64(level)+u)/float64(schedule.Levels())
		sigma := math.Exp(c.LogMean - c.LogStd*math.Sqrt2*math.Erfcinv(2*p))
		return min(max(sigma, low), high)
	}
}

// edmWeight makes the loss ½ ‖σs + z‖² of a level equal to ½ ‖F - target‖² for the network F of Karras et al. (2022,
// table 1). The target of F has variance 1 at every level. std is the standard deviation of all data.
func edmWeight(sigma, std float64) float64 { return 1 + math.Pow(sigma/std, 2) }

// diffused is denoising score matching along a diffusion process (Song et al. 2021, equation 7). The loss of a row is
//
//	½ ‖a·s(αx + az, t) + z‖² · weight
//
// where α and a are the mean and the standard deviation of x(t). The weight is 1 by default, and g(t)²/a² for the bound
// on the likelihood (Song, Durkan et al. 2021). SMLD and DDPM use their discrete ladders.
//
// The network takes data plus noise: x(t)/α is x + σz with σ = a/α, and the network's score ŝ there is α·s. So the
// residual is σ·ŝ(x + σz, σ) + z. It is the same for VE, VP and sub-VP, which differ only in their sigmas. sigma and
// weight are [N]. The other arguments and the result have the shapes in [annealedDSM].
func diffused(score Score, x, z, sigma, weight *graph.Node) *graph.Node {
	return graph.Mul(annealedDSM(score, x, z, sigma, 2), weight)
}
