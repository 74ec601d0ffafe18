package training

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// stopAt trains, stops after an iteration that is in the log, as Ctrl-C would, and leaves a checkpoint.
func stopAt(t *testing.T, c Config, folder string, iteration int) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	_, err := Run(ctx, c, Options{Library: library(t), Checkpoints: folder, Progress: func(p Progress) {
		if p.Iteration == iteration {
			stop()
		}
	}})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("error %v, want that it was stopped", err)
	}
}

// TestResumeIsExact: 100 iterations, a stop and 100 more iterations give the bits of 200 iterations, for every
// optimizer. The logs are the same too, except for the times.
func TestResumeIsExact(t *testing.T) {
	for _, assignment := range []string{
		"optimizer.name=adam", "optimizer.name=amsgrad", "optimizer={name: sgd, learning_rate: 0.01}",
		"optimizer.name=rmsprop", "loss={name: ssm-vr, power: 0, projections: 2}",
		"condition={kind: class, dropped: 0.3}", "training.keep_best=true",
	} {
		c := short(t, "toy-ring", "training.iterations=200", "training.log_every=50",
			"training.test_every=100", assignment)
		var whole, resumed bytes.Buffer
		straight, err := Run(t.Context(), c, Options{Library: library(t), Log: &whole})
		if err != nil {
			t.Fatal(err)
		}
		folder := t.TempDir()
		stopAt(t, c, folder, 100)
		again, err := Run(t.Context(), c,
			Options{Library: library(t), Log: &resumed, Checkpoints: folder, Resume: true})
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(export(t, straight), export(t, again)) {
			t.Errorf("%s: 100 and 100 iterations give another file than 200", assignment)
		}
		if a, b := timeless(t, &whole), timeless(t, &resumed); a != b {
			t.Errorf("%s: the log of 100 and 100 iterations is\n%s\nthe log of 200 is\n%s", assignment, b, a)
		}
	}
}

// timeless returns a log without its times.
func timeless(t *testing.T, log *bytes.Buffer) string {
	t.Helper()
	var text []byte
	for decoder := json.NewDecoder(log); decoder.More(); {
		var line Record
		if err := decoder.Decode(&line); err != nil {
			t.Fatal(err)
		}
		line.Seconds = 0
		short, err := json.Marshal(line)
		if err != nil {
			t.Fatal(err)
		}
		text = append(append(text, short...), '\n')
	}
	return string(text)
}

// TestGoOn: a stop between two lines of the log loses no losses, and with a constant rate a finished training can
// continue.
func TestGoOn(t *testing.T) {
	folder := t.TempDir()
	c := short(t, "toy-ring", "training.iterations=30", "optimizer.decay=none")
	if _, err := Run(t.Context(), c, Options{Library: library(t), Checkpoints: folder}); err != nil {
		t.Fatal(err)
	}
	set(t, &c, "training.iterations=60")
	longer, err := Run(t.Context(), c, Options{Library: library(t), Checkpoints: folder, Resume: true})
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(export(t, longer), export(t, train(t, c))) {
		t.Error("30 and 30 iterations give another file than 60")
	}
}

func TestCheckpointsKept(t *testing.T) {
	folder := t.TempDir()
	c := short(t, "toy-ring", "training.iterations=50", "training.checkpoint_every=10", "training.checkpoints=2")
	if _, err := Run(t.Context(), c, Options{Library: library(t), Checkpoints: folder}); err != nil {
		t.Fatal(err)
	}
	want := []string{"iteration_000000040.checkpoint", "iteration_000000050.checkpoint"}
	if names := fileNames(t, folder); !slices.Equal(names, want) {
		t.Errorf("kept %q, want %q", names, want)
	}
}

