package training

import (
	"reflect"
	"strings"
	"testing"

	"github.com/langevin-ml/langevin/training/data"
	"github.com/langevin-ml/langevin/training/loss"
	"github.com/langevin-ml/langevin/training/nn"
)

// These are the files of ncsn and ncsnv2, with their keys and values.
const (
	annealYML = `
training:
  {batch_size: 128, n_epochs: 500000, n_iters: 200001, ngpu: 1, snapshot_freq: 5000, algo: dsm, anneal_power: 2.0}
data: {dataset: MNIST, image_size: 28, channels: 1, logit_transform: false, random_flip: false}
model: {sigma_begin: 1, sigma_end: 0.01, num_classes: 10, batch_norm: false, ngf: 64}
optim: {weight_decay: 0.000, optimizer: Adam, lr: 0.001, beta1: 0.9, amsgrad: false}
`
	scorenetYML = `
training: {batch_size: 128, n_epochs: 500000, n_iters: 50001, ngpu: 1, noise_std: 0.01, algo: ssm, snapshot_freq: 5000}
data: {dataset: CIFAR10, image_size: 32, channels: 3, logit_transform: false}
model: {n_particles: 1, lam: 10, z_dim: 100, nef: 32, ndf: 32}
optim: {weight_decay: 0.0, optimizer: Adam, lr: 0.001, beta1: 0.9}
`
	ffhqYML = `
training: {batch_size: 32, n_epochs: 500000, n_iters: 80001, snapshot_freq: 5000, snapshot_sampling: true,
  anneal_power: 2, log_all_sigmas: false}
sampling: {batch_size: 36, data_init: false, step_lr: 0.0000009, n_steps_each: 3, ckpt_id: 80000, final_only: true,
  fid: false, denoise: true, num_samples4fid: 10000, inpainting: false, interpolation: false, n_interpolations: 8}
fast_fid: {batch_size: 1000, num_samples: 1000, step_lr: 0.0000009, n_steps_each: 3, begin_ckpt: 100000,
  end_ckpt: 80000, verbose: false, ensemble: false}
test: {begin_ckpt: 5000, end_ckpt: 80000, batch_size: 100}
data: {dataset: FFHQ, image_size: 256, channels: 3, logit_transform: false, uniform_dequantization: false,
  gaussian_dequantization: false, random_flip: true, rescaled: false, num_workers: 8}
model: {sigma_begin: 348, num_classes: 2311, ema: true, ema_rate: 0.999, spec_norm: false,
  sigma_dist: geometric, sigma_end: 0.01, normalization: InstanceNorm++, nonlinearity: elu, ngf: 128}
optim: {weight_decay: 0.0, optimizer: Adam, lr: 0.0001, beta1: 0.9, amsgrad: false, eps: 0.001}
`
)

