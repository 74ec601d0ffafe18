package batch_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/langevin-ml/langevin/sampling"
	"github.com/langevin-ml/langevin/server/batch"
)

// TestGuideFailure: a guide that fails ends the jobs that it guides, but not the other jobs in the same ticks.
func TestGuideFailure(t *testing.T) {
	broken := errors.New("guide closed")
	fail := func(context.Context, []float32, []float32, []float32) error { return broken }
	guide := &gate{Model: sampling.ModelFunc(fail)}
	model := sampling.TwoGaussians()
	s := start(t, slow(model, time.Millisecond), batch.Config{Workers: 1})
	plain := batch.Job{Plan: annealed(t, 2, 20), Prior: prior, Seed: 1, N: 3}
	guided := plain
	guided.Guide = &sampling.Guide{Model: guide, Weight: 1}
	stream, err := s.Submit(t.Context(), plain)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := read(t.Context(), s, guided); !errors.Is(err, batch.ErrModel) || !errors.Is(err, broken) {
		t.Errorf("with a broken guide: %v, want ErrModel and its cause", err)
	}
	if got, err := drain(stream); err != nil || !slices.Equal(got.x, alone(t, model, plain)) {
		t.Errorf("next to a broken guide: other samples, or %v", err)
	}
	stream.Close()
}

// TestGuideCountsForDeadline: the least time of a job includes the guide's evaluations. Both models count their calls.
func TestGuideCountsForDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		model := &gate{Model: slow(sampling.TwoGaussians(), time.Millisecond)}
		guide := &gate{Model: slow(sampling.TwoGaussians(), 2*time.Millisecond)}
		config := batch.Config{Workers: 1, Rows: 64}
		s, ofGuide := batch.New(model, 2, config), batch.New(guide, 2, config)
		if err := errors.Join(s.Warm(t.Context(), 1), ofGuide.Warm(t.Context(), 1)); err != nil {
			t.Fatal(err)
		}
		job := batch.Job{
			Plan: annealed(t, 10, 10), Prior: prior, N: 4,
			Guide: &sampling.Guide{Model: guide, Weight: 1}, GuideCost: ofGuide.Cost(),
		}
		model.calls.Store(0)
		guide.calls.Store(0)
		for _, c := range []struct {
			within time.Duration
			want   error
			calls  int64
		}{
			{299 * time.Millisecond, batch.ErrDeadline, 0}, // 100 steps of 1 ms and of 2 ms
			{310 * time.Millisecond, nil, 100},
		} {
			ctx, cancel := context.WithTimeout(t.Context(), c.within)
			defer cancel()
			if _, err := read(ctx, s, job); !errors.Is(err, c.want) {
				t.Errorf("in %v: %v, want %v", c.within, err, c.want)
			}
			if n, g := model.calls.Load(), guide.calls.Load(); n != c.calls || g != c.calls {
				t.Errorf("in %v: %d calls of the model and %d of the guide, want %d of each", c.within, n, g, c.calls)
			}
		}
		if err := errors.Join(s.Close(t.Context()), ofGuide.Close(t.Context())); err != nil {
			t.Error(err)
		}
	})
}
