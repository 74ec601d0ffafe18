package data

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

// Array is what a file in NumPy's array format holds.
type Array struct {
	Shape  []int
	Kind   string // of the elements, as NumPy has it: <f4, <f8, |b1 or |u1
	Values []float32
}

// Floats says whether the elements are numbers with a fraction.
func (a Array) Floats() bool { return a.Kind == "<f4" || a.Kind == "<f8" }

// ReadNPY reads an array of float32, float64, uint8 or bool, row-major, all of it as float32.
func ReadNPY(path string) (Array, error) {
	f, err := os.Open(path)
	if err != nil {
		return Array{}, fmt.Errorf("read %s: %w", path, withoutPath(err))
	}
	defer f.Close()
	a, err := DecodeNPY(f)
	if err != nil {
		return Array{}, fmt.Errorf("read %s: %w", path, withoutPath(err))
	}
	return a, nil
}

// DecodeNPY is ReadNPY of what a file holds; the error does not say whose.
func DecodeNPY(r io.Reader) (Array, error) {
	header, err := npyHeader(r)
	if err != nil {
		return Array{}, err
	}
	a, elements, err := parseHeader(header)
	if err != nil {
		return Array{}, err
	}
	size := elementSize(a.Kind)
	data, err := io.ReadAll(io.LimitReader(r, int64(elements*size)+1))
	if err != nil {
		return Array{}, err
	}
	if len(data) < elements*size {
		return Array{}, fmt.Errorf("the file is cut short: %d bytes where shape %v needs %d", len(data), a.Shape, elements*size)
	}
	if len(data) > elements*size {
		return Array{}, fmt.Errorf("the file goes on after its %d elements", elements)
	}
	a.Values = make([]float32, elements)
	for i := range a.Values {
		a.Values[i] = element(a.Kind, data[i*size:])
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
func parseHeader(header string) (a Array, elements int, err error) {
	fields := regexp.MustCompile(`'(descr|fortran_order|shape)': *('[^']*'|True|False|\([0-9, ]*\))`).FindAllStringSubmatch(header, -1)
	field := map[string]string{}
	for _, f := range fields {
		field[f[1]] = strings.Trim(f[2], "'()")
	}
	if len(field) != 3 {
		return Array{}, 0, fmt.Errorf("it holds no plain array: %.100s", strings.TrimSpace(header))
	}
	a.Kind = field["descr"]
	if elementSize(a.Kind) == 0 {
		return Array{}, 0, fmt.Errorf("its elements are %s: want float32, float64, uint8 or bool, little-endian", a.Kind)
	}
	if field["fortran_order"] != "False" {
		return Array{}, 0, errors.New("its columns come first: want it row-major, as numpy.ascontiguousarray makes it")
	}
	elements = 1
	for _, text := range strings.FieldsFunc(field["shape"], func(r rune) bool { return r == ',' || r == ' ' }) {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > math.MaxInt32/elements {
			return Array{}, 0, fmt.Errorf("its shape is (%s): want axes of at least 1 and at most %d elements", field["shape"], math.MaxInt32)
		}
		a.Shape = append(a.Shape, n)
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

// arrayKind is a file of an array.
type arrayKind struct{}

func (arrayKind) keys(string) []string {
	return []string{"dir", "random_flip", "dequantization", "transform"}
}

func (arrayKind) check(c Config, bad *mistakes) {
	bad.require(c.Dir != "", "data.dir is empty: want the path of a .npy file")
	bad.levels(c)
}

func (arrayKind) describe(c Config) string { return pictureKind{}.describe(c) }

// open reads the file. Every tenth row is of the test part.
func (arrayKind) open(c Config, split Split, seed uint64) (Source, error) {
	a, err := ReadNPY(c.Dir)
	if err == nil && (len(a.Shape) < 2 || a.Shape[0] < 10) {
		err = fmt.Errorf("read %s: its shape is %v: want [rows, ...], at least 10 rows", c.Dir, a.Shape)
	}
	if err != nil {
		return nil, fmt.Errorf("data.dir: %w", err)
	}
	rows := a.part(split)
	if a.Kind == "|u1" {
		images, err := rows.images()
		if err != nil {
			return nil, fmt.Errorf("data.dir: read %s: %w", c.Dir, err)
		}
		return newPictures(images, c, seed), nil
	}
	if len(c.given()) > 1 {
		return nil, fmt.Errorf("data.dir: %s holds %s, which are no pictures: want data.random_flip, dequantization and transform absent", c.Dir, a.Kind)
	}
	return &table{Array: rows, name: c.String(), order: deal{rows: rows.Shape[0], seed: seed}}, nil
}

// part is the rows of a split.
func (a Array) part(split Split) Array {
	size := len(a.Values) / a.Shape[0]
	rows := Array{Kind: a.Kind, Shape: append([]int{0}, a.Shape[1:]...)}
	for i := range a.Shape[0] {
		if (i%10 == 9) == (split == Test) {
			rows.Shape[0]++
			rows.Values = append(rows.Values, a.Values[i*size:(i+1)*size]...)
		}
	}
	return rows
}

// images takes bytes, [N, H, W] or [N, C, H, W], for pictures.
func (a Array) images() (*Images, error) {
	shape := a.Shape[1:]
	if len(shape) == 2 {
		shape = append([]int{1}, shape...)
	}
	if len(shape) != 3 {
		return nil, fmt.Errorf("its shape is %v: want pictures of bytes as [rows, channels, height, width] or [rows, height, width]", a.Shape)
	}
	m := &Images{Channels: shape[0], Height: shape[1], Width: shape[2], Pixels: make([]byte, len(a.Values))}
	for i, v := range a.Values {
		m.Pixels[i] = byte(v)
	}
	return m, nil
}

// table is a Source of the rows of an array as they are.
type table struct {
	Array
	name  string
	order deal
}

func (t *table) Name() string { return t.name }

func (t *table) Shape() []int { return t.Array.Shape[1:] }

func (t *table) Read(x []float32, first uint64) error {
	size := len(t.Values) / t.Array.Shape[0]
	for ; len(x) > 0; x, first = x[size:], first+1 {
		i := t.order.pick(first)
		copy(x, t.Values[i*size:(i+1)*size])
	}
	return nil
}
