package client_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/langevin-ml/langevin/client"
	"github.com/langevin-ml/langevin/client/fake"
)

func contains(err error, part string) bool { return strings.Contains(err.Error(), part) }

// walk answers as a server with chains of ten steps. Chain i starts at i, and each step adds its number, so every state
// identifies chain and step. Chunks have two rows, and there is a preview after every step.
func walk(digest string) fake.SampleFunc {
	const steps = 10
	return func(ctx context.Context, req client.SampleRequest, emit func(client.Event) error) error {
		n, start := max(1, req.N), 0
		x := make([]float32, n)
		for i := range x {
			x[i] = float32(100 * (req.FirstChain + uint64(i)))
		}
		if req.Resume != nil {
			start = req.Resume.Step
			copy(x, req.Resume.X.X)
		}
		events := []client.Event{client.Started{
			Model: "walk", Version: 1, Digest: digest, Resumable: true, Engine: "e", N: n,
			Seed: *req.Seed, FirstChain: req.FirstChain, Shape: []int{1},
			Steps: steps, Sampler: client.Langevin{Steps: steps},
		}}
		for step := start; step <= steps; step++ {
			if p := req.Preview; p != nil && (p.EverySteps == 1 || (step-start)*(p.Frames-1)%(steps-start) == 0) {
				rows := row(slices.Clone(x[:p.Chains])...)
				events = append(events, client.Preview{Batch: rows, FirstChain: req.FirstChain, Step: step})
			}
			events = append(events, client.Progress{StepsDone: int64(n * (step - start)),
				StepsTotal: int64(n * (steps - start)), Step: step})
			for i := range x {
				x[i] += float32(step + 1)
			}
		}
		for i := range x {
			x[i] -= steps + 1
		}
		for i := 0; i < n; i += 2 {
			events = append(events, client.Chunk{Batch: row(x[i:min(i+2, n)]...), FirstChain: req.FirstChain +
				uint64(i)})
		}
		return fake.Events(append(events, client.Done{N: n, NFE: int64(n * (steps - start))})...)(ctx, req, emit)
	}
}

// requests records the requests of a server.
type requests struct {
	mu  sync.Mutex
	all []client.SampleRequest
}

func (r *requests) noting(answer fake.SampleFunc) fake.SampleFunc {
	return func(ctx context.Context, req client.SampleRequest, emit func(client.Event) error) error {
		r.mu.Lock()
		r.all = append(r.all, req)
		r.mu.Unlock()
		return answer(ctx, req, emit)
	}
}

// TestResume breaks a call after every possible number of events. The client must deliver what an unbroken call
// delivers, and nothing twice.
func TestResume(t *testing.T) {
	for name, preview := range map[string]*client.PreviewOptions{
		"no previews": nil,
		"all chains":  {EverySteps: 1, Chains: 5},
		"frames":      {Frames: 6, Chains: 5},
		"some chains": {EverySteps: 1, Chains: 3},
		"denoised":    {EverySteps: 1, Chains: 5, Denoised: true},
		"unfinished":  {EverySteps: 1, Chains: 5, Unfinished: true},
	} {
		t.Run(name, func(t *testing.T) {
			req := client.SampleRequest{Model: "walk", N: 5, Seed: new(uint64(9)), FirstChain: 7, Preview: preview}
			want, err := serve(t, fake.Script{Sample: walk("d")}).Sample(t.Context(), req)
			if err != nil {
				t.Fatal(err)
			}
			for events := 1; events < 26; events++ {
				c := serve(t, fake.Script{Sample: fake.Sequence(
					fake.Break(events, nil, walk("d")), fake.Break(2, nil, walk("d")), walk("d"))}, quick(),
					client.WithResume())
				got, err := c.Sample(t.Context(), req)
				if err != nil {
					t.Fatalf("broken after %d events: %v", events, err)
				}
				if got.Resumed == 0 && events < 15 {
					t.Errorf("broken after %d events: result does not say that it was resumed", events)
				}
				got.Resumed, got.NFE = want.Resumed, want.NFE // of the last call
				if diff := cmp.Diff(want, got); diff != "" {
					t.Fatalf("broken after %d events (-want +got):\n%s", events, diff)
				}
			}
		})
	}
}

