package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/langevin-ml/langevin/models/modelstest"
)

// TestStopEndsProofs stops servers whose default model never ends its proof. SIGTERM ends a server with status 0, and
// neither it nor SIGKILL leaves the process of the proof.
func TestStopEndsProofs(t *testing.T) {
	if _, err := os.Stat("/proc/self/task"); err != nil {
		t.Skip("processes are found in /proc, which this system does not have")
	}
	folder := t.TempDir()
	for _, c := range modelstest.Hostile() {
		if c.Name == "loop without end" {
			addModel(t, folder, "hostile", modelstest.File(t, c.Model(), c.Manifest))
		}
	}
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		server := exec.CommandContext(t.Context(), os.Args[0], asProgram, "serve", "--listen", "127.0.0.1:0",
			"--http-listen", "", "--models-dir", folder, "--models-default", "hostile",
			"--models-allow-operators", "Loop")
		if err := server.Start(); err != nil {
			t.Fatal(err)
		}
		var proofs []int
		for deadline := time.Now().Add(time.Minute); len(proofs) == 0 && time.Now().Before(deadline); {
			time.Sleep(10 * time.Millisecond)
			proofs = childrenOf(server.Process.Pid)
		}
		if err := server.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
		err := server.Wait()
		if signal == syscall.SIGTERM && err != nil {
			t.Errorf("after %v: %v", signal, err)
		}
		if len(proofs) != 1 || !ends(proofs[0]) {
			t.Errorf("after %v the proof %v goes on", signal, proofs)
		}
	}
}

// childrenOf returns the processes whose parent is a process.
func childrenOf(process int) (numbers []int) {
	lists, _ := filepath.Glob("/proc/" + strconv.Itoa(process) + "/task/*/children") // fails only for a bad pattern
	for _, list := range lists {
		text, err := os.ReadFile(list)
		if err != nil {
			continue
		}
		for _, field := range strings.Fields(string(text)) {
			if number, err := strconv.Atoi(field); err == nil {
				numbers = append(numbers, number)
			}
		}
	}
	return numbers
}

// ends reports whether a process ends soon. A process that has ended and that nobody has waited for counts.
func ends(process int) bool {
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		text, err := os.ReadFile("/proc/" + strconv.Itoa(process) + "/stat")
		if _, state, _ := strings.Cut(string(text), ") "); err != nil || strings.HasPrefix(state, "Z") {
			return true
		}
	}
	return false
}
