package modelstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/langevin-ml/langevin/internal/wholefile"
)

// folder is a store in a folder of this machine, such as a network file system.
type folder struct{ path string }

func (f folder) list(context.Context) ([]object, error) {
	root := f.path
	only := ""
	if before, file, ok := lastThree(filepath.ToSlash(f.path)); ok {
		root, only = before, file
	}
	if info, err := os.Stat(root); err != nil || !info.IsDir() {
		return nil, fmt.Errorf("%s is no folder that can be read: %w", root, errors.Join(err))
	}
	var all []object
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		below, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		name := filepath.ToSlash(below)
		if !isPlace(name) || only != "" && name != only {
			return nil
		}
		info, err := os.Stat(path) // what a link leads to
		if err != nil {
			return err
		}
		all = append(all, object{path: name, size: info.Size(), key: path,
			tag: fmt.Sprintf("%d-%d", info.ModTime().UnixNano(), info.Size())})
		return nil
	})
	return all, err
}

func (f folder) read(_ context.Context, o object) (io.ReadCloser, error) { return os.Open(o.key) }

func (f folder) write(_ context.Context, files []File) (string, error) {
	for _, file := range files {
		if err := file.copyTo(filepath.Join(f.path, filepath.FromSlash(file.place()))); err != nil {
			return "", err
		}
	}
	return "", nil
}

// copyTo writes the file to a path whose folders need not be there.
func (f File) copyTo(path string) error {
	from, err := f.open()
	if err != nil {
		return err
	}
	defer from.Close()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return wholefile.Write(path, func(w io.Writer) error { _, err := io.Copy(w, from); return err })
}
