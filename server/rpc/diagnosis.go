package rpc

import (
	"math"

	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
	"github.com/langevin-ml/langevin/sampling"
)

// trust sums up the diagnoses of a call's chains.
type trust struct {
	below     float64 // the effective size below which a chain has collapsed
	chains    int
	least     float64
	collapsed int64
	top, sum  float64 // of the evidence: its logarithm is top + log sum
}

// add adds chains of a chunk, and writes their diagnoses to its message.
func (t *trust) add(chunk *langevinv1.Chunk, diagnoses []sampling.Diagnosis) {
	for _, d := range diagnoses {
		chunk.EffectiveSize = append(chunk.EffectiveSize, d.EffectiveSize)
		chunk.LogEvidence = append(chunk.LogEvidence, d.LogEvidence)
		if t.chains == 0 {
			t.least, t.top = d.EffectiveSize, d.LogEvidence
		}
		t.chains++
		t.least = min(t.least, d.EffectiveSize)
		if d.EffectiveSize < t.below {
			t.collapsed++
		}
		if d.LogEvidence > t.top {
			t.sum, t.top = t.sum*math.Exp(t.top-d.LogEvidence), d.LogEvidence
		}
		t.sum += math.Exp(d.LogEvidence - t.top)
	}
}

// describe writes the sum to the done event.
func (t *trust) describe(done *langevinv1.Done) {
	if t.chains == 0 {
		return
	}
	evidence := t.top + math.Log(t.sum/float64(t.chains))
	done.EffectiveSize, done.LogEvidence, done.Collapsed = &t.least, &evidence, t.collapsed
}
