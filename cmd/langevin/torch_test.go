package main

import (
	"encoding/json"
	"flag"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/langevin-ml/langevin/internal/cli"
	modelcommands "github.com/langevin-ml/langevin/internal/models"
	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/sampling"
)

var torch = flag.String("torch", "", "Python with PyTorch, for networks to import; if empty, one that is found")

// findTorch returns a Python that has PyTorch, or skips the test.
func findTorch(t *testing.T) string {
	t.Helper()
	candidates := []string{"python3", "/usr/bin/python3", "../../bench/.venv-quality/bin/python"}
	if *torch != "" {
		candidates = []string{*torch}
	}
	for _, python := range candidates {
		if exec.CommandContext(t.Context(), python, "-c", "import torch").Run() == nil {
			return python
		}
	}
	if *torch != "" {
		t.Fatalf("%s has no PyTorch", *torch)
	}
	t.Skipf("no PyTorch: none of %q imports torch", candidates)
	return ""
}

// TestTorch imports networks of PyTorch, of diffusers if it is there, and from checkpoints as the papers' repositories
// write them, and compares their denoised samples with those that PyTorch computes.
func TestTorch(t *testing.T) {
	if testing.Short() {
		t.Skip("exports thirty networks")
	}
	folder := t.TempDir()
	export := exec.CommandContext(t.Context(), findTorch(t), "testdata/networks.py", folder)
	if out, err := export.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	data, err := os.ReadFile(filepath.Join(folder, "cases.json"))
	if err != nil {
		t.Fatal(err)
	}
	var cases []torchCase
	if err := json.Unmarshal(data, &cases); err != nil || len(cases) == 0 {
		t.Fatalf("%d cases: %v", len(cases), err)
	}
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) { c.compare(t, folder) })
	}
}

// torchCase is a network in a file NAME.onnx, the flags to import it with, and what it computes.
type torchCase struct {
	Name     string
	Args     []string
	X        []float32
	Sigma    []float32
	Denoised []float64
	Given    []float32 // classes or vectors; empty for a network without
}

func (c torchCase) compare(t *testing.T, folder string) {
	args := []string{"models", "import", filepath.Join(folder, c.Name+".onnx"), "--name", c.Name, "--out", folder,
		"--json"}
	got := runAlone(t, append(args, c.Args...)...)
	var report modelcommands.ImportReport
	if err := json.Unmarshal([]byte(got.stdout), &report); err != nil || got.code != cli.ExitOK {
		t.Fatalf("%v: %+v", err, got)
	}
	file, err := os.ReadFile(report.Path)
	if err != nil {
		t.Fatal(err)
	}
	m, err := models.Read(file)
	if err != nil {
		t.Fatal(err)
	}
	score := make([]float32, len(c.X))
	session := openModel(t, file, m)
	if len(c.Given) > 0 {
		err = session.Model().(sampling.Conditional).ScoreGiven(t.Context(), score, c.X, c.Sigma, c.Given)
	} else {
		err = session.Score(t.Context(), score, c.X, c.Sigma)
	}
	if err != nil {
		t.Fatal(err)
	}
	var worst float64
	for i, want := range c.Denoised {
		sigma := float64(c.Sigma[i*len(c.Sigma)/len(c.X)])
		denoised := float64(c.X[i]) + sigma*sigma*float64(score[i])
		worst = max(worst, math.Abs(denoised-want)/max(1, math.Abs(want)))
	}
	t.Logf("off by up to %.2g", worst)
	if !(worst <= 1e-4) {
		t.Errorf("denoised samples are off by up to %g from PyTorch's: want at most 1e-4", worst)
	}
}
