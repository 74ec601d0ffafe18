package training

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/training/data"
	"github.com/langevin-ml/langevin/training/nn"
	"github.com/langevin-ml/langevin/training/pool"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// short returns a preset that trains in a fraction of a second.
func short(t *testing.T, name string, assignments ...string) Config {
	t.Helper()
	c := preset(t, name)
	set(t, &c, "network.hidden=16", "training.iterations=60", "training.batch_size=128", "training.log_every=20",
		"training.eval_rows=500", "optimizer.warmup=10")
	set(t, &c, assignments...)
	return c
}

func train(t *testing.T, c Config) *Result {
	t.Helper()
	r, err := Run(t.Context(), c, Options{Library: library(t)})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func export(t *testing.T, r *Result) []byte {
	t.Helper()
	file, err := r.ONNX()
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// TestTrainingIsPure: the same configuration gives the same file, and each setting that matters changes it.
func TestTrainingIsPure(t *testing.T) {
	first := export(t, train(t, short(t, "toy-ring")))
	if !bytes.Equal(first, export(t, train(t, short(t, "toy-ring")))) {
		t.Error("the same configuration gives two files")
	}
	if !bytes.Equal(first, export(t, train(t, short(t, "toy-ring", "training.log_every=7")))) {
		t.Error("how often progress is reported changes the file")
	}
	for _, assignment := range []string{"seed=2", "data.std=0.9", "optimizer.learning_rate=0.02",
		"optimizer.decay=none", "loss.power=1"} {
		if bytes.Equal(first, export(t, train(t, short(t, "toy-ring", assignment)))) {
			t.Errorf("%s does not change the file", assignment)
		}
	}
}

func TestReports(t *testing.T) {
	var log bytes.Buffer
	var seen []Progress
	c := short(t, "toy-2gauss", "training.iterations=50")
	result, err := Run(t.Context(), c,
		Options{Library: library(t), Log: &log, Progress: func(p Progress) { seen = append(seen, p) }})
	if err != nil {
		t.Fatal(err)
	}
	var iterations []int
	decoder := json.NewDecoder(&log)
	decoder.DisallowUnknownFields()
	for i := 0; decoder.More(); i++ {
		var line Record
		if err := decoder.Decode(&line); err != nil {
			t.Fatal(err)
		}
		iterations = append(iterations, line.Iteration)
		var mean float64
		for _, l := range line.LossPerLevel {
			mean += l / float64(len(line.LossPerLevel))
		}
		if len(line.LossPerLevel) != 50 || math.Abs(mean-line.Loss) > 1e-9 || line.Loss <= 0 {
			t.Errorf("line %d: loss %g over %d levels of mean %g", i, line.Loss, len(line.LossPerLevel), mean)
		}
		if i >= len(seen) || seen[i].Iteration != line.Iteration || seen[i].Loss != line.Loss ||
			seen[i].Iterations != 50 || !(seen[i].PerSecond > 0) {
			t.Errorf("line %d of the log is %+v, progress %+v", i, line, seen)
		}
	}
	if want := []int{20, 40, 50}; !slices.Equal(iterations, want) || len(result.History) != 3 {
		t.Errorf("logged iterations %v and %d records, want %v", iterations, len(result.History), want)
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errors.New("disk full") }

func TestRunFails(t *testing.T) {
	library := library(t)
	for _, c := range []struct {
		config  Config
		options Options
		want    string
	}{
		{short(t, "toy-ring", "data.std=0"), Options{Library: library}, "train ring: data.std is 0"},
		{short(t, "toy-ring"), Options{}, "train ring: no ONNX Runtime library given"},
		{short(t, "toy-ring"), Options{Library: library, Log: brokenWriter{}},
			"train ring: iteration 20: write the training log: disk full"},
	} {
		result, err := Run(t.Context(), c.config, c.options)
		if err == nil || result != nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("result %v, error %v, want an error that says %q", result, err, c.want)
		}
	}
}

func TestDivergence(t *testing.T) {
	result, err := Run(t.Context(), short(t, "toy-ring", "optimizer.learning_rate=1e37"), Options{Library: library(t)})
	if !errors.Is(err, ErrDiverged) || result != nil || !strings.Contains(err.Error(), "train ring: iteration ") {
		t.Errorf("result %v, error %v, want no result and an error that says where it diverged", result, err)
	}
}

// TestStop: a stopped training returns what it has learned, and this can be exported.
func TestStop(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	c := short(t, "toy-2gauss", "training.iterations=100000")
	result, err := Run(ctx, c, Options{Library: library(t), Progress: func(p Progress) {
		if p.Iteration == 40 {
			stop()
		}
	}})
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "stopped after 40 of 100000") {
		t.Errorf("error %v, want one that says that and where it was stopped", err)
	}
	if result == nil {
		t.Fatal("no result")
	}
	m, err := models.Read(export(t, result))
	if err != nil {
		t.Fatal(err)
	}
	if m.Training.Iterations != 40 || result.Loss != result.History[1].Loss || m.Training.Loss <= 0 {
		t.Errorf("manifest says %+v, want 40 iterations and the last loss in the history, %g",
			m.Training, result.History[1].Loss)
	}

	stop()
	result, err = Run(ctx, c, Options{Library: library(t)})
	if !errors.Is(err, context.Canceled) || result == nil || result.Iterations != 0 {
		t.Errorf("stopped at once: result %+v, error %v, want no iterations", result, err)
	} else if _, err := models.Read(export(t, result)); err != nil {
		t.Errorf("stopped at once: %v", err)
	}
}

// TestBatches: batches are pure and spread evenly over the levels. They are the same if drawn ahead, for points and for
// larger data.
func TestBatches(t *testing.T) {
	t.Run("points", func(t *testing.T) { testBatches(t, 2) })
	t.Run("images", func(t *testing.T) { testBatches(t, 100) })
}

func testBatches(t *testing.T, dim int) {
	c := preset(t, "toy-2gauss")
	set(t, &c, "training.batch_size=30")
	c.Data = data.Config{Name: data.Mixture, Std: 1, Means: [][]float64{make([]float64, dim)}}
	source, err := c.Data.Open(data.Train, c.Seed)
	if err != nil {
		t.Fatal(err)
	}
	drop := func(b *nn.Builder, x, _ *nn.Node) *nn.Node { return b.Dropout("drop", x, 0.5) }
	dropping, err := nn.Build([]int{dim}, drop)
	if err != nil {
		t.Fatal(err)
	}
	d := batcher{source: source, dropping: dropping, schedule: mustSchedule(t, c), rows: 30, dim: dim, seed: c.Seed,
		place: c.Loss.Places(mustSchedule(t, c)), pool: pool.New(3)}
	defer d.pool.Close()
	const batches = 150 // more than are drawn at once
	rows := make([]int, 50)
	index := uint64(3)
	var last *batch
	for b, err := range d.ahead(t.Context(), index, batches) {
		if err != nil {
			t.Fatal(err)
		}
		alone, err := d.draw(index)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(b.x, alone.x) || !slices.Equal(b.z, alone.z) || !slices.Equal(b.level, alone.level) ||
			!slices.Equal(b.factors, alone.factors) {
			t.Errorf("batch %d differs when it is drawn alone", index)
		}
		if last != nil && (slices.Equal(b.x, last.x) || slices.Equal(b.z, last.z) ||
			slices.Equal(b.factors, last.factors)) {
			t.Errorf("batch %d repeats the one before it", index)
		}
		last = b
		for i, level := range b.level {
			rows[level]++
			if b.sigma[i] != float32(d.schedule.Sigma(level)) {
				t.Errorf("row %d of level %d has sigma %g, want %g", i, level, b.sigma[i], d.schedule.Sigma(level))
			}
		}
		index++
	}
	if each := batches * 30 / 50; index != 3+batches || slices.Min(rows) != each || slices.Max(rows) != each {
		t.Errorf("%d batches, rows of each level %v: want %d and %d each", index-3, rows, batches, each)
	}
	for range d.ahead(t.Context(), 0, 1000) {
		break // goleak checks that the goroutine ends too
	}
}
