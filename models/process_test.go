package models_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/compute-onnx/support/protos"

	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/models/modelstest"
	"github.com/langevin-ml/langevin/ort"
	"github.com/langevin-ml/langevin/sampling"
)

// kinds are all processes, in the forms in which networks of them are found.
func kinds() []models.Foreign {
	network := func(p models.Process, l models.Level, computes ...models.Computed) (all []models.Foreign) {
		for _, c := range computes {
			all = append(all, models.Foreign{Process: p, Takes: l, Computes: c})
		}
		return all
	}
	time := models.Level{Kind: models.LevelTime, Last: 1}
	steps := models.Level{Kind: models.LevelStep, Steps: 1000}
	sigma := models.Level{Kind: models.LevelSigma}
	snr := models.Level{Kind: models.LevelLogSigma, Factor: -2}
	const score, noise, denoised = models.ComputesScore, models.ComputesNoise, models.ComputesDenoised
	const v, minusV = models.ComputesV, models.ComputesMinusV
	vp := models.Process{Kind: models.ProcessVP, BetaMin: 0.1, BetaMax: 20}
	ddpm := models.Process{Kind: models.ProcessVP, BetaMin: 0.0001, BetaMax: 0.02}
	latent := models.Process{Kind: models.ProcessScaledVP, BetaMin: 0.00085, BetaMax: 0.012}
	sub := models.Process{Kind: models.ProcessSubVP, BetaMin: 0.1, BetaMax: 20}
	cosine := models.Process{Kind: models.ProcessCosine, Offset: 0.008}
	plain := models.Process{Kind: models.ProcessCosine}
	flow, edm := models.Process{Kind: models.ProcessFlow}, models.Process{Kind: models.ProcessEDM, DataStd: 0.5}
	ve := models.Process{Kind: models.ProcessVE}
	improved := models.Foreign{Process: cosine, Takes: steps, Computes: noise, LearnedVariance: true}
	table := models.Foreign{Process: vp, Takes: models.Level{Kind: models.LevelStep, Steps: 50}, Computes: v}
	for k := range table.Takes.Steps {
		table.Process.Cumulative = append(table.Process.Cumulative, 0.9999*math.Exp(-float64(k*k)/250))
	}
	return slices.Concat([]models.Foreign{improved, table},
		network(ve, sigma, score, noise, denoised), network(ve, time, noise), network(ve, snr, score),
		network(ve, models.Level{Kind: models.LevelLabel}, score),
		network(vp, time, score, noise, denoised, v, minusV), network(vp, steps, noise), network(vp, sigma, v),
		network(vp, models.Level{Kind: models.LevelTime, Last: 999}, noise),
		network(ddpm, steps, noise, v), network(latent, steps, noise, v), network(latent, snr, v),
		network(sub, time, score, noise, denoised), network(sub, sigma, noise), network(sub, snr, noise),
		network(cosine, time, score, noise, v), network(cosine, steps, noise, v), network(plain, time, v, minusV),
		network(plain, snr, v),
		network(flow, time, v, noise, denoised, score), network(flow, sigma, v),
		network(flow, models.Level{Kind: models.LevelTime, First: 1}, minusV),
		network(flow, models.Level{Kind: models.LevelTime, Last: 1000}, v),
		network(edm, models.Level{Kind: models.LevelLogSigma, Factor: 0.25},
			models.ComputesEDM, denoised, noise, score),
		network(edm, sigma, models.ComputesEDM),
	)
}

// TestAdoptEveryProcess compares the exact network of every process and output, after adoption, with the exact score at
// sigmas from the largest to the smallest of the schedule.
func TestAdoptEveryProcess(t *testing.T) {
	engine, err := ort.OpenFound("")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range kinds() {
		for _, whole := range []bool{false, true} {
			indexed := f.Takes.Kind == models.LevelStep || f.Takes.Kind == models.LevelLabel
			if whole && !indexed || !whole && f.Takes.Kind == models.LevelLabel {
				continue
			}
			t.Run(fmt.Sprintf("%s %s %s %v", f.Process.Kind, f.Takes.Kind, f.Computes, whole), func(t *testing.T) {
				compareWithExact(t, engine, f, whole)
			})
		}
	}
}

