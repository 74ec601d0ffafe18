package figure

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// WriteFile calls draw to write a picture, and stores it at path. It creates the folder if necessary. The file appears
// complete or not at all, so a reader never sees a part of it. If there is an error, which names path, an older file is
// unchanged.
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
	defer os.Remove(f.Name()) // fails after the rename, which is expected
	if err := errors.Join(draw(f), f.Chmod(0o644), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
