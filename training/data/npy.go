package data

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/x448/float16"
)

// npyMagic is the beginning of a file in NumPy's array format.
const npyMagic = "\x93NUMPY"

// unknownSize is the size of a file that must be read to its end.
const unknownSize = -1

// DecodeNPY reads one array in NumPy's format, versions 1 to 3, up to the end of r. It reads numbers of every size and
// byte order of NumPy, except complex and extended ones, and booleans. The error does not name a file.
func DecodeNPY(r io.Reader) (Array, error) { return decodeNPY(r, unknownSize, decoder{}) }

// decodeNPY is DecodeNPY for a file of known size. It compares the header with the size before it allocates memory.
func decodeNPY(r io.Reader, size int64, d decoder) (Array, error) {
	header, length, err := npyHeader(r)
	if err != nil {
		return Array{}, err
	}
	h, err := parseHeader(header)
	if err != nil {
		return Array{}, err
	}
	room := min(h.elements, 1<<20) // if the size is unknown, the slice grows with the file
	if size != unknownSize {
		if err := h.fits(size - int64(length)); err != nil {
			return Array{}, err
		}
		room = h.elements
	}
	values, err := h.read(r, room, d.gaps)
	if err != nil {
		return Array{}, err
	}
	if h.fortran && len(h.shape) > 1 {
		values = rowMajor(values, h.shape)
	}
	return Array{Shape: h.shape, Kind: h.kind, Values: values}, nil
}

var errNoNPY = errors.New("it is not in NumPy's array format, as numpy.save writes it")

// npyHeader reads the magic bytes, the version, the length of the dictionary, and the dictionary, which is in Python.
func npyHeader(r io.Reader) (header string, length int, err error) {
	var start [8]byte
	_, err = io.ReadFull(r, start[:])
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return "", 0, err
	}
	if string(start[:6]) != npyMagic {
		return "", 0, errNoNPY
	}
	if start[6] < 1 || start[6] > 3 {
		return "", 0, fmt.Errorf("it is version %d of NumPy's array format: want 1, 2 or 3", start[6])
	}
	digits := make([]byte, 4)
	if start[6] == 1 {
		digits = digits[:2]
	}
	if _, err := io.ReadFull(r, digits); err != nil {
		return "", 0, errNoNPY
	}
	n := binary.LittleEndian.Uint32(append(slices.Clone(digits), 0, 0)[:4])
	const most = 1 << 16 // the headers of plain arrays have about a hundred bytes
	if n > most {
		return "", 0, errNoNPY
	}
	text := make([]byte, n)
	if _, err := io.ReadFull(r, text); err != nil {
		return "", 0, errNoNPY
	}
	return string(text), len(start) + len(digits) + int(n), nil
}

// npyFile is the content of a header.
type npyFile struct {
	kind     string
	element  element
	fortran  bool // the first axis varies fastest
	shape    []int
	elements int
}

// headerField matches a key of the dictionary and its value, as Python 2 and 3 write them.
var headerField = regexp.MustCompile(
	`['"](descr|fortran_order|shape)['"] *: *('[^']*'|"[^"]*"|True|False|\([0-9L, ]*\))`)

// parseHeader reads {'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }.
func parseHeader(header string) (npyFile, error) {
	field := map[string]string{}
	for _, f := range headerField.FindAllStringSubmatch(header, -1) {
		field[f[1]] = strings.Trim(f[2], `'"()`)
	}
	if len(field) != 3 {
		return npyFile{}, fmt.Errorf("it is not a plain array: %.100s", strings.TrimSpace(header))
	}
	h := npyFile{kind: field["descr"], fortran: field["fortran_order"] == "True", elements: 1}
	if h.element = elementOf(h.kind); h.element.size == 0 {
		return npyFile{}, fmt.Errorf("its elements are %s: want whole numbers, bools, or floats of 16, 32 or 64 bits%s",
			h.kind, elementHint(h.kind))
	}
	isSeparator := func(r rune) bool { return r == ',' || r == ' ' }
	for _, text := range strings.FieldsFunc(field["shape"], isSeparator) {
		n, err := strconv.Atoi(strings.TrimSuffix(text, "L"))
		if err != nil || n < 1 || n > mostElements/h.elements {
			return npyFile{}, fmt.Errorf("its shape is (%s): want axes of at least 1 and at most %d elements",
				field["shape"], mostElements)
		}
		h.shape = append(h.shape, n)
		h.elements *= n
	}
	return h, nil
}

// elementHint says what elements are that no number can be read from, and how to save them.
func elementHint(kind string) string {
	switch strings.Trim(kind, "<>|=0123456789") {
	case "O":
		return "; these are Python objects, which x.astype(float) may convert"
	case "U", "S":
		return "; these are texts, which a table in CSV may have"
	}
	return ""
}

