package main

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"io/fs"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/langevin-ml/langevin/internal/cli"
	"github.com/langevin-ml/langevin/internal/filelock"
	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/ort"
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
	args := append([]string{"train", "toy-ring", "--modes", "3", "--weights", "2,1,1", "--std", "0.5", "--set",
		"name=three", "--samples", "40", "--out", out,
		"--onnxruntime-library", library}, quick()...)
	got := runAlone(t, args...)
	if got.code != cli.ExitOK || got.stderr != "" {
		t.Fatalf("%+v", got)
	}
	for _, part := range []string{"three: 20 iterations, loss ", "least", "0.500", "0.250",
		"annealed_scores_three.gif"} {
		if !strings.Contains(got.stdout, part) {
			t.Errorf("no %q in %s", part, got.stdout)
		}
	}
	checkFiles(t, out, "annealed_scores_three.gif", "annealed_three.png", "checkpoints", "langevin_three.png",
		"losses_three.png", "models",
		"scores_three.png", "tensorboard", "training_three.jsonl")
	model := filepath.Join(out, "models", "three", "1", "model.onnx")
	file, err := os.ReadFile(model)
	if err != nil {
		t.Fatal(err)
	}
	if m, err := models.Read(file); err != nil || m.Name != "three" || len(m.Sigmas) != 4 ||
		m.Training.Iterations != 20 {
		t.Errorf("manifest %+v, %v", m, err)
	}
	log, err := os.ReadFile(filepath.Join(out, "training_three.jsonl"))
	if err != nil || bytes.Count(log, []byte("\n")) != 4 {
		t.Errorf("log: %v\n%s", err, log)
	}
	t.Setenv("LANGEVIN_MODELS_DEFAULT", "three")
	served := runAlone(t, "models", "show", "three", "--local", "--models-dir", filepath.Join(out, "models"),
		"--onnxruntime-library", library, "--json")
	if served.code != cli.ExitOK || !strings.Contains(served.stdout, `"state":"ready"`) {
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
	if code != cli.ExitInterrupted || stdout.Len() > 0 ||
		!oneLineWith(stderr.String(), "langevin: interrupted: training ring stopped after ") ||
		!strings.Contains(stderr.String(),
			"of 1,000,000 iterations; --resume goes on from there, "+log+" has its losses") {
		t.Errorf("code %d, stdout %q, stderr %q", code, stdout.String(), stderr.String())
	}
	checkFiles(t, out, "checkpoints", "models", "tensorboard", "training_ring.jsonl")
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
	// An annulus is no mixture: the figures of one would be most of the work.
	args := append([]string{"train", "toy-ring", "--set", "data.name=annulus", "--set", "data.modes=0", "--out", out,
		"--onnxruntime-library", library}, quick()...)
	if got := runAlone(t, args...); got.code != cli.ExitOK {
		t.Fatalf("%+v", got)
	}
	first, err := os.ReadFile(model)
	if err != nil {
		t.Fatal(err)
	}
	if got := runAlone(t, args...); got.code != cli.ExitFailed ||
		!oneLineWith(got.stderr,
			model+" is of an earlier training: --resume goes on with it, --overwrite replaces it") {
		t.Errorf("again: %+v", got)
	}
	if got := runAlone(t, append(args, "--set", "seed=2", "--resume")...); got.code != cli.ExitFailed ||
		!oneLineWith(got.stderr, "it belongs to another training: seed differs") {
		t.Errorf("with another seed: %+v", got)
	}
	if kept, err := os.ReadFile(model); err != nil || !bytes.Equal(kept, first) {
		t.Errorf("a refused training changed the model, %v", err)
	}
	for _, flag := range []string{"--resume", "--overwrite"} {
		if got := runAlone(t, append(args, flag)...); got.code != cli.ExitOK {
			t.Errorf("%s: %+v", flag, got)
		}
		if again, err := os.ReadFile(model); err != nil || !bytes.Equal(again, first) {
			t.Errorf("%s ends with another model, %v", flag, err)
		}
	}
}

