package data

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// The four files of MNIST and its kin, in LeCun's idx format, each of which may end in .gz and be compressed.
var idxFiles = map[Split]struct{ pictures, labels string }{
	Train: {"train-images-idx3-ubyte", "train-labels-idx1-ubyte"},
	Test:  {"t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"},
}

// loadIDX reads one part of a dataset from a folder of idx files.
func loadIDX(dir string, split Split) (*Images, error) {
	files := idxFiles[split]
	shape, pixels, err := readIDX(filepath.Join(dir, files.pictures), 3)
	if err != nil {
		return nil, err
	}
	_, labels, err := readIDX(filepath.Join(dir, files.labels), 1)
	if err != nil {
		return nil, err
	}
	if len(labels) != shape[0] {
		return nil, fmt.Errorf("read %s: %d labels for %d pictures", filepath.Join(dir, files.labels), len(labels), shape[0])
	}
	return &Images{Channels: 1, Height: shape[1], Width: shape[2], Pixels: pixels, Labels: labels}, nil
}

// readIDX reads an array of bytes with the given number of axes from path, or from path.gz.
func readIDX(path string, axes int) (shape []int, values []byte, err error) {
	text, path, err := readMaybeZipped(path)
	if err == nil {
		shape, values, err = decodeIDX(text, axes)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read %s: %w", path, withoutPath(err))
	}
	return shape, values, nil
}

// decodeIDX takes an idx file apart: two zero bytes, the type of the elements (8: bytes), the number of axes, the
// length of each axis as a big-endian 32-bit number, the elements.
func decodeIDX(text []byte, axes int) (shape []int, values []byte, err error) {
	start := 4 + 4*axes
	if len(text) < start || !bytes.Equal(text[:4], []byte{0, 0, 8, byte(axes)}) {
		return nil, nil, fmt.Errorf("it is no idx file of bytes with %d axes", axes)
	}
	const most = 1 << 31
	size := 1
	for i := range axes {
		n := int(binary.BigEndian.Uint32(text[4+4*i:]))
		if n < 1 || n > most/size {
			return nil, nil, fmt.Errorf("axis %d has length %d: want at least 1, and at most %d elements in all", i, n, most)
		}
		shape = append(shape, n)
		size *= n
	}
	if values = text[start:]; len(values) != size {
		return nil, nil, fmt.Errorf("it has %d elements, shape %v needs %d", len(values), shape, size)
	}
	return shape, values, nil
}

// readMaybeZipped reads a file, or the one of that name and .gz if there is none, and says which.
func readMaybeZipped(path string) (text []byte, found string, err error) {
	text, err = os.ReadFile(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return text, path, err
	}
	f, zippedErr := os.Open(path + ".gz")
	if errors.Is(zippedErr, fs.ErrNotExist) {
		return nil, path, fmt.Errorf("neither it nor %s.gz is there", filepath.Base(path))
	}
	path += ".gz"
	if zippedErr != nil {
		return nil, path, zippedErr
	}
	defer f.Close()
	unzipped, err := gzip.NewReader(bufio.NewReader(f))
	if err != nil {
		return nil, path, err
	}
	text, err = io.ReadAll(unzipped)
	return text, path, err
}

// withoutPath takes a path out of an error that is about to name it.
func withoutPath(err error) error {
	var at *fs.PathError
	if errors.As(err, &at) {
		return at.Err
	}
	return err
}
