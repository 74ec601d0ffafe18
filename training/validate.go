package training

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/training/nn"
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
	bad.require(c.Loss.Name == LossDSM, "loss.name is %q: want %s", c.Loss.Name, LossDSM)
	bad.require(finite(c.Loss.Power), "loss.power is %g: want a finite number", c.Loss.Power)
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

func (bad *mistakes) network(n Network) {
	switch n.Name {
	case NetworkToy, NetworkUnconditional, NetworkEmbedding:
		bad.mlp(n)
		bad.absent(n.Name, n.Outer != 0 || n.Inner != 0 || n.Blocks != 0 || n.Mean != 0 || n.Std != 0, "outer, inner, blocks, mean and std")
	case NetworkUNet:
		bad.require(n.Outer >= 1 && n.Outer <= 1<<12, "network.outer is %d: want 1 to %d", n.Outer, 1<<12)
		bad.require(n.Inner >= 1 && n.Inner <= 1<<12, "network.inner is %d: want 1 to %d", n.Inner, 1<<12)
		bad.require(n.Blocks >= 1 && n.Blocks <= 64, "network.blocks is %d: want 1 to 64", n.Blocks)
		bad.require(finite(n.Mean), "network.mean is %g: want a finite number", n.Mean)
		bad.require(positive(n.Std), "network.std is %g: want a finite number above 0", n.Std)
		bad.absent(n.Name, n.Hidden != 0 || n.Activation != "" || n.Scale != 0, "hidden, activation and scale")
	default:
		bad.require(false, "network.name is %q: want %s, %s, %s or %s", n.Name, NetworkToy, NetworkUnconditional, NetworkEmbedding, NetworkUNet)
	}
}

func (bad *mistakes) mlp(n Network) {
	if n.Name == NetworkToy {
		bad.require(positive(n.Scale), "network.scale is %g: want a finite number above 0", n.Scale)
	} else {
		bad.require(n.Scale == 0, "network.scale is %g: network %s has none", n.Scale, n.Name)
	}
	bad.require(n.Hidden >= 1 && n.Hidden <= 1<<14, "network.hidden is %d: want 1 to %d", n.Hidden, 1<<14)
	known := []nn.Activation{nn.SiLU, nn.Softplus, nn.Tanh}
	bad.require(slices.Contains(known, n.Activation), "network.activation is %q: want one of %q", n.Activation, known)
}

// absent refuses keys that a network does not have.
func (bad *mistakes) absent(network string, given bool, keys string) {
	bad.require(!given, "network %s has no %s: want them absent", network, keys)
}

func (bad *mistakes) training(t Training, levels int) {
	bad.require(t.Iterations >= 1, "training.iterations is %d: want at least 1", t.Iterations)
	bad.require(t.BatchSize >= 1 && t.BatchSize <= 1<<20, "training.batch_size is %d: want 1 to %d", t.BatchSize, 1<<20)
	bad.require(t.LogEvery >= 1, "training.log_every is %d: want at least 1", t.LogEvery)
	bad.require(t.EvalRows >= levels, "training.eval_rows is %d: want at least one for each of %d levels", t.EvalRows, levels)
}

func (bad *mistakes) optimizer(o Optimizer) {
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