// TestResumeFrom: the request to the second server covers only what is missing.
func TestResumeFrom(t *testing.T) {
	for _, tt := range []struct {
		req      client.SampleRequest
		events   int // that arrive
		want     client.SampleRequest
		from     int
		progress client.Progress // the first afterwards
	}{
		{
			client.SampleRequest{N: 5}, 13, // started, 11 times progress, a chunk of 2
			client.SampleRequest{Model: "walk", Version: 1, N: 3, FirstChain: 2}, 0,
			client.Progress{StepsDone: 20, StepsTotal: 50, ChainsDone: 2},
		},
		{
			// started, frames 0 and 2, progress 0 to 3
			client.SampleRequest{N: 2, Preview: &client.PreviewOptions{Frames: 6, Chains: 2}}, 7,
			client.SampleRequest{Model: "walk", Version: 1, N: 2, Preview: &client.PreviewOptions{Frames: 5, Chains: 2},
				Resume: &client.Resume{Digest: "d", Step: 2, X: row(3, 103)}}, 2,
			client.Progress{StepsDone: 4, StepsTotal: 20, Step: 2},
		},
		{
			// started, 11 times preview and progress, two chunks: all previews have come
			client.SampleRequest{N: 5, Preview: &client.PreviewOptions{EverySteps: 1, Chains: 3}}, 25,
			client.SampleRequest{Model: "walk", Version: 1, N: 1, FirstChain: 4}, 0,
			client.Progress{StepsDone: 40, StepsTotal: 50, ChainsDone: 4},
		},
		{
			// the same and one chunk: the previews have come, and a chain that they show has not
			client.SampleRequest{N: 5, Preview: &client.PreviewOptions{EverySteps: 1, Chains: 3}}, 24,
			client.SampleRequest{Model: "walk", Version: 1, N: 5,
				Preview: &client.PreviewOptions{EverySteps: 1, Chains: 3}}, 0,
			client.Progress{StepsDone: 0, StepsTotal: 50},
		},
		{
			client.SampleRequest{N: 5, Preview: &client.PreviewOptions{EverySteps: 1, Chains: 5, Unfinished: true}}, 24,
			client.SampleRequest{Model: "walk", Version: 1, N: 3, FirstChain: 2,
				Preview: &client.PreviewOptions{EverySteps: 1, Chains: 3, Unfinished: true},
				Resume:  &client.Resume{Digest: "d", Step: 9, X: row(245, 345, 445)}}, 9,
			client.Progress{StepsDone: 47, StepsTotal: 50, Step: 9, ChainsDone: 2},
		},
	} {
		tt.req.Seed, tt.want.Seed = new(uint64(1)), new(uint64(1))
		var asked requests
		c := serve(t, fake.Script{Sample: asked.noting(fake.Sequence(fake.Break(tt.events, nil, walk("d")),
			walk("d")))}, quick(), client.WithResume())
		resumed := false
		for e, err := range c.Stream(t.Context(), tt.req).Events() {
			if err != nil {
				t.Fatal(err)
			}
			switch e := e.(type) {
			case client.Resumed:
				resumed = true
				if e.Step != tt.from || !errors.Is(e.Cause, client.ErrUnreachable) {
					t.Errorf("%+v, want step %d", e, tt.from)
				}
			case client.Progress:
				if resumed {
					if diff := cmp.Diff(tt.progress, e); diff != "" {
						t.Errorf("progress (-want +got):\n%s", diff)
					}
					resumed = false
				}
			}
		}
		if diff := cmp.Diff([]client.SampleRequest{tt.req, tt.want}, asked.all); diff != "" {
			t.Errorf("requests (-want +got):\n%s", diff)
		}
	}
}

