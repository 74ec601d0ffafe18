package onnxruntime

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/langevin-ml/langevin/internal/checksums"
	"github.com/langevin-ml/langevin/internal/pinned"
	"github.com/langevin-ml/langevin/internal/tarballtest"
)

const (
	libraryText = "the library\n"
	platform    = Platform("linux-amd64")
)

// world is a machine whose npm, pip and release archive agree with its lock.
type world struct {
	Installation
	programs string // the only folder on PATH
	calls    []string
	said     []string
	missing  bool // the archive
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{programs: t.TempDir()}
	t.Setenv("PATH", w.programs)
	npm := tarballtest.Pack(t, "package/lib.so", libraryText)
	archive := tarballtest.Pack(t, "./ort-9.9.9/lib/lib.so", libraryText)
	wheel := zipped(t, map[string]string{"x/capi/libonnxruntime.so.9.9.9": libraryText,
		"x/capi/libonnxruntime_providers_cuda.so": "provider", "x/capi/libonnxruntime_providers_tensorrt.so": "other",
		"x/__init__.py": ""})
	w.program(t, "npm", "ort-node-9.9.9.tgz", npm)
	w.program(t, "python3", "$9/ort.whl", wheel)
	server := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, _ *http.Request) {
		w.calls = append(w.calls, "archive")
		if w.missing {
			http.Error(out, "gone", http.StatusNotFound)
			return
		}
		_, _ = out.Write(archive)
	}))
	t.Cleanup(server.Close)
	w.Installation = Installation{
		Platform: platform, Folder: filepath.Join(t.TempDir(), "libraries"),
		Say: func(format string, args ...any) { w.said = append(w.said, fmt.Sprintf(format, args...)) },
		Lock: pinned.Parse(fmt.Sprintf(`# a comment = with a sign
version = 9.9.9
npm.package = ort-node
npm.bytes = 1000000
npm.sha256 = %s
linux-amd64.library = lib.so
linux-amd64.npm.member = package/lib.so
linux-amd64.npm.member.sha256 = %s
linux-amd64.archive.url = %s/ort-9.9.9.tgz
linux-amd64.archive.bytes = 2000000
linux-amd64.archive.sha256 = %s
linux-amd64.archive.member = ort-9.9.9/lib/lib.so
linux-amd64.gpu.wheel = ort.whl
linux-amd64.gpu.bytes = 3000000
linux-amd64.gpu.sha256 = %s
`, tarballtest.Digest(npm), tarballtest.Digest([]byte(libraryText)), server.URL, tarballtest.Digest(archive),
			tarballtest.Digest(wheel))),
	}
	return w
}

// program puts a program on the PATH that records its call and writes a file.
func (w *world) program(t *testing.T, name, file string, content []byte) {
	t.Helper()
	kept := filepath.Join(w.programs, name+".content")
	write(t, kept, content)
	file = strings.Replace(file, "$9", "${13}", 1) // pip's --dest
	w.script(t, name, fmt.Sprintf("/bin/cp '%s' \"%s\"", kept, file))
}

func (w *world) script(t *testing.T, name, body string) {
	t.Helper()
	script := fmt.Sprintf("#!/bin/sh\necho %s >> '%s'\n%s\n", name, filepath.Join(w.programs, "calls"), body)
	write(t, filepath.Join(w.programs, name), []byte(script))
}

func (w *world) without(t *testing.T, name string) {
	t.Helper()
	if err := os.Remove(filepath.Join(w.programs, name)); err != nil {
		t.Fatal(err)
	}
}

// install installs, and returns what was called in order.
func (w *world) install(t *testing.T) (path string, calls []string, err error) {
	t.Helper()
	recorded := filepath.Join(w.programs, "calls")
	_ = os.Remove(recorded)
	w.calls = nil
	path, err = w.Install(t.Context())
	text, _ := os.ReadFile(recorded)
	return path, append(strings.Fields(string(text)), w.calls...), err
}

