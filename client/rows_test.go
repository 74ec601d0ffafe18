package client_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc/codes"

	"github.com/langevin-ml/langevin/client"
	"github.com/langevin-ml/langevin/client/fake"
	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
)

// manyRows has too many rows of the shape [28 28] for one call. Each element is its index.
func manyRows(n int) []float32 {
	x := make([]float32, n*784)
	for i := range x {
		x[i] = float32(i)
	}
	return x
}

// ledger is a server that answers rows with their first element and counts its requests.
type ledger struct {
	mu    sync.Mutex
	calls []int // rows of each
}

func (l *ledger) take(x []float32) (client.Batch, []int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls = append(l.calls, len(x)/784)
	var nfe []int64
	doubled := make([]float32, len(x))
	for i, v := range x {
		doubled[i] = 2 * v
		if i%784 == 0 {
			nfe = append(nfe, int64(v))
		}
	}
	return client.Batch{X: doubled, Shape: []int{28, 28}, N: len(nfe)}, nfe
}

func (l *ledger) script() fake.Script {
	flowed := func(x []float32) (*client.Flowed, error) {
		b, nfe := l.take(x)
		return &client.Flowed{Batch: b, NFE: nfe, Model: "m", Version: 1, Digest: "d"}, nil
	}
	return fake.Script{
		Models: []client.Model{
			{Name: "m", Version: 1, Shape: []int{1, 28, 28}, Default: true, Sampler: client.AnnealedLangevin{}},
		},
		Score: func(_ context.Context, r client.ScoreRequest) (*client.Scores, error) {
			b, _ := l.take(r.X)
			if len(r.Sigma) > 1 { // one for each row: answer with it
				for i := range b.X {
					b.X[i] = r.Sigma[i/784]
				}
			}
			return &client.Scores{Batch: b, Model: "m", Version: 1, Digest: "d"}, nil
		},
		Encode: func(_ context.Context, r client.EncodeRequest) (*client.Flowed, error) { return flowed(r.X) },
		Decode: func(_ context.Context, r client.DecodeRequest) (*client.Flowed, error) {
			return flowed(r.Latent)
		},
		LogLikelihood: func(_ context.Context, r client.LogLikelihoodRequest) (*client.LogLikelihoods, error) {
			_, nfe := l.take(r.X)
			answer := &client.LogLikelihoods{NFE: nfe, Model: "m", Version: 1, Digest: "d"}
			for i := range nfe {
				answer.LogP = append(answer.LogP, float64(r.FirstChain)+float64(i))
			}
			return answer, nil
		},
	}
}

// TestManyRows: rows that do not fit in one call are sent in several, and the answer equals that of one call.
func TestManyRows(t *testing.T) {
	const n = 1000
	x := manyRows(n)
	sigmas := make([]float32, n)
	for i := range sigmas {
		sigmas[i] = float32(i + 1)
	}
	for _, shape := range [][]int{{28, 28}, nil} { // nil: the server is asked
		l := &ledger{}
		c := serve(t, l.script())
		var reached []int
		progress := func(done, total int) {
			if reached = append(reached, done); total != n {
				t.Errorf("progress to %d rows of %d", done, total)
			}
		}
		twice := func(name string, b client.Batch, nfe []int64, err error) {
			t.Helper()
			if err != nil || b.N != n || len(b.Shape) != 2 || len(b.X) != len(x) {
				t.Fatalf("%s: %d rows of %v, %v", name, b.N, b.Shape, err)
			}
			for i, v := range b.X {
				if v != 2*x[i] {
					t.Fatalf("%s: element %d is %v, want %v", name, i, v, 2*x[i])
				}
			}
			for i, v := range nfe {
				if float32(v) != x[784*i] {
					t.Fatalf("%s: evaluations of row %d are %d, want %v", name, i, v, x[784*i])
				}
			}
		}
		e, err := c.Encode(t.Context(), client.EncodeRequest{X: x, Shape: shape, Progress: progress})
		twice("encode", e.Batch, e.NFE, err)
		d, err := c.Decode(t.Context(), client.DecodeRequest{Latent: x, Shape: shape, Progress: progress})
		twice("decode", d.Batch, d.NFE, err)
		s, err := c.Score(t.Context(), client.ScoreRequest{X: x, Shape: shape, Sigma: []float32{1}, Progress: progress})
		twice("score", s.Batch, nil, err)
		s, err = c.Score(t.Context(), client.ScoreRequest{X: x, Shape: shape, Sigma: sigmas, Progress: progress})
		if err != nil {
			t.Fatal(err)
		}
		for i, v := range s.X {
			if v != sigmas[i/784] {
				t.Fatalf("row %d got the sigma %v, want %v", i/784, v, sigmas[i/784])
			}
		}
		p, err := c.LogLikelihood(t.Context(), client.LogLikelihoodRequest{
			X: x, Shape: shape, FirstChain: 5, Progress: progress,
		})
		if err != nil || len(p.LogP) != n {
			t.Fatalf("%d densities, %v", len(p.LogP), err)
		}
		for i, v := range p.LogP {
			if v != float64(i+5) {
				t.Fatalf("row %d was judged with the vector of chain %v, want %d", i, v, i+5)
			}
		}
		if len(l.calls) != 15 || len(reached) != 15 || reached[2] != n {
			t.Errorf("calls with %v rows, progress %v: want three calls each", l.calls, reached)
		}
		for _, rows := range l.calls {
			if rows*784*4 > 1<<20 {
				t.Errorf("a call with %d rows, too many for a server", rows)
			}
		}
	}
}