// TestGoesOnFrom: no call goes on from the values of a table's columns, which a server shows that does not know better.
func TestGoesOnFrom(t *testing.T) {
	table := []client.Column{{Name: "kind", Kind: client.ColumnCategory, Words: []string{"cat", "dog"}, Width: 2}}
	resumable := client.Preview{Step: 1, ForResume: true}
	for name, tt := range map[string]struct {
		started client.Started
		preview client.Preview
		want    bool
	}{
		"a point":   {client.Started{Steps: 2, Resumable: true}, client.Preview{Step: 1}, true},
		"remembers": {client.Started{Steps: 2}, client.Preview{Step: 1}, false},
		"the end":   {client.Started{Steps: 2, Resumable: true}, client.Preview{Step: 2}, false},
		"denoised":  {client.Started{Steps: 2, Resumable: true}, client.Preview{Step: 1, Denoised: true}, false},
		"a row":     {client.Started{Steps: 2, Resumable: true, Table: table}, client.Preview{Step: 1}, false},
		"its state": {client.Started{Steps: 2, Resumable: true, Table: table}, resumable, true},
	} {
		if got := tt.started.GoesOnFrom(tt.preview); got != tt.want {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
}

// TestResumeRefused: another model ends the call, and so does a server that breaks repeatedly without progress.
func TestResumeRefused(t *testing.T) {
	req := client.SampleRequest{N: 5, Seed: new(uint64(1))}
	c := serve(t, fake.Script{Sample: fake.Sequence(fake.Break(4, nil, walk("d")), walk("other"))}, quick(),
		client.WithResume())
	if _, err := c.Sample(t.Context(), req); !errors.Is(err, client.ErrChanged) ||
		!contains(err, "digest d, the next has other") {
		t.Errorf("another model: %v", err)
	}
	var asked requests
	c = serve(t, fake.Script{Sample: asked.noting(fake.Break(4, nil, walk("d")))}, quick(), client.WithResume())
	if _, err := c.Sample(t.Context(), req); !errors.Is(err, client.ErrUnreachable) || len(asked.all) != 4 {
		t.Errorf("a server that always breaks: %v after %d calls, want ErrUnreachable after 4", err, len(asked.all))
	}
	asked.all = nil
	c = serve(t, fake.Script{Sample: asked.noting(fake.Sequence(fake.Break(4, nil, walk("d")), walk("d")))}, quick())
	if _, err := c.Sample(t.Context(), req); !errors.Is(err, client.ErrUnreachable) || len(asked.all) != 1 {
		t.Errorf("without WithResume: %v after %d calls", err, len(asked.all))
	}
}

// TestSplit: the joined parts equal one call, for any number of parts, also if the parts break and resume.
func TestSplit(t *testing.T) {
	req := client.SampleRequest{N: 101, Seed: new(uint64(3)), FirstChain: 7,
		Preview: &client.PreviewOptions{EverySteps: 1, Chains: 40}}
	whole, err := serve(t, fake.Script{Sample: walk("d")}).Sample(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	for parts, calls := range map[int]int{2: 2, 3: 3, 4: 4, 6: 6, 100: 6} {
		for _, broken := range []bool{false, true} {
			var asked requests
			answer := walk("d")
			if broken {
				answer = fake.Sequence(fake.Break(9, nil, answer), answer)
				calls++
			}
			c := serve(t, fake.Script{Sample: asked.noting(answer)}, quick(), client.WithSplit(parts),
				client.WithResume())
			got, err := c.Sample(t.Context(), req)
			if err != nil {
				t.Fatal(err)
			}
			if len(asked.all) != calls {
				t.Errorf("%d parts: %d calls, want %d", parts, len(asked.all), calls)
			}
			if broken {
				got.Resumed, got.NFE = whole.Resumed, whole.NFE
			}
			if diff := cmp.Diff(whole, got); diff != "" {
				t.Errorf("%d parts, broken %t (-whole +joined):\n%s", parts, broken, diff)
			}
		}
	}
}

// TestSplitSeed: all parts of a request without a seed have the same seed.
func TestSplitSeed(t *testing.T) {
	var asked requests
	c := serve(t, fake.Script{Sample: asked.noting(walk("d"))}, client.WithSplit(2))
	res, err := c.Sample(t.Context(), client.SampleRequest{N: 40})
	if err != nil {
		t.Fatal(err)
	}
	if len(asked.all) != 2 || *asked.all[0].Seed != res.Seed || *asked.all[1].Seed != res.Seed {
		t.Errorf("requests %+v, got seed %d", asked.all, res.Seed)
	}
}

// TestSplitFails: one failure ends all parts with one error, and so does leaving the loop.
func TestSplitFails(t *testing.T) {
	c := serve(t, fake.Script{Sample: func(ctx context.Context, req client.SampleRequest,
		emit func(client.Event) error) error {
		if req.FirstChain > 0 {
			return walk("other")(ctx, req, emit)
		}
		err := emit(client.Started{N: req.N, Shape: []int{1}, Digest: "d", Engine: "e", Seed: *req.Seed, Steps: 10})
		<-ctx.Done()
		return err
	}}, client.WithSplit(3))
	var failures []error
	for _, err := range c.Stream(t.Context(), client.SampleRequest{N: 60}).Events() {
		if err != nil {
			failures = append(failures, err)
		}
	}
	if len(failures) != 1 || !errors.Is(failures[0], client.ErrChanged) {
		t.Errorf("errors %v, want one ErrChanged", failures)
	}
	c = serve(t, fake.Script{Sample: walk("d")}, client.WithSplit(3))
	for range c.Stream(t.Context(), client.SampleRequest{N: 60}).Events() {
		break
	}
}
