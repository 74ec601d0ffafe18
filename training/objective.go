package training

import (
	"math"

	"github.com/gomlx/gomlx/core/graph"

	"github.com/langevin-ml/langevin/sampling"
	"github.com/langevin-ml/langevin/training/loss"
)

// The objectives that [Loss] names.
const (
	LossDSM           = "dsm"             // loss.AnnealedDSM on the levels
	LossESM           = "esm"             // loss.ESM
	LossSSM           = "ssm"             // loss.SSM
	LossSSMVR         = "ssm-vr"          // loss.SSMVR
	LossAnnealedSSMVR = "annealed-ssm-vr" // loss.AnnealedSSMVR on the levels
	LossDiffusion     = "diffusion"       // loss.Diffused along the whole of a process, of Song et al. (2021)
	LossDDPM          = "ddpm"            // loss.Diffused on DDPM's ladder of as many steps as there are levels
	LossEDM           = "edm"             // loss.Diffused on the levels, weighed as by Karras et al. (2022)
)

func lossNames() []string {
	return []string{LossDSM, LossESM, LossSSM, LossSSMVR, LossAnnealedSSMVR, LossDiffusion, LossDDPM, LossEDM}
}

// Loss chooses the objective. A key that the objective does not have must be absent.
type Loss struct {
	Name        string            `yaml:"name"`                           // one of the constants above
	Power       float64           `yaml:"power,omitempty"`                // of dsm: the weight of a level is sigma^power; 2 in the papers, 0 for plain DSM
	NoiseStd    float64           `yaml:"noise_std,omitempty"`            // of esm, ssm and ssm-vr: noise added to the data; 0: none
	Projections int               `yaml:"projections,omitempty"`          // of the sliced ones, for each row; n_particles in the authors' code
	Process     *sampling.Process `yaml:"process,omitempty"`              // of diffusion: ve, from noise.last to noise.first, vp or sub_vp
	DataStd     float64           `yaml:"data_std,omitempty"`             // of edm: standard deviation of all data; the weight of a level is 1 + (sigma/data_std)²
	Likelihood  bool              `yaml:"likelihood_weighting,omitempty"` // of diffusion: weigh by g²/std²
}

// sliced says whether the objective projects on random directions.
func (l Loss) sliced() bool {
	return l.Name == LossSSM || l.Name == LossSSMVR || l.Name == LossAnnealedSSMVR
}

// onData says whether the objective is on the data themselves, with noise of one size or none, and not on levels.
func (l Loss) onData() bool { return l.Name == LossESM || l.Name == LossSSM || l.Name == LossSSMVR }

func (bad *mistakes) loss(l Loss, levels int) {
	levelled, clean, diffused := l.Name == LossDSM, l.onData(), l.Name == LossDiffusion
	bad.require(l.Name != LossDDPM || levels > 20, "noise.levels is %d: ddpm wants more than 20", levels)
	known := false
	for _, name := range lossNames() {
		known = known || name == l.Name
	}
	bad.require(known, "loss.name is %q: want one of %q", l.Name, lossNames())
	bad.require(finite(l.Power), "loss.power is %g: want a finite number", l.Power)
	bad.require(!known || levelled || l.Power == 0, "loss.power is %g: %s has none", l.Power, l.Name)
	bad.require(l.NoiseStd == 0 || clean && positive(l.NoiseStd), "loss.noise_std is %g: want it absent, or above 0 with esm, ssm or ssm-vr", l.NoiseStd)
	if l.sliced() {
		bad.require(l.Projections >= 1 && l.Projections <= 1024, "loss.projections is %d: want 1 to 1024", l.Projections)
	} else {
		bad.require(l.Projections == 0, "loss.projections is %d: %s has none", l.Projections, l.Name)
	}
	bad.require(diffused == (l.Process != nil), "loss.process: want ve, vp or sub_vp with diffusion, and absent with others")
	bad.require(l.Name == LossEDM && positive(l.DataStd) || l.Name != LossEDM && l.DataStd == 0,
		"loss.data_std is %g: want a finite number above 0 with edm, and absent with others", l.DataStd)
	bad.require(diffused || !l.Likelihood, "loss.likelihood_weighting: want it with diffusion only")
}

// smallestTime is where training begins (Song et al. 2021, appendix C).
const smallestTime = 1e-5

// A place is where on the way from data to noise a row is trained: the noise added to it, and the weight of its loss.
type place struct{ sigma, weight float64 }

// places returns where a row of a level lies, given u, uniform on [0, 1). Objectives on levels ignore u; along a
// process a level is one of so many equal intervals of time, the one of most noise first.
func (c Config) places(schedule sampling.Schedule) func(level int, u float64) place {
	levels := schedule.Levels()
	switch c.Loss.Name {
	case LossDiffusion:
		sde := sampling.PaperSDE(*c.Loss.Process)
		sde.SigmaMin, sde.SigmaMax = c.Noise.Last, c.Noise.First
		return func(level int, u float64) place {
			t := smallestTime + (1-smallestTime)*(1-(float64(level)+u)/float64(levels))
			weight := 1.0
			if c.Loss.Likelihood {
				weight = math.Pow(sde.Diffusion(t)/sde.Std(t), 2)
			}
			return place{sde.Sigma(t), weight}
		}
	case LossDDPM:
		sigmas := ddpmSigmas(levels)
		return func(level int, _ float64) place { return place{sigmas[level], 1} }
	}
	return func(level int, _ float64) place {
		sigma := schedule.Sigma(level)
		return place{sigma, c.Loss.edmWeight(sigma)}
	}
}

// edmWeight makes the loss ½ ‖σs + z‖² of a level that of what the network F of Karras et al. (2022, table 1) has to
// give, ½ ‖F - target‖² with a target of variance 1 at every level. It is 1 for the other objectives.
func (l Loss) edmWeight(sigma float64) float64 {
	if l.Name != LossEDM {
		return 1
	}
	return 1 + math.Pow(sigma/l.DataStd, 2)
}

// ddpmSigmas is DDPM's ladder of n steps (Ho et al. 2020) as noise on the data, most first: √(1-ᾱ_k)/√ᾱ_k with ᾱ_k the
// product of 1-β up to k, and β_k from 0.1/n to 20/n.
func ddpmSigmas(n int) []float64 {
	sigmas, kept := make([]float64, n), 1.0
	for k := range n {
		kept *= 1 - (0.1+19.9*float64(k)/float64(max(n-1, 1)))/float64(n)
		sigmas[n-1-k] = math.Sqrt((1 - kept) / kept)
	}
	return sigmas
}

// rows is the objective of the rows of a batch, as a graph.
func (l Loss) rows(score loss.Score, b batchNodes) *graph.Node {
	noisy := func() *graph.Node { return graph.Add(b.x, graph.MulScalar(b.z, l.NoiseStd)) }
	switch l.Name {
	case LossESM:
		return loss.ESM(score, noisy(), b.sigma)
	case LossSSM:
		return loss.SSM(score, noisy(), b.v, b.sigma)
	case LossSSMVR:
		return loss.SSMVR(score, noisy(), b.v, b.sigma)
	case LossAnnealedSSMVR:
		return loss.AnnealedSSMVR(score, b.x, b.z, b.v, b.sigma)
	case LossDiffusion, LossDDPM, LossEDM:
		return loss.Diffused(score, b.x, b.z, b.sigma, b.weight)
	}
	return loss.AnnealedDSM(score, b.x, b.z, b.sigma, l.Power)
}
