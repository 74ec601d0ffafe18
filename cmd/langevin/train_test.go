package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/server/ort"
)

// quick makes a training short. What it learns is of no interest here.
func quick() []string {
	var args []string
	for _, s := range []string{"training.iterations=20", "training.log_every=5", "optimizer.warmup=2", "noise.levels=4",
		"training.eval_rows=400", "sampler.steps_per_level=3", "network.hidden=8"} {
		args = append(args, "--set", s)
	}
	return args
}

func TestTrain(t *testing.T) {
	library, _, err := ort.FindLibrary("")
	if err != nil {
		t.Fatal(err)
	}
	out := t.TempDir()
	args := append([]string{"train", "toy-ring", "--modes", "3", "--weights", "2,1,1", "--std", "0.5", "--set", "name=three", "--samples", "40", "--out", out,
		"--onnxruntime-library", library}, quick()...)
	got := runAlone(t, args...)
	if got.code != exitOK || got.stderr != "" {
		t.Fatalf("%+v", got)
	}
	for _, part := range []string{"three: 20 iterations, loss ", "least", "0.500", "0.250", "annealed_scores_three.gif"} {
		if !strings.Contains(got.stdout, part) {
			t.Errorf("no %q in %s", part, got.stdout)
		}
	}
	checkFiles(t, out, "annealed_scores_three.gif", "annealed_three.png", "checkpoints", "langevin_three.png", "losses_three.png", "models",
		"scores_three.png", "training_three.jsonl")
	model := filepath.Join(out, "models", "three", "1", "model.onnx")
	file, err := os.ReadFile(model)
	if err != nil {
		t.Fatal(err)
	}
	if m, err := models.Read(file); err != nil || m.Name != "three" || len(m.Sigmas) != 4 || m.Training.Iterations != 20 {
		t.Errorf("manifest %+v, %v", m, err)
	}
	log, err := os.ReadFile(filepath.Join(out, "training_three.jsonl"))
	if err != nil || bytes.Count(log, []byte("\n")) != 4 {
		t.Errorf("log: %v\n%s", err, log)
	}
	t.Setenv("LANGEVIN_MODELS_DEFAULT", "three")
	served := runAlone(t, "models", "show", "three", "--local", "--models-dir", filepath.Join(out, "models"), "--onnxruntime-library", library, "--json")
	if served.code != exitOK || !strings.Contains(served.stdout, `"state":"ready"`) {
		t.Errorf("the exported model, served: %+v", served)
	}
}

// TestTrainInterrupted: a training that is stopped says so, keeps its log, and leaves no model and no empty folder.
func TestTrainInterrupted(t *testing.T) {
	library, _, err := ort.FindLibrary("")
	if err != nil {
		t.Fatal(err)
	}
	out := t.TempDir()
	log := filepath.Join(out, "training_ring.jsonl")
	ctx, cancel := context.WithCancel(t.Context())
	begun := make(chan struct{})
	go func() {
		defer close(begun)
		for ctx.Err() == nil {
			if text, _ := os.ReadFile(log); len(text) > 0 {
				cancel()
			}
			time.Sleep(time.Millisecond)
		}
	}()
	args := append([]string{"train", "toy-ring", "--out", out, "--onnxruntime-library", library}, quick()...)
	var stdout, stderr bytes.Buffer
	code := run(ctx, append(args, "--set", "training.iterations=1000000"), &stdout, &stderr)
	cancel()
	<-begun
	if code != exitInterrupted || stdout.Len() > 0 || !oneLineWith(stderr.String(), "langevin: interrupted: training ring stopped after ") ||
		!strings.Contains(stderr.String(), "of 1,000,000 iterations; --resume goes on from there, "+log+" has its losses") {
		t.Errorf("code %d, stdout %q, stderr %q", code, stdout.String(), stderr.String())
	}
	checkFiles(t, out, "checkpoints", "models", "training_ring.jsonl")
	checkFiles(t, filepath.Join(out, "models"))
}

// TestTrainAgain: nothing that a training wrote goes without a flag, and one that goes on ends with the same file.
func TestTrainAgain(t *testing.T) {
	library, _, err := ort.FindLibrary("")
	if err != nil {
		t.Fatal(err)
	}
	out := t.TempDir()
	model := filepath.Join(out, "models", "ring", "1", "model.onnx")
	args := append([]string{"train", "toy-ring", "--samples", "40", "--out", out, "--onnxruntime-library", library}, quick()...)
	if got := runAlone(t, args...); got.code != exitOK {
		t.Fatalf("%+v", got)
	}
	first, err := os.ReadFile(model)
	if err != nil {
		t.Fatal(err)
	}
	if got := runAlone(t, args...); got.code != exitFailed || !oneLineWith(got.stderr, model+" is of an earlier training: --resume goes on with it, --overwrite replaces it") {
		t.Errorf("again: %+v", got)
	}
	if got := runAlone(t, append(args, "--set", "seed=2", "--resume")...); got.code != exitFailed || !oneLineWith(got.stderr, "it is of another training: seed differ") {
		t.Errorf("with another seed: %+v", got)
	}
	if kept, err := os.ReadFile(model); err != nil || !bytes.Equal(kept, first) {
		t.Errorf("a refused training changed the model, %v", err)
	}
	for _, flag := range []string{"--resume", "--overwrite"} {
		if got := runAlone(t, append(args, flag)...); got.code != exitOK {
			t.Errorf("%s: %+v", flag, got)
		}
		if again, err := os.ReadFile(model); err != nil || !bytes.Equal(again, first) {
			t.Errorf("%s ends with another model, %v", flag, err)
		}
	}
}

func TestTrainRefuses(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]struct {
		code int
		text string
	}{
		"train":                                                {exitUsage, "accepts 1 arg(s), received 0"},
		"train toy-spiral":                                     {exitUsage, `preset is "toy-spiral": want one of anneal-mnist, `},
		"train toy-ring --std -1":                              {exitUsage, "data.std is -1: want a finite number above 0"},
		"train toy-ring --std wide":                            {exitUsage, "data.std=wide"},
		"train toy-ring --modes 0":                             {exitUsage, "data.modes is 0: want 1 to 1024"},
		"train toy-ring --weights 1,2":                         {exitUsage, "data.weights has 2 values: want one for each of 8 modes"},
		"train toy-2gauss --radius 3":                          {exitUsage, "data.radius: 2gauss has no such key"},
		"train toy-ring --set noise.sigma=1":                   {exitUsage, "noise.sigma=1"},
		"train toy-ring --set std":                             {exitUsage, `setting "std": want key=value`},
		"train toy-ring --std 1 --set data.std=-2":             {exitUsage, "data.std is -2"},
		"train toy-ring --out " + file:                         {exitFailed, "make folder " + file},
		"train toy-ring --onnxruntime-library /nowhere/lib.so": {exitFailed, "/nowhere/lib.so"},
	} {
		got := runAlone(t, strings.Fields(line)...)
		if got.code != want.code || got.stdout != "" || !oneLineWith(got.stderr, want.text) {
			t.Errorf("langevin %s: %+v\nwant code %d and %q", line, got, want.code, want.text)
		}
	}
}