// TestManyRowsFail: the error names the part that failed, the other parts end, and parts that do not match are not
// joined.
func TestManyRowsFail(t *testing.T) {
	x := manyRows(1000)
	request := client.EncodeRequest{Model: "m", X: x, Shape: []int{28, 28}}
	fail := func(with func(ctx context.Context, first float32) error) error {
		l := &ledger{}
		script := l.script()
		sound := script.Encode
		script.Encode = func(ctx context.Context, r client.EncodeRequest) (*client.Flowed, error) {
			if err := with(ctx, r.X[0]/784); err != nil {
				return nil, err
			}
			answer, err := sound(ctx, r)
			if r.X[0] > 0 {
				answer.Digest = "other"
			}
			return answer, err
		}
		_, err := serve(t, script).Encode(t.Context(), request)
		return err
	}
	err := fail(func(ctx context.Context, first float32) error {
		if first == 333 {
			return &client.Error{Code: codes.FailedPrecondition, Reason: langevinv1.ReasonTolerance,
				Message: "row 3 needs more"}
		}
		<-ctx.Done() // imitates a call that takes long
		return ctx.Err()
	})
	const want = "encode m: rows 333 to 665 of those given: row 3 needs more"
	if !errors.Is(err, client.ErrTolerance) || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	err = fail(func(context.Context, float32) error {
		violations := []client.Violation{{Field: "flow.rtol", Message: "rtol is 0"}}
		return &client.Error{Code: codes.InvalidArgument, Message: "rtol is 0", Violations: violations}
	})
	if err == nil || err.Error() != "encode m: rtol is 0" {
		t.Errorf("a mistake that is not about rows: %v", err)
	}
	err = fail(func(context.Context, float32) error { return nil })
	if !errors.Is(err, client.ErrChanged) || !strings.Contains(fmt.Sprint(err), "m@1 (other)") {
		t.Errorf("parts of two models: %v, want ErrChanged", err)
	}
	c := serve(t, (&ledger{}).script())
	ctx, cancel := context.WithCancel(t.Context())
	request.Progress = func(int, int) { cancel() }
	if _, err := c.Encode(ctx, request); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled after a part: %v", err)
	}
	for name, err := range map[string]error{
		"a row too short": second(c.Encode(t.Context(), client.EncodeRequest{X: x[1:]})),
		"two sigmas":      second(c.Score(t.Context(), client.ScoreRequest{X: x, Sigma: []float32{1, 2}})),
	} {
		if !errors.Is(err, client.ErrInvalid) {
			t.Errorf("%s: %v, want ErrInvalid", name, err)
		}
	}
	_, err = c.Encode(t.Context(), client.EncodeRequest{Model: "nobody", X: x})
	if !errors.Is(err, client.ErrModelNotFound) {
		t.Errorf("no such model: %v", err)
	}
}

func second[T any](_ T, err error) error { return err }
