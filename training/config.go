package training

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/sampling"
	"github.com/langevin-ml/langevin/training/data"
	"github.com/langevin-ml/langevin/training/loss"
	"github.com/langevin-ml/langevin/training/nn"
	"github.com/langevin-ml/langevin/training/optimizer"
)

// Config describes a whole training. On one type of machine with the same number of cores, the same Config gives the
// same model file, bit for bit. There are no hidden defaults. [Preset] and [Parse] read a Config, and the presets are
// complete examples.
type Config struct {
	Preset      string           `yaml:"-"`           // name of the preset it started from, if any
	Name        string           `yaml:"name"`        // of the model, as in models.ValidName
	Description string           `yaml:"description"` // of the model, one line
	Seed        uint64           `yaml:"seed"`        // of the data, the noise and the initial weights
	Data        data.Config      `yaml:"data"`
	Condition   *Condition       `yaml:"condition,omitempty"` // what each sample is given; nil for nothing
	Network     nn.Config        `yaml:"network"`
	Noise       Noise            `yaml:"noise"`
	Loss        loss.Config      `yaml:"loss"`
	Training    Training         `yaml:"training"`
	Optimizer   optimizer.Config `yaml:"optimizer"`
	Sampler     Sampler          `yaml:"sampler"` // of the model; not used in training
	Prior       sampling.Prior   `yaml:"prior"`   // where the chains of annealed Langevin dynamics start
	Range       models.Range     `yaml:"range"`   // of the data, for pictures
}

// Noise is a geometric noise schedule.
type Noise struct {
	First  float64 `yaml:"first"`  // largest sigma, about the largest distance between data points
	Last   float64 `yaml:"last"`   // smallest sigma; samples have noise of about this size
	Levels int     `yaml:"levels"` // number of sigmas; 1 if First equals Last
}

// Training has the length of a training, its batches, and what it reports and writes.
type Training struct {
	Iterations int `yaml:"iterations"` // optimiser updates
	BatchSize  int `yaml:"batch_size"` // rows of an update, spread evenly over the levels
	LogEvery   int `yaml:"log_every"`  // number of iterations per line of the log and per report of progress

	// Start is the model whose weights the training starts from: the name of a built-in model, or the path of a model
	// file of the same network, NAME.onnx. A model without a condition may start one that has one. If Start is empty,
	// Seed draws the weights.
	Start string `yaml:"start,omitempty"`

	// EvalRows is the number of rows of the test part, over all levels, that measure the loss of the finished model.
	EvalRows int `yaml:"eval_rows"`

	// TestEvery is the number of iterations between measurements on a test batch. It is a multiple of log_every, or 0
	// for none.
	TestEvery int `yaml:"test_every,omitempty"`

	// KeepBest keeps the averaged weights with the least loss on the test part. Each test then has EvalRows rows,
	// always the same with the same noise, and the finished model has the best weights. It is for few data, which a
	// long training remembers.
	KeepBest bool `yaml:"keep_best,omitempty"`

	// CheckpointEvery is the number of iterations between checkpoints. If it is 0, only a stopped training writes one.
	CheckpointEvery int `yaml:"checkpoint_every,omitempty"`

	// SnapshotSamples is the number of samples that the averaged weights draw with each checkpoint.
	SnapshotSamples int `yaml:"snapshot_samples,omitempty"`

	// Checkpoints is the number of checkpoints to keep, 0 for all.
	Checkpoints int `yaml:"checkpoints,omitempty"`

	// HalfWeights is whether the model file stores the weights as float16, see models.StoreHalf. This halves the file.
	HalfWeights bool `yaml:"half_weights,omitempty"`
}

