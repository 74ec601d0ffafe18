package learner

import (
	"math"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/graph"
	"go.uber.org/goleak"

	"github.com/langevin-ml/langevin/ort"
	"github.com/langevin-ml/langevin/sampling"
	"github.com/langevin-ml/langevin/training/loss"
	"github.com/langevin-ml/langevin/training/nn"
	"github.com/langevin-ml/langevin/training/optimizer"
	"github.com/langevin-ml/langevin/training/pool"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func library(t *testing.T) string {
	t.Helper()
	path, searched, err := ort.FindLibrary("")
	if err != nil {
		t.Fatalf("run make onnxruntime: %v (looked at %q)", err, searched)
	}
	return path
}

// example is denoising score matching of two Gaussians at ten levels or, with projections, sliced score matching.
type example struct {
	hidden, rows, projections int
	optimizer                 optimizer.Config
}

func adam() optimizer.Config {
	return optimizer.Config{LearningRate: 0.01, Decay: optimizer.DecayNone, Beta1: 0.9, Beta2: 0.999,
		Epsilon: 1e-8, EMA: 0.999}
}

func (e example) objective(t *testing.T) Objective {
	t.Helper()
	network, err := nn.Config{Name: nn.NameToy, Hidden: e.hidden, Activation: nn.SiLU, Scale: 2}.Build([]int{2}, nil)
	if err != nil {
		t.Fatal(err)
	}
	objective := loss.Config{Name: loss.DSM, Power: 2}
	if e.projections > 0 {
		objective = loss.Config{Name: loss.SSMVR, Projections: e.projections}
	}
	losses := func(weights, in []*graph.Node) *graph.Node {
		points := func(n *graph.Node) *graph.Node { return graph.Reshape(n, -1, 2) }
		b := loss.Batch{X: points(in[0]), Z: points(in[1]), Sigma: in[2]}
		if e.projections > 0 {
			b.V = points(in[3])
		}
		return objective.Rows(func(x, sigma *graph.Node) *graph.Node { return network.GoMLX(weights, x, sigma) }, b)
	}
	columns := []Columns{{1, 2}, {1, 2}, {1, 1}}
	if e.projections > 0 {
		columns = append(columns, Columns{e.projections, 2})
	}
	return Objective{
		Network: network, Params: network.NewParams(1), Optimizer: e.optimizer, Rows: e.rows,
		Losses: losses, Batch: columns, Measure: losses, Measured: columns,
	}
}

// batch returns batch index.
func (e example) batch(index uint64) [][]float32 {
	x, z, sigma := make([]float32, 2*e.rows), make([]float32, 2*e.rows), make([]float32, e.rows)
	data, noise := sampling.TwoGaussians(), sampling.Noise{Seed: 7, Chain: index}
	for i := range sigma {
		data.Sample(x[2*i:2*i+2], sampling.Noise{Seed: 6, Chain: index*uint64(e.rows) + uint64(i)})
		sigma[i] = float32(20 * math.Pow(0.05, float64(i%10)/9))
	}
	noise.Normal(z, 0)
	batch := [][]float32{x, z, sigma}
	if e.projections > 0 {
		v := make([]float32, 2*e.rows*e.projections)
		noise.Normal(v, 1)
		batch = append(batch, v)
	}
	return batch
}

// TestShards: the number of shards changes a step only by rounding.
func TestShards(t *testing.T) {
	clipped := adam()
	clipped.Clip = 0.1
	for name, e := range map[string]example{
		"annealed": {hidden: 6, rows: 24, optimizer: adam()},
		"clipped":  {hidden: 6, rows: 24, optimizer: clipped},
		"sliced":   {hidden: 6, rows: 24, optimizer: adam(), projections: 3},
	} {
		var whole [][]float32
		for _, shards := range []int{1, 2, 3} {
			workers := pool.New(shards)
			started, err := New(e.objective(t), workers, Options{Library: library(t)})
			if err != nil {
				t.Fatal(err)
			}
			learner := started.(*cpu)
			learner.shards = shards
			measured, errMeasure := learner.Measure(e.batch(0)...)
			losses, errStep := learner.Step(optimizer.Rates{0.01, 1}, e.batch(0)...)
			if errMeasure != nil || errStep != nil {
				t.Fatalf("%d shards: %v, %v", shards, errMeasure, errStep)
			}
			result := [][]float32{measured, losses, stateOf(t, learner, Params), stateOf(t, learner, moments)}
			if err := learner.Close(); err != nil {
				t.Error(err)
			}
			workers.Close()
			if shards == 1 {
				whole = result
			}
			for i, values := range result {
				if len(values) != len(whole[i]) {
					t.Fatalf("%s: %d shards have %d numbers, want %d", name, shards, len(values), len(whole[i]))
				}
				for k, v := range values {
					if math.Abs(float64(v-whole[i][k])) > 1e-5*(1+math.Abs(float64(v))) {
						t.Fatalf("%s, %d shards: number %d of result %d is %g, want %g",
							name, shards, k, i, v, whole[i][k])
					}
				}
			}
		}
	}
}

func TestShardsOn(t *testing.T) {
	for _, c := range []struct {
		data        string
		rows, cores int
		want        int
	}{
		{"images", 90, 2, 2}, {"images", 90, 4, 3}, {"images", 97, 4, 1}, {"images", 16, 8, 2}, {"images", 4, 8, 1},
		{"points", 500, 4, 4}, {"points", 128, 4, 2}, {"points", 90, 2, 1}, {"points", 1024, 4, 4},
	} {
		network, err := nn.Config{Name: nn.NameToy, Hidden: 4, Activation: nn.SiLU, Scale: 2}.Build([]int{2}, nil)
		if c.data == "images" {
			network, err = nn.UNet{Shape: []int{1, 28, 28}, Outer: 1, Inner: 1, Blocks: 1, Std: 1}.Build()
		}
		if err != nil {
			t.Fatal(err)
		}
		if got := (Objective{Network: network, Rows: c.rows}).shardsOn(c.cores); got != c.want {
			t.Errorf("%s: %d rows on %d cores: %d shards, want %d", c.data, c.rows, c.cores, got, c.want)
		}
	}
}

// finalized counts how often a backend is closed.
type finalized struct {
	compute.Backend
	times int
}

func (f *finalized) Finalize() { f.times++ }

// TestFailedLearnerClosesBackend: a learner that cannot start closes its backend.
func TestFailedLearnerClosesBackend(t *testing.T) {
	backend := &finalized{}
	if _, err := newCPU(Objective{}, pool.New(1), filepath.Join(t.TempDir(), "no.so"), backend, nil); err == nil ||
		backend.times != 1 {
		t.Errorf("without a library: %v, the backend closed %d times, want an error and once", err, backend.times)
	}
	backend.times = 0
	if err := (&gpu{backend: backend}).Close(); err != nil ||
		backend.times != 1 { // newGPU has set at least these fields
		t.Errorf("without computations: %v, the backend closed %d times, want once", err, backend.times)
	}
}

// TestLearnersAgree compares the learner of GPUs, run on a CPU, with the learner of CPUs, for every algorithm. The
// former writes each new state to new memory.
func TestLearnersAgree(t *testing.T) {
	decayed, clipped, rms := adam(), adam(), adam()
	decayed.Name, decayed.WeightDecay = optimizer.AMSGrad, 0.1
	clipped.Name, clipped.Clip = optimizer.SGD, 0.1
	rms.Name = optimizer.RMSProp
	for name, e := range map[string]example{
		"adam":               {hidden: 6, rows: 20, optimizer: adam()},
		"more than a piece":  {hidden: 140, rows: 20, optimizer: adam()},
		"amsgrad with decay": {hidden: 6, rows: 20, optimizer: decayed},
		"sgd with clipping":  {hidden: 6, rows: 20, optimizer: clipped},
		"rmsprop":            {hidden: 6, rows: 20, optimizer: rms},
	} {
		t.Run(name, func(t *testing.T) { testLearnersAgree(t, e) })
	}
}

func testLearnersAgree(t *testing.T, e example) {
	workers := pool.New(runtime.NumCPU())
	defer workers.Close()
	first, err := New(e.objective(t), workers, Options{Library: library(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	backend, err := openBackend(library(t), CPU)
	if err != nil {
		t.Fatal(err)
	}
	second, err := newGPU(e.objective(t), backend, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	a, b := threeSteps(t, first, e), threeSteps(t, second, e)
	for k, want := range a {
		for j, v := range want {
			if got := b[k][j]; math.Abs(float64(got-v)) > 1e-5*(1+math.Abs(float64(v))) {
				t.Fatalf("number %d of result %d is %g on the one and %g on the other", j, k, v, got)
			}
		}
	}
}

// threeSteps returns the losses and measurements of three steps and the state after them. After the second step it
// reads the state and sets it again, as if the training had been stopped there.
func threeSteps(t *testing.T, l Learner, e example) (results [][]float32) {
	t.Helper()
	for step := range 3 {
		losses, err := l.Step(e.optimizer.Rates(step, 100), e.batch(uint64(step))...)
		if err != nil {
			t.Fatal(err)
		}
		measured, err := l.Measure(e.batch(uint64(step))...)
		if err != nil {
			t.Fatal(err)
		}
		results = append(results, losses, measured)
		if step != 1 {
			continue
		}
		if err := l.Replace(allOf(t, l, e)); err != nil {
			t.Fatal(err)
		}
	}
	return append(results, allOf(t, l, e)...)
}

// allOf returns the whole state.
func allOf(t *testing.T, l Learner, e example) (state [][]float32) {
	t.Helper()
	for which := range Vectors(e.optimizer) {
		state = append(state, stateOf(t, l, which))
	}
	return state
}

func stateOf(t *testing.T, l Learner, which int) []float32 {
	t.Helper()
	values, err := l.Read(which)
	if err != nil {
		t.Fatal(err)
	}
	return values
}

// TestPoolHasCores: a program may give Go more processors than there are, but a batch has one shard per core.
func TestPoolHasCores(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(8 * runtime.NumCPU()))
	e := example{hidden: 4, rows: 9600, optimizer: adam()}
	workers := pool.New(runtime.NumCPU())
	defer workers.Close()
	learner, err := New(e.objective(t), workers, Options{Library: library(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer learner.Close()
	want := e.objective(t).shardsOn(runtime.NumCPU())
	if got := learner.(*cpu).shards; got != want || want > runtime.NumCPU() {
		t.Errorf("%d shards on %d cores, want %d", got, runtime.NumCPU(), want)
	}
}

func TestOpenBackendRefuses(t *testing.T) {
	if _, err := openBackend(library(t), "gpu"); err == nil || err.Error() != `device is "gpu": want cpu or cuda` {
		t.Errorf("device gpu: %v", err)
	}
	for path, want := range map[string]string{
		"": "no ONNX Runtime library given",
		filepath.Join(t.TempDir(), "libonnxruntime.so"): "no such file",
		"device,test.go": "no such file",
	} {
		if _, err := openBackend(path, CPU); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("open %q: error %v, want one that says %q", path, err, want)
		}
	}
}
