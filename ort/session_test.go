package ort

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gomlx/compute-onnx/support/protos"
	onnxruntime "github.com/yalue/onnxruntime_go"

	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/models/modelstest"
)

func load(t testing.TB, model *protos.ModelProto, m models.Manifest, options Options) *Session {
	t.Helper()
	s, err := theRuntime(t).Load(t.Context(), modelstest.Bytes(t, model), m, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// rows draws n rows: x on ±10, sigma on [0.1, 10].
func rows(n, dim int) (x, sigma []float32) {
	rng := rand.New(rand.NewPCG(uint64(n), uint64(dim)))
	x, sigma = make([]float32, n*dim), make([]float32, n)
	for i := range x {
		x[i] = 20*rng.Float32() - 10
	}
	for i := range sigma {
		sigma[i] = float32(0.1 * math.Pow(100, rng.Float64()))
	}
	return x, sigma
}

func score(t testing.TB, s *Session, x, sigma []float32) []float32 {
	t.Helper()
	dst := make([]float32, len(x))
	if err := s.Score(t.Context(), dst, x, sigma); err != nil {
		t.Fatal(err)
	}
	return dst
}

// TestScoreIsExact compares a graph whose output is -x/(1+σ²), in every parameterization, with the score in float64.
func TestScoreIsExact(t *testing.T) {
	meaning := map[models.Parameterization]func(out, x, sigma float64) float64{
		models.ParameterizationScore:    func(out, _, _ float64) float64 { return out },
		models.ParameterizationNoise:    func(out, _, sigma float64) float64 { return -out / sigma },
		models.ParameterizationDenoised: func(out, x, sigma float64) float64 { return (out - x) / (sigma * sigma) },
	}
	for parameterization, want := range meaning {
		for _, shape := range [][]int{{2}, {1}, {1, 5, 3}} {
			m := modelstest.Manifest("gauss", shape...)
			m.Parameterization = parameterization
			s := load(t, modelstest.Gaussian(shape...), m, Options{})
			for _, n := range []int{0, 1, 15, 16, 17, 5000} {
				x, sigma := rows(n, m.Dim())
				for i, got := range score(t, s, x, sigma) {
					x, sigma := float64(x[i]), float64(sigma[i/m.Dim()])
					if exact := want(-x/(1+sigma*sigma), x,
						sigma); math.Abs(float64(got)-exact) > 1e-6*math.Abs(exact) {
						t.Fatalf("%s %v, %d rows: score[%d] at x = %g, sigma = %g is %g: want %g",
							parameterization, shape, n, i, x, sigma, got, exact)
					}
				}
			}
		}
	}
}

// TestRowsAreIndependent tests the promise on which samples depend: a row's bits depend neither on the batch nor on the
// number of threads. It compares batches of 1 to 64 rows from any place with one call for all rows.
func TestRowsAreIndependent(t *testing.T) {
	square := []int{1, 12, 12}
	networks := []struct {
		name  string
		model func() *protos.ModelProto
		shape []int
		rows  int
	}{
		{"Gaussian", func() *protos.ModelProto { return modelstest.Gaussian(3) }, []int{3}, 4096},
		{"MLP SiLU", func() *protos.ModelProto { return modelstest.MLP("SiLU", 1) }, []int{2}, 4096},
		{"MLP Softplus", func() *protos.ModelProto { return modelstest.MLP("Softplus", 2) }, []int{2}, 4096},
		{"MLP Elu", func() *protos.ModelProto { return modelstest.MLP("Elu", 3) }, []int{2}, 4096},
		{"MLP Tanh", func() *protos.ModelProto { return modelstest.MLP("Tanh", 4) }, []int{2}, 4096},
		{"conv Elu", func() *protos.ModelProto { return modelstest.Conv("Elu", 12, 5) }, square, 256},
		{"conv SiLU", func() *protos.ModelProto { return modelstest.Conv("SiLU", 12, 6) }, square, 256},
		{"conv embedded", func() *protos.ModelProto { return modelstest.EmbeddedConv("SiLU", 12, 8) }, square, 256},
		{"conv odd", func() *protos.ModelProto { return modelstest.Conv("SiLU", 5, 7) }, []int{1, 5, 5}, 1024},
	}
	for _, network := range networks {
		t.Run(network.name, func(t *testing.T) {
			m := modelstest.Manifest("net", network.shape...)
			x, sigma := rows(network.rows, m.Dim())
			one := load(t, network.model(), m, Options{})
			t.Logf("rows are padded to a multiple of %d", one.multiple)
			if alone := strings.HasPrefix(network.name, "conv"); alone != (one.multiple == 1) {
				t.Errorf("rows are padded to a multiple of %d", one.multiple)
			}
			want := score(t, one, x, sigma)
			compare := func(s *Session, first, n int) {
				from, to := first*m.Dim(), (first+n)*m.Dim()
				if got := score(t, s, x[from:to], sigma[first:first+n]); !slices.Equal(got, want[from:to]) {
					t.Fatalf("%d rows from row %d differ from the same rows among %d", n, first, network.rows)
				}
			}
			for n := 1; n <= 64; n++ {
				compare(one, 0, n)
				compare(one, (n*37)%(network.rows-n), n)
			}
			for n := 65; n < network.rows; n += 1 + n/3 {
				compare(one, (n*37)%(network.rows-n), n)
			}
			two := load(t, network.model(), m, Options{Threads: 2})
			for _, n := range []int{1, 17, 64, network.rows} {
				compare(two, 0, n)
			}
		})
	}
}

// TestLike: a session like another pads as the other and has its bits. A session with other weights is refused.
func TestLike(t *testing.T) {
	for _, network := range []struct {
		model func(seed uint64) *protos.ModelProto
		shape []int
	}{
		{func(seed uint64) *protos.ModelProto { return modelstest.MLP("SiLU", seed) }, []int{2}},
		{func(seed uint64) *protos.ModelProto { return modelstest.Conv("Elu", 12, seed) }, []int{1, 12, 12}},
	} {
		m := modelstest.Manifest("net", network.shape...)
		one := load(t, network.model(1), m, Options{})
		two := load(t, network.model(1), m, Options{Threads: 2, Like: one})
		x, sigma := rows(5, m.Dim())
		if two.Grain() != one.Grain() || !slices.Equal(score(t, two, x, sigma), score(t, one, x, sigma)) {
			t.Errorf("shape %v: rows padded to %d and %d, or other bits", network.shape, two.Grain(), one.Grain())
		}
		if _, err := theRuntime(t).Load(t.Context(), modelstest.Bytes(t, network.model(2)), m,
			Options{Threads: 2, Like: one}); !errors.Is(err, ErrUnlike) {
			t.Errorf("shape %v: other weights: %v, want ErrUnlike", network.shape, err)
		}
	}
}

// TestRewrittenActivations compares the activations as ONNX Runtime computes them after the rewrite with float64, up to
// the infinities.
func TestRewrittenActivations(t *testing.T) {
	inf := float32(math.Inf(1))
	nan := float32(math.NaN())
	x := []float32{-inf, -1e30, -100, -20, -1, -1e-3, 0, 1e-3, 1, 20, 100, 1e30, inf, nan}
	exact := map[string]func(float64) float64{
		"Softplus": func(x float64) float64 { return max(x, 0) + math.Log1p(math.Exp(-math.Abs(x))) },
		"Elu":      func(x float64) float64 { return max(x, 0) + math.Expm1(min(x, 0)) },
	}
	for op, f := range exact {
		model := modelstest.Gaussian(1)
		model.Graph.Node = []*protos.NodeProto{{OpType: op, Input: []string{"x"}, Output: []string{"score"}}}
		s := load(t, model, modelstest.Manifest("activation", 1), Options{})
		for i, got := range score(t, s, x, make([]float32, len(x))) {
			want := f(float64(x[i]))
			same := math.Abs(float64(got)-want) <= 2e-7*max(1, math.Abs(want)) || float64(got) == want
			if !same && !(math.IsNaN(want) && math.IsNaN(float64(got))) {
				t.Errorf("%s(%g) = %g: want %g", op, x[i], got, want)
			}
		}
	}
}

func TestScoreChecksItsArguments(t *testing.T) {
	s := load(t, modelstest.Gaussian(2), modelstest.Manifest("gauss", 2), Options{})
	for _, size := range [][3]int{{2, 2, 2}, {4, 2, 1}, {2, 4, 1}, {3, 3, 1}, {2, 2, 0}} {
		dst, x, sigma := make([]float32, size[0]), make([]float32, size[1]), make([]float32, size[2])
		if err := s.Score(t.Context(), dst, x, sigma); err == nil {
			t.Errorf("dst, x and sigma of %v elements, 2 a row, were accepted", size)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := s.Score(ctx, make([]float32, 2), make([]float32, 2), make([]float32, 1))
	if !errors.Is(err, context.Canceled) {
		t.Errorf("with a context that has ended: %v", err)
	}
}

// TestConcurrentCallers compares concurrent callers, with the garbage collector running, with a single caller.
func TestConcurrentCallers(t *testing.T) {
	s := load(t, modelstest.MLP("SiLU", 1), modelstest.Manifest("mlp", 2), Options{})
	x, sigma := rows(512, 2)
	want := score(t, s, x, sigma)
	var callers sync.WaitGroup
	for c := range 8 {
		callers.Go(func() {
			dst := make([]float32, len(x))
			for i := range 50 {
				n := 1 + (c*61+i*97)%512
				if err := s.Score(t.Context(), dst[:2*n], x[:2*n], sigma[:n]); err != nil {
					t.Error(err)
				}
				if !slices.Equal(dst[:2*n], want[:2*n]) {
					t.Errorf("caller %d, %d rows: not what one caller alone gets", c, n)
				}
				if i%10 == 0 {
					runtime.GC()
				}
			}
		})
	}
	callers.Wait()
}

// TestCallersHaveCopies takes lanes as concurrent callers do. Callers of a small network have one session each, up to
// the number of cores, and callers of an image network share one.
func TestCallersHaveCopies(t *testing.T) {
	cores := runtime.NumCPU()
	for _, c := range []struct {
		name  string
		model *protos.ModelProto
		shape []int
		want  int
	}{
		{"points", modelstest.MLP("SiLU", 1), []int{2}, cores},
		{"image", modelstest.Conv("SiLU", 12, 1), []int{1, 12, 12}, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := load(t, c.model, modelstest.Manifest("net", c.shape...), Options{})
			var lanes []*lane
			callers := map[*onnxruntime.DynamicAdvancedSession]int{}
			for range cores + 1 {
				l, err := s.acquire()
				if err != nil {
					t.Fatal(err)
				}
				lanes = append(lanes, l)
				callers[l.loaded]++
			}
			if len(callers) != c.want {
				t.Errorf("%d callers have %d sessions: want %d", cores+1, len(callers), c.want)
			}
			if callers[lanes[cores].loaded] < 2 {
				t.Error("one caller more than cores shares with none")
			}
			x, sigma := rows(32, s.dim)
			var want []float32
			for _, l := range lanes {
				got := make([]float32, len(x))
				if err := s.evaluate(t.Context(), l, got, x, sigma); err != nil {
					t.Fatal(err)
				}
				if want == nil {
					want = got
				}
				if !slices.Equal(got, want) {
					t.Error("two lanes have other bits")
				}
				s.release(l)
			}
		})
	}
}

// TestCloseWaits closes a session during calls: each call gives the right result or says that the session is closed.
func TestCloseWaits(t *testing.T) {
	s := load(t, modelstest.MLP("SiLU", 1), modelstest.Manifest("mlp", 2), Options{})
	x, sigma := rows(64, 2)
	want := score(t, s, x, sigma)
	var callers sync.WaitGroup
	running := make(chan struct{}, 4)
	for range 4 {
		callers.Go(func() {
			dst := make([]float32, len(x))
			for calls := 0; ; calls++ {
				clear(dst)
				err := s.Score(t.Context(), dst, x, sigma)
				if errors.Is(err, ErrClosed) {
					return
				}
				if err != nil || !slices.Equal(dst, want) {
					t.Errorf("a call before the end: %v", err)
				}
				if calls == 0 {
					running <- struct{}{}
				}
			}
		})
	}
	for range 4 {
		<-running
	}
	if err := errors.Join(s.Close(), s.Close()); err != nil {
		t.Error(err)
	}
	callers.Wait()
}

func TestScoreDoesNotAllocate(t *testing.T) {
	s := load(t, modelstest.MLP("SiLU", 1), modelstest.Manifest("mlp", 2), Options{})
	x, sigma := rows(100, 2)
	dst := make([]float32, len(x))
	ctx := t.Context()
	allocated := testing.AllocsPerRun(100, func() {
		if err := s.Score(ctx, dst, x, sigma); err != nil {
			t.Fatal(err)
		}
	})
	if allocated != 0 {
		t.Errorf("%g allocations a call: want none", allocated)
	}
}

func TestRowsPerRun(t *testing.T) {
	for dim, want := range map[int]int{1: 4096, 2: 4096, 8: 4096, 9: 3632, 784: 32, 3072: 16, models.MaxDim: 16} {
		if got := rowsPerRun(dim, Device{}); got != want || got%productRows != 0 {
			t.Errorf("%d elements a row: %d rows, want %d", dim, got, want)
		}
	}
}

func TestIdentity(t *testing.T) {
	s := load(t, modelstest.Gaussian(2), modelstest.Manifest("gauss", 2), Options{})
	want := fmt.Sprintf("onnxruntime %s, cpu, optimization all, rewrite %d", Version, models.RewriteVersion)
	if s.Identity() != want {
		t.Errorf("identity is %q: want %q", s.Identity(), want)
	}
	if threads := load(t, modelstest.Gaussian(2), modelstest.Manifest("gauss", 2),
		Options{Threads: 2}); threads.Identity() != want {
		t.Errorf("with two threads it is %q", threads.Identity())
	}
}

func BenchmarkScore(b *testing.B) {
	silu := load(b, modelstest.MLP("SiLU", 1), modelstest.Manifest("mlp", 2), Options{})
	conv := load(b, modelstest.Conv("SiLU", 28, 1), modelstest.Manifest("conv", 1, 28, 28), Options{})
	for _, c := range []struct {
		name string
		s    *Session
		rows []int
	}{{"MLP", silu, []int{1, 16, 128, 1024}}, {"conv28", conv, []int{1, 16, 32}}} {
		for _, n := range c.rows {
			b.Run(fmt.Sprintf("%s/%d", c.name, n), func(b *testing.B) {
				x, sigma := rows(n, c.s.dim)
				dst := make([]float32, len(x))
				b.ReportAllocs()
				start := time.Now()
				for b.Loop() {
					if err := c.s.Score(b.Context(), dst, x, sigma); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(n*b.N)/time.Since(start).Seconds(), "rows/s")
			})
		}
	}
}

// TestBoundRunIsThePlainOne: an evaluation through bound tensors, in buffers with a fixed address, has the bits of an
// evaluation with new tensors, and sees what is written into the buffers between two runs.
func TestBoundRunIsThePlainOne(t *testing.T) {
	s := load(t, modelstest.Conv("SiLU", 12, 6), modelstest.Manifest("net", 1, 12, 12), Options{})
	l, err := s.acquire()
	if err != nil {
		t.Fatal(err)
	}
	defer s.release(l)
	b, err := l.binding(productRows)
	if err != nil {
		t.Fatal(err)
	}
	fill(l.x, l.sigma, modelstest.Manifest("net", 1, 12, 12))
	var before []float32
	for range 2 {
		if err := b.loaded.RunWithBinding(b.io); err != nil {
			t.Fatal(err)
		}
		bound := slices.Clone(l.score)
		clear(l.score)
		if err := b.runUntil(t.Context()); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(bound, []float32(l.score)) {
			t.Error("the two have other bits")
		}
		if slices.Equal(bound, before) {
			t.Error("other states have the same scores")
		}
		before = bound
		slices.Reverse(l.x)
	}
}