func TestParseUpstream(t *testing.T) {
	for name, c := range map[string]struct {
		text    string
		runner  Runner
		network nn.Config
		loss    loss.Config
		noise   Noise
		params  int
		shape   []int
	}{
		"anneal.yml": {annealYML, "", nn.Config{Name: nn.NameNCSN, Channels: 64},
			loss.Config{Name: loss.DSM, Power: 2}, Noise{1, 0.01, 10}, 7_638_657, []int{1, 28, 28}},
		"baseline.yml": {annealYML, RunnerBaseline, nn.Config{Name: nn.NameNCSNBaseline, Channels: 64},
			loss.Config{Name: loss.DSM}, Noise{0.01, 0.01, 1}, 7_443_393, []int{1, 28, 28}},
		"ssm": {strings.Replace(annealYML, "algo: dsm", "algo: ssm, n_particles: 3", 1), "",
			nn.Config{Name: nn.NameNCSN, Channels: 64}, loss.Config{Name: loss.AnnealedSSMVR, Projections: 3},
			Noise{1, 0.01, 10}, 7_638_657, []int{1, 28, 28}},
		"scorenet.yml": {scorenetYML, "", nn.Config{Name: nn.NameResScore, Channels: 32},
			loss.Config{Name: loss.SSMVR, Projections: 1, NoiseStd: 0.01}, Noise{0.01, 0.01, 1},
			1_379_651, []int{3, 32, 32}},
		"ffhq.yml": {ffhqYML, "", nn.Config{Name: nn.NameNCSNv2Deepest, Channels: 128},
			loss.Config{Name: loss.DSM, Power: 2}, Noise{348, 0.01, 2311}, 94_132_611, []int{3, 256, 256}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ParseUpstream([]byte(c.text), c.runner)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got.Network, c.network) || got.Loss != c.loss || got.Noise != c.noise {
				t.Errorf("network %+v, loss %+v, noise %+v", got.Network, got.Loss, got.Noise)
			}
			g, err := got.Network.Build(c.shape, mustSchedule(t, got).Sigmas())
			if err != nil {
				t.Fatal(err)
			}
			if g.NumParams() != c.params {
				t.Errorf("%d parameters, want %d", g.NumParams(), c.params)
			}
			if !IsUpstream([]byte(c.text)) {
				t.Error("not taken for a file of the authors")
			}
		})
	}
	c, err := ParseUpstream([]byte(ffhqYML), "")
	if err != nil {
		t.Fatal(err)
	}
	if c.Training.Iterations != 80_001 || c.Training.BatchSize != 32 || c.Training.CheckpointEvery != 5000 ||
		c.Optimizer.Epsilon != 1e-3 || c.Optimizer.EMA != 0.999 ||
		c.Sampler != (Sampler{StepsPerLevel: 3, StepLR: 9e-7, Denoise: true}) || c.Data.Name != data.Pictures ||
		!c.Data.RandomFlip || c.Data.ImageSize != 256 {
		t.Errorf("ffhq.yml is %+v", c)
	}
}

// TestPresetsAreTheAuthors: the presets of the papers have the settings of the authors' files.
func TestPresetsAreTheAuthors(t *testing.T) {
	for name, text := range map[string]string{"anneal-mnist": annealYML, "scorenet": scorenetYML,
		"ncsnv2-ffhq": ffhqYML} {
		got, err := ParseUpstream([]byte(text), "")
		if err != nil {
			t.Fatal(err)
		}
		want := preset(t, name)
		want.Preset, want.Name, want.Description = "", got.Name, got.Description
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s is\n%+v, the authors' file\n%+v", name, want, got)
		}
	}
}

func TestParseUpstreamRefuses(t *testing.T) {
	for change, want := range map[string]string{
		"beta1: 0.9->beta3: 0.9":                      "line 6: optim.beta3 is no setting: did you mean optim.beta1?",
		"optimizer: Adam->optimizer: Lion":            `optim.optimizer is "Lion": want Adam, RMSProp, SGD`,
		"batch_norm: false->batch_norm: true":         "model.batch_norm is true",
		"dataset: MNIST->dataset: SVHN":               `data.dataset is "SVHN"`,
		"algo: dsm->algo: mle":                        `training.algo is "mle"`,
		"ngf: 64->ngf: 64, normalization: BatchNorm":  `model.normalization is "BatchNorm": want InstanceNorm++`,
		"ngf: 64->ngf: 64, sigma_dist: uniform":       `model.sigma_dist is "uniform"`,
		"batch_size: 128->batch_size: 0":              "training.batch_size is 0",
		"image_size: 28->image_size: 28, rescaled: 2": "line 4: data.rescaled is 2: want true or false",
	} {
		old, changed, _ := strings.Cut(change, "->")
		if _, err := ParseUpstream([]byte(strings.Replace(annealYML, old, changed, 1)), ""); err == nil ||
			!strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one that says %q", change, err, want)
		}
	}
	if _, err := ParseUpstream([]byte(annealYML), "toy"); err == nil ||
		!strings.Contains(err.Error(), `runner is "toy"`) {
		t.Errorf("error %v, want one that names the runner", err)
	}
}
