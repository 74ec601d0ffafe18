// Package wholefile writes files that appear under their name only when they are complete.
package wholefile

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Pending is a file being written beside the name that it takes once it is whole. It is made before long work
// begins, so that a folder which cannot be written to shows at once.
type Pending struct {
	path string
	file *os.File
}

func MakeFolder(path string) error {
	if err := os.MkdirAll(path, 0o755); err != nil {
		return fmt.Errorf("make folder %s: %w", path, Cause(err))
	}
	return nil
}

func Create(path string) (*Pending, error) {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return nil, fmt.Errorf("write %s: it is a folder", path)
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return nil, fmt.Errorf("write %s: %w", path, Cause(err))
	}
	return &Pending{path, f}, nil
}

// Cause is the cause of a failed file operation; the name of the temporary file would only confuse.
func Cause(err error) error {
	if failed := (*fs.PathError)(nil); errors.As(err, &failed) {
		return failed.Err
	}
	return err
}

// Commit writes the file and gives it its name.
func (f *Pending) Commit(write func(io.Writer) error) error {
	buffered := bufio.NewWriter(f.file)
	err := write(buffered)
	if err == nil {
		err = buffered.Flush()
	}
	if err == nil {
		err = f.file.Chmod(0o644)
	}
	if err == nil {
		err = f.file.Close()
	}
	if err == nil {
		err = os.Rename(f.file.Name(), f.path)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", f.path, err)
	}
	return nil
}

// CommitBytes is commit of a content that is at hand.
func (f *Pending) CommitBytes(content []byte) error {
	return f.Commit(func(w io.Writer) error { _, err := w.Write(content); return err })
}

// Discard removes what was not committed.
func (f *Pending) Discard() {
	_ = f.file.Close()
	_ = os.Remove(f.file.Name())
}
