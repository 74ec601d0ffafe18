package batch_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/langevin-ml/langevin/sampling"
	"github.com/langevin-ml/langevin/server/batch"
)

// TestTermFailure: a term's model that fails ends the jobs with that term, but not the other jobs in the same ticks.
func TestTermFailure(t *testing.T) {
	broken := errors.New("model closed")
	fail := func(context.Context, []float32, []float32, []float32) error { return broken }
	other := &gate{Model: sampling.ModelFunc(fail)}
	model := sampling.TwoGaussians()
	s := start(t, slow(model, time.Millisecond), batch.Config{Workers: 1})
	plain := batch.Job{Plan: annealed(t, 2, 20), Prior: prior, Seed: 1, N: 3}
	summed := plain
	summed.Sum = &sampling.Sum{Own: 1, Terms: []sampling.Term{{Weight: 1}, {Model: other, Weight: 1}}}
	stream, err := s.Submit(t.Context(), plain)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := read(t.Context(), s, summed); !errors.Is(err, batch.ErrModel) || !errors.Is(err, broken) {
		t.Errorf("with a broken term: %v, want ErrModel and its cause", err)
	}
	if got, err := drain(stream); err != nil || !slices.Equal(got.x, alone(t, model, plain)) {
		t.Errorf("next to a broken term: other samples, or %v", err)
	}
	stream.Close()
}

// TestTermsCountForDeadline: the least time of a job includes the evaluations of other models. Both models count their
// calls.
func TestTermsCountForDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		model := &gate{Model: slow(sampling.TwoGaussians(), time.Millisecond)}
		other := &gate{Model: slow(sampling.TwoGaussians(), 2*time.Millisecond)}
		config := batch.Config{Workers: 1, Rows: 64}
		s, ofOther := batch.New(model, 2, config), batch.New(other, 2, config)
		if err := errors.Join(s.Warm(t.Context(), 1), ofOther.Warm(t.Context(), 1)); err != nil {
			t.Fatal(err)
		}
		job := batch.Job{
			Plan: annealed(t, 10, 10), Prior: prior, N: 4,
			Sum: &sampling.Sum{Own: 1, Terms: []sampling.Term{{Model: other, Weight: 1}}}, TermCost: ofOther.Cost(),
		}
		model.calls.Store(0)
		other.calls.Store(0)
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
			if n, g := model.calls.Load(), other.calls.Load(); n != c.calls || g != c.calls {
				t.Errorf("in %v: %d calls of the model and %d of the other, want %d of each", c.within, n, g, c.calls)
			}
		}
		if err := errors.Join(s.Close(t.Context()), ofOther.Close(t.Context())); err != nil {
			t.Error(err)
		}
	})
}

// modesModel is a mixture with its components as classes that counts the rows of each call.
type modesModel struct {
	*sampling.Modes
	mu   sync.Mutex
	rows []int
}

func (m *modesModel) ScoreGiven(ctx context.Context, dst, x, sigma, c []float32) error {
	m.mu.Lock()
	m.rows = append(m.rows, len(sigma))
	m.mu.Unlock()
	return m.Modes.ScoreGiven(ctx, dst, x, sigma, c)
}

// TestTermsShareTheCall: the rows of classifier-free guidance stand in one call with the rows of the chains. They count
// as rows of the block, and for the caller's account.
func TestTermsShareTheCall(t *testing.T) {
	model := &modesModel{Modes: sampling.TwoGaussians().Modes()}
	s := start(t, model, batch.Config{Workers: 1, Rows: 16})
	job := batch.Job{
		Plan: annealed(t, 2, 5), Prior: prior, Seed: 1, N: 16, Given: []float32{1},
		Sum: &sampling.Sum{Own: 2, Terms: []sampling.Term{{Given: []float32{2}, Weight: -1}}},
	}
	got, err := read(t.Context(), s, job)
	if err != nil || !slices.Equal(got.x, alone(t, model.Modes, job)) {
		t.Errorf("other samples, or %v", err)
	}
	if want := slices.Repeat([]int{16}, 20); !slices.Equal(model.rows, want) {
		t.Errorf("calls of %v rows, want 20 of 16: 8 chains with two rows each, twice", model.rows)
	}
	charged := 0
	e := s.Evaluator(batch.Call{Sum: job.Sum, Charge: func(points int) error { charged += points; return nil }})
	defer e.Close()
	x, sigma := []float32{1, 2, 3, 4}, []float32{1, 2}
	score, one, none := make([]float32, 4), make([]float32, 4), make([]float32, 4)
	if err := errors.Join(
		e.ScoreGiven(t.Context(), score, x, sigma, []float32{1}),
		model.Modes.ScoreGiven(t.Context(), one, x, sigma, []float32{1, 1}),
		model.Modes.Score(t.Context(), none, x, sigma),
	); err != nil {
		t.Fatal(err)
	}
	for i := range one {
		one[i] = float32(2*one[i]) + float32(-none[i])
	}
	if charged != 4 || !slices.Equal(score, one) {
		t.Errorf("two points: %v for %d evaluations, want %v for 4", score, charged, one)
	}
}

// TestConditionsAreChecked: a condition that a model does not have, lacks, or has for other rows is refused by name.
func TestConditionsAreChecked(t *testing.T) {
	modes := start(t, sampling.TwoGaussians().Modes(), batch.Config{Workers: 1})
	plain := start(t, sampling.TwoGaussians(), batch.Config{Workers: 1})
	job := batch.Job{Plan: annealed(t, 1, 1), Prior: prior, N: 3}
	for name, c := range map[string]struct {
		s     *batch.Scheduler
		given []float32
		sum   *sampling.Sum
		field string
	}{
		"none":      {modes, nil, nil, "given"},
		"some":      {modes, []float32{1, 1}, nil, "given"},
		"not asked": {plain, []float32{1}, nil, "given"},
		"of term":   {modes, []float32{1}, &sampling.Sum{Terms: []sampling.Term{{Weight: 1}}}, "terms[0].given"},
		"of other": {plain, nil, &sampling.Sum{Terms: []sampling.Term{{Given: []float32{1}}}},
			"terms[0].given"},
	} {
		job.Given, job.Sum = c.given, c.sum
		var bad *sampling.FieldError
		if _, err := c.s.Submit(t.Context(), job); !errors.As(err, &bad) || bad.Field != c.field {
			t.Errorf("%s: %v, want a FieldError of %s", name, err, c.field)
		}
	}
	e := modes.Evaluator(batch.Call{})
	var bad *sampling.FieldError
	if err := e.Score(t.Context(), []float32{0, 0}, []float32{0, 0}, []float32{1}); !errors.As(err, &bad) {
		t.Errorf("points without a condition: %v, want a FieldError", err)
	}
}
