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

// recorder is an observer and a follower that remembers what it was told.
type recorder struct {
	mu                     sync.Mutex
	waited, freed, ticking []time.Duration
	rows, started, dropped int
	levels                 []int32
}

func (w *recorder) Ticked(rows, _ int, elapsed time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rows += rows
	w.ticking = append(w.ticking, elapsed)
}

func (w *recorder) Freed(after time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.freed = append(w.freed, after)
}

func (w *recorder) PreviewDropped() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.dropped++
}

// observer is the scheduler's side of a recorder. Observer and Follower both have a method Started, so one type cannot
// be both.
type observer struct{ *recorder }

func (o observer) Started(waited time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.waited = append(o.waited, waited)
}

func (w *recorder) Started() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.started++
}

func (w *recorder) Entered(level int32, _ float32) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.levels = append(w.levels, level)
}

// TestObserved uses a fake clock with ticks of a millisecond, so every number is known.
func TestObserved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &recorder{}
		s := batch.New(slow(sampling.TwoGaussians(), time.Millisecond), 2,
			batch.Config{Workers: 1, Rows: 16, Observer: observer{w}})
		job := batch.Job{Plan: annealed(t, 3, 4), Prior: prior, N: 40, Follower: w}
		if _, err := read(t.Context(), s, job); err != nil {
			t.Fatal(err)
		}
		if w.rows != 40*12 {
			t.Errorf("%d chains took a step, want 40 of 12 steps", w.rows)
		}
		for _, elapsed := range w.ticking {
			if elapsed != time.Millisecond {
				t.Errorf("a tick of %v, want 1ms", elapsed)
			}
		}
		if !slices.Equal(w.waited, []time.Duration{0}) || w.started != 1 || !slices.Equal(w.levels, []int32{0, 1, 2}) {
			t.Errorf("waited %v, started %d times, levels %v: want 0s, 1 and 0 to 2", w.waited, w.started, w.levels)
		}

		ctx, cancel := context.WithCancel(t.Context())
		stream, err := s.Submit(ctx, batch.Job{Plan: annealed(t, 1, 1000), Prior: prior, N: 100})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(10250 * time.Microsecond)
		if stats := s.Stats(); stats != (batch.Stats{Jobs: 1, Rows: 100, Waiting: 84, Running: 16}) {
			t.Errorf("stats are %+v", stats)
		}
		if longest := s.LongestTick(); longest != 250*time.Microsecond {
			t.Errorf("the tick in progress has run for %v, want 250µs", longest)
		}
		cancel()
		synctest.Wait()
		time.Sleep(5 * time.Millisecond)
		stream.Close()
		if want := []time.Duration{750 * time.Microsecond}; !slices.Equal(w.freed, want) {
			t.Errorf("freed after %v, want %v: at the end of the tick", w.freed, want)
		}
		if s.LongestTick() != 0 {
			t.Error("a tick is in progress without chains")
		}
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
