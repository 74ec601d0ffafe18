package training

import (
	"fmt"
	"strings"

	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/training/settings"
)

// Validate returns all mistakes at once, one per line, each with its key in the YAML.
func (c Config) Validate() error {
	var bad settings.Mistakes
	bad.Join(CheckName(c.Name))
	bad.Require(!strings.ContainsAny(c.Description, "\r\n"), "description has several lines: want one")
	bad.Join(c.Data.Validate())
	bad.Join(c.checkNoise())
	bad.Join(c.Network.Validate())
	bad.Join(c.validateCondition())
	bad.Join(c.Loss.Validate(c.Noise.Levels))
	bad.Join(c.Training.validate(c.Noise.Levels))
	bad.Join(c.Optimizer.Validate())
	bad.Join(c.Sampler.validate(c.Noise.Levels))
	bad.Join(c.Prior.Validate())
	r := c.Range
	bad.Require(settings.Finite(r.Low) && settings.Finite(r.High) && r.Low < r.High,
		"range is %g to %g: want finite bounds, low below high", r.Low, r.High)
	return bad.Err()
}

// CheckName returns an error unless a model may have a name.
func CheckName(name string) error {
	if models.ValidName(name) {
		return nil
	}
	return fmt.Errorf("name is %q: want 1 to 64 of a-z, 0-9, dot, dash and underscore, the first a letter or digit",
		name)
}

// validate returns all mistakes in s, one per line, for a noise schedule of the given number of levels.
func (s Sampler) validate(levels int) error {
	var bad settings.Mistakes
	steps := models.MaxSteps
	if levels >= 1 && levels <= models.MaxLevels {
		steps /= levels
	}
	bad.Require(s.StepsPerLevel >= 1 && s.StepsPerLevel <= steps,
		"sampler.steps_per_level is %d: want 1 to %d, which makes %d with all levels", s.StepsPerLevel, steps,
		models.MaxSteps)
	bad.Require(settings.Positive(s.StepLR), "sampler.step_lr is %g: want a finite number above 0", s.StepLR)
	if r := s.ReverseSDE; r != nil {
		bad.Join(r.Validate("sampler.reverse_sde"))
		bad.Require(levels >= 2, "sampler.reverse_sde is set: want at least 2 noise.levels, not %d", levels)
	}
	if c := s.Consistency; c != nil {
		bad.Join(c.Validate("sampler.consistency"))
		bad.Require(s.ReverseSDE == nil, "sampler.consistency is set: want it without sampler.reverse_sde")
	}
	return bad.Err()
}

// checkNoise counts the levels before it makes a schedule of them.
func (c Config) checkNoise() error {
	if n := c.Noise.Levels; n < 1 || n > models.MaxLevels {
		return fmt.Errorf("noise.levels is %d: want 1 to %d", n, models.MaxLevels)
	}
	_, err := c.schedule()
	return err
}

// most is the largest number of iterations, and of other things that a training may count.
const most = 1_000_000_000

// validate returns all mistakes in t, one per line, for a noise schedule of the given number of levels.
func (t Training) validate(levels int) error {
	var bad settings.Mistakes
	count := func(key string, value, least, most int) {
		bad.Require(value >= least && value <= most, "training.%s is %d: want %d to %d", key, value, least, most)
	}
	count("iterations", t.Iterations, 1, most)
	count("batch_size", t.BatchSize, 1, 1<<20)
	count("log_every", t.LogEvery, 1, most)
	bad.Require(t.EvalRows >= levels && t.EvalRows <= most,
		"training.eval_rows is %d: want at least one for each of %d levels, and at most %d", t.EvalRows, levels, most)
	bad.Require(t.TestEvery >= 0 && t.TestEvery <= most && t.TestEvery%max(t.LogEvery, 1) == 0,
		"training.test_every is %d: want a multiple of log_every, %d, of at most %d", t.TestEvery, t.LogEvery, most)
	bad.Require(!t.KeepBest || t.TestEvery > 0, "training.keep_best needs a training.test_every above 0")
	count("checkpoint_every", t.CheckpointEvery, 0, most)
	if count("snapshot_samples", t.SnapshotSamples, 0, 10_000); t.SnapshotSamples > 0 {
		bad.Require(t.CheckpointEvery > 0, "training.snapshot_samples needs a training.checkpoint_every above 0")
	}
	count("checkpoints", t.Checkpoints, 0, most)
	checkStart(t.Start, &bad)
	return bad.Err()
}
