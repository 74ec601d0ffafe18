package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/langevin-ml/langevin/ort"
	"github.com/langevin-ml/langevin/training"
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

// TestSession runs a session of make bench-train. The folder has what the losses can be computed from, the training
// pauses between commands, a second training replaces it, and nothing is left at the end.
func TestSession(t *testing.T) {
	folder := t.TempDir()
	begin := `{"do": "begin", "folder": "` + folder + `", "preset": "toy-2gauss", ` +
		`"set": ["training.batch_size=20", "noise.levels=10", "training.log_every=2"]}`
	in := strings.Join([]string{
		`{"do": "train", "repeat": 2}`, begin,
		`{"do": "train", "repeat": 6}`, `{"do": "train", "repeat": 3}`, begin,
		`{"do": "train", "repeat": 2}`,
		`{"do": "sing"}`, `{"do": "describe"}`,
	}, "\n")
	p := &peer{library: library(t)}
	var out bytes.Buffer
	if err := p.serve(strings.NewReader(in), &out); err != nil {
		t.Fatal(err)
	}
	if err := p.stop(); err != nil {
		t.Fatal(err)
	}
	var answers []answer
	for line := range strings.Lines(out.String()) {
		var a answer
		if err := json.Unmarshal([]byte(line), &a); err != nil {
			t.Fatal(err)
		}
		answers = append(answers, a)
	}
	for i, want := range []string{"train before begin", "", "", "3 iterations: want a multiple of 2", "", "",
		"no such command: sing", ""} {
		if answers[i].Error != want {
			t.Errorf("answer %d: error %q, want %q", i, answers[i].Error, want)
		}
	}
	if len(answers[1].Losses) != firstBatches || !(answers[1].Moved > 0) || answers[2].Seconds <= 0 {
		t.Errorf("answers %+v", answers)
	}
	if got, want := answers[4].Losses, answers[1].Losses; len(got) != len(want) || got[0] != want[0] {
		t.Errorf("losses %v of the same training again, want %v", got, want)
	}
	checkFolder(t, folder)
}

// checkFolder reads what begin wrote.
func checkFolder(t *testing.T, folder string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(folder, "settings.json"))
	if err != nil {
		t.Fatal(err)
	}
	var s settings
	if err := json.Unmarshal(text, &s); err != nil || s.Rows != 20 || len(s.Sigmas) != 10 || len(s.Parameters) != 6 ||
		s.Optimizer.EMA != 0.999 {
		t.Fatalf("settings %+v, %v", s, err)
	}
	raw, err := os.ReadFile(filepath.Join(folder, "batches.bin"))
	if err != nil || len(raw) != firstBatches*4*(2*20*2+2*20) {
		t.Fatalf("batches of %d bytes, %v", len(raw), err)
	}
	values := make([]float32, len(raw)/4)
	if err := binary.Read(bytes.NewReader(raw), binary.LittleEndian, values); err != nil {
		t.Fatal(err)
	}
	for i, sigma := range values[80:100] {
		if want := s.Sigmas[i%10]; math.Abs(float64(sigma)-want) > 1e-5*want {
			t.Errorf("row %d has sigma %g, want %g", i, sigma, want)
		}
	}
}

func TestMeanOfRows(t *testing.T) {
	if got := meanOfRows([]float64{1, 4}, []int{0, 0, 1}); got != 2 {
		t.Errorf("mean %g of rows 1, 1 and 4, want 2", got)
	}
}

// TestEncoded: the bytes are the batches' values, in the order that settings documents.
func TestEncoded(t *testing.T) {
	got := encoded([]training.Batch{{X: []float32{1}, Z: []float32{2}, Sigma: []float32{3}, Weight: []float32{4}}})
	want := []byte{0, 0, 0x80, 0x3f, 0, 0, 0, 0x40, 0, 0, 0x40, 0x40, 0, 0, 0x80, 0x40}
	if !bytes.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
