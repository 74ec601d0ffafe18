package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/langevin-ml/langevin/internal/cli"
	modelcommands "github.com/langevin-ml/langevin/internal/models"
	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/models/modelstest"
)

// TestConvert: the copy is smaller, a model of its own, and its scores are off by what 11 bits of a factor make.
func TestConvert(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "model.onnx")
	m := modelstest.Manifest("deep", 1, 8, 8)
	if err := os.WriteFile(path, modelstest.File(t, modelstest.DeepConv("SiLU", 8, 1), m), 0o644); err != nil {
		t.Fatal(err)
	}
	got := runAlone(t, "models", "convert", path, "--fp16", "--out", dir, "--json")
	var r modelcommands.ConvertReport
	if err := json.Unmarshal([]byte(got.stdout), &r); err != nil || got.code != cli.ExitOK {
		t.Fatalf("%v: %+v", err, got)
	}
	if r.Worst < 1e-5 || r.Worst > 2e-3 || len(r.Errors) != len(m.Sigmas) {
		t.Errorf("errors %v, want about 5e-4 at each of %d sigmas", r.Errors, len(m.Sigmas))
	}
	file, err := os.ReadFile(filepath.Join(dir, "deep-fp16", "1", models.FileName))
	if err != nil {
		t.Fatal(err)
	}
	if half, err := models.Read(file); err != nil || half.Name != "deep-fp16" || len(file) != r.Bytes ||
		r.Bytes >= r.BytesBefore {
		t.Errorf("%d bytes of %d as %q, %v", len(file), r.BytesBefore, half.Name, err)
	}
	for _, bad := range [][]string{{path}, {path, "--fp16", "--name", "A b"}, {"nowhere.onnx", "--fp16"}} {
		if got := runAlone(t, append([]string{"models", "convert"}, bad...)...); got.code == cli.ExitOK ||
			got.stdout != "" {
			t.Errorf("convert %v: %+v", bad, got)
		}
	}
}
