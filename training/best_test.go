package training

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// TestKeepBest: a training on a few rows has the weights of the iteration with the least test loss, also if it is
// stopped after this iteration and resumed.
func TestKeepBest(t *testing.T) {
	var rows bytes.Buffer
	for i := range 20 {
		fmt.Fprintf(&rows, "%g,%g\n", 5*math.Sin(float64(3*i*i)), 5*math.Sin(float64(7*i*i)))
	}
	file, folder := filepath.Join(t.TempDir(), "few.csv"), t.TempDir()
	if err := os.WriteFile(file, rows.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	c := short(t, "toy-ring", "data={name: csv, dir: "+file+", modes: null, radius: null, std: null}",
		"network.hidden=64", "training.batch_size=64", "noise={first: 3, last: 0.2}", "training.iterations=600",
		"training.test_every=20",
		"optimizer={decay: none, ema: 0.9, learning_rate: 0.01}")
	kept := c
	kept.Training.KeepBest = true
	best := train(t, kept)
	least := slices.MinFunc(best.History, func(a, b Record) int {
		if *a.TestLoss < *b.TestLoss {
			return -1
		}
		return 1
	})
	if best.Best != least.Iteration || best.Loss != *least.TestLoss || best.Best > 560 {
		t.Fatalf("iteration %d with loss %g is kept, want iteration %d with %g and at most 560", best.Best, best.Loss,
			least.Iteration, *least.TestLoss)
	}
	c.Training.Iterations = best.Best
	if !slices.Equal(best.Params, train(t, c).Params) {
		t.Errorf("the weights are not those after %d iterations", best.Best)
	}
	stopAt(t, kept, folder, best.Best+20)
	again, err := Run(t.Context(), kept, Options{Library: library(t), Checkpoints: folder, Resume: true})
	if err != nil {
		t.Fatal(err)
	}
	if again.Best != best.Best || !bytes.Equal(export(t, again), export(t, best)) {
		t.Errorf("resumed: iteration %d is kept, want %d and the same file", again.Best, best.Best)
	}
}
