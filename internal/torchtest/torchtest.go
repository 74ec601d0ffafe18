// Package torchtest finds PyTorch for tests that compare with it.
package torchtest

import (
	"os/exec"
	"testing"
)

// Python returns a Python that has PyTorch: chosen unless it is empty, and otherwise the first of the candidates that
// has it. It skips the test if none has, and fails it if chosen has not.
func Python(t *testing.T, chosen string, candidates ...string) string {
	t.Helper()
	if chosen != "" {
		candidates = []string{chosen}
	}
	for _, python := range candidates {
		if exec.CommandContext(t.Context(), python, "-c", "import torch").Run() == nil {
			return python
		}
	}
	if chosen != "" {
		t.Fatalf("%s has no PyTorch", chosen)
	}
	t.Skipf("no PyTorch: none of %q imports torch", candidates)
	return ""
}
