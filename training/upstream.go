package training

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/sampling"
	"github.com/langevin-ml/langevin/training/data"
	"github.com/langevin-ml/langevin/training/loss"
	"github.com/langevin-ml/langevin/training/nn"
	"github.com/langevin-ml/langevin/training/optimizer"
	"github.com/langevin-ml/langevin/training/settings"
)

// Runner names what the authors' code does with a configuration file.
type Runner string

const (
	RunnerAnneal   Runner = "anneal"   // NCSN (2019)
	RunnerBaseline Runner = "baseline" // a single noise level, 0.01
	RunnerScoreNet Runner = "scorenet" // figure 1 of the paper
	RunnerNCSNv2   Runner = "ncsnv2"   // NCSNv2 (2020)
)

// upstream is a configuration file of the authors' repositories ncsn and ncsnv2, with their keys. Keys that do not
// change what is learned, but only how it is computed or what is written, are read and have no effect.
type upstream struct {
	Training struct {
		BatchSize        int     `yaml:"batch_size"`
		Epochs           int     `yaml:"n_epochs"`
		Iterations       int     `yaml:"n_iters"`
		GPUs             int     `yaml:"ngpu"`
		SnapshotFreq     int     `yaml:"snapshot_freq"`
		SnapshotSampling bool    `yaml:"snapshot_sampling"`
		Algorithm        string  `yaml:"algo"`
		AnnealPower      float64 `yaml:"anneal_power"`
		Particles        int     `yaml:"n_particles"`
		NoiseStd         float64 `yaml:"noise_std"`
		LogAllSigmas     bool    `yaml:"log_all_sigmas"`
	} `yaml:"training"`
	Data struct {
		Dataset    string `yaml:"dataset"`
		Category   string `yaml:"category"`
		ImageSize  int    `yaml:"image_size"`
		Channels   int    `yaml:"channels"`
		Logit      bool   `yaml:"logit_transform"`
		Uniform    bool   `yaml:"uniform_dequantization"`
		Gaussian   bool   `yaml:"gaussian_dequantization"`
		RandomFlip bool   `yaml:"random_flip"`
		Rescaled   bool   `yaml:"rescaled"`
		Workers    int    `yaml:"num_workers"`
	} `yaml:"data"`
	Model struct {
		SigmaBegin    float64 `yaml:"sigma_begin"`
		SigmaEnd      float64 `yaml:"sigma_end"`
		Levels        int     `yaml:"num_classes"`
		SigmaDist     string  `yaml:"sigma_dist"`
		BatchNorm     bool    `yaml:"batch_norm"`
		SpectralNorm  bool    `yaml:"spec_norm"`
		Normalization string  `yaml:"normalization"`
		Nonlinearity  string  `yaml:"nonlinearity"`
		EMA           bool    `yaml:"ema"`
		EMARate       float64 `yaml:"ema_rate"`
		Channels      int     `yaml:"ngf"`
		Encoder       int     `yaml:"nef"`
		Decoder       int     `yaml:"ndf"`
		Particles     int     `yaml:"n_particles"`
		Lambda        float64 `yaml:"lam"`
		Latent        int     `yaml:"z_dim"`
	} `yaml:"model"`
	Optim struct {
		WeightDecay float64 `yaml:"weight_decay"`
		Optimizer   string  `yaml:"optimizer"`
		Rate        float64 `yaml:"lr"`
		Beta1       float64 `yaml:"beta1"`
		AMSGrad     bool    `yaml:"amsgrad"`
		Epsilon     float64 `yaml:"eps"`
	} `yaml:"optim"`
	Sampling *struct {
		BatchSize      int     `yaml:"batch_size"`
		DataInit       bool    `yaml:"data_init"`
		StepLR         float64 `yaml:"step_lr"`
		StepsEach      int     `yaml:"n_steps_each"`
		Checkpoint     *int    `yaml:"ckpt_id"`
		FinalOnly      bool    `yaml:"final_only"`
		FID            bool    `yaml:"fid"`
		Denoise        bool    `yaml:"denoise"`
		FIDSamples     int     `yaml:"num_samples4fid"`
		Inpainting     bool    `yaml:"inpainting"`
		Interpolation  bool    `yaml:"interpolation"`
		Interpolations int     `yaml:"n_interpolations"`
	} `yaml:"sampling"`
	FastFID struct {
		BatchSize int     `yaml:"batch_size"`
		Samples   int     `yaml:"num_samples"`
		StepLR    float64 `yaml:"step_lr"`
		StepsEach int     `yaml:"n_steps_each"`
		Begin     int     `yaml:"begin_ckpt"`
		End       int     `yaml:"end_ckpt"`
		Verbose   bool    `yaml:"verbose"`
		Ensemble  bool    `yaml:"ensemble"`
	} `yaml:"fast_fid"`
	Test struct {
		Begin     int `yaml:"begin_ckpt"`
		End       int `yaml:"end_ckpt"`
		BatchSize int `yaml:"batch_size"`
	} `yaml:"test"`
}