// Sampler has the model's settings of annealed Langevin dynamics on the noise schedule of the training, see
// sampling.AnnealedLangevin. It is the model's default sampler if there is no other.
type Sampler struct {
	StepsPerLevel int     `yaml:"steps_per_level"`
	StepLR        float64 `yaml:"step_lr"`              // step size at the last level, in squared units of the data
	Denoise       bool    `yaml:"denoise"`              // end with a step without noise
	Consistent    bool    `yaml:"consistent,omitempty"` // give each step the noise that its level needs

	// ReverseSDE and Consistency: the one that is not nil is the model's default sampler.
	ReverseSDE  *models.ReverseSDE  `yaml:"reverse_sde,omitempty"`
	Consistency *models.Consistency `yaml:"consistency,omitempty"`
}

// manifest returns the samplers as a model file has them.
func (s Sampler) manifest() models.Sampler {
	kind := models.SamplerAnnealedLangevin
	switch {
	case s.ReverseSDE != nil:
		kind = models.SamplerReverseSDE
	case s.Consistency != nil:
		kind = models.SamplerConsistency
	}
	return models.Sampler{
		Kind: kind, StepsPerLevel: s.StepsPerLevel, StepLR: s.StepLR, Denoise: s.Denoise, Consistent: s.Consistent,
		ReverseSDE: s.ReverseSDE, Consistency: s.Consistency,
	}
}

// Parse reads a Config from YAML. It returns an error for an unknown key, for a second document, and for mistakes that
// [Config.Validate] finds.
func Parse(text []byte) (Config, error) {
	var c Config
	if err := c.merge(text, lineOf); err != nil {
		return Config{}, fmt.Errorf("read configuration: %w", err)
	}
	return c, c.Validate()
}

// Set changes one setting, in the form of the command line: "data.std=0.5", "data.weights=[3, 1]". The value is YAML;
// null makes the setting absent. If Set returns an error, c is unchanged. Set does not validate the result, because
// several settings may be valid only together.
func (c *Config) Set(assignment string) error {
	key, value, ok := strings.Cut(assignment, "=")
	if !ok || strings.TrimSpace(key) == "" || strings.TrimSpace(value) == "" || strings.Contains(value, "\n") {
		return fmt.Errorf("setting %q: want key=value on one line, as in data.std=0.5; "+
			"key=null makes a setting absent", assignment)
	}
	var parsed any
	if err := yaml.Unmarshal([]byte(value), &parsed); err != nil {
		return fmt.Errorf("%s is %q: want one value in YAML, such as 0.5, [1, 2] or \"text: in quotes\"", key, value)
	}
	path := strings.Split(key, ".")
	for i := len(path) - 1; i >= 0; i-- {
		parsed = map[string]any{path[i]: parsed}
	}
	text, err := yaml.Marshal(parsed)
	if err != nil {
		return fmt.Errorf("setting %q: %w", assignment, err)
	}
	return c.merge(text, func(int) string { return "" })
}

// With returns c with the given settings, each in the form of [Config.Set]. If they make the data other data, and none
// of them is the description, the description becomes the one of these data. With returns an error if the result is
// not valid.
func (c Config) With(assignments ...string) (Config, error) {
	before := c.Data.String()
	for _, a := range assignments {
		if err := c.Set(a); err != nil {
			return c, err
		}
	}
	described := slices.ContainsFunc(assignments, func(a string) bool { return strings.HasPrefix(a, "description=") })
	if c.Data.String() != before && !described {
		c.Description = "Trained on " + c.Data.String()
		if c.Data.Dir != "" {
			c.Description += ": " + filepath.Base(c.Data.Dir)
		}
	}
	return c, c.Validate()
}

// merge overwrites the settings that text mentions, or returns an error and changes none.
func (c *Config) merge(text []byte, where func(line int) string) error {
	merged := *c
	if err := decode(text, &merged, where); err != nil {
		return err
	}
	*c = merged
	return nil
}

// schedule returns the noise schedule for package sampling.
func (c Config) schedule() (sampling.Schedule, error) {
	n := c.Noise
	if n.Levels == 1 {
		if n.First != n.Last {
			return sampling.Schedule{}, fmt.Errorf("noise.first is %g and noise.last %g: want them equal for 1 level",
				n.First, n.Last)
		}
		return sampling.NewSchedule(n.First)
	}
	return sampling.Geometric(n.First, n.Last, n.Levels)
}
