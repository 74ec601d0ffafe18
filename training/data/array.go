package data

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"image"
	"io"
	"math"
	"os"
	"strings"
)

// Array is an array of finite numbers from a file. One that is read as a table may have NaN.
type Array struct {
	Shape  []int
	Kind   string    // NumPy's name of the element type, such as <f4 or |u1; "text" for a text file
	Values []float32 // row-major, whatever the order in the file
	Note   string    // a line that tells the user how the file was read; mostly empty
}

// kindText is the Kind of a text file.
const kindText = "text"

// mostElements is the largest number of elements in an array.
const mostElements = math.MaxInt32

// Bytes reports whether the elements are unsigned bytes, the type of pictures.
func (a Array) Bytes() bool { return strings.HasSuffix(a.Kind, "u1") }

// Numbers reports whether the elements are numbers to be used without conversion: neither bytes of pictures nor
// booleans.
func (a Array) Numbers() bool { return !a.Bytes() && !strings.HasSuffix(a.Kind, "b1") }

// Text reports whether the elements come from a text file. The rows of a text file have no shape, only a length.
func (a Array) Text() bool { return a.Kind == kindText }

// size returns the number of elements in a row.
func (a Array) size() int { return len(a.Values) / a.Shape[0] }

// ReadArray reads a file. The content of the file decides its format: NumPy's .npy; one array of NumPy's .npz, selected
// by "file.npz:name" if there are several; or text with one row per line, as numpy.savetxt, pandas and Excel write it.
// All formats but .npz may be compressed with gzip. A number that is not finite or does not fit float32 is an error
// that names the place.
func ReadArray(path string) (Array, error) {
	file, member := splitMember(path)
	a, err := readArray(file, member, decoder{text: decodeText})
	if err != nil {
		return Array{}, fmt.Errorf("read %s: %w", path, withoutPath(err))
	}
	return a, nil
}

// DecodeArray is [ReadArray] of an input that can only be read from its beginning to its end, which excludes .npz. name
// is what errors call it.
func DecodeArray(name string, input io.Reader) (Array, error) {
	r := bufio.NewReaderSize(input, 1<<16)
	a, err := decodeUnsized(r, decoder{text: decodeText})
	if err != nil {
		return Array{}, fmt.Errorf("read %s: %w", name, withoutPath(err))
	}
	return a, nil
}

// decoder knows what differs between arrays and tables.
type decoder struct {
	text func(r io.Reader) (Array, error) // reads a text file
	gaps bool                             // NaN in .npy is an empty place, and no error
}

// decodeUnsized reads .npy or text, which may be compressed, from an input of unknown size.
func decodeUnsized(r *bufio.Reader, d decoder) (Array, error) {
	start, err := r.Peek(4)
	switch {
	case len(start) == 0 && errors.Is(err, io.EOF):
		return Array{}, errors.New("it is empty")
	case bytes.HasPrefix(start, []byte("PK\x03\x04")):
		return Array{}, errors.New("it is a .npz file, which can only be read under its name")
	case bytes.HasPrefix(start, gzipMagic):
		unzipped, err := gunzip(r)
		if err != nil {
			return Array{}, err
		}
		return decodeArray(bufio.NewReaderSize(unzipped, 1<<16), unknownSize, d)
	}
	return decodeArray(r, unknownSize, d)
}

// splitMember splits "train.npz:x" into file and member. If a file has the whole name, it takes precedence.
func splitMember(path string) (file, member string) {
	const end = ".npz"
	at := strings.LastIndex(strings.ToLower(path), end+":")
	if _, err := os.Stat(path); err == nil || at < 0 {
		return path, ""
	}
	return path[:at+len(end)], path[at+len(end)+1:]
}