func TestInstall(t *testing.T) {
	wrong := strings.Repeat("0", 64)
	for _, tt := range []struct {
		name   string
		change func(t *testing.T, w *world)
		calls  []string
		fails  string // part of the error
	}{
		{"npm", func(*testing.T, *world) {}, []string{"npm"}, ""},
		{"no npm", func(t *testing.T, w *world) { w.without(t, "npm") }, []string{"archive"}, ""},
		{"npm offline", func(t *testing.T, w *world) { w.script(t, "npm", "echo npm error code E1; exit 1") },
			[]string{"npm", "archive"}, ""},
		{"offline", func(t *testing.T, w *world) { w.without(t, "npm"); w.missing = true }, []string{"archive"},
			"404 Not Found: download http://"},
		{"another package", func(_ *testing.T, w *world) { w.Lock["npm.sha256"] = wrong }, []string{"npm"},
			"npm package ort-node@9.9.9 is not the pinned file: its SHA-256 is"},
		{"another library", func(_ *testing.T, w *world) { w.Lock["linux-amd64.npm.member.sha256"] = wrong },
			[]string{"npm"}, "package/lib.so is not the pinned file"},
		{"another archive", func(t *testing.T, w *world) {
			w.without(t, "npm")
			w.Lock["linux-amd64.archive.sha256"] = wrong
		}, []string{"archive"}, "ort-9.9.9.tgz is not the pinned file"},
		{"no such member", func(t *testing.T, w *world) {
			w.without(t, "npm")
			w.Lock["linux-amd64.archive.member"] = "gone.so"
		}, []string{"archive"}, "no gone.so in it"},
		{"another platform", func(_ *testing.T, w *world) { w.Platform = "plan9-386" }, nil,
			"no pinned library for plan9-386"},
		{"wheel", func(_ *testing.T, w *world) { w.CUDA = true }, []string{"python3"}, ""},
		{"another wheel", func(_ *testing.T, w *world) { w.CUDA, w.Lock["linux-amd64.gpu.sha256"] = true, wrong },
			[]string{"python3"}, "ort.whl is not the pinned file"},
		{"no python", func(t *testing.T, w *world) { w.CUDA = true; w.without(t, "python3") }, nil, "--from"},
		{"no CUDA there", func(_ *testing.T, w *world) { w.CUDA, w.Platform = true, "darwin-arm64" }, nil,
			"there is no build with CUDA for darwin-arm64"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			tt.change(t, w)
			path, calls, err := w.install(t)
			if !slices.Equal(calls, tt.calls) {
				t.Errorf("called %v, want %v", calls, tt.calls)
			}
			if tt.fails != "" {
				if err == nil || !strings.Contains(err.Error(), tt.fails) {
					t.Errorf("%v, want an error with %q", err, tt.fails)
				}
			} else if got, _ := os.ReadFile(path); err != nil || string(got) != libraryText {
				t.Errorf("%s has %q, %v", path, got, err)
			}
			w.checkNothingElse(t, tt.fails == "")
		})
	}
}

// checkNothingElse checks that the folder has the libraries alone, or nothing.
func (w *world) checkNothingElse(t *testing.T, installed bool) {
	t.Helper()
	var want []string
	switch {
	case installed && w.CUDA:
		want = []string{"9.9.9-cuda/SHA256SUMS", "9.9.9-cuda/libonnxruntime.so.9.9.9",
			"9.9.9-cuda/libonnxruntime_providers_cuda.so"}
	case installed:
		want = []string{"9.9.9/SHA256SUMS", "9.9.9/lib.so"}
	}
	var got []string
	_ = fs.WalkDir(os.DirFS(w.Folder), ".", func(path string, entry fs.DirEntry, _ error) error {
		if entry != nil && (!entry.IsDir() || strings.Contains(path, "fetch.")) {
			got = append(got, path)
		}
		return nil
	})
	if !slices.Equal(got, want) {
		t.Errorf("the folder has %v, want %v", got, want)
	}
}