func fileNames(t *testing.T, folder string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// TestResumeFromSound: a training whose newest checkpoints are damaged goes on from an older one, to the same bits. It
// says so and keeps the damaged files.
func TestResumeFromSound(t *testing.T) {
	folder := t.TempDir()
	c := short(t, "toy-ring", "training.iterations=30", "training.checkpoint_every=10", "training.checkpoints=3")
	straight, err := Run(t.Context(), c, Options{Library: library(t), Checkpoints: folder})
	if err != nil {
		t.Fatal(err)
	}
	newest := filepath.Join(folder, "iteration_000000030.checkpoint")
	damage := func(path string, change func([]byte) []byte) []byte {
		file, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		file = change(file)
		if err := os.WriteFile(path, file, 0o644); err != nil {
			t.Fatal(err)
		}
		return file
	}
	flipped := damage(newest, func(file []byte) []byte { file[len(file)/2] ^= 1; return file })
	damage(filepath.Join(folder, "iteration_000000020.checkpoint"), func([]byte) []byte { return nil })

	refused := errors.New("the folder is full")
	var told []string
	options := Options{Library: library(t), Checkpoints: folder, Resume: true,
		Notice: func(text string) { told = append(told, text) }, Begin: func() error { return refused }}
	if _, err := Run(t.Context(), c, options); !errors.Is(err, refused) || len(told) > 0 ||
		len(fileNames(t, folder)) != 3 {
		t.Errorf("a start that fails: %v, it says %q and leaves %q", err, told, fileNames(t, folder))
	}
	options.Begin = nil
	again, err := Run(t.Context(), c, options)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(export(t, straight), export(t, again)) {
		t.Error("from an older checkpoint the training ends with another file")
	}
	if len(told) != 2 || !strings.HasPrefix(told[0], newest+" is damaged") ||
		!strings.HasSuffix(told[0], "goes on from the sound one of iteration 10") {
		t.Errorf("it says %q", told)
	}
	want := []string{"iteration_000000010.checkpoint", "iteration_000000020.checkpoint",
		"iteration_000000020.checkpoint.damaged", "iteration_000000030.checkpoint",
		"iteration_000000030.checkpoint.damaged"}
	if names := fileNames(t, folder); !slices.Equal(names, want) {
		t.Errorf("the folder has %q, want %q", names, want)
	}
	if kept, err := os.ReadFile(newest + ".damaged"); err != nil || !bytes.Equal(kept, flipped) {
		t.Errorf("the damaged file has changed, %v", err)
	}
}

func TestResumeRefuses(t *testing.T) {
	library, folder := library(t), t.TempDir()
	c := short(t, "toy-ring", "training.iterations=20")
	resume := func(c Config) error {
		_, err := Run(t.Context(), c, Options{Library: library, Checkpoints: folder, Resume: true})
		return err
	}
	if err := resume(c); !errors.Is(err, ErrNoCheckpoint) {
		t.Errorf("nothing there: error %v, want %v", err, ErrNoCheckpoint)
	}
	if _, err := Run(t.Context(), c, Options{Library: library, Checkpoints: folder}); err != nil {
		t.Fatal(err)
	}
	text, err := yaml.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := trainer{config: c, options: Options{Device: CUDA}}
	if err := elsewhere.restore(checkpoint{Config: string(text)}); err == nil ||
		err.Error() != "it belongs to a training on cpu, which cannot resume on cuda" {
		t.Errorf("on another device: error %v", err)
	}
	for assignment, want := range map[string]string{
		"seed=7":                           "another training: seed differs",
		"network.hidden=8":                 "another training: network.hidden differs",
		"data.weights=[2,1,1,1,1,1,1,1]":   "another training: data.weights differs",
		"training.iterations=40":           "another training: training.iterations differs", // another cosine
		"training.batch_size=64":           "another training: training.batch_size differs",
		"optimizer={clip: 1, decay: none}": "optimizer.clip, optimizer.decay",
	} {
		other := c
		set(t, &other, assignment)
		if err := resume(other); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one that says %q", assignment, err, want)
		}
	}
	path := filepath.Join(folder, "iteration_000000020.checkpoint")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	flipped := slices.Clone(whole)
	flipped[len(flipped)/2] ^= 1
	for name, text := range map[string][]byte{
		"empty": {}, "cut short": whole[:len(whole)-9], "a flipped bit": flipped,
		"other": []byte(strings.Repeat("x", 1000)),
	} {
		if err := os.WriteFile(path, text, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := resume(c); err == nil || !strings.Contains(err.Error(), path+": it is damaged") {
			t.Errorf("%s: error %v, want one that names the file", name, err)
		}
	}
}

// TestResumeRefusesOtherData: a training does not go on with data that have changed since its checkpoint, and says so
// also where the settings that were proposed for the data have changed with them.
func TestResumeRefusesOtherData(t *testing.T) {
	file, folder := filepath.Join(t.TempDir(), "few.csv"), t.TempDir()
	write := func(rows int, first string) {
		text := first + "\n" + strings.Repeat("1,2.5\n2,1\n-1,0\n", rows)
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write(10, "3,4")
	c := short(t, "toy-ring", "data={name: csv, dir: "+file+", modes: null, radius: null, std: null}",
		"training.iterations=10", "optimizer.decay=none")
	resume := func(c Config) error {
		_, err := Run(t.Context(), c, Options{Library: library(t), Checkpoints: folder, Resume: true})
		return err
	}
	if _, err := Run(t.Context(), c, Options{Library: library(t), Checkpoints: folder}); err != nil {
		t.Fatal(err)
	}
	proposed, read := c, c
	set(t, &proposed, "noise.first=19")
	set(t, &read, "data.condition_columns=1", "condition={kind: vector}")
	const changed = "few.csv changed since the checkpoint"
	for _, tt := range []struct {
		name, first string
		rows        int
		config      Config
		want        string // in the error; empty for none
	}{
		{"nothing", "3,4", 10, c, ""},
		{"the settings", "3,4", 10, proposed, "another training: noise.first differs"},
		{"how data are read", "3,4", 10, read, "data.condition_columns"},
		{"a value", "3,4.5", 10, c, changed},
		{"the rows", "3,4", 5, c, changed},
		{"the rows and the settings", "3,4", 5, proposed, changed},
		{"the rows and how they are read", "3,4", 5, read, changed},
	} {
		write(tt.rows, tt.first)
		err := resume(tt.config)
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s changed: error %v, want %q", tt.name, err, tt.want)
		}
	}

	path := filepath.Join(folder, "iteration_000000010.checkpoint") // as older programs wrote it
	old, err := readCheckpoint(path)
	if err != nil {
		t.Fatal(err)
	}
	old.Data = ""
	var text bytes.Buffer
	if err := old.writeTo(&text, func(i int) ([]float32, error) { return old.state[i], nil }); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := resume(c); err != nil {
		t.Errorf("without a digest: %v", err)
	}
}
