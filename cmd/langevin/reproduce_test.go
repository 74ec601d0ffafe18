package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/langevin-ml/langevin/ort"
	"github.com/langevin-ml/langevin/training"
	"github.com/langevin-ml/langevin/training/paper"
)

// TestReproduceWithoutRuntime: without ONNX Runtime the page has the exact experiments, and says of each other one that it
// is left out and why.
func TestReproduceWithoutRuntime(t *testing.T) {
	dir := t.TempDir()
	got := runAlone(t, "reproduce", "--chains", "100", "--onnxruntime-library", filepath.Join(dir, "no.so"), "--out", dir)
	text, err := os.ReadFile(filepath.Join(dir, "report.json"))
	if err != nil {
		t.Fatalf("%v: %+v", err, got)
	}
	var r paper.Report
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	var made []string
	for _, s := range r.Sections {
		switch {
		case len(s.Findings) > 0:
			made = append(made, s.Name)
		case !strings.Contains(s.Skipped, "no.so"), !strings.Contains(got.stdout, s.Title):
			t.Errorf("%s: left out because %q", s.Name, s.Skipped)
		}
	}
	if strings.Join(made, " ") != "figure-3 ring" || len(r.Sections) != 12 {
		t.Errorf("made %v of %d sections, want figure-3 and ring of 12", made, len(r.Sections))
	}
}

// A folder of models that was asked for and is not there is a mistake, found before anything is written.
func TestReproduceRefusesModelsDir(t *testing.T) {
	out := filepath.Join(t.TempDir(), "report")
	got := runAlone(t, "reproduce", "--models-dir", filepath.Join(t.TempDir(), "none"), "--out", out)
	if got.code != exitFailed || !oneLineWith(got.stderr, "open models folder: ") {
		t.Errorf("%+v", got)
	}
	if _, err := os.Stat(out); !os.IsNotExist(err) {
		t.Errorf("%s: %v, want nothing there", out, err)
	}
}

// TestTrainSliced: figure 1's trainings run side by side, with noise and without; without images the figure is left out.
func TestTrainSliced(t *testing.T) {
	library, _, err := ort.FindLibrary("")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	writeStrokes(t, dir, "train", 0, 40)
	l := &laboratory{program: &program{}, reproduceCommand: &reproduceCommand{}, training: training.Options{Library: library}}
	for folder, missing := range map[string]string{filepath.Join(dir, "none"): "none", dir: "t10k-images"} {
		l.dataDir = folder
		if s, err := l.pixelNoiseSection(t.Context()); err != nil || !strings.Contains(s.Skipped, missing) || !strings.Contains(s.Skipped, "--data-dir") {
			t.Errorf("without %s: %v, left out because %q", missing, err, s.Skipped)
		}
	}
	writeStrokes(t, dir, "t10k", 1000, 10)
	noisy, err := configure("scorenet", append(smallPixelNoise(), "data.dir="+dir, "name=noisy", "training.iterations=20"))
	if err != nil {
		t.Fatal(err)
	}
	clean, err := changed(noisy, []string{"name=clean", "loss.noise_std=0"})
	if err != nil {
		t.Fatal(err)
	}
	both, err := l.trainSliced(t.Context(), clean, noisy)
	if err != nil {
		t.Fatal(err)
	}
	if both[0].Name != "clean" || both[0].Noise != 0 || both[1].Noise != 0.05 || both[1].Every != 10 {
		t.Errorf("trained %+v", both)
	}
	if len(both[0].History) != 2 || len(both[1].History) != 2 || slices.Equal(both[0].History, both[1].History) {
		t.Errorf("losses %v and %v, want two each, not the same", both[0].History, both[1].History)
	}
}
