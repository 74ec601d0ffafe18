// Package torchtest finds PyTorch for tests that compare with it.
package torchtest

import (
	"os/exec"
	"testing"
)

// Need returns the given Python, which must have PyTorch. It skips the test if python is empty, and fails it if python
// has no PyTorch.
func Need(t *testing.T, python string) string {
	t.Helper()
	if python == "" {
		t.Skip("no Python: make test-torch gives one that has PyTorch")
	}
	if out, err := exec.CommandContext(t.Context(), python, "-c", "import torch").CombinedOutput(); err != nil {
		t.Fatalf("%s has no PyTorch: %v\n%s", python, err, out)
	}
	return python
}
