package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"regexp"
	"strconv"
	"strings"
)

// array is what a file in NumPy's array format holds.
type array struct {
	shape  []int
	kind   string // as NumPy has it: <f4, <f8, |b1 or |u1
	values []float32
}

// floats says whether the elements are numbers with a fraction.
func (a array) floats() bool { return a.kind == "<f4" || a.kind == "<f8" }

// readNPY reads an array of float32, float64, uint8 or bool, row-major, all of it as float32.
func readNPY(path string) (array, error) {
	f, err := os.Open(path)
	if err != nil {
		return array{}, fmt.Errorf("read %s: %w", path, withoutPath(err))
	}
	defer f.Close()
	a, err := decodeNPY(f)
	if err != nil {
		return array{}, fmt.Errorf("read %s: %w", path, withoutPath(err))
	}
	return a, nil
}

func decodeNPY(r io.Reader) (array, error) {
	header, err := npyHeader(r)
	if err != nil {
		return array{}, err
	}
	a, elements, err := parseHeader(header)
	if err != nil {
		return array{}, err
	}
	size := elementSize(a.kind)
	data, err := io.ReadAll(io.LimitReader(r, int64(elements*size)+1))
	if err != nil {
		return array{}, err
	}
	if len(data) < elements*size {
		return array{}, fmt.Errorf("the file is cut short: %d bytes where shape %v needs %d", len(data), a.shape, elements*size)
	}
	if len(data) > elements*size {
		return array{}, fmt.Errorf("the file goes on after its %d elements", elements)
	}
	a.values = make([]float32, elements)
	for i := range a.values {
		a.values[i] = element(a.kind, data[i*size:])
	}
	return a, nil
}

var errNoNPY = errors.New("it is not in NumPy's array format, as numpy.save writes it")

// npyHeader reads up to where the elements start: magic, version, and a Python dictionary of a length given before it.
func npyHeader(r io.Reader) (string, error) {
	var start [8]byte
	if _, err := io.ReadFull(r, start[:]); err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return "", err
	}
	if string(start[:6]) != "\x93NUMPY" {
		return "", errNoNPY
	}
	length := make([]byte, 4)
	if start[6] == 1 {
		length = length[:2]
	}
	if _, err := io.ReadFull(r, length); err != nil {
		return "", errNoNPY
	}
	n := binary.LittleEndian.Uint32(append(length, 0, 0)[:4])
	const most = 1 << 16 // the headers of plain arrays have some hundred bytes
	if n > most {
		return "", errNoNPY
	}
	header := make([]byte, n)
	if _, err := io.ReadFull(r, header); err != nil {
		return "", errNoNPY
	}
	return string(header), nil
}

// parseHeader reads {'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }.
func parseHeader(header string) (a array, elements int, err error) {
	fields := regexp.MustCompile(`'(descr|fortran_order|shape)': *('[^']*'|True|False|\([0-9, ]*\))`).FindAllStringSubmatch(header, -1)
	field := map[string]string{}
	for _, f := range fields {
		field[f[1]] = strings.Trim(f[2], "'()")
	}
	if len(field) != 3 {
		return array{}, 0, fmt.Errorf("it holds no plain array: %.100s", strings.TrimSpace(header))
	}
	a.kind = field["descr"]
	if elementSize(a.kind) == 0 {
		return array{}, 0, fmt.Errorf("its elements are %s: want float32, float64, uint8 or bool, little-endian", a.kind)
	}
	if field["fortran_order"] != "False" {
		return array{}, 0, errors.New("its columns come first: want it row-major, as numpy.ascontiguousarray makes it")
	}
	elements = 1
	for _, text := range strings.FieldsFunc(field["shape"], func(r rune) bool { return r == ',' || r == ' ' }) {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > math.MaxInt32/elements {
			return array{}, 0, fmt.Errorf("its shape is (%s): want axes of at least 1 and at most %d elements", field["shape"], math.MaxInt32)
		}
		a.shape = append(a.shape, n)
		elements *= n
	}
	return a, elements, nil
}

// elementSize is the bytes of an element; 0 if this program cannot read it.
func elementSize(kind string) int {
	switch kind {
	case "<f4":
		return 4
	case "<f8":
		return 8
	case "|b1", "|u1":
		return 1
	}
	return 0
}

func element(kind string, data []byte) float32 {
	switch kind {
	case "<f4":
		return math.Float32frombits(binary.LittleEndian.Uint32(data))
	case "<f8":
		return float32(math.Float64frombits(binary.LittleEndian.Uint64(data)))
	}
	return float32(data[0])
}
