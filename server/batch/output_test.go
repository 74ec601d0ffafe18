package batch_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/langevin-ml/langevin/sampling"
	"github.com/langevin-ml/langevin/server/batch"
)

// TestFlush: a reader that asks for them gets the chains that have finished, in order and once, while others run.
func TestFlush(t *testing.T) {
	evaluations, held, release := 0, make(chan struct{}), make(chan struct{})
	gauss := sampling.TwoGaussians()
	model := sampling.ModelFunc(func(ctx context.Context, dst, x, sigma []float32) error {
		if evaluations++; evaluations == 4 {
			close(held)
			<-release
		}
		return gauss.Score(ctx, dst, x, sigma)
	})
	s := start(t, model, batch.Config{Workers: 1, Rows: 80})
	job := batch.Job{Plan: annealed(t, 1, 2), Prior: prior, Seed: 3, N: 200}
	stream, err := s.Submit(t.Context(), job)
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	<-held // in the second step of the second block
	var x []float32
	for i, want := range []int{0, 80, 0, 0} { // rows of the first block, which come once
		if i > 0 {
			stream.Flush()
		}
		event, err := stream.Poll()
		c, _ := event.(*batch.Chunk)
		if err != nil || (c == nil) != (want == 0) || c != nil && (c.First != 0 || len(c.X) != 2*want) {
			t.Fatalf("poll %d: %+v, %v, want %d rows", i, event, err, want)
		}
		if c != nil {
			x = c.X
		}
	}
	kept := slices.Clone(x)
	close(release)
	rest, err := drain(stream, x...)
	if err != nil || !slices.Equal(rest.x, alone(t, gauss, job)) || !slices.Equal(x, kept) {
		t.Errorf("other samples than without flush, or %v", err)
	}
}

// TestWindowBoundsMemory: while nobody reads, a large job stops at its window and does not fill the memory.
func TestWindowBoundsMemory(t *testing.T) {
	s := start(t, sampling.TwoGaussians(), batch.Config{Workers: 1, Rows: 1024})
	job := batch.Job{Plan: annealed(t, 1, 1), Prior: prior, N: 150_000}
	stream, err := s.Submit(t.Context(), job)
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	last := -1
	for last != stream.Progress().Chains {
		last = stream.Progress().Chains
		time.Sleep(50 * time.Millisecond)
	}
	if limit := 2*(256<<10)/8 + 2*1024; last > limit {
		t.Errorf("%d chains finished without a reader, want at most %d", last, limit)
	}
	if got, err := drain(stream); err != nil || len(got.x) != 2*job.N {
		t.Errorf("read %d elements and %v, want all of %d chains", len(got.x), err, job.N)
	}
}
