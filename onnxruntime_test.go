package langevin_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// A checkout is a repository with only the files that tools/onnxruntime.sh needs, on a machine with the test's npm and
// curl.
type checkout struct {
	root string // has the script, the lock and what the script downloads
	bin  string // the only folder on PATH
	lock map[string]string
}

const libraryText = "the library\n"

// newCheckout returns a checkout whose npm and curl return packages that agree with its lock.
func newCheckout(t *testing.T) checkout {
	t.Helper()
	c := checkout{root: t.TempDir(), bin: t.TempDir()}
	script, err := os.ReadFile("tools/onnxruntime.sh")
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(c.root, "tools", "onnxruntime.sh"), script)
	const needed = "sh awk sed head tar gzip mktemp mkdir dirname basename uname rm mv cp chmod sha256sum shasum perl"
	for _, name := range strings.Fields(needed) {
		if path, err := exec.LookPath(name); err == nil {
			if err := os.Symlink(path, filepath.Join(c.bin, name)); err != nil {
				t.Fatal(err)
			}
		}
	}

	npm, archive := tarball(t, "package/lib.so", libraryText), tarball(t, "ort-9.9.9/lib/lib.so", libraryText)
	write(t, filepath.Join(c.root, "npm.tgz"), npm)
	write(t, filepath.Join(c.root, "archive.tgz"), archive)
	c.install(t, "npm", `cp "$FIXTURES/npm.tgz" ort-node-9.9.9.tgz`)
	c.install(t, "curl", `while [ "$1" != --output ]; do shift; done; cp "$FIXTURES/archive.tgz" "$2"`)
	platform := runtime.GOOS + "-" + runtime.GOARCH
	c.lock = map[string]string{
		"version":                       "9.9.9",
		"npm.package":                   "ort-node",
		"npm.bytes":                     "1000000",
		"npm.sha256":                    digest(npm),
		platform + ".library":           "lib.so",
		platform + ".npm.member":        "package/lib.so",
		platform + ".npm.member.sha256": digest([]byte(libraryText)),
		platform + ".archive.url":       "https://example.com/ort-9.9.9.tgz",
		platform + ".archive.bytes":     "2000000",
		platform + ".archive.sha256":    digest(archive),
		platform + ".archive.member":    "ort-9.9.9/lib/lib.so",
	}
	return c
}

// install puts a program on the checkout's PATH, and replaces any other with that name. The program records each call.
func (c checkout) install(t *testing.T, name, body string) {
	t.Helper()
	script := fmt.Sprintf("#!/bin/sh\necho %s >> \"$FIXTURES/calls\"\n%s\n", name, body)
	write(t, filepath.Join(c.bin, name), []byte(script))
}

func (c checkout) library() string { return filepath.Join(c.root, ".onnxruntime", "9.9.9", "lib.so") }

// run runs the script. It returns its output, the calls of npm and curl, and its error.
func (c checkout) run(t *testing.T, environment ...string) (said string, calls []string, err error) {
	t.Helper()
	var lock strings.Builder
	for key, value := range c.lock {
		fmt.Fprintf(&lock, "%s = %s\n", key, value)
	}
	write(t, filepath.Join(c.root, "onnxruntime.lock"), []byte(lock.String()))
	os.Remove(filepath.Join(c.root, "calls"))
	command := exec.CommandContext(t.Context(), filepath.Join(c.root, "tools", "onnxruntime.sh"))
	command.Env = append([]string{"PATH=" + c.bin, "FIXTURES=" + c.root}, environment...)
	out, err := command.CombinedOutput()
	called, _ := os.ReadFile(filepath.Join(c.root, "calls"))
	return string(out), strings.Fields(string(called)), err
}

