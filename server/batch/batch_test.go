package batch_test

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/langevin-ml/langevin/sampling"
	"github.com/langevin-ml/langevin/server/batch"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var prior = sampling.Prior{Kind: sampling.PriorUniform, Low: -8, High: 8}

// annealed returns a short plan of levels*perLevel steps.
func annealed(t testing.TB, levels, perLevel int) sampling.Plan {
	t.Helper()
	schedule, err := sampling.NewSchedule(1)
	if levels > 1 {
		schedule, err = sampling.Geometric(10, 1, levels)
	}
	if err != nil {
		t.Fatal(err)
	}
	plan, err := sampling.AnnealedLangevin{Schedule: schedule, StepsPerLevel: perLevel, StepLR: 0.05}.Plan()
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

// start runs a scheduler over a model of 2-D points for one test. It checks that the scheduler ends empty.
func start(t testing.TB, m sampling.Model, config batch.Config) *batch.Scheduler {
	s := batch.New(m, 2, config)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := s.Close(ctx); err != nil {
			t.Errorf("close: %v, with %+v open", err, s.Stats())
		}
		if stats := s.Stats(); stats != (batch.Stats{}) {
			t.Errorf("after close: %+v still open", stats)
		}
	})
	return s
}

// result is what a reader received.
type result struct {
	x       []float32
	frames  []*batch.Frame
	dropped int
}

// read submits a job and reads it to its end.
func read(ctx context.Context, s *batch.Scheduler, job batch.Job) (result, error) {
	stream, err := s.Submit(ctx, job)
	if err != nil {
		return result{}, err
	}
	defer stream.Close()
	return drain(stream)
}

// drain reads a stream to its end, after what has been read of its samples.
func drain(stream *batch.Stream, read ...float32) (result, error) {
	r := result{x: slices.Clone(read)}
	for {
		event, err := stream.Poll()
		switch e := event.(type) {
		case *batch.Frame:
			r.frames = append(r.frames, e)
			r.dropped += e.Dropped
			continue
		case *batch.Chunk:
			if e.First*2 != len(r.x) {
				return r, errors.New("chunks out of order")
			}
			r.x = append(r.x, e.X...)
			continue
		}
		if errors.Is(err, io.EOF) {
			return r, nil
		}
		if err != nil {
			return r, err
		}
		<-stream.Ready()
	}
}

