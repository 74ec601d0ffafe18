package ort

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestNoTelemetry: once it runs, the library has none of the files open that its reports begin with.
func TestNoTelemetry(t *testing.T) {
	theRuntime(t)
	const open = "/proc/self/fd"
	descriptors, err := os.ReadDir(open)
	if err != nil {
		t.Skip(err) // not Linux: builds for other systems have other means
	}
	for _, d := range descriptors {
		file, _ := os.Readlink(filepath.Join(open, d.Name())) // ReadDir's own is gone
		if name := filepath.Base(file); strings.HasPrefix(name, "mat-debug") || strings.HasPrefix(name, "onnxruntime.db") {
			t.Errorf("%s is open", file)
		}
	}
}