func TestFetchONNXRuntime(t *testing.T) {
	platform := runtime.GOOS + "-" + runtime.GOARCH
	noSuch := "exit 1"
	wrong := strings.Repeat("0", 64)
	for _, test := range []struct {
		name   string
		change func(t *testing.T, c checkout)
		calls  []string
		says   string // part of the output if the script fails
	}{
		{"npm", func(*testing.T, checkout) {}, []string{"npm"}, ""},
		{"no npm", func(t *testing.T, c checkout) { uninstall(t, c, "npm") }, []string{"curl"}, ""},
		{"npm offline", func(t *testing.T, c checkout) { c.install(t, "npm", noSuch) }, []string{"npm", "curl"}, ""},
		{"nothing to fetch with", func(t *testing.T, c checkout) { uninstall(t, c, "npm"); uninstall(t, c, "curl") },
			nil, "put the library at .onnxruntime/9.9.9/lib.so yourself, or set LANGEVIN_ONNXRUNTIME_LIBRARY"},
		{"offline", func(t *testing.T, c checkout) { c.install(t, "npm", noSuch); c.install(t, "curl", noSuch) },
			[]string{"npm", "curl"}, "put the library at"},
		{"another package", func(_ *testing.T, c checkout) { c.lock["npm.sha256"] = wrong },
			[]string{"npm"}, "refused npm package ort-node@9.9.9: its SHA-256 is"},
		{"another library", func(_ *testing.T, c checkout) { c.lock[platform+".npm.member.sha256"] = wrong },
			[]string{"npm"}, "refused package/lib.so: its SHA-256 is"},
		{"another archive", func(t *testing.T, c checkout) {
			uninstall(t, c, "npm")
			c.lock[platform+".archive.sha256"] = wrong
		}, []string{"curl"}, "refused https://example.com/ort-9.9.9.tgz: its SHA-256 is"},
		{"no such member", func(_ *testing.T, c checkout) { c.lock[platform+".npm.member"] = "package/gone.so" },
			[]string{"npm"}, "no package/gone.so in ort-node-9.9.9.tgz"},
		{"another platform", func(_ *testing.T, c checkout) { delete(c.lock, platform+".library") },
			nil, "no pinned library for " + platform},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := newCheckout(t)
			test.change(t, c)
			said, calls, err := c.run(t)
			if !slices.Equal(calls, test.calls) {
				t.Errorf("called %v, want %v", calls, test.calls)
			}
			if test.says != "" {
				if err == nil || !strings.Contains(said, test.says) {
					t.Errorf("got error %v and\n%s\nwant a failure that says %q", err, said, test.says)
				}
			} else if got, _ := os.ReadFile(c.library()); err != nil || string(got) != libraryText {
				t.Errorf("got error %v, library %q and\n%s", err, got, said)
			}
			if left := leftovers(t, c); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

func TestFetchONNXRuntimeOnce(t *testing.T) {
	c := newCheckout(t)
	if said, _, err := c.run(t); err != nil {
		t.Fatalf("first run: %v\n%s", err, said)
	}
	said, calls, err := c.run(t)
	if err != nil || len(calls) > 0 || said != "onnxruntime: 9.9.9 is at .onnxruntime/9.9.9/lib.so\n" {
		t.Errorf("second run called %v, error %v and said\n%s", calls, err, said)
	}
}

func TestOwnONNXRuntime(t *testing.T) {
	c := newCheckout(t)
	own := filepath.Join(t.TempDir(), "own.so")
	variable := "LANGEVIN_ONNXRUNTIME_LIBRARY=" + own
	said, calls, err := c.run(t, variable)
	if err == nil || len(calls) > 0 || !strings.Contains(said, own+", which is not there") {
		t.Errorf("named a library that does not exist: called %v, error %v and said\n%s", calls, err, said)
	}
	write(t, own, []byte(libraryText))
	if said, calls, err := c.run(t, variable); err != nil || len(calls) > 0 {
		t.Errorf("named a library: called %v, error %v and said\n%s", calls, err, said)
	}
}

// TestONNXRuntimeLock checks the real lock. Otherwise nobody would notice an incomplete digest before it fails on
// another machine.
func TestONNXRuntimeLock(t *testing.T) {
	lock, err := os.ReadFile("onnxruntime.lock")
	if err != nil {
		t.Fatal(err)
	}
	values := make(map[string]string)
	for _, line := range regexp.MustCompile(`(?m)^(\S+) = (\S+)$`).FindAllStringSubmatch(string(lock), -1) {
		values[line[1]] = line[2]
	}
	wanted := []string{"version", "npm.package", "npm.bytes", "npm.sha256"}
	for _, key := range strings.Fields("wheel bytes sha256 cuda cudnn") {
		wanted = append(wanted, "linux-amd64.gpu."+key)
	}
	for _, platform := range []string{"linux-amd64", "linux-arm64", "darwin-arm64"} {
		const keys = "library npm.member npm.member.sha256 archive.url archive.bytes archive.sha256 archive.member"
		for _, key := range strings.Fields(keys) {
			wanted = append(wanted, platform+"."+key)
		}
	}
	for _, key := range wanted {
		if values[key] == "" {
			t.Errorf("no %s", key)
		}
		if strings.HasSuffix(key, "sha256") && !regexp.MustCompile(`^[0-9a-f]{64}$`).MatchString(values[key]) {
			t.Errorf("%s = %s: want 64 hexadecimal digits", key, values[key])
		}
		named := strings.Contains(key, ".archive.") && strings.Contains(values[key], "onnxruntime-")
		if named && !strings.Contains(values[key], values["version"]) {
			t.Errorf("%s = %s: not version %s", key, values[key], values["version"])
		}
	}
	if len(values) != len(wanted) {
		t.Errorf("%d keys, want %d: %v", len(values), len(wanted), values)
	}
}

// leftovers lists the files in .onnxruntime except the library.
func leftovers(t *testing.T, c checkout) []string {
	t.Helper()
	var left []string
	folder := filepath.Join(c.root, ".onnxruntime")
	err := filepath.WalkDir(folder, func(path string, entry os.DirEntry, err error) error {
		if entry != nil && !entry.IsDir() && path != c.library() || strings.Contains(filepath.Base(path), "fetch.") {
			left = append(left, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return left
}

func uninstall(t *testing.T, c checkout, name string) {
	t.Helper()
	if err := os.Remove(filepath.Join(c.bin, name)); err != nil {
		t.Fatal(err)
	}
}

func tarball(t *testing.T, name, text string) []byte {
	t.Helper()
	var buffer bytes.Buffer
	zipped := gzip.NewWriter(&buffer)
	w := tar.NewWriter(zipped)
	if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(text))}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := zipped.Close(); err != nil {
		t.Fatal(err)
	}
	return buffer.Bytes()
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
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