// fits returns an error unless the file has the bytes that its elements need.
func (h npyFile) fits(has int64) error {
	needs := int64(h.elements) * int64(h.element.size)
	switch {
	case has < needs:
		return fmt.Errorf("the file is cut short: %d bytes where shape %v needs %d", has, h.shape, needs)
	case has > needs:
		return fmt.Errorf("the file has more than its %d elements", h.elements)
	}
	return nil
}

// read reads the elements in the order of the file. It allocates memory for room elements at once. NaN is an error
// unless gaps.
func (h npyFile) read(r io.Reader, room int, gaps bool) ([]float32, error) {
	size := h.element.size
	values := make([]float32, 0, room)
	chunk := make([]byte, (1<<16)/size*size)
	for len(values) < h.elements {
		n, err := io.ReadFull(r, chunk[:min(len(chunk), (h.elements-len(values))*size)])
		if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
			return nil, err
		}
		if err != nil {
			return nil, h.fits(int64(len(values)*size + n))
		}
		for b := chunk[:n]; len(b) > 0; b = b[size:] {
			v := h.element.value(b)
			if v-v != 0 && !(gaps && math.IsNaN(float64(v))) { // not finite
				return nil, unfit("element "+h.place(len(values)), h.element.exact(b))
			}
			values = append(values, v)
		}
	}
	n, err := io.ReadFull(r, chunk[:1])
	if n > 0 {
		return nil, h.fits(math.MaxInt64)
	}
	if !errors.Is(err, io.EOF) {
		return nil, err
	}
	return values, nil
}

// place returns the index of element i of the file, as NumPy counts: "[3, 0], counted from 0,".
func (h npyFile) place(i int) string {
	index := make([]string, len(h.shape))
	for at := range h.shape {
		k := len(h.shape) - 1 - at
		if h.fortran {
			k = at
		}
		index[k] = strconv.Itoa(i % h.shape[k])
		i /= h.shape[k]
	}
	return "[" + strings.Join(index, ", ") + "], counted from 0,"
}

// rowMajor reorders an array whose first axis varies fastest.
func rowMajor(values []float32, shape []int) []float32 {
	reversed := slices.Clone(shape)
	slices.Reverse(reversed)
	order := make([]int, len(shape))
	for k := range order {
		order[k] = len(shape) - 1 - k
	}
	return transposed(values, reversed, order)
}

// element describes how a number is stored.
type element struct {
	size  int // bytes; 0 if this program cannot read it
	value func(b []byte) float32
	exact func(b []byte) float64 // of a float
}

// elementOf returns the element with NumPy's name, such as <f4: the byte order, the type, and the size.
func elementOf(kind string) element {
	var order binary.ByteOrder = binary.LittleEndian
	name := strings.TrimLeft(kind, "<>|=")
	if len(kind)-len(name) > 1 {
		return element{}
	}
	if strings.HasPrefix(kind, ">") {
		order = binary.BigEndian
	}
	if strings.HasPrefix(name, "f") {
		return floatOf(name, order)
	}
	switch name {
	case "b1", "u1":
		return element{size: 1, value: func(b []byte) float32 { return float32(b[0]) }}
	case "i1":
		return element{size: 1, value: func(b []byte) float32 { return float32(int8(b[0])) }}
	case "u2":
		return element{size: 2, value: func(b []byte) float32 { return float32(order.Uint16(b)) }}
	case "i2":
		return element{size: 2, value: func(b []byte) float32 { return float32(int16(order.Uint16(b))) }}
	case "u4":
		return element{size: 4, value: func(b []byte) float32 { return float32(order.Uint32(b)) }}
	case "i4":
		return element{size: 4, value: func(b []byte) float32 { return float32(int32(order.Uint32(b))) }}
	case "u8":
		return element{size: 8, value: func(b []byte) float32 { return float32(order.Uint64(b)) }}
	case "i8":
		return element{size: 8, value: func(b []byte) float32 { return float32(int64(order.Uint64(b))) }}
	}
	return element{}
}

func floatOf(name string, order binary.ByteOrder) element {
	e := element{}
	switch name {
	case "f2":
		e.size, e.value = 2, func(b []byte) float32 { return float16.Frombits(order.Uint16(b)).Float32() }
	case "f4":
		e.size, e.value = 4, func(b []byte) float32 { return math.Float32frombits(order.Uint32(b)) }
	case "f8":
		e.exact = func(b []byte) float64 { return math.Float64frombits(order.Uint64(b)) }
		e.size, e.value = 8, func(b []byte) float32 { return float32(e.exact(b)) }
	}
	if e.exact == nil {
		e.exact = func(b []byte) float64 { return float64(e.value(b)) }
	}
	return e
}
