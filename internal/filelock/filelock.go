// Package filelock locks files, so that only one process at a time works on what they stand for. The kernel releases a
// lock when its process ends, however it ends. On a file system that has no locks, every attempt to lock succeeds.
package filelock

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// ErrTaken is wrapped by the error for a lock that another process has, or another part of this one.
var ErrTaken = errors.New("the lock is taken")

// Lock is a lock on a file that exists for the lock only.
type Lock struct{ file *os.File }

// Take makes the file if it is not there, and locks it. It does not wait: if the lock is taken, it returns an error
// that wraps [ErrTaken]. The caller has to call Release.
func Take(path string) (*Lock, error) {
	for {
		f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
		if err != nil {
			return nil, fmt.Errorf("lock %s: %w", path, cause(err))
		}
		ours, err := Try(f)
		if ours {
			return &Lock{f}, nil
		}
		_ = f.Close()
		if err != nil {
			return nil, fmt.Errorf("lock %s: %w", path, cause(err))
		}
	}
}

// Release removes the file and unlocks it. Another process that waits to lock it makes a new one.
func (l *Lock) Release() {
	_ = os.Remove(l.file.Name())
	_ = l.file.Close()
}

// Try locks an open file until it is closed. It does not wait. The result is false if the file has lost its name in the
// meantime, since a lock on it would keep nobody away from the name. The error wraps [ErrTaken] if the lock is taken.
func Try(f *os.File) (bool, error) {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	switch {
	case errors.Is(err, syscall.EWOULDBLOCK):
		return false, ErrTaken
	case err != nil && !errors.Is(err, errors.ErrUnsupported) && !errors.Is(err, syscall.ENOLCK):
		return false, err
	}
	open, err := f.Stat()
	if err != nil {
		return false, err
	}
	named, err := os.Lstat(f.Name())
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil && os.SameFile(open, named), err
}

// cause returns why a file operation failed, without the name of the file.
func cause(err error) error {
	if failed := (*fs.PathError)(nil); errors.As(err, &failed) {
		return failed.Err
	}
	return err
}
