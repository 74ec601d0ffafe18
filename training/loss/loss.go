// Package loss has the objectives that score networks are trained on.
//
// A [Config] chooses an objective. To add one, write its kind in a file of its own and give it a row of the table.
package loss

import (
	"math"

	"github.com/gomlx/gomlx/core/graph"

	"github.com/langevin-ml/langevin/sampling"
	"github.com/langevin-ml/langevin/training/settings"
)

// Config chooses the objective. A key that the objective does not have must be absent.
type Config struct {
	Name string `yaml:"name"` // DSM, ESM and so on
	// Power of dsm: the weight of a level is sigma^power; 2 in the papers, 0 for plain DSM.
	Power float64 `yaml:"power,omitempty"`
	// NoiseStd is the standard deviation of the noise on the data of esm, ssm and ssm-vr; 0: none.
	NoiseStd float64 `yaml:"noise_std,omitempty"`
	// Projections of the sliced objectives, for each row; n_particles in the authors' code.
	Projections int `yaml:"projections,omitempty"`
	// Process of diffusion: ve, from noise.last to noise.first, vp or sub_vp.
	Process *sampling.Process `yaml:"process,omitempty"`
	// DataStd of edm is the standard deviation of all data; the weight of a level is 1 + (sigma/data_std)².
	DataStd float64 `yaml:"data_std,omitempty"`
	// Likelihood of diffusion: weigh by g²/std².
	Likelihood bool `yaml:"likelihood_weighting,omitempty"`
}

// Place is where on the way from data to noise a row is trained: the noise added to it, and the weight of its loss.
type Place struct{ Sigma, Weight float64 }

// Score is a network as a loss sees it: the score at x, [N, ...], with noise levels sigma, [N]; shaped as x.
type Score func(x, sigma *graph.Node) *graph.Node

// Batch is the rows of a batch within a graph.
type Batch struct {
	X      *graph.Node // clean data, [N, ...]
	Z      *graph.Node // standard normal, shaped as X
	Sigma  *graph.Node // [N]
	Weight *graph.Node // of each row's loss, [N]
	V      *graph.Node // standard normal, [P·N, ...]: P projections, each of the whole batch; nil if there are none
}

// kind is what an objective has for a Config.
type kind interface {
	settings.Keyed
	check(c Config, levels int, bad *settings.Mistakes)
	// places is [Config.Places].
	places(c Config, schedule sampling.Schedule) func(level int, u float64) Place
	// noise is [Config.Noise].
	noise(c Config, sigma float64) float64
	// rows is [Config.Rows].
	rows(c Config, score Score, b Batch) *graph.Node
	// exact is [Config.Exact].
	exact(c Config, score, z []float32, sigma float64) float64
}

// table has all objectives.
func table() settings.Table[kind] {
	return settings.Table[kind]{
		{Name: DSM, Kind: dsmKind{}},
		{Name: ESM, Kind: esmKind{}},
		{Name: SSM, Kind: ssmKind{}},
		{Name: SSMVR, Kind: ssmVRKind{}},
		{Name: AnnealedSSMVR, Kind: annealedSSMVRKind{}},
		{Name: Diffusion, Kind: diffusionKind{}},
		{Name: DDPM, Kind: ddpmKind{}},
		{Name: EDM, Kind: edmKind{}},
	}
}

// kind finds the objective of a Config that is valid.
func (c Config) kind() kind {
	k, ok := table().Find(c.Name)
	if !ok {
		panic("loss: no objective " + c.Name)
	}
	return k
}

// Validate reports every mistake in c, one a line, for a noise schedule of the given number of levels.
func (c Config) Validate(levels int) error {
	var bad settings.Mistakes
	k, ok := table().Known(&bad, "loss", c.Name)
	if ok {
		settings.Foreign(table(), &bad, "loss", c.Name, c.Name, c)
		k.check(c, levels, &bad)
	}
	return bad.Err()
}

// Places returns where a row of a level lies, given u, uniform on [0, 1).
func (c Config) Places(schedule sampling.Schedule) func(level int, u float64) Place {
	return c.kind().places(c, schedule)
}

// Noise returns the standard deviation of the noise on a row at the given sigma of its place.
func (c Config) Noise(sigma float64) float64 { return c.kind().noise(c, sigma) }

// Rows returns the loss of each row of a batch, [N], not their mean: so the caller can weigh, log and average them by
// noise level.
func (c Config) Rows(score Score, b Batch) *graph.Node { return c.kind().rows(c, score, b) }

// Exact returns the loss, but for the weight of its place, of a row with noise sigma·z whose score is the exact one of
// the noisy data. An objective with derivatives in it has their mean in their stead.
func (c Config) Exact(score, z []float32, sigma float64) float64 {
	return c.kind().exact(c, score, z, sigma)
}

// onLevels is what the objectives have in common whose rows lie on the levels of the noise schedule, of weight 1.
type onLevels struct{}

func (onLevels) places(_ Config, schedule sampling.Schedule) func(level int, u float64) Place {
	return func(level int, _ float64) Place { return Place{schedule.Sigma(level), 1} }
}

func (onLevels) noise(_ Config, sigma float64) float64 { return sigma }

// residual is ½ ‖σs + z‖² of a row.
func residual(score, z []float32, sigma float64) (sum float64) {
	for i, s := range score {
		sum += math.Pow(sigma*float64(s)+float64(z[i]), 2) / 2
	}
	return sum
}

// halfSquare is ½ ‖s‖² of a row.
func halfSquare(score []float32) (sum float64) {
	for _, s := range score {
		sum += float64(s) * float64(s) / 2
	}
	return sum
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
