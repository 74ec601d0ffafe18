package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/models/modelstest"
	"github.com/langevin-ml/langevin/ort"
)

// TestImport takes a network with names of its own that wants the index of a level, and holds what comes out against the
// exact score: at the levels, and between them at the level that is nearest by ratio.
func TestImport(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "theirs.onnx")
	if err := os.WriteFile(path, modelstest.Bytes(t, modelstest.Foreign(10, 1, 0.1)), 0o644); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(folder, "models")
	got := runAlone(t, "models", "import", path, "--name", "theirs", "--range=-3,3", "--out", out, "--json")
	var report importReport
	if err := json.Unmarshal([]byte(got.stdout), &report); err != nil || got.code != exitOK {
		t.Fatalf("%v: %+v", err, got)
	}
	if report.Levels != 3 || report.Scale < 0.2 || report.Scale > 5 || len(report.Warnings) > 0 {
		t.Errorf("report is %+v", report)
	}
	data, err := os.ReadFile(report.Path)
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := models.Read(data)
	if err != nil {
		t.Fatal(err)
	}
	library, _, err := ort.FindLibrary("")
	if err != nil {
		t.Fatal(err)
	}
	engine, err := ort.Open(library)
	if err != nil {
		t.Fatal(err)
	}
	session, err := engine.Load(t.Context(), data, manifest, ort.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	sigma, nearest := []float32{10, 1, 0.1, 100, 0.001, 3.1, 3.2}, []float32{10, 1, 0.1, 10, 0.1, 1, 10}
	x, score := make([]float32, 2*len(sigma)), make([]float32, 2*len(sigma))
	for i := range x {
		x[i] = float32(i) - 3
	}
	if err := session.Score(t.Context(), score, x, sigma); err != nil {
		t.Fatal(err)
	}
	for i, s := range score {
		if want := -x[i] / (1 + nearest[i/2]*nearest[i/2]); s-want > 1e-6 || want-s > 1e-6 {
			t.Errorf("score of %g at sigma %g is %g, want %g", x[i], sigma[i/2], s, want)
		}
	}
	if got := runAlone(t, "models", "check", report.Path, path); got.code != exitFailed || !strings.Contains(got.stdout, "ok    "+report.Path) ||
		!strings.Contains(got.stdout, "FAIL  "+path) {
		t.Errorf("check: %+v", got)
	}
}

func TestImportTellsWhatIsWrong(t *testing.T) {
	path := filepath.Join(t.TempDir(), "theirs.onnx")
	if err := os.WriteFile(path, modelstest.Bytes(t, modelstest.Foreign(10, 1, 0.1)), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		args []string
		code int
		want string
	}{
		{nil, exitUsage, "--name"},
		{[]string{"--name", "NO"}, exitFailed, `name is "NO"`},
		{[]string{"--name", "a", "--sigmas", "1:2"}, exitUsage, "first:last:levels"},
		{[]string{"--name", "a", "--sigmas", "1,2"}, exitUsage, "--sigmas"},
		{[]string{"--name", "a", "--range", "3"}, exitUsage, "--range"},
		{[]string{"--name", "a", "--output", "energy"}, exitFailed, `parameterization is "energy"`},
		{[]string{"--name", "a", "--shape", "3"}, exitFailed, "samples: shape is [N 2]: want [N 3]"},
		{[]string{"--name", "a", "--sigmas", "10:0.1:9"}, exitFailed, "indices element out of data bounds"},
	} {
		got := runAlone(t, append([]string{"models", "import", path, "--out", t.TempDir()}, tt.args...)...)
		if got.code != tt.code || !oneLineWith(got.stderr, tt.want) {
			t.Errorf("%v: %+v, want %q", tt.args, got, tt.want)
		}
	}
	// The exact score taken for noise is off by a factor of sigma.
	got := runAlone(t, "models", "import", path, "--name", "a", "--output", "noise", "--out", t.TempDir())
	if got.code != exitOK || !strings.Contains(got.stderr, "warning") {
		t.Errorf("score taken for noise: %+v", got)
	}
}
