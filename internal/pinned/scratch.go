package pinned

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/langevin-ml/langevin/internal/filelock"
)

// scratchName begins the name of a folder to work in.
const scratchName = "fetch."

// MakeScratch makes a folder below another one to work in. It is locked until discard removes it, so that others can
// tell it from one that a killed process has left.
func MakeScratch(in string) (path string, discard func(), err error) {
	for {
		path, err := os.MkdirTemp(in, scratchName)
		if err != nil {
			return "", nil, err
		}
		f, err := os.Open(path)
		if errors.Is(err, fs.ErrNotExist) { // another process took it for one that was left
			continue
		}
		if err != nil {
			return "", nil, err
		}
		ours, err := filelock.Try(f)
		if ours {
			return path, func() { _ = os.RemoveAll(path); _ = f.Close() }, nil
		}
		_ = f.Close()
		if err != nil && !errors.Is(err, filelock.ErrTaken) {
			return "", nil, err
		}
	}
}

// RemoveStale removes the folders of [MakeScratch] in which killed processes worked. One that cannot be removed
// disturbs nobody.
func RemoveStale(in string) {
	left, err := filepath.Glob(filepath.Join(in, scratchName+"*"))
	if err != nil { // for a name with brackets
		return
	}
	for _, path := range left {
		f, err := os.Open(path)
		if err != nil {
			continue
		}
		if ours, _ := filelock.Try(f); ours {
			_ = os.RemoveAll(path)
		}
		_ = f.Close()
	}
}
