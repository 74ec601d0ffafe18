package data

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// These are the four files of MNIST and similar datasets, in LeCun's idx format, with LeCun's names. idxFile knows the
// other names.
var idxFiles = map[Split]struct{ pictures, labels string }{
	Train: {"train-images-idx3-ubyte", "train-labels-idx1-ubyte"},
	Test:  {"t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"},
}

// loadIDX reads one part of a dataset from a folder of idx files. Labels may be missing.
func loadIDX(dir string, split Split) (*Images, error) {
	files := idxFiles[split]
	shape, pixels, err := readIDX(filepath.Join(dir, files.pictures), 3)
	if err != nil {
		return nil, err
	}
	m := &Images{Channels: 1, Height: shape[1], Width: shape[2], Pixels: pixels}
	_, labels, err := readIDX(filepath.Join(dir, files.labels), 1)
	switch {
	case errors.Is(err, errNoIDX):
		return m, nil
	case err != nil:
		return nil, err
	case len(labels) != shape[0]:
		return nil, fmt.Errorf("read %s: %d labels for %d pictures",
			filepath.Join(dir, files.labels), len(labels), shape[0])
	}
	m.Labels = labels
	return m, nil
}

// readIDX reads an array of bytes with the given number of axes from path, or from the file that idxFile finds for
// path.
func readIDX(path string, axes int) (shape []int, values []byte, err error) {
	found, err := idxFile(path)
	if err == nil {
		path = found
		shape, values, err = decodeIDXFile(path, axes)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read %s: %w", path, withoutPath(err))
	}
	return shape, values, nil
}

// errNoIDX is wrapped by the error for a file that exists under none of its names.
var errNoIDX = errors.New("it is not there")

// idxFile finds a file under one of its names: with a dot instead of the dash before idx, with .gz at the end, in a
// folder with the file's name, or with the name of one dataset in front, as in EMNIST.
func idxFile(path string) (string, error) {
	dotted := strings.Replace(path, "-idx", ".idx", 1)
	for _, name := range []string{path, dotted} {
		for _, candidate := range []string{name, name + ".gz", filepath.Join(name, filepath.Base(name))} {
			if info, err := os.Stat(candidate); err == nil && !info.IsDir() {
				return candidate, nil
			}
		}
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return "", err
	}
	var others []string
	for _, entry := range entries {
		name := entry.Name()
		plain := strings.Replace(strings.TrimSuffix(name, ".gz"), ".idx", "-idx", 1)
		if strings.HasSuffix(plain, "-"+filepath.Base(path)) && !hidden(name) && !entry.IsDir() {
			others = append(others, name)
		}
	}
	switch len(others) {
	case 0:
		return "", fmt.Errorf("%w, nor %s, nor either with .gz", errNoIDX, filepath.Base(dotted))
	case 1:
		return filepath.Join(filepath.Dir(path), others[0]), nil
	}
	return "", fmt.Errorf("it could be any of %s: keep the files of one dataset in a folder",
		strings.Join(others, ", "))
}

func decodeIDXFile(path string, axes int) (shape []int, values []byte, err error) {
	f, _, err := openRegular(path)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	var r io.Reader = bufio.NewReader(f)
	if start, _ := r.(*bufio.Reader).Peek(len(gzipMagic)); bytes.Equal(start, gzipMagic) {
		if r, err = gunzip(r); err != nil {
			return nil, nil, err
		}
	}
	return decodeIDX(r, axes)
}

// decodeIDX decodes an idx file: two zero bytes, the type of the elements (8: bytes), the number of axes, the length of
// each axis as a big-endian 32-bit number, and the elements.
func decodeIDX(r io.Reader, axes int) (shape []int, values []byte, err error) {
	head := make([]byte, 4+4*axes)
	_, err = io.ReadFull(r, head)
	short := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
	if err != nil && !short {
		return nil, nil, err
	}
	if short || !bytes.Equal(head[:4], []byte{0, 0, 8, byte(axes)}) {
		return nil, nil, fmt.Errorf("it is not an idx file of bytes with %d axes", axes)
	}
	const most = 1 << 31
	size := 1
	for i := range axes {
		n := int(binary.BigEndian.Uint32(head[4+4*i:]))
		if n < 1 || n > most/size {
			return nil, nil, fmt.Errorf("axis %d has length %d: want at least 1, and at most %d elements in all",
				i, n, most)
		}
		shape = append(shape, n)
		size *= n
	}
	values, err = io.ReadAll(io.LimitReader(r, int64(size)+1))
	switch {
	case err != nil:
		return nil, nil, err
	case len(values) > size:
		return nil, nil, fmt.Errorf("it has more than its %d elements of shape %v", size, shape)
	case len(values) < size:
		return nil, nil, fmt.Errorf("it has %d elements, shape %v needs %d", len(values), shape, size)
	}
	return shape, values, nil
}

// withoutPath removes the path from an error whose caller names it.
func withoutPath(err error) error {
	var at *fs.PathError
	if errors.As(err, &at) {
		return at.Err
	}
	return err
}
