package figure

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// WriteFile has draw write a picture and puts it at path, whose folder is made if need be. The file appears complete or
// not at all: a reader never sees half of it, and an error, which names path, leaves an older file as it was.
func WriteFile(path string, draw func(w io.Writer) error) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("write %s: %w", path, err)
		}
	}()
	folder := filepath.Dir(path)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(folder, "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // fails after the rename, as it should
	if err := errors.Join(draw(f), f.Chmod(0o644), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
