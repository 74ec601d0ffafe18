package sample

import (
	"github.com/langevin-ml/langevin/client"
	"github.com/langevin-ml/langevin/internal/drawing"
)

// Report is what sample --json writes.
type Report struct {
	Model      string                 `json:"model"`
	Version    int                    `json:"version"`
	Digest     string                 `json:"digest"`
	Engine     string                 `json:"engine"`
	Sampler    *drawing.SamplerReport `json:"sampler,omitempty"`
	Seed       uint64                 `json:"seed,string"` // not every reader has 64-bit numbers
	FirstChain uint64                 `json:"first_chain,string"`
	N          int                    `json:"n"`
	Shape      []int                  `json:"shape"`
	NFE        int64                  `json:"nfe"`
	Seconds    float64                `json:"seconds"`
	Out        string                 `json:"out,omitempty"`
	Samples    [][]float32            `json:"samples,omitempty"`

	EffectiveSizes []float64 `json:"effective_size,omitempty"` // of the particles of each chain
	LogEvidence    *float64  `json:"log_evidence,omitempty"`
	Collapsed      *int      `json:"collapsed,omitempty"` // chains

	drawing.FollowedReport
}

func newReport(res *client.Result, out string) Report {
	r := Report{
		Model: res.Model, Version: res.Version, Digest: res.Digest, Engine: res.Engine,
		Sampler: drawing.NewSamplerReport(res.Sampler),
		Seed:    res.Seed, FirstChain: res.FirstChain, N: res.N, Shape: res.Shape, NFE: res.NFE,
		Seconds: res.Elapsed.Seconds(), Out: out,
		FollowedReport: drawing.NewFollowedReport(res.Given, res.GuidanceScale, res.Sum, res.Approximate).
			Measuring(res.Measurement),
		EffectiveSizes: res.EffectiveSizes,
	}
	if len(res.EffectiveSizes) > 0 {
		r.LogEvidence, r.Collapsed = &res.LogEvidence, &res.Collapsed
	}
	for i := range res.N {
		if out == "" {
			r.Samples = append(r.Samples, res.Row(i))
		}
	}
	return r
}
