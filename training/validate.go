package training

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/langevin-ml/langevin/models"
)

// Validate reports every mistake at once, one line each, by the key in the YAML.
func (c Config) Validate() error {
	var bad mistakes
	bad.require(models.ValidName(c.Name), "name is %q: want 1 to 64 of a-z, 0-9, dot, dash and underscore, the first a letter or digit", c.Name)
	bad.require(!strings.ContainsAny(c.Description, "\r\n"), "description has several lines: want one")
	bad.join(c.Data.Validate())
	_, err := c.schedule()
	bad.join(err)
	bad.network(c.Network)
	bad.loss(c.Loss, c.Noise.Levels)
	bad.training(c.Training, c.Noise.Levels)
	bad.optimizer(c.Optimizer)
	bad.require(c.Sampler.StepsPerLevel >= 1, "sampler.steps_per_level is %d: want at least 1", c.Sampler.StepsPerLevel)
	bad.require(positive(c.Sampler.StepLR), "sampler.step_lr is %g: want a finite number above 0", c.Sampler.StepLR)
	bad.join(c.Prior.Validate())
	r := c.Range
	bad.require(finite(r.Low) && finite(r.High) && r.Low < r.High, "range is %g to %g: want finite bounds, low below high", r.Low, r.High)
	return errors.Join(bad...)
}

type mistakes []error

func (bad *mistakes) require(ok bool, format string, args ...any) {
	if !ok {
		bad.join(fmt.Errorf(format, args...))
	}
}

func (bad *mistakes) join(err error) {
	if err != nil {
		*bad = append(*bad, err)
	}
}

func (bad *mistakes) training(t Training, levels int) {
	bad.require(t.Iterations >= 1, "training.iterations is %d: want at least 1", t.Iterations)
	bad.require(t.BatchSize >= 1 && t.BatchSize <= 1<<20, "training.batch_size is %d: want 1 to %d", t.BatchSize, 1<<20)
	bad.require(t.LogEvery >= 1, "training.log_every is %d: want at least 1", t.LogEvery)
	bad.require(t.EvalRows >= levels, "training.eval_rows is %d: want at least one for each of %d levels", t.EvalRows, levels)
	bad.require(t.TestEvery >= 0 && t.TestEvery%max(t.LogEvery, 1) == 0, "training.test_every is %d: want a multiple of log_every, %d", t.TestEvery, t.LogEvery)
	bad.require(t.CheckpointEvery >= 0, "training.checkpoint_every is %d: want at least 0", t.CheckpointEvery)
	bad.require(t.SnapshotSamples >= 0 && (t.SnapshotSamples == 0 || t.CheckpointEvery > 0),
		"training.snapshot_samples is %d: want at least 0, and a checkpoint_every if above", t.SnapshotSamples)
	bad.require(t.Checkpoints >= 0, "training.checkpoints is %d: want at least 0", t.Checkpoints)
}

func (bad *mistakes) optimizer(o Optimizer) {
	switch o.Name {
	case "", Adam, AMSGrad, SGD, RMSProp:
	default:
		bad.require(false, "optimizer.name is %q: want %s, %s, %s or %s", o.Name, Adam, AMSGrad, SGD, RMSProp)
	}
	bad.require(o.Clip >= 0 && finite(o.Clip), "optimizer.clip is %g: want a finite number of at least 0", o.Clip)
	bad.require(o.WeightDecay >= 0 && finite(o.WeightDecay), "optimizer.weight_decay is %g: want a finite number of at least 0", o.WeightDecay)
	bad.require(positive(o.LearningRate), "optimizer.learning_rate is %g: want a finite number above 0", o.LearningRate)
	bad.require(o.Warmup >= 0, "optimizer.warmup is %d: want at least 0", o.Warmup)
	bad.require(o.Decay == DecayNone || o.Decay == DecayCosine, "optimizer.decay is %q: want %s or %s", o.Decay, DecayNone, DecayCosine)
	bad.fraction("beta1", o.Beta1)
	bad.fraction("beta2", o.Beta2)
	bad.fraction("ema", o.EMA)
	bad.require(positive(o.Epsilon), "optimizer.epsilon is %g: want a finite number above 0", o.Epsilon)
}

func (bad *mistakes) fraction(key string, v float64) {
	bad.require(v >= 0 && v < 1, "optimizer.%s is %g: want at least 0 and below 1", key, v)
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

func positive(v float64) bool { return v > 0 && finite(v) }
