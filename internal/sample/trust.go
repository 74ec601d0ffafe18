package sample

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/floats"

	"github.com/langevin-ml/langevin/client"
)

// trust says how far the particles of chains can be believed. It has a number for each chain, or none without
// particles.
type trust struct {
	EffectiveSizes []float64 `json:"effective_size,omitempty"`
	LogEvidences   []float64 `json:"log_evidence,omitempty"`
}

// add adds the chains of a chunk.
func (t *trust) add(c client.Chunk) {
	t.EffectiveSizes = append(t.EffectiveSizes, c.EffectiveSizes...)
	t.LogEvidences = append(t.LogEvidences, c.LogEvidences...)
}

// first returns what is said of the first n chains. Adding to it leaves t as it is.
func (t trust) first(n int) trust {
	first := func(v []float64) []float64 { return slices.Clip(v[:min(n, len(v))]) }
	return trust{EffectiveSizes: first(t.EffectiveSizes), LogEvidences: first(t.LogEvidences)}
}

// join completes what a result says of its chains by the ones before them. A state of an earlier program does not have
// it; then the result says it of its own chains alone.
func (t trust) join(res *client.Result) {
	rest := len(res.EffectiveSizes)
	if rest == 0 || len(t.EffectiveSizes) == 0 || len(t.EffectiveSizes) != len(t.LogEvidences) {
		return
	}
	logs := append(slices.Clone(t.LogEvidences), res.LogEvidence+math.Log(float64(rest))) // the rest's as one
	res.EffectiveSizes = slices.Concat(t.EffectiveSizes, res.EffectiveSizes)
	res.LogEvidence = floats.LogSumExp(logs) - math.Log(float64(len(res.EffectiveSizes)))
	if m := res.Measurement; m != nil && m.LeastEffectiveSize != nil {
		for _, size := range t.EffectiveSizes {
			if size < *m.LeastEffectiveSize {
				res.Collapsed++
			}
		}
	}
}
