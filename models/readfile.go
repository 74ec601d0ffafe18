package models

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// ReadFile reads a model file at any place. It refuses what is no regular file, a file that is larger than the rules
// allow and one of which large parts are missing, all before it reads them. Its errors do not name the file.
func (r Rules) ReadFile(path string) ([]byte, error) {
	return readCapped(os.DirFS(filepath.Dir(path)), filepath.Base(path), r.maxFileBytes())
}

// readCapped refuses anything but a regular file before it opens it, and a file that has more bytes than most, or
// holes, before it reads it. Its errors do not name the file.
func readCapped(files fs.FS, name string, most int64) ([]byte, error) {
	info, err := fs.Stat(files, name)
	if err != nil {
		return nil, withoutPath(err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("not a regular file")
	}
	if info.Size() > most {
		return nil, fmt.Errorf("file of %d bytes: want at most %d", info.Size(), most)
	}
	if holey(info) {
		return nil, fmt.Errorf("file of %d bytes, of which less than half is on the disk: was it copied to its end?",
			info.Size())
	}
	f, err := files.Open(name)
	if err != nil {
		return nil, withoutPath(err)
	}
	defer f.Close()
	data := make([]byte, info.Size())
	if _, err := io.ReadFull(f, data); err != nil {
		return nil, fmt.Errorf("file shrank while it was read: %w", withoutPath(err))
	}
	return data, nil
}

// holey reports whether less than half of a large file has a place on the disk. File systems that compress do not
// shorten weights by half, and small files may lie elsewhere.
func holey(info fs.FileInfo) bool {
	const small = 1 << 20
	bytes, known := bytesOnDisk(info)
	return known && info.Size() > small && bytes < info.Size()/2
}

// withoutPath removes the path, and the name of the system call, from an error whose caller names the file.
func withoutPath(err error) error {
	var at *fs.PathError
	if errors.As(err, &at) {
		return at.Err
	}
	return err
}
