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

// Pending is a file that is written under another name until it is complete. Create it before long work begins, so that
// a folder without permission to write shows at once.
type Pending struct {
	path string
	file *os.File
}

// Create begins a file, whose folder must be there. The caller has to call Discard when it is done.
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

// Commit calls write for the content, brings it to the disk, and gives the file its name. An older file of that name is
// replaced at once. After an error, which names the path, it is as it was.
func (f *Pending) Commit(write func(io.Writer) error) error {
	buffered := bufio.NewWriter(f.file)
	err := write(buffered)
	if err == nil {
		err = buffered.Flush()
	}
	if err == nil {
		err = errors.Join(f.file.Chmod(0o644), f.file.Sync(), f.file.Close())
	}
	if err == nil {
		err = os.Rename(f.file.Name(), f.path)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", f.path, err)
	}
	return nil
}

// CommitBytes is Commit of a content that is in memory.
func (f *Pending) CommitBytes(content []byte) error {
	return f.Commit(func(w io.Writer) error { _, err := w.Write(content); return err })
}

// Discard removes the file if it was not committed.
func (f *Pending) Discard() {
	_ = f.file.Close()
	_ = os.Remove(f.file.Name())
}

// Write creates and commits a file. It makes the folder if there is none.
func Write(path string, write func(io.Writer) error) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	f, err := Create(path)
	if err != nil {
		return err
	}
	defer f.Discard()
	return f.Commit(write)
}

// WriteBytes is Write of a content that is in memory.
func WriteBytes(path string, content []byte) error {
	return Write(path, func(w io.Writer) error { _, err := w.Write(content); return err })
}

// MakeFolder makes a folder and those above it, as far as they are not there.
func MakeFolder(path string) error {
	if err := os.MkdirAll(path, 0o755); err != nil {
		return fmt.Errorf("make folder %s: %w", path, Cause(err))
	}
	return nil
}

// Cause returns why a file operation failed, without the name of the file, which may be a temporary one.
func Cause(err error) error {
	if failed := (*fs.PathError)(nil); errors.As(err, &failed) {
		return failed.Err
	}
	return err
}
