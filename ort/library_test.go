package ort

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/langevin-ml/langevin/internal/checksums"
	"github.com/langevin-ml/langevin/internal/onnxruntime"
)

// theRuntime is shared by the tests of this process.
func theRuntime(t testing.TB) *Runtime {
	t.Helper()
	path, _, err := FindLibrary("")
	if err != nil {
		t.Fatal(err)
	}
	r, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestVersionIsTheLockedOne(t *testing.T) {
	if locked := onnxruntime.Pinned().Version(); locked != Version {
		t.Errorf("onnxruntime.lock says %q, Version is %q", locked, Version)
	}
	if r := theRuntime(t); r.Version() != Version {
		t.Errorf("the library found is %s: want %s: run \"make onnxruntime\"", r.Version(), Version)
	}
}

func touch(t *testing.T, path ...string) string {
	t.Helper()
	file := filepath.Join(path...)
	if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, nil, 0o644)); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestFindLibraryOrder(t *testing.T) {
	root := t.TempDir()
	e := environment{
		executable: filepath.Join(root, "app", "bin"),
		working:    filepath.Join(root, "work", "deep", "down"),
		cache:      filepath.Join(root, "cache"),
		loader:     []string{"", "relative", filepath.Join(root, "system")},
		names:      []string{"libonnxruntime.so.1", "libonnxruntime.so"},
	}
	// From the last place to the first: each must be preferred to all before.
	places := []string{
		filepath.Join(root, "system", "libonnxruntime.so"),
		filepath.Join(root, "system", "libonnxruntime.so.1"),
		filepath.Join(root, "cache", Version, "libonnxruntime.so.1"),
		filepath.Join(root, "work", ".onnxruntime", Version, "libonnxruntime.so.1"),
		filepath.Join(root, "work", "deep", "down", ".onnxruntime", Version, "libonnxruntime.so.1"),
		filepath.Join(root, "app", ".onnxruntime", Version, "libonnxruntime.so.1"),
		filepath.Join(root, "app", "lib", "libonnxruntime.so.1"),
		filepath.Join(root, "app", "bin", "libonnxruntime.so.1"),
	}
	for _, want := range places {
		touch(t, want)
		path, searched, err := e.find("")
		if err != nil || path != want || searched[len(searched)-1] != filepath.Dir(want) {
			t.Errorf("found %s after %v, %v: want %s", path, searched, err, want)
		}
	}
	e.variable = touch(t, root, "variable.so")
	if path, _, err := e.find(""); err != nil || path != e.variable {
		t.Errorf("with the variable: %s, %v", path, err)
	}
	explicit := touch(t, root, "explicit.so")
	if path, _, err := e.find(explicit); err != nil || path != explicit {
		t.Errorf("with an explicit path: %s, %v", path, err)
	}
}

func TestFindLibraryErrors(t *testing.T) {
	root := t.TempDir()
	e := environment{working: root, executable: root, loader: []string{"/usr/lib-of-nobody"},
		names: libraryNames("linux")}
	_, searched, err := e.find("")
	if !errors.Is(err, ErrLibraryNotFound) || !slices.Contains(searched, filepath.Join(root, ".onnxruntime", Version)) {
		t.Fatalf("searched %v: %v", searched, err)
	}
	for _, want := range append([]string{"langevin onnxruntime install", EnvLibrary}, searched...) {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in: %v", want, err)
		}
	}
	touch(t, root, ".onnxruntime", Version, "libonnxruntime.so.1")
	absent := filepath.Join(root, "absent.so")
	for setting, find := range map[string]func() (string, []string, error){
		absent:     func() (string, []string, error) { return e.find(absent) },
		EnvLibrary: func() (string, []string, error) { v := e; v.variable = absent; return v.find("") },
		"folder":   func() (string, []string, error) { return e.find(root) },
	} {
		if path, _, err := find(); !errors.Is(err, ErrLibraryNotFound) || !strings.Contains(err.Error(), setting) {
			t.Errorf("%s: found %q, %v: want an error, and no other library", setting, path, err)
		}
	}
}

func TestLibraryNames(t *testing.T) {
	if names := libraryNames("darwin"); names[0] != "libonnxruntime."+Version+".dylib" {
		t.Errorf("on macOS: %v", names)
	}
	path, _, err := FindLibrary("")
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(libraryNames(runtime.GOOS), filepath.Base(path)) && os.Getenv(EnvLibrary) == "" {
		t.Errorf("found %s", path)
	}
}

