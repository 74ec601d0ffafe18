package training

import (
	"math"
	"testing"
)

// However a batch is divided, its parts come to the same step, but for rounding.
func TestParts(t *testing.T) {
	for name, settings := range map[string][]string{
		"toy-2gauss": {"network.hidden=6", "training.batch_size=24"},
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
			learner.parts = parts
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
			if err := learner.close(); err != nil {
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
		{"toy-ring", 500, 4, 1}, {"toy-ring", 1024, 4, 4},
	} {
		config := preset(t, c.preset)
		shape := []int{2}
		if c.preset == "mnist-small" {
			shape = []int{1, 28, 28}
		}
		network, err := config.network(shape, mustSchedule(t, config))
		if err != nil {
			t.Fatal(err)
		}
		if got := (lesson{network: network, rows: c.rows}).partsOf(c.cores); got != c.want {
			t.Errorf("%s: %d rows on %d cores: %d parts, want %d", c.preset, c.rows, c.cores, got, c.want)
		}
	}
}
