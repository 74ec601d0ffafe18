package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/langevin-ml/langevin/client"
)

// output writes a result in the format that the ending of a file's name stands for.
type output struct {
	path    string
	picture bool // needs a model whose samples can be drawn
	moving  bool // needs previews
	write   func(io.Writer, *client.Result, client.Model) error
}

func newOutput(path string) (output, error) {
	o := output{path: path}
	switch strings.ToLower(filepath.Ext(path)) {
	case ".csv":
		o.write = func(w io.Writer, r *client.Result, _ client.Model) error { return writeCSV(w, r.Batch) }
	case ".npy":
		o.write = func(w io.Writer, r *client.Result, _ client.Model) error { return writeNPY(w, r.Batch) }
	case ".png":
		o.picture, o.write = true, writePNG
	case ".gif":
		o.picture, o.moving, o.write = true, true, writeGIF
	default:
		return output{}, usagef("--out is %s: want a name that ends in .csv, .npy, .png or .gif", quoted(path))
	}
	return o, nil
}

// pendingFile is a file being written beside the name that it takes once it is whole. It is made before long work
// begins, so that a folder which cannot be written to shows at once.
type pendingFile struct {
	path string
	file *os.File
}

func makeFolder(path string) error {
	if err := os.MkdirAll(path, 0o755); err != nil {
		return fmt.Errorf("make folder %s: %w", path, withoutPath(err))
	}
	return nil
}

func createFile(path string) (*pendingFile, error) {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return nil, fmt.Errorf("write %s: it is a folder", path)
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return nil, fmt.Errorf("write %s: %w", path, withoutPath(err))
	}
	return &pendingFile{path, f}, nil
}

// withoutPath is the cause of a failed file operation; the name of the temporary file would only confuse.
func withoutPath(err error) error {
	if failed := (*fs.PathError)(nil); errors.As(err, &failed) {
		return failed.Err
	}
	return err
}

// commit writes the file and gives it its name.
func (f *pendingFile) commit(write func(io.Writer) error) error {
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

// commitBytes is commit of a content that is at hand.
func (f *pendingFile) commitBytes(content []byte) error {
	return f.commit(func(w io.Writer) error { _, err := w.Write(content); return err })
}

// discard removes what was not committed.
func (f *pendingFile) discard() {
	_ = f.file.Close()
	_ = os.Remove(f.file.Name())
}
