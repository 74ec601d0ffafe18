// Package wholefile writes files that appear under their name only when they are complete.
//
// Until then a file is called .NAME.NUMBER.part, in the same folder, and locked. A process that is killed leaves it
// behind; the next one that writes the same file removes it.
package wholefile

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/langevin-ml/langevin/internal/filelock"
)

// Pending is a file that is written under another name until it is complete. Create it before long work begins, so that
// a folder without permission to write shows at once.
type Pending struct {
	path string
	file *os.File
}

// Create begins a file, whose folder must be there. The caller has to call Discard when it is done.
func Create(path string) (*Pending, error) { return createIn(filepath.Dir(path), path) }

// createIn begins a file in a folder, which Commit moves to path.
func createIn(folder, path string) (*Pending, error) {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return nil, fmt.Errorf("write %s: it is a folder", path)
	}
	removeStale(folder, filepath.Base(path))
	f, err := createPart(folder, path)
	if err != nil {
		return nil, fmt.Errorf("write %s: %w", path, Cause(err))
	}
	return &Pending{path, f}, nil
}

// createPart makes the file in a folder that becomes path, and locks it.
func createPart(folder, path string) (*os.File, error) {
	for {
		f, err := os.CreateTemp(folder, "."+filepath.Base(path)+".*.part")
		if err != nil {
			return nil, err
		}
		ours, err := filelock.Try(f)
		if ours {
			return f, nil
		}
		// Another process may have taken it for a stale one, before it was locked.
		_, _ = f.Close(), os.Remove(f.Name())
		if err != nil && !errors.Is(err, filelock.ErrTaken) {
			return nil, err
		}
	}
}

// Commit calls write for the content, brings it to the disk, and gives the file its name. An older file of that name is
// replaced at once. After an error, which names the path, it is as it was, unless the disk itself is broken.
func (f *Pending) Commit(write func(io.Writer) error) error {
	buffered := bufio.NewWriter(f.file)
	err := write(buffered)
	if err == nil {
		err = buffered.Flush()
	}
	if err == nil {
		err = f.name()
	}
	if err == nil {
		err = f.file.Close()
	}
	if err != nil {
		return f.failed(err)
	}
	return nil
}

// failed names the path in an error, and not the name that the file has until it is complete.
func (f *Pending) failed(err error) error { return fmt.Errorf("write %s: %w", f.path, Cause(err)) }

// name brings the content and then the name to the disk.
func (f *Pending) name() error {
	if err := errors.Join(f.file.Chmod(0o644), f.file.Sync()); err != nil {
		return err
	}
	if err := os.Rename(f.file.Name(), f.path); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(f.path))
}

// syncFolder brings the names in a folder to the disk. Not every file system can do that.
func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	defer folder.Close()
	if err := folder.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	return nil
}

// CommitOrRescue is Commit of a content that was long in the making. If it cannot be written, for example because the
// disk is full, the content is written to a new file in the folder for temporary files, which the error then names.
func (f *Pending) CommitOrRescue(write func(io.Writer) error) error {
	err := f.Commit(write)
	if err == nil {
		return nil
	}
	f.Discard() // its part of the content may be what fills the disk
	extension := filepath.Ext(f.path)
	refuge := strings.TrimSuffix(filepath.Base(f.path), extension) + "-*" + extension
	if kept, failed := rescue(refuge, write); failed == nil {
		return fmt.Errorf("%w; the content is in %s instead", err, kept)
	}
	return err
}

// rescue writes a temporary file and returns its path.
func rescue(pattern string, write func(io.Writer) error) (path string, err error) {
	file, err := os.CreateTemp("", pattern)
	if err != nil {
		return "", err
	}
	buffered := bufio.NewWriter(file)
	err = write(buffered)
	if err = errors.Join(err, buffered.Flush(), file.Sync(), file.Close()); err != nil {
		_ = os.Remove(file.Name())
	}
	return file.Name(), err
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

// Check returns the error that writing a file would have now. It is for files that are written after long work. The
// folder need not be there, but it must be possible to make it.
func Check(path string) error {
	folder := filepath.Dir(path)
	if above := missing(folder); len(above) > 0 {
		folder = filepath.Dir(above[len(above)-1])
	}
	f, err := createIn(folder, path)
	if err == nil {
		f.Discard()
	}
	return err
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

// MakeFolderUndoably is [MakeFolder] for work that may come to nothing: undo removes those of the folders that it made
// which are empty.
func MakeFolderUndoably(path string) (undo func(), err error) {
	made := missing(path)
	undo = func() {
		for _, folder := range made {
			_ = os.Remove(folder) // fails if something is in it
		}
	}
	if err := MakeFolder(path); err != nil {
		undo()
		return nil, err
	}
	return undo, nil
}

// missing returns a folder and those above it, as far as they are not there, the deepest first.
func missing(path string) []string {
	var all []string
	for folder := filepath.Clean(path); ; folder = filepath.Dir(folder) {
		if _, err := os.Lstat(folder); !errors.Is(err, fs.ErrNotExist) {
			return all
		}
		all = append(all, folder)
	}
}

// Cause returns why a file operation failed, without the name of the file, which may be a temporary one.
func Cause(err error) error {
	if failed := (*fs.PathError)(nil); errors.As(err, &failed) {
		return failed.Err
	}
	if failed := (*os.LinkError)(nil); errors.As(err, &failed) { // of renaming
		return failed.Err
	}
	return err
}