func TestOpenIsShared(t *testing.T) {
	r := theRuntime(t)
	link := filepath.Join(t.TempDir(), "link.so")
	if err := os.Symlink(r.Path(), link); err != nil {
		t.Fatal(err)
	}
	if again, err := Open(link); err != nil || again != r {
		t.Errorf("the same file by another name: %p, %v: want %p", again, err, r)
	}
	other := touch(t, t.TempDir(), "other.so")
	if _, err := Open(other); !errors.Is(err, ErrAnotherLibrary) || !strings.Contains(err.Error(), r.Path()) {
		t.Errorf("another file: %v", err)
	}
	if _, err := Open(filepath.Join(t.TempDir(), "absent.so")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	if !slices.Contains(r.Providers(), "CPUExecutionProvider") {
		t.Errorf("providers are %v", r.Providers())
	}
}

// compile compiles a shared library from C, to replace ONNX Runtime.
func compile(t *testing.T, source string) string {
	t.Helper()
	library := filepath.Join(t.TempDir(), "library.so")
	command := exec.Command("cc", "-shared", "-fPIC", "-o", library, "-xc", "-")
	command.Stdin = strings.NewReader(source)
	if output, err := command.CombinedOutput(); err != nil {
		t.Fatalf("cc: %v\n%s", err, output)
	}
	return library
}

// truncated takes bytes from the end of a library.
func truncated(t *testing.T, path string, bytes int64) string {
	t.Helper()
	info, err := os.Stat(path)
	if err == nil {
		err = os.Truncate(path, info.Size()-bytes)
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// TestInstalledIsCompared: a library of the right size is refused if it differs from what was installed.
func TestInstalledIsCompared(t *testing.T) {
	path := touch(t, t.TempDir(), "libonnxruntime.so.1")
	list := filepath.Join(filepath.Dir(path), checksums.Name)
	text, err := checksums.Of(t.Context(), filepath.Dir(path))
	if err == nil {
		err = os.WriteFile(list, []byte(text), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := checkInstalled(path); err != nil {
		t.Errorf("as it was installed: %v", err)
	}
	if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := checkInstalled(path); err == nil || !strings.Contains(err.Error(), path+" is altered: ") ||
		!strings.Contains(err.Error(), `remove it, and run "langevin onnxruntime install"`) {
		t.Errorf("altered: %v", err)
	}
}

// TestCacheFolderIsAbsolute: with a relative HOME the library would go into the working directory.
func TestCacheFolderIsAbsolute(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", "")
	t.Setenv("HOME", "relative")
	if path, err := CacheFolder(); err == nil || !strings.Contains(err.Error(), "want HOME to be an absolute path") {
		t.Errorf("%q, %v", path, err)
	}
}

func TestProbeRefuses(t *testing.T) {
	runtimeOf := func(version string) string {
		return compile(t, `
			static const void *api(unsigned v) { return 0; }
			static const char *version(void) { return "`+version+`"; }
			static struct { const void *(*a)(unsigned); const char *(*v)(void); } base = {api, version};
			void *OrtGetApiBase(void) { return &base; }`)
	}
	tests := []struct {
		name, path, want string
	}{
		{"empty file", touch(t, t.TempDir(), "empty.so"), "is not an ONNX Runtime library"},
		{"other library", compile(t, "int answer(void) { return 42; }"), "it has no OrtGetApiBase"},
		{"too old", runtimeOf("1.24.3"), "is ONNX Runtime 1.24.3: want " + Version + ", at least 1.29"},
		{"another major version", runtimeOf("2.40.0"), "is ONNX Runtime 2.40.0"},
		{"truncated", truncated(t, runtimeOf(Version), 100), "truncated: "},
		{"truncated to half", truncated(t, runtimeOf(Version), 4000), "truncated: "},
		{"no version", runtimeOf("nightly"), "is ONNX Runtime nightly"},
		{"new, without our interface", runtimeOf("1.31.0"), "1.31.0 without version 29"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := probeLibrary(tt.path)
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), tt.path) {
				t.Errorf("got %v: want the path and %q", err, tt.want)
			}
		})
	}
}
