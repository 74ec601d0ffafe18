package batch_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/langevin-ml/langevin/sampling"
	"github.com/langevin-ml/langevin/server/batch"
)

// TestGuideFailure: a guide that fails ends the jobs that it guides, and no other that shares their ticks.
func TestGuideFailure(t *testing.T) {
	broken := errors.New("guide closed")
	guide := &gate{Model: sampling.ModelFunc(func(context.Context, []float32, []float32, []float32) error { return broken })}
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
		t.Errorf("beside a broken guide: other samples, or %v", err)
	}
	stream.Close()
}
