package ort

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestNoTelemetry: while the library runs, it has none of the files open in which it collects reports.
func TestNoTelemetry(t *testing.T) {
	theRuntime(t)
	const open = "/proc/self/fd"
	descriptors, err := os.ReadDir(open)
	if err != nil {
		t.Skip(err) // not Linux, where this test does not work
	}
	for _, d := range descriptors {
		file, _ := os.Readlink(filepath.Join(open, d.Name())) // ReadDir has closed its own
		if name := filepath.Base(file); strings.HasPrefix(name, "mat-debug") ||
			strings.HasPrefix(name, "onnxruntime.db") {
			t.Errorf("%s is open", file)
		}
	}
}
