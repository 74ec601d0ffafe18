package training

import (
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/ort"
	"github.com/langevin-ml/langevin/sampling"
)

// open loads a model file in the same way as the server.
func open(t *testing.T, file []byte) (sampling.Model, models.Manifest) {
	t.Helper()
	manifest, err := models.Read(file)
	if err != nil {
		t.Fatal(err)
	}
	runtime, err := ort.Open(library(t))
	if err != nil {
		t.Fatal(err)
	}
	session, err := runtime.Load(t.Context(), file, manifest, ort.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := session.Close(); err != nil {
			t.Error(err)
		}
	})
	return session.Model(), manifest
}

// noisy returns n rows of data at one sigma, x + σz, and z.
func noisy(m sampling.Mixture, n int, sigma float64) (x, z, sigmas []float32) {
	d := m.Dim()
	x, z, sigmas = make([]float32, n*d), make([]float32, n*d), make([]float32, n)
	sampling.Noise{Seed: 77, Chain: math.MaxUint64}.Normal(z, 0)
	for i := range sigmas {
		sigmas[i] = float32(sigma)
		m.Sample(x[i*d:(i+1)*d], sampling.Noise{Seed: 77, Chain: uint64(i)})
	}
	for i := range x {
		x[i] += sigmas[i/d] * z[i]
	}
	return x, z, sigmas
}

func scores(t *testing.T, m sampling.Model, x, sigma []float32) []float32 {
	t.Helper()
	dst := make([]float32, len(x))
	if err := m.Score(t.Context(), dst, x, sigma); err != nil {
		t.Fatal(err)
	}
	return dst
}

// excess returns by how much the annealed DSM loss of a model exceeds the loss of the exact score, as a fraction of the
// latter. Both losses use the same n draws at one sigma. The difference of the losses is computed as the mean of ½ σ²
// ‖s - s*‖². The cross term with the noise has mean 0 and would only add noise.
func excess(t *testing.T, model sampling.Model, exact sampling.Mixture, n int, sigma float64) float64 {
	t.Helper()
	x, z, sigmas := noisy(exact, n, sigma)
	got, best := scores(t, model, x, sigmas), scores(t, exact, x, sigmas)
	var above, least float64
	for i := range got {
		above += math.Pow(sigma*float64(got[i]-best[i]), 2) / 2
		least += math.Pow(sigma*float64(best[i])+float64(z[i]), 2) / 2
	}
	return above / least
}

// TestExport: the network in the file is the trained network.
func TestExport(t *testing.T) {
	c := short(t, "toy-ring", "network.activation=softplus", "sampler.denoise=true")
	result := train(t, c)
	model, manifest := open(t, export(t, result))

	if manifest.Name != "ring" || manifest.Description != c.Description || !slices.Equal(manifest.Shape, []int{2}) ||
		manifest.Prior != c.Prior || manifest.Range != c.Range ||
		!slices.Equal(manifest.Sigmas, result.Schedule().Sigmas()) {
		t.Errorf("manifest %+v does not say what the configuration says, %+v", manifest, c)
	}
	sampler := models.Sampler{Kind: models.SamplerAnnealedLangevin, StepsPerLevel: 100, StepLR: 0.002, Denoise: true}
	if manifest.Sampler != sampler {
		t.Errorf("sampler %+v, sampler %+v", manifest.Sampler, sampler)
	}
	got := manifest.Training
	if got.Preset != "toy-ring" || got.Data != "ring, 8 modes, radius 5, std 1" || got.Iterations != 60 ||
		got.BatchSize != 128 || got.Seed != 1 ||
		math.Abs(got.Loss/result.Loss-1) > 1e-3 || len(got.LossPerLevel) != 50 {
		t.Errorf("training record %+v, want the settings of %+v and the loss %g", got, c.Training, result.Loss)
	}

	const n = 500
	x, sigma := make([]float32, 2*n), make([]float32, n)
	x64, sigma64 := make([]float64, 2*n), make([]float64, n)
	sampling.Noise{}.Uniform(x, 0)
	sampling.Noise{}.Uniform(sigma, 1)
	for i, u := range sigma {
		sigma[i] = float32(0.2 * math.Pow(100, float64(u)))
		sigma64[i] = float64(sigma[i])
		for j := 2 * i; j < 2*i+2; j++ {
			x[j] = (16*x[j] - 8) * max(sigma[i], 1)
			x64[j] = float64(x[j])
		}
	}
	agrees := func(model sampling.Model, params []float32) {
		t.Helper()
		want, err := result.Network.Evaluate(params, x64, sigma64)
		if err != nil {
			t.Fatal(err)
		}
		for i, s := range scores(t, model, x, sigma) {
			if math.Abs(float64(s)-want[i]) > 1e-5*max(1, math.Abs(want[i])) {
				t.Fatalf("element %d at sigma %g: the file gives %g, the network %g", i, sigma[i/2], s, want[i])
			}
		}
	}
	agrees(model, result.Params)

	whole := export(t, result)
	result.Config.Training.HalfWeights = true
	half := export(t, result)
	stored := paramsOf(t, result, half)
	if len(half) >= len(whole) || slices.Equal(stored, result.Params) {
		t.Errorf("half weights make %d of %d bytes, and no weight is rounded", len(half), len(whole))
	}
	for i, p := range result.Params {
		if math.Abs(float64(stored[i]-p)) > math.Abs(float64(p))/2048+1.0/(1<<25) {
			t.Errorf("parameter %d is %g, and %g in the file", i, p, stored[i])
		}
	}
	model, _ = open(t, half)
	agrees(model, stored)
}

