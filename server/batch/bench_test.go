package batch_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/langevin-ml/langevin/sampling"
	"github.com/langevin-ml/langevin/server/batch"
)

// BenchmarkTick measures the ticks of a job of 2-D chains with a model that costs nothing, so only the scheduler's own
// work counts. With two workers it also shows what the workers cost each other.
func BenchmarkTick(b *testing.B) {
	nothing := sampling.ModelFunc(func(context.Context, []float32, []float32, []float32) error { return nil })
	step := annealed(b, 1, 1)[0]
	for _, c := range []struct{ workers, chains int }{{1, 256}, {2, 128}, {2, 512}} {
		b.Run(fmt.Sprintf("workers=%d,chains=%d", c.workers, c.chains), func(b *testing.B) {
			s := batch.New(nothing, 2, batch.Config{Workers: c.workers})
			defer s.Close(context.Background())
			if err := s.Warm(b.Context(), 1); err != nil { // so that ticks are measured too
				b.Fatal(err)
			}
			b.ReportAllocs()
			plan := slices.Repeat(sampling.Plan{step}, b.N)
			b.ResetTimer()
			if _, err := read(b.Context(), s, batch.Job{Plan: plan, Prior: prior, N: c.chains}); err != nil {
				b.Fatal(err)
			}
		})
	}
}
