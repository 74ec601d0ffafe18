package training

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/langevin-ml/langevin/client"
	"github.com/langevin-ml/langevin/internal/datafile"
	"github.com/langevin-ml/langevin/sampling"
)

// imagesFile writes 40 images of 4x4 numbers.
func imagesFile(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "images.npy")
	b := client.Batch{N: 40, Shape: []int{1, 4, 4}, X: make([]float32, 40*16)}
	sampling.Noise{Seed: 1}.Uniform(b.X, 0)
	var text bytes.Buffer
	if err := datafile.WriteNPY(&text, b); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestDropout: a training drops numbers of the layers. A stop does not change which, and measurements drop none.
func TestDropout(t *testing.T) {
	c := preset(t, "ncsnpp-mnist")
	set(t, &c, "data={name: npy, dir: "+imagesFile(t)+", dequantization: null}", "noise.levels=4",
		"network={ngf: 4, multipliers: [1], attention: null, dropout: 0.5, fourier_scale: 1, progressive_input: null}",
		"training={iterations: 4, batch_size: 8, log_every: 2, test_every: 2, eval_rows: 8, checkpoint_every: 0}",
		"optimizer={learning_rate: 0.05, warmup: 0}")
	var logs [2]bytes.Buffer
	straight, err := Run(t.Context(), c, Options{Library: library(t), Log: &logs[0]})
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	stopAt(t, c, folder, 2)
	again, err := Run(t.Context(), c, Options{Library: library(t), Log: &logs[1], Checkpoints: folder, Resume: true})
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(export(t, straight), export(t, again)) || timeless(t, &logs[0]) != timeless(t, &logs[1]) {
		t.Error("2 and 2 iterations with dropout give another file, or log, than 4")
	}
	set(t, &c, "network.dropout=null")
	without := train(t, c)
	if a, b := straight.History[1].Loss, without.History[1].Loss; a == b {
		t.Errorf("the loss is %g with and without dropout", a)
	}
}
