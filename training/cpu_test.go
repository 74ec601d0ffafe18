package training

import (
	"math"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gomlx/compute"
)

// However a batch is divided, its parts come to the same step, but for rounding.
func TestParts(t *testing.T) {
	for name, settings := range map[string][]string{
		"toy-2gauss": {"network.hidden=6", "training.batch_size=24"},
		"toy-ring":   {"network.hidden=6", "training.batch_size=24", "optimizer.clip=0.1"},
		"toy-ssm":    {"network.hidden=6", "training.batch_size=24", "loss.projections=3"},
	} {
		var whole [][]float32
		for _, parts := range []int{1, 2, 3} {
			c := preset(t, name)
			set(t, &c, settings...)
			trainer, err := newTrainer(c, Options{Library: library(t)})
			if err != nil {
				t.Fatal(err)
			}
			learner := trainer.learner.(*cpu)
			trainer.crew.close()
			trainer.crew = newCrew(parts)
			learner.crew, learner.parts = trainer.crew, parts
			b, err := trainer.drawer.draw(0)
			if err != nil {
				t.Fatal(err)
			}
			measured, errMeasure := learner.measure(b.vectors()...)
			losses, errStep := learner.step([2]float32{0.01, 1}, b.vectors()...)
			if errMeasure != nil || errStep != nil {
				t.Fatalf("%d parts: %v, %v", parts, errMeasure, errStep)
			}
			result := [][]float32{measured, losses, stateOf(t, learner, stateParams), stateOf(t, learner, stateMoments)}
			if err := trainer.close(); err != nil {
				t.Error(err)
			}
			if parts == 1 {
				whole = result
			}
			for i, values := range result {
				if len(values) != len(whole[i]) {
					t.Fatalf("%s: %d parts have %d numbers, want %d", name, parts, len(values), len(whole[i]))
				}
				for k, v := range values {
					if math.Abs(float64(v-whole[i][k])) > 1e-5*(1+math.Abs(float64(v))) {
						t.Fatalf("%s, %d parts: number %d of result %d is %g, want %g", name, parts, k, i, v, whole[i][k])
					}
				}
			}
		}
	}
}

func TestPartsOf(t *testing.T) {
	for _, c := range []struct {
		preset      string
		rows, cores int
		want        int
	}{
		{"mnist-small", 90, 2, 2}, {"mnist-small", 90, 4, 3}, {"mnist-small", 97, 4, 1}, {"mnist-small", 16, 8, 2}, {"mnist-small", 4, 8, 1},
		{"toy-ring", 500, 4, 4}, {"toy-ring", 128, 4, 2}, {"toy-ring", 90, 2, 1}, {"toy-ring", 1024, 4, 4},
	} {
		config := preset(t, c.preset)
		shape := []int{2}
		if c.preset == "mnist-small" {
			shape = []int{1, 28, 28}
		}
		network, err := config.Network.Build(shape, mustSchedule(t, config).Sigmas())
		if err != nil {
			t.Fatal(err)
		}
		if got := (lesson{network: network, rows: c.rows}).partsOf(c.cores); got != c.want {
			t.Errorf("%s: %d rows on %d cores: %d parts, want %d", c.preset, c.rows, c.cores, got, c.want)
		}
	}
}

// finalized counts how often a backend is closed.
type finalized struct {
	compute.Backend
	times int
}

func (f *finalized) Finalize() { f.times++ }

// A learner that cannot be set up closes the backend that it was given.
func TestFailedLearnerClosesBackend(t *testing.T) {
	backend := &finalized{}
	if _, err := newCPU(lesson{}, newCrew(1), filepath.Join(t.TempDir(), "no.so"), backend, nil); err == nil || backend.times != 1 {
		t.Errorf("without a library: %v, the backend closed %d times, want an error and once", err, backend.times)
	}
	backend.times = 0
	if err := (&gpu{backend: backend}).close(); err != nil || backend.times != 1 { // as far as newGPU comes at the least
		t.Errorf("without computations: %v, the backend closed %d times, want once", err, backend.times)
	}
}

// The learner of GPUs, on a CPU, which writes each new state to memory of its own, comes to the same by every algorithm.
func TestLearnersAgree(t *testing.T) {
	for _, settings := range [][]string{
		{"network.hidden=6"},
		{"network.hidden=140"}, // of more than a piece
		{"network.hidden=6", "optimizer.name=amsgrad", "optimizer.weight_decay=0.1"},
		{"network.hidden=6", "optimizer.name=sgd", "optimizer.clip=0.1"},
		{"network.hidden=6", "optimizer.name=rmsprop"},
	} {
		t.Run(strings.Join(settings, " "), func(t *testing.T) { testLearnersAgree(t, settings) })
	}
}

func testLearnersAgree(t *testing.T, settings []string) {
	c := preset(t, "toy-2gauss")
	set(t, &c, append(settings, "training.batch_size=20", "noise.levels=10")...)
	trainer, err := newTrainer(c, Options{Library: library(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer trainer.close()
	backend, err := openBackend(library(t), CPU)
	if err != nil {
		t.Fatal(err)
	}
	other, err := newGPU(trainer.lesson(), backend, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer other.close()
	var results [2][][]float32
	for i, l := range []learner{trainer.learner, other} {
		for step := range uint64(3) {
			b, err := trainer.drawer.draw(step)
			if err != nil {
				t.Fatal(err)
			}
			losses, err := l.step(c.Optimizer.Rates(int(step), 100), b.vectors()...)
			if err != nil {
				t.Fatal(err)
			}
			measured, err := l.measure(b.vectors()...)
			if err != nil {
				t.Fatal(err)
			}
			results[i] = append(results[i], losses, measured)
			if step == 1 { // as if the training had been stopped here
				state := [][]float32{}
				for which := range vectors(c.Optimizer) {
					state = append(state, stateOf(t, l, which))
				}
				if err := l.replace(state); err != nil {
					t.Fatal(err)
				}
			}
		}
		for which := range vectors(c.Optimizer) {
			results[i] = append(results[i], stateOf(t, l, which))
		}
	}
	for k, want := range results[0] {
		for j, v := range want {
			if got := results[1][k][j]; math.Abs(float64(got-v)) > 1e-5*(1+math.Abs(float64(v))) {
				t.Fatalf("number %d of result %d is %g on the one and %g on the other", j, k, v, got)
			}
		}
	}
}