// TestTrainFailsCleanly: a start that fails writes nothing, takes nothing from an earlier training and stops no later
// one.
func TestTrainFailsCleanly(t *testing.T) {
	library, _, err := ort.FindLibrary("")
	if err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "new")
	// An annulus is no mixture: the figures of one would be most of the work.
	args := append([]string{"train", "toy-ring", "--set", "data.name=annulus", "--set", "data.modes=0", "--out", out,
		"--onnxruntime-library", library}, quick()...)
	fail := func(want string, more ...string) {
		t.Helper()
		if got := runAlone(t, append(args, more...)...); got.code != cli.ExitFailed || !oneLineWith(got.stderr, want) {
			t.Errorf("%q: %+v", more, got)
		}
	}
	noData := []string{"--set", "data={name: mnist, dir: /nonexist, std: 0, radius: 0}"}
	diverging := []string{"--set", "optimizer.learning_rate=1e37"} // before the first line of the log
	fail("/nonexist", noData...)
	fail("no checkpoint in", "--resume")
	fail("training diverged", diverging...)
	checkFiles(t, filepath.Dir(out))

	// What a start leaves that was killed is no training.
	for _, folder := range []string{"checkpoints/ring", "tensorboard/ring", "models/ring/1"} {
		if err := os.MkdirAll(filepath.Join(out, folder), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"training_ring.jsonl", "tensorboard/ring/events.out.tfevents.1.langevin"} {
		if err := os.WriteFile(filepath.Join(out, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got := runAlone(t, args...); got.code != cli.ExitOK {
		t.Fatalf("%+v", got)
	}
	before := contents(t, out)
	fail("/nonexist", append(noData, "--overwrite")...)
	fail("seed differ", "--set", "seed=2", "--resume")
	lock, err := filelock.Take(filepath.Join(out, ".training_ring.lock"))
	if err != nil {
		t.Fatal(err)
	}
	for _, flag := range []string{"--set=name=ring", "--resume", "--overwrite"} {
		fail("another process trains ring into the folder "+out+": wait for its end, or choose another folder", flag)
	}
	lock.Release()
	if after := contents(t, out); !maps.Equal(after, before) {
		t.Errorf("a start that failed changed files: %q, before %q", slices.Sorted(maps.Keys(after)),
			slices.Sorted(maps.Keys(before)))
	}
}

// contents are the files below a folder, by path.
func contents(t *testing.T, folder string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		files[path] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// TestTrainPictures: data without a known distribution get their losses and a grid of samples, along the way too, which
// --watch asks for often and copies to one path.
func TestTrainPictures(t *testing.T) {
	library, _, err := ort.FindLibrary("")
	if err != nil {
		t.Fatal(err)
	}
	out := t.TempDir()
	preset := filepath.Join(t.TempDir(), "mine.yaml")
	text, err := os.ReadFile("../../training/presets/toy-ring.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(preset, text, 0o644); err != nil {
		t.Fatal(err)
	}
	args := append([]string{"train", "--config", preset, "--out", out, "--onnxruntime-library", library, "--set",
		"name=black"}, smallPictures(t)...)
	got := runAlone(t, append(args,
		"--set", "noise.levels=2", "--set", "training.iterations=4", "--set", "training.batch_size=2", "--set",
		"training.log_every=2", "--set", "training.eval_rows=2",
		"--set", "training.checkpoint_every=2", "--set", "training.snapshot_samples=4", "--set",
		"sampler.steps_per_level=2", "--watch")...)
	if got.code != cli.ExitOK || !strings.Contains(got.stdout, "black: 4 iterations, loss ") ||
		strings.Contains(got.stdout, "least") ||
		!oneLineWith(got.stderr, filepath.Join(out, "samples_black.png")+" after every 1 iterations") {
		t.Fatalf("%+v", got)
	}
	checkFiles(t, out, "checkpoints", "losses_black.png", "models", "samples", "samples_black.png", "tensorboard",
		"training_black.jsonl")
	checkFiles(t, filepath.Join(out, "samples", "black"), "iteration_000000001.png", "iteration_000000002.png",
		"iteration_000000003.png")
	checkFiles(t, filepath.Join(out, "checkpoints", "black"), "iteration_000000001.checkpoint",
		"iteration_000000002.checkpoint", "iteration_000000003.checkpoint", "iteration_000000004.checkpoint")
}

// TestTrainRows: rows of one's own become a model in one command, and the trial that measures the time leaves nothing.
// The model has a detector, which the command says, and which takes rows as the table has them.
func TestTrainRows(t *testing.T) {
	library, _, err := ort.FindLibrary("")
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	rows := "width,kind\n"
	for i := range 2200 {
		rows += fmt.Sprintf("%d.5,%s\n", i*i%7, []string{"a", "b", "c"}[i%3])
	}
	file, out := filepath.Join(folder, "rows.csv"), filepath.Join(folder, "out")
	if err := os.WriteFile(file, []byte(rows), 0o644); err != nil {
		t.Fatal(err)
	}
	got := runAlone(t, "train", file, "--out", out, "--onnxruntime-library", library, "--set", "training.iterations=3",
		"--set", "training.log_every=1", "--set", "training.eval_rows=50")
	if got.code != cli.ExitOK || !strings.Contains(got.stderr, "2200 rows, 2 columns") ||
		!strings.Contains(got.stderr, ", and then the figures and the measures of quality\n") ||
		!strings.Contains(got.stderr, ": a detector, fitted to 220 rows") ||
		!strings.Contains(got.stdout, "langevin serve") {
		t.Fatalf("%+v", got)
	}
	checkFiles(t, filepath.Join(out, "models", "rows", "1"), "model.onnx")
	log, err := os.ReadFile(filepath.Join(out, "training_rows.jsonl"))
	if lines := strings.Count(string(log), "\n"); err != nil || lines != 3 {
		t.Errorf("%d lines of the log, want 3, those of the training: %v", lines, err)
	}
	local := append([]string{"--local"}, inside(t, filepath.Join(out, "models"))...)
	t.Setenv("LANGEVIN_MODELS_DEFAULT", "rows")
	writeFiles(t, map[string][]byte{
		"new.csv": []byte("kind,width\nb,2.5\n"), "bad.csv": []byte("kind,width\nz,2.5\n"),
		"new.png": onePixel(t),
	})
	for name, want := range map[string]string{"new.csv": "P-VALUE", "bad.csv": `"z"`, "new.png": "model of a table"} {
		got = runAlone(t, append([]string{"detect", "rows", name}, local...)...)
		if (got.code == cli.ExitOK) != (name == "new.csv") || !strings.Contains(got.stdout+got.stderr, want) {
			t.Errorf("detect of %s: %+v, want %q", name, got, want)
		}
	}
}

// smallPictures are settings of a convolutional network and of pictures, which it writes.
func smallPictures(t *testing.T) []string {
	t.Helper()
	dir := t.TempDir()
	for i := range 10 {
		grey := image.NewGray(image.Rect(0, 0, 8, 8))
		for k := range grey.Pix {
			grey.Pix[k] = uint8(25 * i * k / 64)
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%d.png", i)), encodedPNG(t, grey), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return []string{"--set", "data={name: images, dir: " + dir +
		", image_size: 8, grey: true, modes: 0, radius: 0, std: 0}",
		"--set", `network={name: ncsnv2, ngf: 2, hidden: 0, activation: "", scale: 0}`, "--set",
		"range={low: 0, high: 1}"}
}

// A device that cannot be had ends the training before it touches a file.
func TestTrainDevice(t *testing.T) {
	library, _, err := ort.FindLibrary("")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ort.ProbeDevice(t.Context(), library, ort.Device{CUDA: true}); err == nil {
		t.Skip("this machine has CUDA")
	}
	out := t.TempDir()
	commands := [][]string{
		append([]string{"train", "toy-ring", "--samples", "40", "--out", out, "--onnxruntime-library", library},
			quick()...),
		{"eval", "classifier", "mnist", "--data", out, "--out", filepath.Join(out, "c.onnx"), "--onnxruntime-library",
			library},
		{"reproduce", "--out", filepath.Join(out, "report"), "--onnxruntime-library", library},
	}
	for flags, want := range map[string]string{
		"--device cuda":   "device unavailable: cuda:0: provider library: libonnxruntime_providers_shared.so is not in",
		"--device cuda:3": "device unavailable: cuda:3: provider library: ",
		"--device abacus": `device is "abacus": want cpu, cuda, cuda:N or auto`,
		"--tf32":          "--tf32 is for GPUs: want --device to be cuda, cuda:N or auto",
	} {
		for _, args := range commands {
			if got := runAlone(t, append(args, strings.Fields(flags)...)...); got.code != cli.ExitFailed ||
				!oneLineWith(got.stderr, want) {
				t.Errorf("%s %s: %+v", args[0], flags, got)
			}
		}
		checkFiles(t, out)
	}
}

func TestTrainRefuses(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file+".yaml", []byte("name: x\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	taken, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for line, want := range map[string]struct {
		code int
		text string
	}{
		"train": {cli.ExitUsage, "want a file or folder of data, a preset, one of anneal-"},
		"train toy-ring --config x.yaml": {
			cli.ExitUsage, "preset toy-ring and --config x.yaml: want one of them"},
		"train " + file + ".yaml": {
			cli.ExitUsage, file + ".yaml is a file of settings: want --config " + file + ".yaml, or"},
		"train --config x.yaml --drop a": {cli.ExitUsage, "--drop is for data of your own"},
		"train " + file + " --name a/b":  {cli.ExitUsage, `name is "a/b": want 1 to 64 of a-z`},
		"train " + file:                  {cli.ExitFailed, "read " + file + ": it is empty"},
		"train --config /nowhere.yaml":   {cli.ExitUsage, "/nowhere.yaml: no such file"},
		"train toy-spiral": {
			cli.ExitUsage, "toy-spiral is neither a file or folder of data nor a preset, one of anneal-"},
		"train toy-ring --std -1": {
			cli.ExitUsage, "data.std is -1: want a number above 0, at most 1e37"},
		"train toy-ring --std wide": {cli.ExitUsage, `data.std is "wide": want a number`},
		"train toy-ring --modes 0":  {cli.ExitUsage, "data.modes is 0: want 1 to 1024"},
		"train toy-ring --weights 1,2": {
			cli.ExitUsage, "data.weights has 2 values: want one for each of 8 modes"},
		"train toy-ring --std -1 --modes 0": {
			cli.ExitUsage, "data.modes is 0: want 1 to 1024; data.std is -1: "},
		"train toy-2gauss --radius 3":              {cli.ExitUsage, "data.radius: 2gauss has no such key"},
		"train toy-ring --set noise.sigma=1":       {cli.ExitUsage, "noise.sigma is no setting"},
		"train toy-ring --set std":                 {cli.ExitUsage, `setting "std": want key=value`},
		"train toy-ring --std 1 --set data.std=-2": {cli.ExitUsage, "data.std is -2"},
		"train toy-ring --serve=nonsense": {
			cli.ExitFailed, `--serve: configuration: listen is "nonsense": want`},
		"train toy-ring --serve=" + taken.Addr().String(): {
			cli.ExitFailed, "the port is in use: stop what uses it, or choose another with --serve=ADDR"},
		"train toy-ring --serve --dry-run":                     {cli.ExitUsage, "--dry-run trains no model"},
		"train toy-ring --out " + file:                         {cli.ExitFailed, "make folder " + file},
		"train toy-ring --onnxruntime-library /nowhere/lib.so": {cli.ExitFailed, "/nowhere/lib.so"},
	} {
		got := runAlone(t, strings.Fields(line)...)
		if got.code != want.code || got.stdout != "" || !oneLineWith(got.stderr, want.text) {
			t.Errorf("langevin %s: %+v\nwant code %d and %q", line, got, want.code, want.text)
		}
	}
}

// onePixel is a picture.
func onePixel(t *testing.T) []byte {
	t.Helper()
	return encodedPNG(t, image.NewGray(image.Rect(0, 0, 1, 1)))
}
