package client_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"

	"github.com/langevin-ml/langevin/client"
	"github.com/langevin-ml/langevin/client/fake"
)

func row(values ...float32) client.Batch {
	return client.Batch{X: values, Shape: []int{1}, N: len(values)}
}

// sound is a call as a server should answer it, with everything that can occur.
func sound() []client.Event {
	return []client.Event{
		client.Started{Model: "g", Version: 2, Digest: "d", N: 3, Seed: 4, FirstChain: 10, Shape: []int{1}, Steps: 5,
			Engine:    "e",
			RequestID: "r", Sampler: client.Langevin{Sigma: 1, Steps: 5, StepSize: 0.1, Denoise: new(false)}},
		client.Preview{Batch: row(0, 0), FirstChain: 10, Sigma: 1},
		client.Progress{StepsDone: 6, StepsTotal: 15, ChainsDone: 1, Step: 2, Level: 3, Sigma: 1, Elapsed: time.Second,
			Remaining: time.Minute},
		client.Chunk{Batch: row(1, 2), FirstChain: 10},
		client.Preview{Batch: row(9), FirstChain: 10, Step: 5, Level: 1, Sigma: 0.5, Denoised: true, Dropped: 2},
		client.Chunk{Batch: row(3), FirstChain: 12},
		client.Done{N: 3, NFE: 15, Elapsed: 2 * time.Second, Queued: time.Millisecond, PreviewsDropped: 2},
	}
}

func TestStreamEvents(t *testing.T) {
	s := serve(t, fake.Script{Sample: fake.Events(sound()...)}).Stream(t.Context(), client.SampleRequest{Model: "g"})
	var got []client.Event
	for e, err := range s.Events() {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, e)
		if _, last := e.(client.Done); last {
			if _, err := s.Result(); err != nil {
				t.Errorf("result at the last event: %v", err)
			}
		}
	}
	if diff := cmp.Diff(sound(), got); diff != "" {
		t.Errorf("events (-sent +got):\n%s", diff)
	}
	res, err := s.Result()
	if err != nil {
		t.Fatal(err)
	}
	want := &client.Result{
		Batch: row(1, 2, 3), Model: "g", Version: 2, Digest: "d", Engine: "e", Seed: 4, FirstChain: 10, RequestID: "r",
		Sampler:  client.Langevin{Sigma: 1, Steps: 5, StepSize: 0.1, Denoise: new(false)},
		Previews: []client.Preview{got[1].(client.Preview), got[4].(client.Preview)}, PreviewsDropped: 2,
		Steps: 5, NFE: 15, Elapsed: 2 * time.Second, Queued: time.Millisecond,
	}
	if diff := cmp.Diff(want, res); diff != "" {
		t.Errorf("result (-want +got):\n%s", diff)
	}
}

// TestStreamRefusesBrokenCalls changes a sound call in one way each; the error must come as the one last pair.
func TestStreamRefusesBrokenCalls(t *testing.T) {
	replace := func(i int, e client.Event) func([]client.Event) []client.Event {
		return func(all []client.Event) []client.Event { return slices.Replace(all, i, i+1, e) }
	}
	remove := func(i int) func([]client.Event) []client.Event {
		return func(all []client.Event) []client.Event { return slices.Delete(all, i, i+1) }
	}
	for name, tt := range map[string]struct {
		change func([]client.Event) []client.Event
		want   error
	}{
		"nothing":        {func([]client.Event) []client.Event { return nil }, client.ErrStreamTruncated},
		"no done":        {remove(6), client.ErrStreamTruncated},
		"no started":     {remove(0), client.ErrMalformed},
		"no first chunk": {remove(3), client.ErrMalformed},
		"no last chunk":  {remove(5), client.ErrMalformed},
		"started twice":  {replace(1, sound()[0]), client.ErrMalformed},
		"chunk twice":    {replace(5, sound()[3]), client.ErrMalformed},
		"chunk too long": {replace(5, client.Chunk{Batch: row(3, 4), FirstChain: 12}), client.ErrMalformed},
		"chunk of no rows": {replace(5, client.Chunk{Batch: client.Batch{Shape: []int{1}}, FirstChain: 12}),
			client.ErrMalformed},
		"chunk too wide": {replace(5, client.Chunk{Batch: client.Batch{X: []float32{1, 2}, Shape: []int{2}, N: 1},
			FirstChain: 12}), client.ErrMalformed},
		"chunk too short": {replace(5, client.Chunk{Batch: client.Batch{X: nil, Shape: []int{1}, N: 1},
			FirstChain: 12}), client.ErrMalformed},
		"preview too wide": {replace(4,
			client.Preview{Batch: client.Batch{X: []float32{1, 2}, Shape: []int{2}, N: 1}}), client.ErrMalformed},
		"done says 2": {replace(6, client.Done{N: 2}), client.ErrMalformed},
		"more after done": {func(all []client.Event) []client.Event { return append(all, all[2]) },
			client.ErrMalformed},
		"started no chains": {replace(0, client.Started{Shape: []int{1}}), client.ErrMalformed},
		"shape of zero":     {replace(0, client.Started{N: 3, Shape: []int{0}}), client.ErrMalformed},
		"shape too large":   {replace(0, client.Started{N: 3, Shape: []int{1 << 40, 1 << 40}}), client.ErrMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, fake.Script{Sample: fake.Events(tt.change(sound())...)}).Stream(t.Context(),
				client.SampleRequest{Model: "g"})
			var failures []error
			for e, err := range s.Events() {
				if _, done := e.(client.Done); done {
					t.Error("a broken call was reported as done")
				}
				if err != nil {
					failures = append(failures, err)
				}
			}
			if len(failures) != 1 || !errors.Is(failures[0], tt.want) {
				t.Errorf("errors %v, want one that is %v", failures, tt.want)
			}
			if _, err := s.Result(); !errors.Is(err, tt.want) {
				t.Errorf("result: %v, want %v", err, tt.want)
			}
		})
	}
}

