package client_test

import (
	"context"
	"math"
	"slices"
	"testing"

	"github.com/langevin-ml/langevin/client"
	"github.com/langevin-ml/langevin/client/fake"
)

// weighed answers like fake.Samples, and says of chain i that its particles have an effective size of i+1 and an
// evidence of i.
func weighed(ctx context.Context, req client.SampleRequest, emit func(client.Event) error) error {
	row := func(chain uint64) []float32 { return []float32{float32(chain)} }
	return fake.Samples([]int{1}, row)(ctx, req, func(e client.Event) error {
		if c, ok := e.(client.Chunk); ok {
			for i := range c.N {
				c.EffectiveSizes = append(c.EffectiveSizes, float64(c.FirstChain)+float64(i+1))
				c.LogEvidences = append(c.LogEvidences, math.Log(float64(c.FirstChain)+float64(i)))
			}
			e = c
		}
		return emit(e)
	})
}

// TestParticlesOfParts: the parts of a call that is split, or that breaks and goes on, are summed up as one call is.
func TestParticlesOfParts(t *testing.T) {
	request := client.SampleRequest{N: 32, Measurement: &client.Measurement{
		Operator: client.Pool(1), Values: []float32{1}, LeastEffectiveSize: new(20.0),
	}}
	broken := fake.Sequence(fake.Break(4, nil, weighed), weighed) // after the chunk
	for name, test := range map[string]struct {
		answer fake.SampleFunc
		option client.Option
	}{"split": {weighed, client.WithSplit(2)}, "resumed": {broken, client.WithResume()}} {
		t.Run(name, func(t *testing.T) {
			res, err := serve(t, fake.Script{Sample: test.answer}, test.option).Sample(t.Context(), request)
			if err != nil {
				t.Fatal(err)
			}
			const mean = 15.5 // of 0 to 31
			if res.Collapsed != 19 || math.Abs(res.LogEvidence-math.Log(mean)) > 1e-12 ||
				len(res.EffectiveSizes) != 32 || slices.Min(res.EffectiveSizes) != 1 {
				t.Errorf("%d collapsed, log evidence %g, effective sizes %v; want 19, %g, 1 to 32", res.Collapsed,
					res.LogEvidence, res.EffectiveSizes, math.Log(mean))
			}
		})
	}
}
