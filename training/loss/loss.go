// Package loss has the objectives for training score networks.
//
// A [Config] chooses an objective. To add one, write its kind in a new file and add a row to the table.
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
	// Power is for dsm. The weight of a level is sigma^power; it is 2 in the papers and 0 for plain DSM.
	Power float64 `yaml:"power,omitempty"`
	// NoiseStd is for esm, ssm and ssm-vr: the standard deviation of the noise on the data, 0 for none.
	NoiseStd float64 `yaml:"noise_std,omitempty"`
	// Projections is for the sliced objectives: the number of projections for each row, n_particles in the authors'
	// code.
	Projections int `yaml:"projections,omitempty"`
	// Process is for diffusion: ve, from noise.last to noise.first, vp or sub_vp.
	Process *sampling.Process `yaml:"process,omitempty"`
	// DataStd is for edm and consistency: the standard deviation of all data. With edm, the weight of a level is
	// 1 + (sigma/data_std)².
	DataStd float64 `yaml:"data_std,omitempty"`
	// LogMean and LogStd are for edm and consistency. If LogStd is not 0, ln sigma is normal with this mean and this
	// standard deviation, between noise.last and noise.first, and each level has an equal part of the rows (Karras et
	// al. 2022, table 1).
	LogMean float64 `yaml:"log_mean,omitempty"`
	LogStd  float64 `yaml:"log_std,omitempty"`
	// Likelihood is for diffusion: it sets the weight to g²/std².
	Likelihood bool `yaml:"likelihood_weighting,omitempty"`
	// Huber is for consistency: the constant c of the pseudo-Huber distance, √(‖d‖² + c²) - c; 0 for ½ ‖d‖².
	Huber float64 `yaml:"huber,omitempty"`
	// Stage, FirstStage and LastStage are for consistency: the number of iterations of a stage, and the first and the
	// last stage, see [Config.Smaller]. Each stage halves the distance of the two sigmas of a row.
	Stage      int `yaml:"stage,omitempty"`
	FirstStage int `yaml:"first_stage,omitempty"`
	LastStage  int `yaml:"last_stage,omitempty"`
}

// Place is the place of a row on the way from data to noise: the noise added to it, and the weight of its loss.
type Place struct{ Sigma, Weight float64 }

// Score is a network as a loss sees it. It returns the score at x, [N, ...], for the noise levels sigma, [N]. The
// result has x's shape.
type Score func(x, sigma *graph.Node) *graph.Node

// Batch has the tensors of a batch in a graph.
type Batch struct {
	X       *graph.Node // clean data, [N, ...]
	Z       *graph.Node // standard normal, X's shape
	Sigma   *graph.Node // [N]
	Weight  *graph.Node // of each row's loss, [N]
	V       *graph.Node // standard normal, [P·N, ...]: P projections, each for the whole batch; nil if there are none
	Smaller *graph.Node // [N], each row's [Config.Smaller]; nil if the objective has no pairs
}

// kind is one objective.
type kind interface {
	settings.Keyed
	check(c Config, levels int, bad *settings.Mistakes)
	// places implements [Config.Places].
	places(c Config, schedule sampling.Schedule) func(level int, u float64) Place
	// noise implements [Config.Noise].
	noise(c Config, sigma float64) float64
	// rows implements [Config.Rows].
	rows(c Config, score Score, b Batch) *graph.Node
	// exact implements [Config.Exact].
	exact(c Config, score, z []float32, sigma float64) float64
}

// table lists all objectives.
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
		{Name: Consistency, Kind: consistencyKind{}},
	}
}

// kind returns the objective of c, which must be valid.
func (c Config) kind() kind {
	k, ok := table().Find(c.Name)
	if !ok {
		panic("loss: no objective " + c.Name)
	}
	return k
}

// Validate returns all mistakes in c, one per line, for a noise schedule of the given number of levels.
func (c Config) Validate(levels int) error {
	var bad settings.Mistakes
	k, ok := table().Known(&bad, "loss", c.Name)
	if ok {
		settings.Foreign(table(), &bad, "loss", c.Name, c.Name, c)
		k.check(c, levels, &bad)
	}
	return bad.Err()
}

// Places returns a function that computes the place of a row. u is uniform on [0, 1) and selects the place within the
// level.
func (c Config) Places(schedule sampling.Schedule) func(level int, u float64) Place {
	return c.kind().places(c, schedule)
}

// Noise returns the standard deviation of the noise on a row at the given sigma of its place.
func (c Config) Noise(sigma float64) float64 { return c.kind().noise(c, sigma) }

// Rows returns the loss of each row of a batch, [N]. It does not average, so that the caller can weight, log and
// average the losses by noise level.
func (c Config) Rows(score Score, b Batch) *graph.Node { return c.kind().rows(c, score, b) }

// Exact returns the loss of a row with noise sigma·z, without the weight of its place. score is the exact score of the
// noisy data. If an objective has derivatives, Exact uses their mean.
func (c Config) Exact(score, z []float32, sigma float64) float64 {
	return c.kind().exact(c, score, z, sigma)
}

// onLevels is shared by the objectives whose rows lie on the levels of the noise schedule with weight 1.
type onLevels struct{}

func (onLevels) places(_ Config, schedule sampling.Schedule) func(level int, u float64) Place {
	return func(level int, _ float64) Place { return Place{schedule.Sigma(level), 1} }
}

func (onLevels) noise(_ Config, sigma float64) float64 { return sigma }

// residual returns ½ ‖σs + z‖² of a row.
func residual(score, z []float32, sigma float64) (sum float64) {
	for i, s := range score {
		sum += math.Pow(sigma*float64(s)+float64(z[i]), 2) / 2
	}
	return sum
}

// halfSquare returns ½ ‖s‖² of a row.
func halfSquare(score []float32) (sum float64) {
	for _, s := range score {
		sum += float64(s) * float64(s) / 2
	}
	return sum
}

// perElement repeats the number of each row for all elements of the row of x.
func perElement(rows, x *graph.Node) *graph.Node {
	for rows.Rank() < x.Rank() {
		rows = graph.ExpandAxes(rows, -1)
	}
	return rows
}

// sumSquares returns ‖v‖² for every row of v.
func sumSquares(v *graph.Node) *graph.Node { return graph.ReduceSum(graph.Square(v), rowAxes(v)...) }

// rowAxes returns the axes within a row of v.
func rowAxes(v *graph.Node) []int {
	axes := make([]int, v.Rank()-1)
	for i := range axes {
		axes[i] = i + 1
	}
	return axes
}