// ParseUpstream reads a configuration file of the authors' code. It knows every key of ncsn and ncsnv2, and refuses
// others. The authors' code gets the runner from a flag. If runner is empty, ParseUpstream derives it from the file:
// scorenet if there is a noise_std, ncsnv2 if there is a group sampling, and anneal otherwise. It looks for data in
// data/, by name. A key that this package does not support, such as another normalization, is an error that names the
// key.
func ParseUpstream(text []byte, runner Runner) (Config, error) {
	var u upstream
	if err := decode(text, &u, lineOf); err != nil {
		return Config{}, fmt.Errorf("read configuration: %w", err)
	}
	if runner == "" {
		runner = u.runner()
	}
	if err := u.check(runner); err != nil {
		return Config{}, fmt.Errorf("read configuration: %w", err)
	}
	c := u.config(runner)
	return c, c.Validate()
}

// IsUpstream reports whether a YAML file has the groups of the authors' code instead of the ones of a Config.
func IsUpstream(text []byte) bool {
	var groups map[string]any
	if yaml.Unmarshal(text, &groups) != nil {
		return false
	}
	return groups["optim"] != nil
}

func (u upstream) runner() Runner {
	switch {
	case u.Sampling != nil:
		return RunnerNCSNv2
	case u.Training.NoiseStd != 0 || u.Model.Encoder != 0:
		return RunnerScoreNet
	}
	return RunnerAnneal
}

// check refuses settings that this package does not support.
func (u upstream) check(runner Runner) error {
	var bad settings.Mistakes
	runners := []Runner{RunnerAnneal, RunnerBaseline, RunnerScoreNet, RunnerNCSNv2}
	bad.Require(slices.Contains(runners, runner), "runner is %q: want one of %q", runner, runners)
	m := u.Model
	oneOf := func(key, given string, want ...string) {
		bad.Require(given == "" || slices.Contains(want, given),
			"%s is %q: want %s", key, given, strings.Join(want, ", "))
	}
	oneOf("model.normalization", m.Normalization, "InstanceNorm++")
	oneOf("model.nonlinearity", strings.ToLower(m.Nonlinearity), "elu")
	oneOf("model.sigma_dist", m.SigmaDist, "geometric")
	oneOf("training.algo", u.Training.Algorithm, "dsm", "ssm")
	oneOf("optim.optimizer", u.Optim.Optimizer, "Adam", "RMSProp", "SGD")
	oneOf("data.dataset", u.Data.Dataset, "MNIST", "CIFAR10", "CELEBA", "LSUN", "FFHQ")
	bad.Require(u.Data.Dataset != "", "data.dataset is absent")
	bad.Require(!m.BatchNorm, "model.batch_norm is true: want false")
	bad.Require(!m.SpectralNorm, "model.spec_norm is true: want false")
	bad.Require(m.Encoder == m.Decoder, "model.nef is %d and model.ndf %d: want them equal", m.Encoder, m.Decoder)
	bad.Require(!u.Data.Uniform || !u.Data.Gaussian,
		"data.uniform_dequantization and data.gaussian_dequantization: want one of them")
	bad.Require(!u.Data.Logit || !u.Data.Rescaled, "data.logit_transform and data.rescaled: want one of them")
	return bad.Err()
}

// config translates the file to a Config.
func (u upstream) config(runner Runner) Config {
	dataset := u.dataset(runner)
	c := Config{
		Name:        string(runner) + "-" + strings.ToLower(u.Data.Dataset),
		Description: fmt.Sprintf("%s on %s, as the authors' code trains it", runner, dataset),
		Seed:        1234,
		Data:        dataset,
		Network:     u.network(runner),
		Noise:       Noise{First: u.Model.SigmaBegin, Last: u.Model.SigmaEnd, Levels: u.Model.Levels},
		Training: Training{
			Iterations: u.Training.Iterations, BatchSize: u.Training.BatchSize, LogEvery: 100, TestEvery: 100,
			CheckpointEvery: u.Training.SnapshotFreq, EvalRows: max(10000, u.Model.Levels),
		},
		Optimizer: u.optimizer(),
		Sampler:   Sampler{StepsPerLevel: 100, StepLR: 2e-5},
		Prior:     sampling.Prior{Kind: sampling.PriorUniform, Low: 0, High: 1},
		Range:     models.Range{Low: 0, High: 1},
	}
	if s := u.Sampling; s != nil {
		c.Sampler = Sampler{StepsPerLevel: s.StepsEach, StepLR: s.StepLR, Denoise: s.Denoise}
	}
	switch c.Data.Transform {
	case data.TransformRescaled:
		c.Range = models.Range{Low: -1, High: 1}
	case data.TransformLogit:
		c.Range = models.Range{Low: -13.8, High: 13.8}
	}
	if u.Training.SnapshotSampling {
		c.Training.SnapshotSamples = 36
	}
	u.setLoss(&c, runner)
	return c
}

