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
