package training

import (
	"math"
	"strings"
	"testing"
)

// Where a process puts its rows: the standard deviations of Song et al. (2021), on the data, and the weights of the
// bound on the likelihood, g²/std².
func TestPlaces(t *testing.T) {
	c := preset(t, "toy-ring")
	set(t, &c, "noise={first: 50, last: 0.01, levels: 10}", "loss={name: diffusion, power: 0, process: ve, likelihood_weighting: true}")
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	const u = 0.25
	integral := func(t float64) float64 { return 0.1*t + 9.95*t*t }
	beta := func(t float64) float64 { return 0.1 + 19.9*t }
	for process, want := range map[string]func(t float64) place{
		"ve": func(t float64) place {
			return place{0.01 * math.Pow(5000, t), 2 * math.Log(5000)}
		},
		"vp": func(t float64) place {
			std2 := 1 - math.Exp(-integral(t))
			return place{math.Sqrt(std2 / math.Exp(-integral(t))), beta(t) / std2}
		},
		"sub_vp": func(t float64) place {
			std := 1 - math.Exp(-integral(t))
			return place{std / math.Exp(-integral(t)/2), beta(t) * (1 - math.Exp(-2*integral(t))) / (std * std)}
		},
	} {
		set(t, &c, "loss.process="+process)
		at := c.places(mustSchedule(t, c))
		for level := range 10 {
			time := 1e-5 + (1-1e-5)*(1-(float64(level)+u)/10)
			got, want := at(level, u), want(time)
			if math.Abs(got.sigma/want.sigma-1) > 1e-9 || math.Abs(got.weight/want.weight-1) > 1e-9 {
				t.Errorf("%s, level %d: %+v, want %+v", process, level, got, want)
			}
		}
	}
	// 1,000 steps of DDPM end nearly where the process VP ends: ᾱ within a few per cent of e^(-B(1)).
	sigmas := ddpmSigmas(1000)
	if want := math.Sqrt(math.Exp(integral(1)) - 1); math.Abs(sigmas[0]/want-1) > 0.06 {
		t.Errorf("DDPM's largest sigma is %g, want about %g", sigmas[0], want)
	}
	if want := math.Sqrt(1e-4 / (1 - 1e-4)); math.Abs(sigmas[999]/want-1) > 1e-9 {
		t.Errorf("DDPM's smallest sigma is %g, want %g", sigmas[999], want)
	}
}

// With the weight of Karras et al. (2022) a network that returns what it knows without looking, F = 0, has the loss D/2
// on N(0, data_std²) at every level: ½ E‖σs + z‖²·(1 + σ²/data_std²) for s = -x/(σ² + data_std²).
func TestEDMWeight(t *testing.T) {
	const std = 0.3
	l := Loss{Name: LossEDM, DataStd: std}
	for _, sigma := range []float64{0.01, 0.3, 10} {
		v := sigma*sigma + std*std
		// σs + z = (z·std² - σx₀)/v for x = x₀ + σz, of variance (std⁴ + σ²std²)/v² = std²/v
		if got := 0.5 * std * std / v * l.edmWeight(sigma); math.Abs(got-0.5) > 1e-12 {
			t.Errorf("sigma %g: loss %g an element, want 0.5", sigma, got)
		}
	}
}

// Every objective trains, and its loss falls.
func TestObjectives(t *testing.T) {
	for _, l := range []string{
		"{name: esm, power: 0}",
		"{name: ssm, power: 0, projections: 1, noise_std: 0.1}",
		"{name: ssm-vr, power: 0, projections: 2}",
		"{name: annealed-ssm-vr, power: 0, projections: 1}",
		"{name: diffusion, power: 0, process: ve, likelihood_weighting: true}",
		"{name: diffusion, power: 0, process: vp}",
		"{name: edm, power: 0, data_std: 2}",
		"{name: diffusion, power: 0, process: sub_vp}",
		"{name: ddpm, power: 0}",
	} {
		c := short(t, "toy-2gauss", "loss="+l, "noise.levels=25", "training.iterations=100", "optimizer.learning_rate=0.01", "optimizer.ema=0")
		r := train(t, c)
		if first := r.History[0].Loss; !(r.Loss < first) {
			t.Errorf("loss %s: %g at the end, %g at first", l, r.Loss, first)
		}
	}
}

func TestLossRefuses(t *testing.T) {
	for assignment, want := range map[string]string{
		"loss.name=mse":              `loss.name is "mse": want one of`,
		"loss.name=ssm":              "loss.power is 2: ssm has none",
		"loss.projections=3":         "loss.projections is 3: dsm has none",
		"loss={name: ssm, power: 0}": "loss.projections is 0: want 1 to 1024",
		"loss.noise_std=0.1":         "loss.noise_std is 0.1: want it absent",
		"loss={name: ddpm, power: 0}\x00noise.levels=20": "ddpm wants more than 20",
		"loss.process=ve":                  "loss.process: want ve, vp or sub_vp with diffusion",
		"loss={name: diffusion, power: 0}": "loss.process: want ve",
		"loss={name: edm, power: 0}":       "loss.data_std is 0",
		"loss.data_std=1":                  "loss.data_std is 1",
		"loss.likelihood_weighting=true":   "want it with diffusion only",
		"optimizer.name=lion":              `optimizer.name is "lion"`,
		"optimizer.clip=-1":                "optimizer.clip is -1",
		"optimizer.weight_decay=-1":        "optimizer.weight_decay is -1",
		"training.test_every=150":          "training.test_every is 150: want a multiple of log_every, 100",
		"training.checkpoint_every=-1":     "training.checkpoint_every is -1",
	} {
		c := preset(t, "toy-ring")
		set(t, &c, strings.Split(assignment, "\x00")...)
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one that says %q", assignment, err, want)
		}
	}
	c := preset(t, "toy-ring")
	if err := c.Set("loss.process=vpp"); err == nil || !strings.Contains(err.Error(), "vpp") {
		t.Errorf("loss.process=vpp: error %v, want one that names it", err)
	}
}
