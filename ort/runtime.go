package ort

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"

	"github.com/langevin-ml/langevin/internal/checksums"
	onnxruntime "github.com/yalue/onnxruntime_go"
)

// ErrAnotherLibrary is wrapped by the error of [Open] if the process runs on another library already.
var ErrAnotherLibrary = errors.New("one process can run on one ONNX Runtime library only")

// Runtime is the ONNX Runtime library of the process. It is never unloaded, because a call into an unloaded library
// would end the process. It is safe for concurrent use.
type Runtime struct {
	path      string
	version   string
	providers []string
}

// process has the state that the library and its binding keep for each process.
var process struct {
	mu      sync.Mutex
	runtime *Runtime // set once
}

// Open loads the library at path, as found by [FindLibrary]. Opening the same file again returns the same Runtime;
// opening another one is an error. A library older than 1.29 is refused, with the version found and the version wanted.
// So is one whose SHA-256 is not the one that its installation has written next to it: an altered library may crash,
// or compute something else. To read it takes 0.1 s for each process.
func Open(path string) (*Runtime, error) { return open(path, checkInstalled) }

// OpenChecked is [Open] for a child of a process that has opened the same library: it does not read the file again.
func OpenChecked(path string) (*Runtime, error) {
	return open(path, func(string) error { return nil })
}

// checkInstalled compares a library with its digest, if it has one.
func checkInstalled(path string) error {
	if _, err := checksums.Check(context.Background(), path); err != nil {
		return fmt.Errorf("%w: remove it, and run \"langevin onnxruntime install\"", err)
	}
	return nil
}

func open(path string, check func(path string) error) (*Runtime, error) {
	resolved, err := filepath.EvalSymlinks(path)
	if err == nil {
		resolved, err = filepath.Abs(resolved)
	}
	if err != nil {
		return nil, fmt.Errorf("open ONNX Runtime: %w", err)
	}
	process.mu.Lock()
	defer process.mu.Unlock()
	if r := process.runtime; r != nil {
		if r.path != resolved {
			return nil, fmt.Errorf("open ONNX Runtime %s: %w: it runs on %s", resolved, ErrAnotherLibrary, r.path)
		}
		return r, nil
	}
	if err := check(resolved); err != nil {
		return nil, fmt.Errorf("open ONNX Runtime: %w", err)
	}
	r, err := start(resolved)
	if err != nil {
		return nil, fmt.Errorf("open ONNX Runtime: %w", err)
	}
	process.runtime = r
	return r, nil
}

// OpenFound opens the library that [FindLibrary] finds.
func OpenFound(explicit string) (*Runtime, error) {
	path, _, err := FindLibrary(explicit)
	if err != nil {
		return nil, err
	}
	return Open(path)
}

func start(path string) (*Runtime, error) {
	p, err := probeLibrary(path)
	if err != nil {
		return nil, err
	}
	if err := DisableTelemetry(); err != nil {
		return nil, err
	}
	onnxruntime.SetSharedLibraryPath(path)
	// The library would write to stderr what it also returns as an error.
	if err := onnxruntime.InitializeEnvironment(onnxruntime.WithLogLevelFatal()); err != nil {
		return nil, fmt.Errorf("start ONNX Runtime %s at %s: %w", p.version, path, err)
	}
	return &Runtime{path: path, version: p.version, providers: p.providers}, nil
}

// Path returns the file that the library was loaded from, with symbolic links resolved.
func (r *Runtime) Path() string { return r.path }

// Version returns the library's version, as "1.30.0".
func (r *Runtime) Version() string { return r.version }

// Providers returns the execution providers that the library was built for, in alphabetical order. It always includes
// CPUExecutionProvider. Another provider may lack its libraries or devices; [Runtime.Load] checks that.
func (r *Runtime) Providers() []string { return slices.Clone(r.providers) }
