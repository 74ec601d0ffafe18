package main

import (
	"image/gif"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/langevin-ml/langevin/internal/cli"
	"github.com/langevin-ml/langevin/models/modelstest"
)

// TestDemo runs the demo on stand-ins for the built-in models, which are quicker.
func TestDemo(t *testing.T) {
	models := modelFolder(t)
	for _, name := range []string{"2gauss", "ring"} {
		addModel(t, models, name, modelstest.GaussianFile(t, name, 2))
	}
	out := filepath.Join(t.TempDir(), "new", "out")
	got := runAlone(t, append([]string{"demo", "-n", "100", "--out", out}, inside(t, models)...)...)
	if got.code != cli.ExitOK || got.stderr != "" {
		t.Fatalf("%+v", got)
	}
	for _, part := range []string{"on 127.0.0.1:", "2gauss: 100 chains", "ring: 100 chains", "(-5.0, -5.0)", "0.800",
		"(0.0, -5.0)", "0.125",
		filepath.Join(out, "ring.gif")} {
		if !strings.Contains(got.stdout, part) {
			t.Errorf("no %q in %s", part, got.stdout)
		}
	}
	checkFiles(t, out, "2gauss.png", "ring.gif", "ring.png")
	f, err := os.Open(filepath.Join(out, "ring.gif"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if g, err := gif.DecodeAll(f); err != nil || len(g.Image) != 3*5+1 {
		t.Errorf("ring.gif: %v, want a frame for each of 15 steps and one more", err)
	}
}

func TestDemoCannotWrite(t *testing.T) {
	models := modelFolder(t)
	addModel(t, models, "2gauss", modelstest.GaussianFile(t, "2gauss", 2))
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	got := runAlone(t, append([]string{"demo", "-n", "100", "--out", file}, inside(t, models)...)...)
	if got.code != cli.ExitFailed || !oneLineWith(got.stderr, "write "+filepath.Join(file, "2gauss.png")) {
		t.Errorf("%+v", got)
	}
}
