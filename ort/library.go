package ort

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

const (
	// Version is the ONNX Runtime release that results are tested with. It is the one in onnxruntime.lock.
	Version = "1.30.0"

	// EnvLibrary names the environment variable with the path of the library.
	EnvLibrary = "LANGEVIN_ONNXRUNTIME_LIBRARY"
)

// ErrLibraryNotFound is wrapped by the error of [FindLibrary].
var ErrLibraryNotFound = errors.New("ONNX Runtime library not found")

// FindLibrary returns the absolute path of the ONNX Runtime library and the places where it looked. It takes the first
// of:
//
//   - explicit, unless empty; then $LANGEVIN_ONNXRUNTIME_LIBRARY, unless empty. The file must exist; nothing else is
//     tried;
//   - the folder of the executable, and the folder lib next to it;
//   - .onnxruntime/[Version] in the folder of the executable, the working directory or a parent of either, where "make
//     onnxruntime" puts it;
//   - the folder [Version] in [CacheFolder], where "langevin onnxruntime install" puts it;
//   - the folders of the system's loader.
func FindLibrary(explicit string) (path string, searched []string, err error) {
	return surroundings().find(explicit)
}

// environment is everything on which the search depends.
type environment struct {
	variable   string // value of EnvLibrary
	executable string // folder of the running program, empty if unknown
	working    string // working directory, empty if unknown
	cache      string // see CacheFolder, empty if unknown
	loader     []string
	names      []string // of the library file, in order of preference
}

func surroundings() environment {
	e := environment{variable: os.Getenv(EnvLibrary), names: libraryNames(runtime.GOOS), loader: loaderFolders()}
	if path, err := os.Executable(); err == nil {
		e.executable = filepath.Dir(path)
	}
	if path, err := os.Getwd(); err == nil {
		e.working = path
	}
	if path, err := CacheFolder(); err == nil {
		e.cache = path
	}
	return e
}

// CacheFolder returns the folder of the user in which libraries are installed, one folder for each version.
func CacheFolder() (string, error) {
	folder, err := UserFolder()
	if err != nil {
		return "", err
	}
	return filepath.Join(folder, "onnxruntime"), nil
}

// UserFolder returns the folder of Langevin in the user's cache. It is an absolute path, wherever the command runs.
func UserFolder() (string, error) {
	folder, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	if !filepath.IsAbs(folder) {
		return "", fmt.Errorf("the user's cache folder is %s: want HOME to be an absolute path", folder)
	}
	return filepath.Join(folder, "langevin"), nil
}

func libraryNames(goos string) []string {
	if goos == "darwin" {
		return []string{"libonnxruntime." + Version + ".dylib", "libonnxruntime.1.dylib", "libonnxruntime.dylib"}
	}
	return []string{"libonnxruntime.so.1", "libonnxruntime.so." + Version, "libonnxruntime.so"}
}

func loaderFolders() []string {
	variable := "LD_LIBRARY_PATH"
	if runtime.GOOS == "darwin" {
		variable = "DYLD_LIBRARY_PATH"
	}
	folders := filepath.SplitList(os.Getenv(variable))
	triplet := map[string]string{"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu"}[runtime.GOARCH]
	return append(folders, "/usr/local/lib", "/usr/lib", filepath.Join("/usr/lib", triplet), "/usr/lib64")
}

func (e environment) find(explicit string) (path string, searched []string, err error) {
	if explicit != "" {
		return existing(explicit)
	}
	if e.variable != "" {
		path, searched, err := existing(e.variable)
		if err != nil {
			err = fmt.Errorf("%w (the path is that of %s)", err, EnvLibrary)
		}
		return path, searched, err
	}
	for _, folder := range e.folders() {
		searched = append(searched, folder)
		for _, name := range e.names {
			if path := filepath.Join(folder, name); isFile(path) == nil {
				return path, searched, nil
			}
		}
	}
	return "", searched, fmt.Errorf("%w: no %s in %s: run \"langevin onnxruntime install\", or set %s to "+
		"its path", ErrLibraryNotFound, e.names[0], strings.Join(searched, ", "), EnvLibrary)
}

// existing returns the absolute form of a path, as what is found and as all that was searched. The path must name a
// file.
func existing(path string) (string, []string, error) {
	absolute, err := filepath.Abs(path)
	if err == nil {
		err = isFile(absolute)
	}
	if err != nil {
		return "", []string{path}, fmt.Errorf("%w: %w", ErrLibraryNotFound, err)
	}
	return absolute, []string{absolute}, nil
}

// folders lists the places to look, each once.
func (e environment) folders() []string {
	var folders []string
	add := func(folder string) {
		if filepath.IsAbs(folder) && !slices.Contains(folders, folder) {
			folders = append(folders, folder)
		}
	}
	if e.executable != "" {
		add(e.executable)
		add(filepath.Join(e.executable, "..", "lib"))
	}
	for _, start := range []string{e.executable, e.working} {
		for folder := start; folder != ""; folder = parent(folder) {
			add(filepath.Join(folder, ".onnxruntime", Version))
		}
	}
	add(filepath.Join(e.cache, Version))
	for _, folder := range e.loader {
		add(folder)
	}
	return folders
}

// parent returns the parent folder; empty at the root.
func parent(folder string) string {
	if up := filepath.Dir(folder); up != folder {
		return up
	}
	return ""
}

func isFile(path string) error {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return err
	case info.IsDir():
		return fmt.Errorf("%s: is a folder: want the library file", path)
	case !info.Mode().IsRegular(): // to open a pipe may take for ever
		return fmt.Errorf("%s: is no plain file: want the library file", path)
	}
	return nil
}
