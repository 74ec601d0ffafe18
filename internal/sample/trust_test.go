package sample

import (
	"math"
	"slices"
	"testing"

	"github.com/langevin-ml/langevin/client"
)

// TestTrustTravels: what an interrupted call said of its particles is part of what the whole says of them.
func TestTrustTravels(t *testing.T) {
	least := 2.0
	started := client.Started{Model: "ring", N: 4, Shape: []int{1}, Sampler: client.ReverseSDE{},
		Measurement: &client.Measurement{Operator: client.Grey{}, LeastEffectiveSize: &least}}
	s := &stateSaver{flags: stateFlags{save: "s"}, stop: func() {}}
	s.begin(started)
	s.finish(client.Chunk{
		Batch:          client.Batch{X: []float32{1, 2}, N: 2, Shape: []int{1}},
		EffectiveSizes: []float64{1.5, 7}, LogEvidences: []float64{math.Log(1), math.Log(2)},
	})
	saved := s.now()
	next := &stateSaver{flags: stateFlags{save: "s", from: &saved}, stop: func() {}}
	next.begin(started)
	next.finish(client.Chunk{
		Batch:          client.Batch{X: []float32{3}, N: 1, Shape: []int{1}},
		EffectiveSizes: []float64{1}, LogEvidences: []float64{0},
	})
	if again := next.now(); !slices.Equal(again.EffectiveSizes, []float64{1.5, 7, 1}) || again.Finished != 3 ||
		len(saved.EffectiveSizes) != 2 {
		t.Errorf("the second state has effective sizes %v of %d chains", again.EffectiveSizes, again.Finished)
	}
	res := &client.Result{
		Batch:          client.Batch{X: []float32{3, 4}, N: 2, Shape: []int{1}},
		EffectiveSizes: []float64{1, 9}, LogEvidence: math.Log(4.5), Collapsed: 1, Measurement: started.Measurement,
	}
	saved.join(res)
	if !slices.Equal(res.EffectiveSizes, []float64{1.5, 7, 1, 9}) || res.Collapsed != 2 ||
		math.Abs(res.LogEvidence-math.Log((1+2+4.5+4.5)/4)) > 1e-12 {
		t.Errorf("the whole has effective sizes %v, log evidence %v and %d collapsed", res.EffectiveSizes,
			res.LogEvidence, res.Collapsed)
	}
}
