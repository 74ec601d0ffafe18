package training

import (
	"strings"

	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/training/settings"
)

// Validate returns all mistakes at once, one per line, each with its key in the YAML.
func (c Config) Validate() error {
	var bad settings.Mistakes
	bad.Require(models.ValidName(c.Name),
		"name is %q: want 1 to 64 of a-z, 0-9, dot, dash and underscore, the first a letter or digit", c.Name)
	bad.Require(!strings.ContainsAny(c.Description, "\r\n"), "description has several lines: want one")
	bad.Join(c.Data.Validate())
	_, err := c.schedule()
	bad.Join(err)
	bad.Join(c.Network.Validate())
	bad.Join(c.Loss.Validate(c.Noise.Levels))
	bad.Join(c.Training.validate(c.Noise.Levels))
	bad.Join(c.Optimizer.Validate())
	bad.Require(c.Sampler.StepsPerLevel >= 1, "sampler.steps_per_level is %d: want at least 1", c.Sampler.StepsPerLevel)
	bad.Require(settings.Positive(c.Sampler.StepLR),
		"sampler.step_lr is %g: want a finite number above 0", c.Sampler.StepLR)
	bad.Join(c.Prior.Validate())
	r := c.Range
	bad.Require(settings.Finite(r.Low) && settings.Finite(r.High) && r.Low < r.High,
		"range is %g to %g: want finite bounds, low below high", r.Low, r.High)
	return bad.Err()
}

// validate returns all mistakes in t, one per line, for a noise schedule of the given number of levels.
func (t Training) validate(levels int) error {
	var bad settings.Mistakes
	bad.Require(t.Iterations >= 1, "training.iterations is %d: want at least 1", t.Iterations)
	bad.Require(t.BatchSize >= 1 && t.BatchSize <= 1<<20, "training.batch_size is %d: want 1 to %d", t.BatchSize, 1<<20)
	bad.Require(t.LogEvery >= 1, "training.log_every is %d: want at least 1", t.LogEvery)
	bad.Require(t.EvalRows >= levels,
		"training.eval_rows is %d: want at least one for each of %d levels", t.EvalRows, levels)
	bad.Require(t.TestEvery >= 0 && t.TestEvery%max(t.LogEvery, 1) == 0,
		"training.test_every is %d: want a multiple of log_every, %d", t.TestEvery, t.LogEvery)
	bad.Require(t.CheckpointEvery >= 0, "training.checkpoint_every is %d: want at least 0", t.CheckpointEvery)
	bad.Require(t.SnapshotSamples >= 0 && (t.SnapshotSamples == 0 || t.CheckpointEvery > 0),
		"training.snapshot_samples is %d: want at least 0, and a checkpoint_every if above", t.SnapshotSamples)
	bad.Require(t.Checkpoints >= 0, "training.checkpoints is %d: want at least 0", t.Checkpoints)
	return bad.Err()
}
