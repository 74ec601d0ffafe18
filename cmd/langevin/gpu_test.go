package main

import (
	"bufio"
	"flag"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/langevin-ml/langevin/server/ort"
)

// asProgram is the first argument with which the test below starts this program again, as langevin.
const asProgram = "as-langevin"

var gpu = flag.String("gpu", "cuda", "device of the test of GPUs")

// TestGPUStopsOnSIGTERM: CUDA's handlers of signals are not in the way of an orderly stop.
func TestGPUStopsOnSIGTERM(t *testing.T) {
	library, _, err := ort.FindLibrary("")
	if err != nil {
		t.Fatal(err)
	}
	device, err := ort.ParseDevice(*gpu)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ort.ProbeDevice(t.Context(), library, device); err != nil {
		t.Skip(err)
	}
	child := exec.Command(os.Args[0], asProgram, "serve", "--device", device.String(), "--listen", "localhost:0", "--http-listen", "", "--log-format", "text")
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