// setLoss sets the objective, and the noise levels if the objective has its own.
func (u upstream) setLoss(c *Config, runner Runner) {
	single := func(sigma float64) {
		c.Noise = Noise{First: sigma, Last: sigma, Levels: 1}
		c.Sampler = Sampler{StepsPerLevel: 1000, StepLR: 2e-5}
	}
	sliced := u.Training.Algorithm == "ssm"
	projections := max(1, u.Training.Particles)
	switch {
	case runner == RunnerBaseline:
		single(0.01)
		c.Loss = loss.Config{Name: loss.DSM}
	case runner == RunnerScoreNet && sliced:
		single(max(u.Training.NoiseStd, 0.01))
		c.Loss = loss.Config{Name: loss.SSMVR, Projections: projections, NoiseStd: u.Training.NoiseStd}
	case runner == RunnerScoreNet:
		single(u.Training.NoiseStd)
		c.Loss = loss.Config{Name: loss.DSM}
	case sliced:
		c.Loss = loss.Config{Name: loss.AnnealedSSMVR, Projections: projections}
	default:
		c.Loss = loss.Config{Name: loss.DSM, Power: u.Training.AnnealPower}
	}
}

// dataset returns the configuration of a dataset. NCSN always dequantizes, and figure 1 never does.
func (u upstream) dataset(runner Runner) data.Config {
	d := data.Config{RandomFlip: u.Data.RandomFlip && runner != RunnerScoreNet}
	switch u.Data.Dataset {
	case "MNIST":
		d.Name, d.Dir = data.MNIST, "data/mnist"
	case "CIFAR10":
		d.Name, d.Dir = data.CIFAR10, "data/cifar10"
	case "CELEBA":
		d.Name, d.Dir, d.ImageSize = data.CelebA, "data/celeba", u.Data.ImageSize
	case "LSUN":
		d.Name, d.Dir, d.ImageSize = data.Pictures, "data/lsun/"+u.Data.Category, u.Data.ImageSize
	case "FFHQ":
		d.Name, d.Dir, d.ImageSize = data.Pictures, "data/ffhq", u.Data.ImageSize
	}
	switch {
	case u.Data.Uniform || runner == RunnerAnneal || runner == RunnerBaseline:
		d.Dequantize = data.DequantizeUniform
	case u.Data.Gaussian:
		d.Dequantize = data.DequantizeGaussian
	}
	switch {
	case u.Data.Logit:
		d.Transform = data.TransformLogit
	case u.Data.Rescaled:
		d.Transform = data.TransformRescaled
	}
	return d
}

// network returns the network of the runner. NCSNv2's network depends on the dataset.
func (u upstream) network(runner Runner) nn.Config {
	n := nn.Config{Channels: u.Model.Channels, Centred: u.Data.Logit || u.Data.Rescaled && runner == RunnerNCSNv2}
	switch {
	case runner == RunnerScoreNet:
		return nn.Config{Name: nn.NameResScore, Channels: u.Model.Encoder}
	case runner == RunnerBaseline:
		n.Name = nn.NameNCSNBaseline
	case runner == RunnerAnneal:
		n.Name = nn.NameNCSN
	case u.Data.Dataset == "LSUN":
		n.Name = nn.NameNCSNv2Deeper
	case u.Data.Dataset == "FFHQ":
		n.Name = nn.NameNCSNv2Deepest
	default:
		n.Name = nn.NameNCSNv2
	}
	return n
}

// optimizer returns PyTorch's optimizer, with PyTorch's defaults for absent keys.
func (u upstream) optimizer() optimizer.Config {
	o := optimizer.Config{
		LearningRate: u.Optim.Rate, Decay: optimizer.DecayNone, Beta1: u.Optim.Beta1, Beta2: 0.999, Epsilon: 1e-8,
		WeightDecay: u.Optim.WeightDecay,
	}
	if u.Optim.Epsilon != 0 {
		o.Epsilon = u.Optim.Epsilon
	}
	switch {
	case u.Optim.Optimizer == "SGD":
		o.Name, o.Beta1 = optimizer.SGD, 0.9
	case u.Optim.Optimizer == "RMSProp":
		o.Name, o.Beta2 = optimizer.RMSProp, 0.99
	case u.Optim.AMSGrad:
		o.Name = optimizer.AMSGrad
	}
	if u.Model.EMA {
		o.EMA = u.Model.EMARate
	}
	return o
}
