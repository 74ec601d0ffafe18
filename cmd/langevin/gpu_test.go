package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/langevin-ml/langevin/internal/cli"
	"github.com/langevin-ml/langevin/ort"
	"github.com/langevin-ml/langevin/training"
)

// asProgram is the first argument with which the test below starts this program again, as langevin.
const asProgram = "as-langevin"

var gpu = flag.String("gpu", "cuda", "device of the test of GPUs")

// needDevice skips where the device cannot be used, and says why.
func needDevice(t *testing.T) (device string) {
	t.Helper()
	library, _, err := ort.FindLibrary("")
	if err != nil {
		t.Fatal(err)
	}
	found, err := ort.FindDevice(t.Context(), library, *gpu)
	if err != nil {
		t.Skip(err)
	}
	return found.String()
}

// TestGPUStopsOnSIGTERM: CUDA's handlers of signals are not in the way of an orderly stop.
func TestGPUStopsOnSIGTERM(t *testing.T) {
	child := exec.Command(os.Args[0], asProgram, "serve", "--device", needDevice(t), "--listen", "localhost:0",
		"--http-listen", "", "--log-format", "text")
	stderr, err := child.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	overdue := time.AfterFunc(2*time.Minute, func() { _ = child.Process.Kill() })
	defer overdue.Stop()
	log := bufio.NewScanner(stderr)
	var seen strings.Builder
	for log.Scan() {
		seen.WriteString(log.Text() + "\n")
		if strings.Contains(log.Text(), "msg=serving") {
			break
		}
	}
	if err := child.Process.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	rest, _ := io.ReadAll(stderr)
	if err := child.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v, want exit status 0\n%s%s", err, seen.String(), rest)
	}
}

// toleranceLosses is how far the losses of a short training on another device may be off the CPU's, relative to them.
// The sums of float32 in another order grow apart from update to update.
const toleranceLosses = 1e-3

// TestGPUTrains trains points, and pictures with convolutions, on the device and on the CPU.
func TestGPUTrains(t *testing.T) {
	device := needDevice(t)
	pictures := append(smallPictures(t), "--set", "training.batch_size=8", "--set", "training.eval_rows=8")
	for name, settings := range map[string][]string{"points": nil, "pictures": pictures} {
		want := lossesOn(t, "cpu", settings)
		got := lossesOn(t, device, settings)
		if len(got) != len(want) || len(want) == 0 {
			t.Fatalf("%s: %d and %d losses", name, len(got), len(want))
		}
		off := 0.
		for i := range want {
			off = max(off, math.Abs(got[i]-want[i])/math.Abs(want[i]))
		}
		t.Logf("%s on %s: losses %g, off the CPU's by %.2g", name, device, got, off)
		if !(off <= toleranceLosses) {
			t.Errorf("%s on %s: losses are off by %.2g, %g is allowed: %g, want %g", name, device, off, toleranceLosses,
				got, want)
		}
	}
}

// lossesOn are those in the log of a short training, in a process of its own, as each training of langevin is.
func lossesOn(t *testing.T, device string, settings []string) (losses []float64) {
	t.Helper()
	out := t.TempDir()
	args := append([]string{asProgram, "train", "toy-ring", "--device", device, "--samples", "4", "--out", out},
		append(quick(), settings...)...)
	if text, err := exec.CommandContext(t.Context(), os.Args[0], args...).CombinedOutput(); err != nil {
		t.Fatalf("train on %s: %v\n%s", device, err, text)
	}
	logs, _ := filepath.Glob(filepath.Join(out, "*.jsonl")) // fails for a bad pattern only
	for _, path := range logs {
		log, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for line := range bytes.Lines(log) {
			var record training.Record
			if err := json.Unmarshal(line, &record); err != nil {
				t.Fatal(err)
			}
			losses = append(losses, record.Loss)
		}
	}
	return losses
}

// TestGPUTrainingStops on Ctrl-C with a checkpoint, though CUDA's libraries take over signals.
func TestGPUTrainingStops(t *testing.T) {
	out := t.TempDir()
	args := append([]string{asProgram, "train", "toy-ring", "--device", needDevice(t), "--out", out}, quick()...)
	child := exec.CommandContext(t.Context(), os.Args[0], append(args, "--set", "training.iterations=100000000")...)
	var stderr bytes.Buffer
	child.Stderr = &stderr
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	log := filepath.Join(out, "training_ring.jsonl")
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if text, _ := os.ReadFile(log); len(text) > 0 {
			break
		}
	}
	if err := child.Process.Signal(os.Interrupt); err != nil {
		t.Error(err)
	}
	_ = child.Wait() // its exit status tells
	if code := child.ProcessState.ExitCode(); code != cli.ExitInterrupted ||
		!strings.Contains(stderr.String(), "--resume goes on from there") {
		t.Errorf("after an interrupt: exit status %d, %s", code, stderr.String())
	}
	if made, _ := filepath.Glob(filepath.Join(out, "checkpoints", "ring", "*.checkpoint")); len(made) == 0 {
		t.Error("no checkpoint")
	}
}