func TestStreamSkipsUnknownEvents(t *testing.T) {
	events := slices.Insert(sound(), 3, client.Event(nil))
	if _, err := serve(t, fake.Script{Sample: fake.Events(events...)}).Sample(t.Context(),
		client.SampleRequest{}); err != nil {
		t.Errorf("an event of a newer server: %v", err)
	}
}

// TestStreamDoneNeedsStatus: a call that fails after its last event has failed.
func TestStreamDoneNeedsStatus(t *testing.T) {
	c := serve(t, fake.Script{Sample: func(ctx context.Context, req client.SampleRequest,
		emit func(client.Event) error) error {
		return errors.Join(fake.Events(sound()...)(ctx, req, emit),
			&client.Error{Code: codes.Internal, Message: "late"})
	}})
	if _, err := c.Sample(t.Context(), client.SampleRequest{}); err == nil {
		t.Error("no error")
	}
}

// endless emits a first event and then waits for the client to leave. It then closes left.
func endless(left chan<- error) fake.SampleFunc {
	return func(ctx context.Context, req client.SampleRequest, emit func(client.Event) error) error {
		err := emit(sound()[0])
		<-ctx.Done()
		left <- ctx.Err()
		return errors.Join(err, ctx.Err())
	}
}

func TestStreamBreakCancels(t *testing.T) {
	left := make(chan error, 1)
	s := serve(t, fake.Script{Sample: endless(left)}).Stream(t.Context(), client.SampleRequest{})
	for _, err := range s.Events() {
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Result(); !errors.Is(err, client.ErrNotRead) {
			t.Errorf("result in the middle: %v, want ErrNotRead", err)
		}
		break
	}
	select {
	case <-left:
	case <-time.After(10 * time.Second):
		t.Fatal("the server did not learn that the client left")
	}
	if _, err := s.Result(); !errors.Is(err, client.ErrNotRead) {
		t.Errorf("result after a break: %v, want ErrNotRead", err)
	}
	seen := 0
	for _, err := range s.Events() {
		if seen++; !errors.Is(err, client.ErrNotRead) {
			t.Errorf("second loop: %v, want ErrNotRead", err)
		}
	}
	if seen != 1 {
		t.Errorf("second loop ran %d times, want once", seen)
	}
}

func TestStreamContext(t *testing.T) {
	for want, end := range map[error]func(context.Context) (context.Context, context.CancelFunc){
		context.DeadlineExceeded: func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, 50*time.Millisecond)
		},
		context.Canceled: func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(ctx)
			time.AfterFunc(50*time.Millisecond, cancel)
			return ctx, cancel
		},
	} {
		left := make(chan error, 1)
		c := serve(t, fake.Script{Sample: endless(left)})
		_, _ = c.Model(t.Context(), "", 0) // connects, whatever it answers: the call below has little time
		ctx, cancel := end(t.Context())
		_, err := c.Sample(ctx, client.SampleRequest{})
		if !errors.Is(err, want) {
			t.Errorf("%v, want %v", err, want)
		}
		<-left
		cancel()
	}
}

// TestStreamUnused: a stream that nobody reads starts nothing.
func TestStreamUnused(t *testing.T) {
	c := serve(t, fake.Script{Sample: fake.Fail(fmt.Errorf("called"))})
	_ = c.Stream(t.Context(), client.SampleRequest{})
	_ = c.Stream(t.Context(), client.SampleRequest{}).Events()
}
