package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/langevin-ml/langevin/internal/cli"
	"github.com/langevin-ml/langevin/ort"
	"github.com/langevin-ml/langevin/training"
)

var (
	kills    = flag.Int("kills", 2, "how often TestTrainSurvives kills a training; make test-kills has 100")
	killSeed = flag.Uint64("kill-seed", 0, "seed of the moments of the kills (default: a new one each time)")
)

// withFileLimit is the first argument with which a test starts this program again, as langevin that can write no file
// larger than the number of bytes in the second argument. Every larger write fails, as on a disk that is full.
const withFileLimit = "as-langevin-with-file-limit"

// limitFiles sets the limit in the arguments of this process and removes it from them.
func limitFiles() error {
	most, err := strconv.ParseUint(os.Args[2], 10, 64)
	os.Args = append(os.Args[:1], os.Args[3:]...)
	return errors.Join(err, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: most, Max: most}))
}

// asChild runs this program in a process of its own. It kills it when kill returns, if it has not ended by then; kill
// may be nil.
func asChild(t *testing.T, kill func(ctx context.Context), args ...string) outcome {
	t.Helper()
	ended, end := context.WithCancel(t.Context())
	defer end()
	child := exec.CommandContext(t.Context(), os.Args[0], args...)
	var stdout, stderr bytes.Buffer
	child.Stdout, child.Stderr = &stdout, &stderr
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	if kill != nil {
		go func() {
			kill(ended)
			_ = child.Process.Kill()
		}()
	}
	err := child.Wait()
	if failed := (*exec.ExitError)(nil); err != nil && !errors.As(err, &failed) {
		t.Fatal(err)
	}
	return outcome{child.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// smallTraining returns arguments of a training that writes a checkpoint after each iteration.
func smallTraining(t *testing.T, out string, iterations int) []string {
	t.Helper()
	library, _, err := ort.FindLibrary("")
	if err != nil {
		t.Fatal(err)
	}
	// An annulus is no mixture: the figures of one would be most of the work.
	return append(append([]string{"train", "toy-ring", "--set", "data.name=annulus", "--set", "data.modes=0",
		"--out", out, "--onnxruntime-library", library}, quick()...),
		"--set", fmt.Sprintf("training.iterations=%d", iterations), "--set", "training.checkpoint_every=1",
		"--set", "training.checkpoints=3", "--set", "network.hidden=64")
}

// TestTrainSurvives disturbs trainings. They all end with the bits of one that nothing disturbed.
func TestTrainSurvives(t *testing.T) {
	iterations, calm := 12+6**kills, t.TempDir()
	if got := runAlone(t, smallTraining(t, calm, iterations)...); got.code != cli.ExitOK {
		t.Fatalf("%+v", got)
	}
	t.Run("kills", func(t *testing.T) {
		out := t.TempDir()
		testKills(t, filepath.Join(out, "checkpoints", "ring"), smallTraining(t, out, iterations))
		sameTraining(t, calm, out)
	})
	t.Run("a full disk", func(t *testing.T) {
		out := t.TempDir()
		testDiskFull(t, calm, out, smallTraining(t, out, iterations))
		sameTraining(t, calm, out)
	})
}

// testKills kills a training again and again, at random moments and while it writes a checkpoint. Each time it goes on.
func testKills(t *testing.T, checkpoints string, args []string) {
	seed := *killSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	moments := rand.New(rand.NewPCG(seed, 0))
	inWrite := 0
	for i := range *kills {
		kill := whileWriting(checkpoints, 1+moments.IntN(8))
		if i%2 == 1 {
			kill = after(checkpoints, time.Duration(moments.Int64N(int64(100*time.Millisecond))))
		}
		got := asChild(t, kill, append([]string{asProgram}, append(args, resumeIfPossible(checkpoints))...)...)
		if strings.Contains(got.stderr, "damaged") || got.code != -1 && got.code != cli.ExitOK {
			t.Fatalf("kill %d of -kill-seed=%d: %+v", i, seed, got)
		}
		inWrite += len(partsIn(checkpoints))
	}
	if got := runAlone(t, append(args, resumeIfPossible(checkpoints))...); got.code != cli.ExitOK || got.stderr != "" {
		t.Fatalf("after the kills of -kill-seed=%d: %+v", seed, got)
	}
	t.Logf("%d kills, %d of them while a checkpoint was written; -kill-seed=%d", *kills, inWrite, seed)
	if *kills >= 10 && inWrite == 0 {
		t.Error("no kill came while a checkpoint was written")
	}
}

// testDiskFull runs a training that cannot write. It says which file and why, and leaves what it had. Then there is
// room again.
func testDiskFull(t *testing.T, calm, out string, args []string) {
	whole, err := filepath.Glob(filepath.Join(calm, "checkpoints", "ring", "*"))
	if err != nil || len(whole) != 3 {
		t.Fatalf("checkpoints %q, %v", whole, err)
	}
	files := contents(t, calm)
	refused := func(most int, path string, more ...string) {
		t.Helper()
		line := slices.Concat([]string{withFileLimit, strconv.Itoa(most)}, args, more)
		want := "write " + filepath.Join(out, path) + ": file too large"
		if got := asChild(t, nil, line...); got.code != cli.ExitFailed || got.stdout != "" ||
			!oneLineWith(got.stderr, want) {
			t.Errorf("files of %d bytes: %+v, want %q", most, got, want)
		}
	}
	between := (len(files[whole[1]]) + len(files[whole[2]])) / 2 // they grow with the log
	refused(between, filepath.Join("checkpoints", "ring", filepath.Base(whole[2])))
	before := contents(t, out)
	if before[strings.Replace(whole[1], calm, out, 1)] == "" {
		t.Errorf("only %q are left", slices.Sorted(maps.Keys(before)))
	}
	refused(100, "training_ring.jsonl", "--resume")
	if after := contents(t, out); !maps.Equal(after, before) {
		t.Errorf("a training that failed changed files: %q, before %q", slices.Sorted(maps.Keys(after)),
			slices.Sorted(maps.Keys(before)))
	}
	if got := runAlone(t, append(args, "--resume")...); got.code != cli.ExitOK || got.stderr != "" {
		t.Fatalf("with room: %+v", got)
	}
}

// resumeIfPossible returns the flag that goes on after a kill.
func resumeIfPossible(checkpoints string) string {
	if whole, _ := filepath.Glob(filepath.Join(checkpoints, "*.checkpoint")); len(whole) > 0 {
		return "--resume"
	}
	return "--overwrite"
}

// partsIn lists the incomplete files of a folder.
func partsIn(folder string) []string {
	parts, _ := filepath.Glob(filepath.Join(folder, ".*.part"))
	return parts
}

// whileWriting returns when it has seen a number of incomplete files in a folder, or when ctx is done.
func whileWriting(folder string, number int) func(ctx context.Context) {
	return func(ctx context.Context) {
		seen := map[string]bool{}
		for _, part := range partsIn(folder) {
			seen[part] = true // left by an earlier kill
		}
		for number += len(seen); len(seen) < number && ctx.Err() == nil; {
			for _, part := range partsIn(folder) {
				seen[part] = true
			}
		}
	}
}

// after returns at a time after the folder has come to be, or when ctx is done.
func after(folder string, delay time.Duration) func(ctx context.Context) {
	return func(ctx context.Context) {
		for ctx.Err() == nil {
			if _, err := os.Stat(folder); err == nil {
				break
			}
			time.Sleep(time.Millisecond)
		}
		select {
		case <-ctx.Done():
		case <-time.After(delay):
		}
	}
}

// sameTraining compares what two trainings wrote: the same files, except for those of TensorBoard and the times.
func sameTraining(t *testing.T, want, got string) {
	t.Helper()
	was, is := lasting(t, want), lasting(t, got)
	for name, text := range was {
		if is[name] != text {
			t.Errorf("%s differs", name)
		}
		delete(is, name)
	}
	for name := range is {
		t.Errorf("%s is left over", name)
	}
}

// lasting returns the files of a training that do not depend on when it ran, by path in its folder.
func lasting(t *testing.T, folder string) map[string]string {
	t.Helper()
	files := map[string]string{}
	for path, text := range contents(t, folder) {
		if name := strings.TrimPrefix(path, folder); !strings.HasPrefix(name, "/tensorboard/") {
			files[name] = timeless(t, name, text)
		}
	}
	return files
}

// timeless removes the times from the content of a log. Checkpoints have a copy of the log, so of these only the name
// counts.
func timeless(t *testing.T, name, text string) string {
	t.Helper()
	switch filepath.Ext(name) {
	case ".checkpoint":
		return ""
	case ".jsonl":
		var records []training.Record
		for decoder := json.NewDecoder(strings.NewReader(text)); decoder.More(); {
			var record training.Record
			if err := decoder.Decode(&record); err != nil {
				t.Fatal(err)
			}
			record.Seconds = 0
			records = append(records, record)
		}
		return fmt.Sprintf("%+v", records)
	}
	return text
}