// TestInstallOnce: a library that is there is not downloaded again, and an empty folder of its version is no hindrance.
func TestInstallOnce(t *testing.T) {
	w := newWorld(t)
	if err := os.MkdirAll(filepath.Join(w.Folder, "9.9.9"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, _, err := w.install(t); err != nil {
		t.Fatal(err)
	}
	path, calls, err := w.install(t)
	if err != nil || len(calls) > 0 || w.said[len(w.said)-1] != "ONNX Runtime 9.9.9 is at "+path {
		t.Errorf("second time: called %v, %v, said %q", calls, err, w.said)
	}
}

// TestInstallAgain: a damaged library is installed again, whatever its source, and what killed installations have left
// is removed.
func TestInstallAgain(t *testing.T) {
	for name, change := range map[string]func(t *testing.T, w *world){
		"npm":     func(*testing.T, *world) {},
		"archive": func(t *testing.T, w *world) { w.without(t, "npm") },
		"wheel":   func(_ *testing.T, w *world) { w.CUDA = true },
	} {
		for _, stamped := range []bool{true, false} {
			w := newWorld(t)
			change(t, w)
			path, _, err := w.install(t)
			if err != nil {
				t.Fatal(err)
			}
			if !stamped {
				if err := os.Remove(filepath.Join(filepath.Dir(path), checksums.Name)); err != nil {
					t.Fatal(err)
				}
			}
			write(t, path, []byte("junk\n"))
			write(t, filepath.Join(w.Folder, "fetch.12", "half.tgz"), []byte("half"))
			again, calls, err := w.install(t)
			text, _ := os.ReadFile(path)
			if err != nil || again != path || string(text) != libraryText || len(calls) == 0 {
				t.Errorf("%s, digests %v: %q, called %v, %v", name, stamped, text, calls, err)
			}
			w.checkNothingElse(t, true)
		}
	}
}

// TestInstallFromOdd: what is no plain file or too large is refused unread, also where a library is there already.
func TestInstallFromOdd(t *testing.T) {
	w := newWorld(t)
	if _, _, err := w.install(t); err != nil {
		t.Fatal(err)
	}
	pipe, large := filepath.Join(t.TempDir(), "pipe"), filepath.Join(t.TempDir(), "large")
	write(t, large, nil)
	if err := errors.Join(syscall.Mkfifo(pipe, 0o600), os.Truncate(large, 1<<40)); err != nil {
		t.Fatal(err)
	}
	for from, want := range map[string]string{
		pipe: "is no plain file", "/dev/zero": "is no plain file", t.TempDir(): "is no plain file",
		large: "want at most 2000000", filepath.Join(w.programs, "npm"): "is not the pinned file",
	} {
		w.From = from
		if _, _, err := w.install(t); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", from, err, want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	w.From = ""
	w.script(t, "npm", "kill -9 $$")
	write(t, filepath.Join(w.Folder, "9.9.9", "lib.so"), []byte("junk"))
	cancel()
	if _, err := w.Install(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
}

// TestInstallFrom: what was downloaded elsewhere is recognised by its digest, whatever its name, and nothing is
// downloaded.
func TestInstallFrom(t *testing.T) {
	archive := tarballtest.Pack(t, "./ort-9.9.9/lib/lib.so", libraryText)
	for name, content := range map[string][]byte{
		"archive": archive, "library": []byte(libraryText), "other": []byte("something else"),
	} {
		w := newWorld(t)
		w.From = filepath.Join(t.TempDir(), "download")
		write(t, w.From, content)
		path, calls, err := w.install(t)
		got, _ := os.ReadFile(path)
		switch {
		case len(calls) > 0:
			t.Errorf("%s: called %v", name, calls)
		case name == "other":
			const want = "want ort-node-9.9.9.tgz or ort-9.9.9.tgz"
			if !errors.Is(err, pinned.ErrOther) || !strings.Contains(err.Error(), want) {
				t.Errorf("another file: %v", err)
			}
		case err != nil || string(got) != libraryText:
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	w := newWorld(t)
	w.From = filepath.Join(t.TempDir(), "absent")
	if _, _, err := w.install(t); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an absent file: %v", err)
	}
}

// TestPinned checks the real lock. Otherwise nobody would notice an incomplete digest before it fails on another
// machine.
func TestPinned(t *testing.T) {
	lock := Pinned()
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
		if lock[key] == "" {
			t.Errorf("no %s", key)
		}
		if strings.HasSuffix(key, "sha256") && !regexp.MustCompile(`^[0-9a-f]{64}$`).MatchString(lock[key]) {
			t.Errorf("%s = %s: want 64 hexadecimal digits", key, lock[key])
		}
		named := strings.Contains(key, ".archive.") && strings.Contains(lock[key], "onnxruntime-")
		if named && !strings.Contains(lock[key], lock.Version()) {
			t.Errorf("%s = %s: not version %s", key, lock[key], lock.Version())
		}
	}
	if len(lock) != len(wanted) {
		t.Errorf("%d keys, want %d: %v", len(lock), len(wanted), lock)
	}
}

func zipped(t *testing.T, files map[string]string) []byte {
	t.Helper()
	var buffer bytes.Buffer
	w := zip.NewWriter(&buffer)
	for name, text := range files {
		f, err := w.Create(name)
		if err == nil {
			_, err = f.Write([]byte(text))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buffer.Bytes()
}

// write creates an executable file.
func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, data, 0o755)); err != nil {
		t.Fatal(err)
	}
}
