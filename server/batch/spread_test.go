package batch_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/langevin-ml/langevin/sampling"
	"github.com/langevin-ml/langevin/server/batch"
)

// rowRecorder is a model that takes a millisecond and records the number of rows of each call.
type rowRecorder struct {
	sampling.Model
	mu   sync.Mutex
	rows []int
}

func (r *rowRecorder) Score(ctx context.Context, dst, x, sigma []float32) error {
	time.Sleep(time.Millisecond)
	r.mu.Lock()
	r.rows = append(r.rows, len(sigma))
	r.mu.Unlock()
	return r.Model.Score(ctx, dst, x, sigma)
}

// TestIdleWorkerTakesHalf: a worker without work gets half of another's block, and the samples stay the same.
func TestIdleWorkerTakesHalf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		model := &rowRecorder{Model: sampling.TwoGaussians()}
		s := start(t, model, batch.Config{Workers: 2, Rows: 8, Grain: 1})
		brief := batch.Job{Plan: annealed(t, 1, 10), Prior: prior, Seed: 1, N: 1}
		long := batch.Job{Plan: annealed(t, 1, 100), Prior: prior, Seed: 2, N: 8}
		first, err := s.Submit(t.Context(), brief)
		if err != nil {
			t.Fatal(err)
		}
		defer first.Close()
		time.Sleep(time.Millisecond / 2) // one worker has the first job, so the second goes to the other
		got, err := read(t.Context(), s, long)
		if err != nil || !slices.Equal(got.x, alone(t, model.Model, long)) {
			t.Errorf("other samples, or %v", err)
		}
		count := map[int]int{}
		for _, n := range model.rows {
			count[n]++
		}
		if count[8] < 5 || count[8] > 15 || count[4] < 170 {
			t.Errorf("calls by rows: %v, want about 10 of 8 rows while both jobs run, then 4 rows each", count)
		}
	})
}

// TestGrainIsNotDivided: the chains of one grain stay with one worker, and two grains go to two workers.
func TestGrainIsNotDivided(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for n, calls := range map[int]int{32: 10, 64: 20} {
			model := &rowRecorder{Model: sampling.TwoGaussians()}
			s := start(t, model, batch.Config{Workers: 2, Rows: 64, Grain: 32})
			synctest.Wait() // until both workers wait
			job := batch.Job{Plan: annealed(t, 1, 10), Prior: prior, Seed: 1, N: n}
			if got, err := read(t.Context(), s, job); err != nil || !slices.Equal(got.x, alone(t, model.Model, job)) {
				t.Errorf("%d chains: other samples, or %v", n, err)
			}
			if want := slices.Repeat([]int{32}, calls); !slices.Equal(model.rows, want) {
				t.Errorf("%d chains: calls of %v rows, want %d of 32", n, model.rows, calls)
			}
		}
	})
}

// TestAloneIsWide: the only chain of a scheduler runs on the wide model, and leaves it when another chain arrives.
func TestAloneIsWide(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		model, wide := &rowRecorder{Model: sampling.TwoGaussians()}, &rowRecorder{Model: sampling.TwoGaussians()}
		s := start(t, model, batch.Config{Workers: 2, Grain: 1, Wide: wide})
		one := batch.Job{Plan: annealed(t, 1, 30), Prior: prior, Seed: 1, N: 1}
		stream, err := s.Submit(t.Context(), one)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Millisecond)
		brief := one
		brief.Plan, brief.Seed = annealed(t, 1, 10), 2
		if _, err := read(t.Context(), s, brief); err != nil {
			t.Fatal(err)
		}
		got, err := drain(stream)
		if err != nil || !slices.Equal(got.x, alone(t, model.Model, one)) {
			t.Errorf("other samples, or %v", err)
		}
		stream.Close()
		if n := len(wide.rows); n < 15 || n > 25 || len(model.rows)+n != 40 {
			t.Errorf("%d calls of the wide model and %d of the other, want about 20 of each", n, len(model.rows))
		}
	})
}
