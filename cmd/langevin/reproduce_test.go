package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/langevin-ml/langevin/internal/cli"
	"github.com/langevin-ml/langevin/training/paper"
)

// TestReproduceWithoutRuntime: without ONNX Runtime the page has the exact experiments, and says of each other one that
// it is left out and why.
func TestReproduceWithoutRuntime(t *testing.T) {
	dir := t.TempDir()
	got := runAlone(t, "reproduce", "--chains", "100", "--onnxruntime-library", filepath.Join(dir, "no.so"), "--out",
		dir)
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
	if strings.Join(made, " ") != "figure-3 ring product sums" || len(r.Sections) != 15 {
		t.Errorf("made %v of %d sections, want figure-3, ring, product and sums of 15", made, len(r.Sections))
	}
}

// A folder of models that was asked for and is not there is a mistake, found before anything is written.
func TestReproduceRefusesModelsDir(t *testing.T) {
	out := filepath.Join(t.TempDir(), "report")
	got := runAlone(t, "reproduce", "--models-dir", filepath.Join(t.TempDir(), "none"), "--out", out)
	if got.code != cli.ExitFailed || !oneLineWith(got.stderr, "open models folder: ") {
		t.Errorf("%+v", got)
	}
	if _, err := os.Stat(out); !os.IsNotExist(err) {
		t.Errorf("%s: %v, want nothing there", out, err)
	}
}