func compareWithExact(t *testing.T, engine *ort.Runtime, f models.Foreign, whole bool) {
	t.Helper()
	const dim = 2
	m := modelstest.Manifest("theirs", dim)
	table := m.Sigmas
	if f.Process.Kind != models.ProcessVE {
		m.Sigmas, m.Prior, m.Sampler.StepLR = nil, sampling.Prior{}, 0
		table = stepSigmas(f)
	}
	model := modelstest.OfProcess(f, whole, table, dim)
	if f.LearnedVariance {
		both := &protos.NodeProto{OpType: "Concat", Input: []string{"out", "z"}, Output: []string{"both"},
			Attribute: []*protos.AttributeProto{{Name: "axis", Type: protos.AttributeProto_INT, I: 1}}}
		model.Graph.Node = append(model.Graph.Node, both)
		model.Graph.Output[0] = modelstest.Value("both", 2*dim)
	}
	m, err := models.Adopt(model, f, m)
	if err != nil {
		t.Fatal(err)
	}
	first, last := m.Sigmas[0], m.Sigmas[len(m.Sigmas)-1]
	if kind := " of process " + string(f.Process.Kind); f.Process.Kind != models.ProcessVE &&
		!strings.Contains(m.Description, kind) {
		t.Errorf("description is %q: want one with %q", m.Description, kind)
	}
	want := sampling.Prior{Kind: sampling.PriorNormal, Std: first}
	if m.Prior != want || m.Sampler.StepLR <= 0 || first < 9 || last > 0.11 {
		t.Errorf("prior %+v, step %g, sigmas from %g to %g", m.Prior, m.Sampler.StepLR, first, last)
	}
	sigmas := make([]float32, 200)
	for i := range sigmas {
		share := float64(i) / float64(len(sigmas)-1)
		sigmas[i] = float32(math.Exp(math.Log(first)*(1-share) + math.Log(last)*share))
		if whole {
			sigmas[i] = float32(m.Sigmas[i%len(m.Sigmas)])
		}
	}
	session, err := engine.Load(t.Context(), modelstest.Bytes(t, model), m, ort.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	x, got := make([]float32, dim*len(sigmas)), make([]float32, dim*len(sigmas))
	sampling.Noise{Seed: 7}.Normal(x, 0)
	for i, z := range x {
		x[i] = modelstest.ProcessMean + z*float32(math.Hypot(modelstest.ProcessStd, float64(sigmas[i/dim])))
	}
	if err := session.Score(t.Context(), got, x, sigmas); err != nil {
		t.Fatal(err)
	}
	for i, score := range got {
		sigma := float64(sigmas[i/dim])
		want := (modelstest.ProcessMean - float64(x[i])) / (modelstest.ProcessStd*modelstest.ProcessStd + sigma*sigma)
		rounding := 4e-7 / sigma // of samples and denoised samples near 3, in units of sigma
		if off := math.Abs(float64(score)-want) * sigma * max(1, sigma); !(off <= 1e-4+rounding) {
			t.Fatalf("at sigma %g the noise and the denoised sample are off by up to %g: want at most 1e-4", sigma, off)
		}
	}
}

// stepSigmas returns the sigmas of the steps of a process, by products of float64 numbers.
func stepSigmas(f models.Foreign) []float64 {
	sigmas, product := make([]float64, f.Takes.Steps), 1.0
	n, p := float64(len(sigmas)), f.Process
	for k, cumulative := range p.Cumulative {
		sigmas[k] = math.Sqrt(1/cumulative - 1)
	}
	if p.Cumulative != nil {
		return sigmas
	}
	for k := range sigmas {
		share := float64(k) / (n - 1)
		beta := p.BetaMin + share*(p.BetaMax-p.BetaMin)
		switch {
		case p.Kind == models.ProcessCosine:
			angle := func(t float64) float64 { return math.Cos((t + p.Offset) / (1 + p.Offset) * math.Pi / 2) }
			beta = min(0.999, 1-math.Pow(angle((float64(k)+1)/n)/angle(float64(k)/n), 2))
		case p.Kind == models.ProcessScaledVP:
			beta = math.Pow(math.Sqrt(p.BetaMin)+share*(math.Sqrt(p.BetaMax)-math.Sqrt(p.BetaMin)), 2)
		case p.BetaMax > 1:
			beta /= n
		}
		product *= 1 - beta
		sigmas[k] = math.Sqrt((1 - product) / product)
	}
	return sigmas
}
