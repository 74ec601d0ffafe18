package training

import (
	"strings"
	"testing"
)

// TestObjectives: every objective trains, and its loss falls.
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
		"{name: consistency, power: 0, data_std: 2, stage: 1000, last_stage: 0}",
	} {
		c := short(t, "toy-2gauss", "loss="+l, "noise.levels=25", "training.iterations=100",
			"optimizer.learning_rate=0.01", "optimizer.ema=0")
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
		"loss.noise_std=0.1":         "loss.noise_std is 0.1: dsm has none, want it with esm, ssm, ssm-vr only",
		"loss={name: ddpm, power: 0}\x00noise.levels=20": "ddpm wants more than 20",
		"loss.process=ve":                  "loss.process is ve: dsm has none, want it with diffusion only",
		"loss={name: diffusion, power: 0}": "loss.process: want ve",
		"loss={name: edm, power: 0}":       "loss.data_std is 0",
		"loss.data_std=1":                  "loss.data_std is 1",
		"loss.likelihood_weighting=true":   "want it with diffusion only",
		"loss.stage=5":                     "loss.stage is 5: dsm has none, want it with consistency only",
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