func readArray(path, member string, d decoder) (Array, error) {
	f, size, err := openRegular(path)
	if err != nil {
		return Array{}, err
	}
	defer f.Close()
	r := bufio.NewReaderSize(f, 1<<16)
	start, err := r.Peek(8)
	switch {
	case len(start) == 0 && err != nil && !errors.Is(err, io.EOF):
		return Array{}, err
	case len(start) == 0:
		return Array{}, errors.New("it is empty")
	case bytes.HasPrefix(start, []byte("PK\x03\x04")) || bytes.HasPrefix(start, []byte("PK\x05\x06")):
		return readNPZ(f, size, member, d)
	case member != "":
		return Array{}, fmt.Errorf("it is not a .npz file, so it has no array %q", member)
	case bytes.HasPrefix(start, gzipMagic):
		return decodeUnsized(r, d)
	}
	return decodeArray(r, size, d)
}

// decodeArray reads .npy or text from a file of size bytes.
func decodeArray(r *bufio.Reader, size int64, d decoder) (Array, error) {
	start, _ := r.Peek(512)
	switch {
	case bytes.HasPrefix(start, []byte(npyMagic)):
		return decodeNPY(r, size, d)
	case bytes.HasPrefix(start, []byte("\xff\xfe")) || bytes.HasPrefix(start, []byte("\xfe\xff")):
		return Array{}, errors.New("it is text in UTF-16: save it as UTF-8")
	case isPicture(start):
		return Array{}, errors.New("it is a single picture: want a folder of pictures, or an array of rows")
	case isJSON(start):
		return Array{}, errors.New("it is JSON: save it as CSV, as pandas.read_json(FILE).to_csv(OTHER, index=False) " +
			"does, with lines=True for an object a line")
	case bytes.HasPrefix(start, []byte("PAR1")):
		return Array{}, errors.New("it is a Parquet file: save it as CSV, as pandas.read_parquet(FILE).to_csv(OTHER, " +
			"index=False) does")
	case bytes.IndexByte(start, 0) >= 0 || bytes.HasPrefix(start, []byte("\x80")):
		return Array{}, errors.New("it is neither NumPy's .npy or .npz nor numbers as text")
	}
	return d.text(r)
}

// isPicture reports whether a file begins like a picture.
func isPicture(start []byte) bool {
	_, _, err := image.DecodeConfig(bytes.NewReader(start))
	return !errors.Is(err, image.ErrFormat)
}

// isJSON reports whether a text begins like JSON: with an object, or with an array of objects, arrays or texts.
func isJSON(start []byte) bool {
	rest, isArray := bytes.CutPrefix(bytes.TrimSpace(start), []byte("["))
	rest = bytes.TrimSpace(rest)
	return len(rest) > 0 && (rest[0] == '{' || isArray && strings.IndexByte(`["-0123456789`, rest[0]) >= 0)
}

// openRegular opens a file and returns its size. It refuses everything but regular files, because reading a pipe, for
// example, could block for ever.
func openRegular(path string) (*os.File, int64, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, 0, err
	}
	if info.IsDir() {
		return nil, 0, errors.New("is a directory")
	}
	if !info.Mode().IsRegular() {
		return nil, 0, errors.New("it is not a regular file")
	}
	f, err := os.Open(path)
	return f, info.Size(), err
}

// transposed returns an array whose axis k is axis order[k] of values.
func transposed(values []float32, shape, order []int) []float32 {
	strides := make([]int, len(shape))
	for k, stride := len(shape)-1, 1; k >= 0; k-- {
		strides[k], stride = stride, stride*shape[k]
	}
	to := make([]float32, len(values))
	index := make([]int, len(shape)) // of the new array
	from := 0
	for i := range to {
		to[i] = values[from]
		for k := len(order) - 1; k >= 0; k-- {
			axis := order[k]
			index[k]++
			from += strides[axis]
			if index[k] < shape[axis] {
				break
			}
			from -= index[k] * strides[axis]
			index[k] = 0
		}
	}
	return to
}

// unfit returns an error for a number that is not finite as float32; v is the number before the conversion.
func unfit(where string, v float64) error {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return fmt.Errorf("%s is %g: want finite numbers", where, v)
	}
	return fmt.Errorf("%s is %g, which does not fit float32: want at most %.2g in size", where, v, math.MaxFloat32)
}
