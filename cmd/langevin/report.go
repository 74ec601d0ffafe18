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
	Denoise       bool      `json:"denoise"`
}

func newSamplerReport(s client.Sampler) *samplerReport {
	on := func(denoise *bool) bool { return denoise != nil && *denoise }
	switch s := s.(type) {
	case client.AnnealedLangevin:
		return &samplerReport{
			Kind: "annealed_langevin", Sigmas: s.Sigmas, StepsPerLevel: s.StepsPerLevel, StepLR: s.StepLR, Denoise: on(s.Denoise),
		}
	case client.Langevin:
		return &samplerReport{Kind: "langevin", Sigma: s.Sigma, Steps: s.Steps, StepSize: s.StepSize, Denoise: on(s.Denoise)}
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
