package main

import (
	"encoding/json"
	"io"

	"github.com/langevin-ml/langevin/client"
)

// sampleReport is what sample --json writes.
type sampleReport struct {
	Model      string         `json:"model"`
	Version    int            `json:"version"`
	Digest     string         `json:"digest"`
	Engine     string         `json:"engine"`
	Sampler    *samplerReport `json:"sampler,omitempty"`
	Seed       uint64         `json:"seed,string"` // not every reader has 64-bit numbers
	FirstChain uint64         `json:"first_chain,string"`
	N          int            `json:"n"`
	Shape      []int          `json:"shape"`
	NFE        int64          `json:"nfe"`
	Seconds    float64        `json:"seconds"`
	Out        string         `json:"out,omitempty"`
	Samples    [][]float32    `json:"samples,omitempty"`
}

type samplerReport struct {
	Kind          string    `json:"kind"`
	Sigmas        []float64 `json:"sigmas,omitempty"`
	StepsPerLevel int       `json:"steps_per_level,omitempty"`
	StepLR        float64   `json:"step_lr,omitempty"`
	Sigma         float64   `json:"sigma,omitempty"`
	Steps         int       `json:"steps,omitempty"`
	StepSize      float64   `json:"step_size,omitempty"`

	Process        client.Process    `json:"process,omitempty"`
	SigmaMin       float64           `json:"sigma_min,omitempty"`
	SigmaMax       float64           `json:"sigma_max,omitempty"`
	BetaMin        float64           `json:"beta_min,omitempty"`
	BetaMax        float64           `json:"beta_max,omitempty"`
	Times          int               `json:"times,omitempty"`
	Predictor      client.Predictor  `json:"predictor,omitempty"`
	Corrector      client.Corrector  `json:"corrector,omitempty"`
	CorrectorSteps int               `json:"corrector_steps,omitempty"`
	SNR            float64           `json:"snr,omitempty"`
	Epsilon        float64           `json:"epsilon,omitempty"`
	Method         client.FlowMethod `json:"method,omitempty"`

	Denoise    bool `json:"denoise"`
	Consistent bool `json:"consistent,omitempty"`
}

func newSamplerReport(s client.Sampler) *samplerReport {
	on := func(denoise *bool) bool { return denoise != nil && *denoise }
	switch s := s.(type) {
	case client.AnnealedLangevin:
		return &samplerReport{
			Kind: "annealed_langevin", Sigmas: s.Sigmas, StepsPerLevel: s.StepsPerLevel, StepLR: s.StepLR, Denoise: on(s.Denoise),
			Consistent: on(s.Consistent),
		}
	case client.Langevin:
		return &samplerReport{Kind: "langevin", Sigma: s.Sigma, Steps: s.Steps, StepSize: s.StepSize, Denoise: on(s.Denoise)}
	case client.PredictorCorrector:
		return &samplerReport{
			Kind: "predictor_corrector", Process: s.Process,
			SigmaMin: s.SigmaMin, SigmaMax: s.SigmaMax, BetaMin: s.BetaMin, BetaMax: s.BetaMax,
			Times: s.Times, Predictor: s.Predictor, Corrector: s.Corrector, CorrectorSteps: s.CorrectorSteps,
			SNR: s.SNR, Epsilon: s.Epsilon, Denoise: on(s.Denoise),
		}
	case client.ProbabilityFlow:
		return &samplerReport{
			Kind: "probability_flow", Sigmas: s.Sigmas, Steps: s.Steps, Method: s.Method, Denoise: on(s.Denoise),
		}
	}
	return nil
}

func newSampleReport(res *client.Result, out string) sampleReport {
	r := sampleReport{
		Model: res.Model, Version: res.Version, Digest: res.Digest, Engine: res.Engine, Sampler: newSamplerReport(res.Sampler),
		Seed: res.Seed, FirstChain: res.FirstChain, N: res.N, Shape: res.Shape, NFE: res.NFE, Seconds: res.Elapsed.Seconds(), Out: out,
	}
	for i := range res.N {
		if out == "" {
			r.Samples = append(r.Samples, res.Row(i))
		}
	}
	return r
}

// writeJSON writes v as one line.
func writeJSON(w io.Writer, v any) error { return json.NewEncoder(w).Encode(v) }