// paramsOf returns the parameters with which a training would start from a model file.
func paramsOf(t *testing.T, r *Result, file []byte) []float32 {
	t.Helper()
	c := r.Config
	c.Training.Start = filepath.Join(t.TempDir(), "start.onnx")
	if err := os.WriteFile(c.Training.Start, file, 0o600); err != nil {
		t.Fatal(err)
	}
	params, err := c.startParams(r.Network)
	if err != nil {
		t.Fatal(err)
	}
	return params
}

// TestTrainingLearns: a few seconds of training come close to the exact minima.
func TestTrainingLearns(t *testing.T) {
	for _, name := range []string{"toy-2gauss", "toy-ring"} {
		c := preset(t, name)
		set(t, &c, "training.iterations=1500", "network.hidden=64", "optimizer.learning_rate=0.005",
			"optimizer.warmup=100", "optimizer.ema=0.99", "training.eval_rows=5000")
		before := c
		set(t, &before, "training.iterations=1")
		exact, err := c.Data.Mixture()
		if err != nil {
			t.Fatal(err)
		}
		untrained, _ := open(t, export(t, train(t, before)))
		trained, _ := open(t, export(t, train(t, c)))
		for _, sigma := range []float64{10.85, 5.54, 2.83, 1, 0.5} {
			got, at := excess(t, trained, exact, 4000, sigma), excess(t, untrained, exact, 4000, sigma)
			if got > 0.1 || got > at/3 {
				t.Errorf("%s, sigma %g: loss %.1f %% above its minimum, untrained %.1f %%: want at most 10 and a third",
					name, sigma, 100*got, 100*at)
			}
		}
	}
}

// TestZoo checks the built-in toys: losses within 10 % of the exact minimum at the sigmas of the papers' figures and at
// the smallest sigma, modes with their weights, and no samples in the hole of the ring.
func TestZoo(t *testing.T) {
	for _, name := range []string{"toy-2gauss", "toy-ring"} {
		c := preset(t, name)
		t.Run(c.Name, func(t *testing.T) {
			file, err := fs.ReadFile(models.Zoo(), c.Name+"/1/model.onnx")
			if err != nil {
				t.Fatal(err)
			}
			exact, err := c.Data.Mixture()
			if err != nil {
				t.Fatal(err)
			}
			model, manifest := open(t, file)
			for _, sigma := range []float64{20, 14.73, 10.85, 7.52, 5.54, 3.84, 2.83, 1.96, 1.44, 1, 0.5, 0.2} {
				if got := excess(t, model, exact, 10_000, sigma); got > 0.1 {
					t.Errorf("sigma %g: loss %.1f %% above its minimum, want at most 10 %%", sigma, 100*got)
				}
			}
			checkSamples(t, model, manifest, exact)
		})
	}
}

// checkSamples draws few chains, so it can measure their shares only to ±4 standard errors.
func checkSamples(t *testing.T, model sampling.Model, manifest models.Manifest, exact sampling.Mixture) {
	t.Helper()
	const n = 768
	sampler, err := manifest.AnnealedLangevin()
	if err != nil {
		t.Fatal(err)
	}
	plan, err := sampler.Plan()
	if err != nil {
		t.Fatal(err)
	}
	x, err := sampling.Run(t.Context(), model,
		sampling.Request{Plan: plan, Prior: manifest.Prior, Dim: 2, Seed: 1, N: n})
	if err != nil {
		t.Fatal(err)
	}
	for k, share := range exact.Shares(x) {
		want := exact.Weights[k]
		if margin := 0.01 + 4*math.Sqrt(want*(1-want)/n); math.Abs(share-want) > margin {
			t.Errorf("share %.3f of mode %d, want %.3f ± %.3f", share, k, want, margin)
		}
	}
	hole, variance := 0, 0.0
	for i := range n {
		p, mean := x[2*i:2*i+2], exact.Means[exact.Nearest(x[2*i:2*i+2])]
		if math.Hypot(float64(p[0]), float64(p[1])) < 2 {
			hole++
		}
		variance += (math.Pow(float64(p[0])-mean[0], 2) + math.Pow(float64(p[1])-mean[1], 2)) / (2 * n)
	}
	if hole > n/50 || math.Abs(variance-1) > 0.25 {
		t.Errorf("%d of %d samples in the middle, variance %.2f about the modes: want at most %d, about 1",
			hole, n, variance, n/50)
	}
}
