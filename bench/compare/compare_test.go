package main

import (
	"context"
	"errors"
	"maps"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/sampling"
	"github.com/langevin-ml/langevin/server/batch"
)

// undisturbed returns the referee of a machine without other work.
func undisturbed() *referee { return &referee{others: func() time.Duration { return 0 }} }

// TestReferee: a disturbed measurement is repeated until the patience is used up. Then it is accepted and counted as
// disturbed.
func TestReferee(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var others time.Duration
		r := &referee{patience: 5 * time.Second, others: func() time.Duration { return others }}
		runs := 0
		err := r.measure(t.Context(), func() error {
			if runs++; runs < 3 {
				others += time.Second // all of one core
			}
			time.Sleep(time.Second)
			return nil
		})
		if err != nil || runs != 3 || r.measured != 1 || r.disturbed != 0 || r.patience != time.Second {
			t.Errorf("two disturbed runs and a quiet one: %d runs, %+v, %v", runs, *r, err)
		}
		err = r.measure(t.Context(), func() error {
			runs++
			others += time.Second
			time.Sleep(time.Second)
			return nil
		})
		if err != nil || runs != 5 || r.measured != 2 || r.disturbed != 1 {
			t.Errorf("patience for one more: %d runs, %+v, %v", runs, *r, err)
		}
	})
}

// TestWorkOutside reads a machine with 9 s of work and 1 s that its host took. 3 s belong to group 7, and a third of
// these to children that have ended.
func TestWorkOutside(t *testing.T) {
	proc := t.TempDir()
	for path, text := range map[string]string{
		"stat":     "cpu  500 100 300 99999 5000 0 0 100 0 0\ncpu0 1 2 3\n",
		"70/stat":  "70 (a (b) c) S 1 7 7 0 -1 0 0 0 0 0 100 50 60 40 20 0 1 0 1\n",
		"71/stat":  "71 (sh) R 70 7 7 0 -1 0 0 0 0 0 30 20 0 0 20 0 1 0 1\n",
		"80/stat":  "80 (sh) R 1 8 8 0 -1 0 0 0 0 0 200 100 0 0 20 0 1 0 1\n",
		"tty/stat": "no process\n",
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(proc, path)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(proc, path), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got := workOutside(proc, 7); got != 7*time.Second {
		t.Errorf("%v outside group 7, want 7s", got)
	}
	if got := workOutside(t.TempDir(), 7); got != 0 {
		t.Errorf("%v where the system does not report it, want 0", got)
	}
}

// TestMeasureInRounds: sides alternate, so that neither always follows the other, and each measures for the least time.
func TestMeasureInRounds(t *testing.T) {
	var order []string
	counting := func(name string, each time.Duration) side {
		return side{name, func(_ context.Context, repeat int) (time.Duration, error) {
			order = append(order, name)
			return time.Duration(repeat) * each, nil
		}, ""}
	}
	e := effort{rounds: 3, least: 100 * time.Millisecond}
	seen, err := undisturbed().measureInRounds(t.Context(), "test", e,
		[]side{counting("a", time.Millisecond), counting("b", 30*time.Millisecond)})
	if err != nil {
		t.Fatal(err)
	}
	if measured := order[len(order)-6:]; !slices.Equal(measured, []string{"a", "b", "b", "a", "a", "b"}) {
		t.Errorf("order %v", measured)
	}
	if a, b := seen["a"], seen["b"]; len(a) != 3 || math.Abs(a.median()-1e-3) > 1e-9 ||
		math.Abs(b.median()-30e-3) > 1e-9 {
		t.Errorf("seconds for doing it once: %v, want 1 ms and 30 ms, three times", seen)
	}
	broken := side{"c", func(context.Context, int) (time.Duration, error) { return 0, errors.New("no answer") }, ""}
	if _, err := undisturbed().measureInRounds(t.Context(), "test", e, []side{broken}); err == nil ||
		err.Error() != "test, c: no answer" {
		t.Errorf("error %v", err)
	}
}

// TestHopelessVariantsAreLeftOut: a peer's variant without a chance is not measured further. A single side always is.
func TestHopelessVariantsAreLeftOut(t *testing.T) {
	taking := func(name, peer string, each time.Duration) side {
		return side{name, func(_ context.Context, repeat int) (time.Duration,
			error) {
			return time.Duration(repeat) * each, nil
		}, peer}
	}
	seen, err := undisturbed().measureInRounds(t.Context(), "test", effort{rounds: 2, least: 1}, []side{
		taking("ours", "", time.Hour), taking("p, 1", "p", 10), taking("p, 2", "p", 31), taking("q, 1", "q",
			10), taking("q, 2", "q", 29),
	})
	if names := slices.Sorted(maps.Keys(seen)); err != nil ||
		!slices.Equal(names, []string{"ours", "p, 1", "q, 1", "q, 2"}) {
		t.Errorf("measured %v, %v", names, err)
	}
}

func TestSeries(t *testing.T) {
	if s := (series{4, 1, 2}); s.median() != 2 || s.spread() != 1.5 {
		t.Errorf("median %g, spread %g of %v", s.median(), s.spread(), s)
	}
	if s := (series{4, 1, 2, 3}); s.median() != 2.5 {
		t.Errorf("median %g of %v", s.median(), s)
	}
	seen := map[string]series{"x, 1": {3}, "x, 2": {2, 2}, "y, 1": {1}}
	if name, best := fastest(seen, []string{"x, 1", "x, 2", "x, 9"}); name != "x, 2" || best.median() != 2 {
		t.Errorf("fastest is %s, %v", name, best)
	}
}

// toy returns a network without a graph.
func toy() *network {
	return &network{flops: 1000, manifest: models.Manifest{
		Name: "toy", Shape: []int{2}, Sigmas: []float64{2, 1},
		Prior: sampling.Prior{Kind: sampling.PriorNormal, Std: 1}, Sampler: models.Sampler{StepLR: 0.01},
	}}
}

// TestAllocationsAreCounted: the model's allocations are counted exactly.
func TestAllocationsAreCounted(t *testing.T) {
	var kept []byte
	for _, want := range []float64{0, 3} {
		model := sampling.ModelFunc(func(context.Context, []float32, []float32, []float32) error {
			for range int(want) {
				kept = make([]byte, 100)
			}
			return nil
		})
		e := newPipeline(toy(), model, batch.Config{Workers: 1})
		got, err := e.allocsPerTick(t.Context(), toy(), 16, 200)
		if err != nil || math.Abs(got-want) > 0.1 {
			t.Errorf("%g allocations per tick, %v; want %g", got, err, want)
		}
		if err := e.close(t.Context()); err != nil {
			t.Error(err)
		}
	}
	runtime.KeepAlive(kept)
}

// TestResults: ratios use the peer's better side, and every missed target is marked.
func TestResults(t *testing.T) {
	seen := map[string]series{ours: {0.010}, product: {1}}
	for _, n := range threads() {
		seen[sideName(peerTorch, n)] = series{0.050}
		seen[sideName(peerORT, n)] = series{0.020}
		seen[sideName(peerBfloat16, n)] = series{0.005}
		const operations = 2 * productSize * productSize * productSize
		seen[sideName(product, n)] = series{float64(n) * operations / 100e9} // 100 GFLOP/s
	}
	seen["PyTorch, 1"] = series{0.030}
	r := &results{
		draws: []drawResult{{
			drawCase: drawCase{network: "toy", chains: 10, steps: 100, ratio: 4,
				fraction: 0.5}, seen: seen, flops: 0.6e9, off: map[string]float64{peerBfloat16: 0.0092},
		}},
		throughput: map[string]series{ours: {900, 1000, 1100}, "one at a time": {100, 100, 100}},
		inProcess:  series{1200, 1250, 1300},
		idle:       latencies{p50: series{0.010}, p99: series{0.020}},
		half:       latencies{p50: series{0.015}, p99: series{0.040}},
		ticks: []tickResult{{tickCase: tickCase{"toy", 16, 0.4}, network: series{100e-6}, whole: series{120e-6},
			free: series{10e-6}, noise: series{5e-6}}},
		memory: []memoryResult{{memoryCase{1000, 50}, 100 << 20, 600 << 20},
			{memoryCase{10, 50}, 100 << 20, 102 << 20}, {memoryCase{10, 2000}, 200 << 20, 203 << 20}},
	}
	page := string(r.markdown())
	for _, want := range []string{
		"| toy, 10 chains of 100 steps | 1,000 | 100 µs | 333 (1) | 500 (1) | 3x | 4x | **no** | 2x | 60 % | 60 % | " +
			"50 % | yes | 0 % |",
		"| toy, 10 chains of 100 steps | 1,000 | not run | 0x | 0 | not run | 0x | 0 | 2,000 (1) | 0.5x | 0.009 |",
		"| samples per second, closed loop | 1,000 | 100 | 10x | 8x | yes | 20 % |",
		"| samples per second | 1,250 | 1,000 | 20 % | below 5 % | **no** | 8 % |",
		"| p99 | 20 ms | 40 ms | 2x | below 1.5x | **no** |",
		"| toy, 16 rows | 100 µs | 120 µs | 10 µs | 5 µs | 10 % | below 40 % | yes | 20 % | 0.00 | 0.00 | 0 % |",
		"| toy, 1,000 chains of 50 steps | 100 MB | 600 MB | 500 MB | below 500 MB | **no** |",
		"| toy, 10 chains of 2000 steps | 200 MB | 203 MB | 3 MB | growth of the row above | yes |",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("want %q in\n%s", want, page)
		}
	}
}