// alone returns the reference: the same chains drawn by sampling.Run.
func alone(t testing.TB, m sampling.Model, job batch.Job) []float32 {
	t.Helper()
	x, err := sampling.Run(context.Background(), m, sampling.Request{
		Plan: job.Plan, Prior: job.Prior, Dim: 2, Seed: job.Seed, FirstChain: job.First, N: job.N,
		Known: job.Known, Given: job.Given, Sum: job.Sum, Columns: job.Columns,
	})
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// TestCompanyDoesNotMatter is the contract: every job gets the same bits as alone. The traffic is random, the blocks
// are far too small for it, several workers take chains back and resume them, and other jobs are cancelled.
func TestCompanyDoesNotMatter(t *testing.T) {
	model := sampling.TwoGaussians().Modes()
	s := start(t, model, batch.Config{Workers: 3, Rows: 40})
	plans := []sampling.Plan{annealed(t, 3, 7), annealed(t, 5, 30), annealed(t, 1, 1)}
	known, err := sampling.Inpaint([]float32{5, 0}, []bool{true, false}, sampling.RefreshLevel)
	if err != nil {
		t.Fatal(err)
	}
	other := &sampling.Mixture{Weights: []float64{1}, Means: [][]float64{{5, -5}}, Std: 1}
	none := []float32{2}
	sums := []*sampling.Sum{
		nil, nil, {Own: 0.5, Terms: []sampling.Term{{Model: other, Weight: 0.5}}},
		{Own: 2, Terms: []sampling.Term{{Given: none, Weight: -1}}},
		{Own: 1, Terms: []sampling.Term{
			{Model: other, Weight: 1}, {Given: none, Weight: 1}, {Weight: -1, Given: none},
		}},
	}
	random := rand.New(rand.NewPCG(1, 2))
	var wg sync.WaitGroup
	for i := range 60 {
		job := batch.Job{
			Caller: string(rune('a' + random.IntN(4))), Plan: plans[random.IntN(3)], Prior: prior,
			Seed: random.Uint64N(5), First: random.Uint64N(1000), N: 1 + random.IntN(150), Columns: random.IntN(3),
		}
		if random.IntN(3) == 0 {
			job.Known = known
		}
		job.Sum, job.Given = sums[random.IntN(len(sums))], none
		if random.IntN(3) == 0 {
			job.Given = make([]float32, job.N)
			for i := range job.Given {
				job.Given[i] = float32(random.IntN(3))
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		if cancelled := i%7 == 0; cancelled {
			time.AfterFunc(time.Duration(random.IntN(2000))*time.Microsecond, cancel)
		}
		wg.Go(func() {
			defer cancel()
			got, err := read(ctx, s, job)
			if errors.Is(err, context.Canceled) {
				return
			}
			if err != nil {
				t.Errorf("job %d: %v", i, err)
			} else if !slices.Equal(got.x, alone(t, model, job)) {
				t.Errorf("job %d: samples differ from those drawn alone", i)
			}
		})
	}
	wg.Wait()
}

// gate is a model that counts its calls and rows. If tokens is not nil, it waits for a token before each call.
type gate struct {
	sampling.Model
	tokens      chan struct{}
	calls, rows atomic.Int64
}

func (g *gate) Score(ctx context.Context, dst, x, sigma []float32) error {
	if g.tokens != nil {
		select {
		case <-g.tokens:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	g.calls.Add(1)
	g.rows.Add(int64(len(sigma)))
	return g.Model.Score(ctx, dst, x, sigma)
}

// TestOneCallServesAll: six jobs of 40 steps that wait together cost 40 model calls, not 240.
func TestOneCallServesAll(t *testing.T) {
	model := &gate{Model: sampling.TwoGaussians(), tokens: make(chan struct{})}
	s := start(t, model, batch.Config{Workers: 1, Rows: 64})
	plan := annealed(t, 4, 10)
	var streams []*batch.Stream
	for i := range 7 {
		stream, err := s.Submit(t.Context(), batch.Job{Plan: plan, Prior: prior, Seed: uint64(i), N: 2})
		if err != nil {
			t.Fatal(err)
		}
		streams = append(streams, stream)
		if i == 0 { // let the worker take the first job alone, so that the other six wait for its next tick
			model.tokens <- struct{}{}
		}
	}
	close(model.tokens)
	for _, stream := range streams {
		if _, err := drain(stream); err != nil {
			t.Error(err)
		}
		stream.Close()
	}
	// The first job starts up to two steps before the others, depending on when the worker looks at the queue.
	if calls := model.calls.Load(); calls < 41 || calls > 42 {
		t.Errorf("%d model calls for 7 jobs of 40 steps, the last six together: want 41 or 42", calls)
	}
	if rows := model.rows.Load(); rows != 7*2*40 {
		t.Errorf("%d rows evaluated, want %d", rows, 7*2*40)
	}
}

// slow returns a model whose call takes a fixed time on the fake clock.
func slow(m sampling.Model, tick time.Duration) sampling.Model {
	return sampling.ModelFunc(func(ctx context.Context, dst, x, sigma []float32) error {
		time.Sleep(tick)
		return m.Score(ctx, dst, x, sigma)
	})
}

// TestSmallJobDoesNotWaitForLargeOne: while a job of 100,000 chains fills the block, a job of 4 takes hardly more ticks
// than it has steps.
func TestSmallJobDoesNotWaitForLargeOne(t *testing.T) {
	for name, callers := range map[string][2]string{"two callers": {"a", "b"}, "one caller": {"a", "a"}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := batch.New(slow(sampling.TwoGaussians(), time.Millisecond), 2, batch.Config{Workers: 1, Rows: 64})
				plan := annealed(t, 5, 20)
				large, err := s.Submit(t.Context(), batch.Job{Caller: callers[0], Plan: plan, Prior: prior, N: 100_000})
				if err != nil {
					t.Fatal(err)
				}
				time.Sleep(10500 * time.Microsecond)
				begin := time.Now()
				small := batch.Job{Caller: callers[1], Plan: plan, Prior: prior, N: 4}
				if _, err := read(t.Context(), s, small); err != nil {
					t.Fatal(err)
				}
				if ticks := time.Since(begin) / time.Millisecond; ticks > 102 {
					t.Errorf("4 chains of 100 steps took %d ticks next to a large job, want at most 102", ticks)
				}
				large.Close()
				if err := s.Close(t.Context()); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// TestSharesAreEqual: three callers that ask for more than there is get a third of the rows each, whatever the number
// of their jobs, and of the evaluations that their chains need for a step.
func TestSharesAreEqual(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := batch.New(slow(sampling.TwoGaussians(), time.Millisecond), 2, batch.Config{Workers: 1, Rows: 48})
		var streams []*batch.Stream
		submit := func(caller string, n int) {
			job := batch.Job{Caller: caller, Plan: annealed(t, 1, 10_000), Prior: prior, N: n}
			if caller == "c" {
				job.Sum = &sampling.Sum{Own: 1, Terms: make([]sampling.Term, 3)}
			}
			stream, err := s.Submit(t.Context(), job)
			if err != nil {
				t.Fatal(err)
			}
			streams = append(streams, stream)
			time.Sleep(3 * time.Millisecond)
		}
		submit("a", 1000)
		for range 9 {
			submit("b", 40)
		}
		submit("c", 500)
		before := progress(streams)
		time.Sleep(100 * time.Millisecond)
		after := progress(streams)
		var steps [3]int64
		for i := range streams {
			steps[min(1, i)+max(0, i-9)] += after[i] - before[i]
		}
		steps[2] *= 4
		for i, n := range steps {
			if n < 1500 || n > 1700 {
				t.Errorf("caller %d had %d evaluations in 100 ticks of 48 rows, want 1600 ± 100: %v", i, n, steps)
			}
		}
		for _, stream := range streams {
			stream.Close()
		}
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func progress(streams []*batch.Stream) []int64 {
	steps := make([]int64, len(streams))
	for i, stream := range streams {
		steps[i] = stream.Progress().Steps
	}
	return steps
}

// TestCancelFreesRowsByTheNextTick cancels a job that fills the block. The model is not called for it again.
func TestCancelFreesRowsByTheNextTick(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		model := &gate{Model: slow(sampling.TwoGaussians(), time.Millisecond)}
		s := batch.New(model, 2, batch.Config{Workers: 1, Rows: 16})
		ctx, cancel := context.WithCancel(t.Context())
		stream, err := s.Submit(ctx, batch.Job{Plan: annealed(t, 1, 1000), Prior: prior, N: 16})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(10500 * time.Microsecond)
		cancel()
		synctest.Wait()
		calls := model.calls.Load()
		time.Sleep(20 * time.Millisecond)
		if extra := model.calls.Load() - calls; extra > 0 {
			t.Errorf("%d model calls began after the cancel, want 0", extra)
		}
		if _, err := stream.Poll(); !errors.Is(err, context.Canceled) {
			t.Errorf("poll after cancel: %v, want context.Canceled", err)
		}
		stream.Close()
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// TestSlowReaderLosesPreviewsOnly: a reader that starts after the end gets the newest frames, the number of lost
// frames, and the whole result.
func TestSlowReaderLosesPreviewsOnly(t *testing.T) {
	model := sampling.TwoGaussians()
	s := start(t, model, batch.Config{Workers: 2, Rows: 64, MaxFrameBytes: 10 * 100 * 2 * 4})
	// Ten of the 51 frames fit into the limit.
	job := batch.Job{Plan: annealed(t, 2, 25), Prior: prior, N: 100, Preview: &batch.Preview{Chains: 100}}
	for step := range 51 {
		job.Preview.Steps = append(job.Preview.Steps, step)
	}
	stream, err := s.Submit(t.Context(), job)
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	for stream.Progress().Chains < job.N {
		time.Sleep(time.Millisecond)
	}
	got, err := drain(stream)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.frames) != 10 || got.dropped != 41 || got.frames[0].Dropped != 41 || got.frames[9].Step != 50 {
		t.Errorf("%d frames, %d dropped: want the newest 10, and 41 lost before the first",
			len(got.frames), got.dropped)
	}
	if lost := stream.Progress().DroppedFrames; lost != 41 {
		t.Errorf("progress counts %d dropped frames, want 41", lost)
	}
	if !slices.Equal(got.x, alone(t, model, job)) {
		t.Error("the result differs from the chains drawn alone")
	}
}

// TestPreviewsAreTheStates compares previews with the states that sampling.Run reports.
func TestPreviewsAreTheStates(t *testing.T) {
	model := sampling.TwoGaussians()
	s := start(t, model, batch.Config{Workers: 2, Rows: 4})
	plan := annealed(t, 4, 5)
	job := batch.Job{Plan: plan, Prior: prior, Seed: 3, N: 30,
		Preview: &batch.Preview{Steps: []int{0, 1, 7, 20}, Chains: 10}}
	want := map[int][]float32{}
	_, err := sampling.Run(t.Context(), model, sampling.Request{Plan: plan, Prior: prior, Dim: 2, Seed: 3, N: 10,
		Observe: func(step int, x []float32) { want[step] = slices.Clone(x) }})
	if err != nil {
		t.Fatal(err)
	}
	got, err := read(t.Context(), s, job)
	if err != nil {
		t.Fatal(err)
	}
	var steps []int
	for _, f := range got.frames {
		steps = append(steps, f.Step)
		if !slices.Equal(f.X, want[f.Step]) {
			t.Errorf("preview of step %d differs from the chains' states", f.Step)
		}
	}
	if !slices.Equal(steps, job.Preview.Steps) {
		t.Errorf("previews of steps %v, want %v", steps, job.Preview.Steps)
	}

	job.Preview.Denoised = true
	got, err = read(t.Context(), s, job)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range got.frames[1:] {
		x, sigma := want[f.Step-1], plan[f.Step-1].Sigma
		if f.Step-1 != 0 {
			continue // only the state before step 1 was recorded
		}
		score, sigmas := make([]float32, len(x)), make([]float32, len(x)/2)
		for i := range sigmas {
			sigmas[i] = sigma
		}
		if err := model.Score(t.Context(), score, x, sigmas); err != nil {
			t.Fatal(err)
		}
		for i := range x {
			if estimate := x[i] + sigma*sigma*score[i]; estimate != f.X[i] {
				t.Fatalf("denoised preview of step %d is %v at %d, want x + σ²s = %v", f.Step, f.X[i], i, estimate)
			}
		}
	}
}

// TestDivergenceIsReported: a chain that diverges fails its own job and no other.
func TestDivergenceIsReported(t *testing.T) {
	model := sampling.TwoGaussians()
	s := start(t, model, batch.Config{Workers: 1, Rows: 64})
	bad := batch.Job{Plan: slices.Clone(annealed(t, 2, 10)), Prior: prior, First: 100, N: 5}
	for i := range bad.Plan {
		bad.Plan[i].A = 1e30
	}
	good := batch.Job{Plan: annealed(t, 2, 10), Prior: prior, N: 5}
	var wg sync.WaitGroup
	wg.Go(func() {
		_, err := read(t.Context(), s, bad)
		var diverged *sampling.DivergedError
		if !errors.As(err, &diverged) || diverged.Chain < 100 || diverged.Chain > 104 || diverged.Step > 2 {
			t.Errorf("diverging job: %v, want a DivergedError of chain 100 to 104 in the first steps", err)
		}
	})
	wg.Go(func() {
		if got, err := read(t.Context(), s, good); err != nil || !slices.Equal(got.x, alone(t, model, good)) {
			t.Errorf("job next to a diverging one: %v", err)
		}
	})
	wg.Wait()
}

// TestModelFailure: a failed model call fails its jobs with the cause, and the next request works.
func TestModelFailure(t *testing.T) {
	model, broken := sampling.TwoGaussians(), errors.New("out of memory")
	var fail atomic.Bool
	s := start(t, sampling.ModelFunc(func(ctx context.Context, dst, x, sigma []float32) error {
		if fail.Load() {
			return broken
		}
		return model.Score(ctx, dst, x, sigma)
	}), batch.Config{Workers: 1})
	job := batch.Job{Plan: annealed(t, 1, 5), Prior: prior, N: 3}
	fail.Store(true)
	if _, err := read(t.Context(), s, job); !errors.Is(err, batch.ErrModel) || !errors.Is(err, broken) {
		t.Errorf("with a broken model: %v, want ErrModel and its cause", err)
	}
	fail.Store(false)
	if _, err := read(t.Context(), s, job); err != nil {
		t.Errorf("after the model recovered: %v", err)
	}
}

func TestSubmitRefuses(t *testing.T) {
	memory := batch.NewMemory(1 << 20)
	s := start(t, sampling.TwoGaussians(), batch.Config{Workers: 1, MaxRows: 100, Memory: memory})
	plan := annealed(t, 1, 5)
	hold, err := s.Submit(t.Context(), batch.Job{Plan: plan, Prior: prior, N: 90})
	if err != nil {
		t.Fatal(err)
	}
	frames := &batch.Preview{Chains: 10}
	for step := range len(plan) + 1 {
		frames.Steps = append(frames.Steps, step)
	}
	quota := errors.New("no quota")
	pastTheEnd := &batch.Preview{Chains: 1, Steps: []int{6}}
	outOfOrder := &batch.Preview{Chains: 1, Steps: []int{3, 3}}
	tests := []struct {
		name string
		job  batch.Job
		is   error
	}{
		{"no chains", batch.Job{Plan: plan, Prior: prior}, nil},
		{"no steps", batch.Job{Prior: prior, N: 1}, nil},
		{"no prior", batch.Job{Plan: plan, N: 1}, nil},
		{"too many chains", batch.Job{Plan: plan, Prior: prior, N: 11}, batch.ErrBusy},
		{"a large request", batch.Job{Plan: plan, Prior: prior, N: 1, Held: 1 << 20}, batch.ErrBusy},
		{"no quota", batch.Job{Plan: plan, Prior: prior, N: 1, Charge: func() error { return quota }}, quota},
		{"preview of more chains than there are", batch.Job{Plan: plan, Prior: prior, N: 9, Preview: frames}, nil},
		{"preview past the end", batch.Job{Plan: plan, Prior: prior, N: 9, Preview: pastTheEnd}, nil},
		{"preview out of order", batch.Job{Plan: plan, Prior: prior, N: 9, Preview: outOfOrder}, nil},
	}
	for _, test := range tests {
		if stream, err := s.Submit(t.Context(), test.job); err == nil {
			stream.Close()
			t.Errorf("%s: admitted", test.name)
		} else if test.is != nil && !errors.Is(err, test.is) {
			t.Errorf("%s: %v, want %v", test.name, err, test.is)
		}
	}
	points := func(held int64, charge func(int) error) error {
		call := s.Evaluator(batch.Call{Held: held, Charge: charge})
		defer call.Close()
		return call.Score(t.Context(), make([]float32, 2), make([]float32, 2), []float32{1})
	}
	if err := points(1<<20, nil); !errors.Is(err, batch.ErrBusy) {
		t.Errorf("points of a large request: %v, want ErrBusy", err)
	}
	if err := points(0, func(int) error { return quota }); !errors.Is(err, quota) {
		t.Errorf("points without quota: %v, want the error of Charge", err)
	}
	if err := points(1<<19, nil); err != nil {
		t.Errorf("points of a small request: %v", err)
	}
	hold.Close()
	if used := memory.Used(); used != 0 {
		t.Errorf("%d bytes are held by no call", used)
	}
	if _, err := read(t.Context(), s, batch.Job{Plan: plan, Prior: prior, N: 100}); err != nil {
		t.Errorf("with room again: %v", err)
	}
}

// TestHopelessDeadline: after a warm-up, a request that even an idle machine cannot finish in time is refused at once.
func TestHopelessDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := batch.New(slow(sampling.TwoGaussians(), time.Millisecond), 2, batch.Config{Workers: 1, Rows: 64})
		if err := s.Warm(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		job := batch.Job{Plan: annealed(t, 10, 10), Prior: prior, N: 4}
		short, cancel := context.WithTimeout(t.Context(), 99*time.Millisecond)
		defer cancel()
		begin := time.Now()
		if _, err := read(short, s, job); !errors.Is(err, batch.ErrDeadline) || time.Since(begin) > 0 {
			t.Errorf("100 steps of 1 ms in 99 ms: %v after %v, want ErrDeadline at once", err, time.Since(begin))
		}
		long, cancel := context.WithTimeout(t.Context(), 110*time.Millisecond)
		defer cancel()
		if _, err := read(long, s, job); err != nil {
			t.Errorf("100 steps of 1 ms in 110 ms: %v", err)
		}
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// TestClose: open jobs finish, new ones are refused, and the end of the context fails the remaining ones.
func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := batch.New(slow(sampling.TwoGaussians(), time.Millisecond), 2, batch.Config{Workers: 1})
		short := batch.Job{Plan: annealed(t, 1, 50), Prior: prior, N: 2}
		long := batch.Job{Plan: annealed(t, 1, 5000), Prior: prior, N: 2}
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := read(t.Context(), s, short); err != nil {
				t.Errorf("short job during close: %v", err)
			}
		})
		wg.Go(func() {
			if _, err := read(t.Context(), s, long); !errors.Is(err, batch.ErrClosed) {
				t.Errorf("long job during close: %v, want ErrClosed", err)
			}
		})
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		wg.Go(func() {
			time.Sleep(time.Millisecond)
			if _, err := s.Submit(t.Context(), short); !errors.Is(err, batch.ErrClosed) {
				t.Errorf("submit during close: %v, want ErrClosed", err)
			}
		})
		if err := s.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("close with a job left: %v, want its context's error", err)
		}
		wg.Wait()
	})
}