func TestNumbers(t *testing.T) {
	for v, want := range map[float64]string{0.01234: "0.0123", 12.34: "12.3", 999: "999", 1234: "1,230",
		1234567: "1,230,000"} {
		if got := number(v); got != want {
			t.Errorf("number(%g) is %s, want %s", v, got, want)
		}
	}
}

func TestDistance(t *testing.T) {
	if d := distance([]float32{1, 2.5}, []float32{1, 2}); d != 0.25 {
		t.Errorf("distance %g, want 0.25", d)
	}
	if d := distance([]float32{1}, []float32{1, 2}); !math.IsInf(d, 1) {
		t.Errorf("distance %g of other lengths, want infinity", d)
	}
}

// TestPeerFails: a peer's error reaches the reader with the peer's name. So does a missing answer.
func TestPeerFails(t *testing.T) {
	p, err := startPeer(t.Context(), "Peer", "sh", script(t,
		`read line; echo '{"text": "hello"}'; read line; echo '{"error": "no such file"}'`))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.load("x.onnx"); err == nil || err.Error() != "Peer: no such file" {
		t.Errorf("error %v", err)
	}
	if err := p.close(); err != nil {
		t.Error(err)
	}
	if _, err := startPeer(t.Context(), "Peer", "sh", script(t, "read line")); err == nil ||
		!strings.Contains(err.Error(), "Peer does not answer") {
		t.Errorf("error %v", err)
	}
}

func script(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "peer.sh")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}
