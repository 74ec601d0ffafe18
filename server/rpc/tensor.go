package rpc

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math"
	"slices"

	"github.com/langevin-ml/langevin/models"
	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
	"github.com/langevin-ml/langevin/sampling"
)

// encoder writes rows of one model in the format of a request.
type encoder struct {
	manifest models.Manifest
	format   langevinv1.TensorFormat
	shape    []int // of a row
}

// newEncoder returns an error if the model's samples do not have the format.
func newEncoder(m models.Manifest, format langevinv1.TensorFormat, bad *invalid) encoder {
	switch format {
	case langevinv1.TensorFormat_TENSOR_FORMAT_UNSPECIFIED:
		format = langevinv1.TensorFormat_TENSOR_FORMAT_RAW
	case langevinv1.TensorFormat_TENSOR_FORMAT_RAW, langevinv1.TensorFormat_TENSOR_FORMAT_FLOATS:
	case langevinv1.TensorFormat_TENSOR_FORMAT_PNG:
		if len(m.Shape) != 3 || m.Shape[0] != 1 && m.Shape[0] != 3 {
			bad.add("format", format,
				"raw or floats: %s has samples of shape %v, and PNG needs [1, height, width] or [3, height, width]",
				m.Name, m.Shape)
		}
	default:
		bad.add("format", format, "a TensorFormat that this server knows")
	}
	return encoder{m, format, m.RowShape()}
}

// samples returns rows of what the network sees as users see them.
func (e encoder) samples(x []float32) (*langevinv1.Tensor, error) {
	return e.tensor(decoded(e.manifest, x))
}

// decoded returns rows of what the network sees as users see them.
func decoded(m models.Manifest, x []float32) []float32 {
	if m.Columns == nil {
		return x
	}
	width, size := m.Dim(), m.RowDim()
	rows := make([]float32, len(x)/width*size)
	for i := range len(x) / width {
		m.Columns.Decode(rows[i*size:(i+1)*size], x[i*width:(i+1)*width])
	}
	return rows
}

// tensor returns rows of the encoder's shape.
func (e encoder) tensor(x []float32) (*langevinv1.Tensor, error) {
	dim := sizeOf(e.shape)
	t := &langevinv1.Tensor{Shape: []int64{int64(len(x) / dim)}}
	for _, n := range e.shape {
		t.Shape = append(t.Shape, int64(n))
	}
	switch e.format {
	case langevinv1.TensorFormat_TENSOR_FORMAT_FLOATS:
		t.Values = x
	case langevinv1.TensorFormat_TENSOR_FORMAT_PNG:
		for i := 0; i < len(x); i += dim {
			picture, err := e.png(x[i : i+dim])
			if err != nil {
				return nil, err
			}
			t.Png = append(t.Png, picture)
		}
	default:
		t.Data = make([]byte, 0, 4*len(x))
		for _, v := range x {
			t.Data = binary.LittleEndian.AppendUint32(t.Data, math.Float32bits(v))
		}
	}
	return t, nil
}

// png draws one sample of shape [channels, height, width], with values clamped to the model's range.
func (e encoder) png(x []float32) ([]byte, error) {
	channels, height, width := e.manifest.Shape[0], e.manifest.Shape[1], e.manifest.Shape[2]
	low, scale := e.manifest.Range.Low, 255/(e.manifest.Range.High-e.manifest.Range.Low)
	level := func(channel, i int) uint8 {
		v := (float64(x[channel*height*width+i]) - low) * scale
		return uint8(math.Round(min(max(v, 0), 255)))
	}
	picture := image.NewNRGBA(image.Rect(0, 0, width, height))
	for i := range height * width {
		c := color.NRGBA{R: level(0, i), A: 255}
		c.G, c.B = level(min(1, channels-1), i), level(channels-1, i)
		picture.SetNRGBA(i%width, i/width, c)
	}
	var out bytes.Buffer
	if err := png.Encode(&out, picture); err != nil {
		return nil, fmt.Errorf("encode png: %w", err)
	}
	return out.Bytes(), nil
}

// userRows are rows of a request. x is what the network sees of them, and given what the user sent: the same numbers
// for a model without columns.
type userRows struct{ x, given []float32 }

// rowsOf returns the rows of a request's tensor. All are finite and have the model's size. field names the tensor.
func rowsOf(t *langevinv1.Tensor, field string, m models.Manifest, maxRows int, bad *invalid) userRows {
	before := len(*bad)
	given := decodeRows(t, field, "samples of "+m.Name, m.RowShape(), maxRows, bad)
	if len(*bad) > before {
		return userRows{given, given}
	}
	x, err := m.Encode(given)
	if err != nil {
		*bad = append(*bad, &sampling.FieldError{Field: field, Cause: err})
		return userRows{}
	}
	return userRows{x, given}
}

// decodeRows returns the rows of a request's tensor, of the given shape. All are finite. field names the tensor, and
// what says what has this shape: "samples of ring".
func decodeRows(t *langevinv1.Tensor, field, what string, want []int, maxRows int, bad *invalid) []float32 {
	x := elementsOf(t, field, bad)
	dim := sizeOf(want)
	rows := len(x) / dim
	shape := t.GetShape()
	switch {
	case len(shape) > 1 && !shapeAgrees(shape[1:], want) && !shapeAgrees(shape[1:], []int{dim}): // rows may be flat
		bad.add(field+".shape", shape, "%v, for %s have shape %v",
			append([]int64{shape[0]}, int64s(want)...), what, want)
	case len(x) == 0 || len(x)%dim != 0:
		bad.add(field, fmt.Sprintf("%d elements", len(x)), "rows of %d elements: %s have shape %v", dim,
			what, want)
	case rows > maxRows:
		bad.add(field, fmt.Sprintf("%d rows", rows), "at most %d", maxRows)
	case len(shape) > 0 && (len(shape) < 2 || shape[0] != int64(rows)):
		bad.add(field+".shape", shape, "%v, or none", append([]int{rows}, want...))
	}
	for i, v := range x {
		if v-v != 0 {
			bad.add(field, fmt.Sprintf("%g at element %d", v, i), "finite numbers")
			break
		}
	}
	return x
}

// decodeElements returns the elements of a request's tensor, whose shape may be any that has as many. field names the
// tensor. No later reader of a request compares the two again.
func decodeElements(t *langevinv1.Tensor, field string, bad *invalid) []float32 {
	x := elementsOf(t, field, bad)
	if shape := t.GetShape(); len(shape) > 0 && len(x) > 0 && !holds(shape, len(x)) {
		bad.add(field+".shape", shape, "[%d], another shape of as many elements, or none", len(x))
	}
	return x
}

// holds reports whether a shape is one of the given number of elements.
func holds(shape []int64, elements int) bool {
	left := int64(elements)
	for _, n := range shape {
		if n < 1 || left%n != 0 {
			return false
		}
		left /= n
	}
	return left == 1
}

// decodeOne returns the elements of a tensor of the given shape, with or without a leading 1. what says what it is.
func decodeOne(t *langevinv1.Tensor, field, what string, want []int, bad *invalid) (x []float32, ok bool) {
	before := len(*bad)
	x = elementsOf(t, field, bad)
	switch shape := t.GetShape(); {
	case len(*bad) > before:
	case len(x) != sizeOf(want):
		bad.add(field, fmt.Sprintf("%d elements", len(x)), "%s, of shape %v", what, want)
	case !shapeAgrees(shape, want) && !shapeAgrees(shape, append([]int{1}, want...)):
		bad.add(field+".shape", shape, "%v, or none", want)
	}
	return x, len(*bad) == before
}

// elementsOf returns the elements of a request's tensor, in either form. It does not look at the shape.
func elementsOf(t *langevinv1.Tensor, field string, bad *invalid) []float32 {
	if len(t.GetPng()) > 0 || len(t.GetData()) > 0 && len(t.GetValues()) > 0 {
		bad.add(field, "more than one of data, values and png", "data or values")
		return nil
	}
	raw := t.GetData()
	if len(raw) == 0 {
		return t.GetValues()
	}
	if len(raw)%4 != 0 {
		bad.add(field+".data", fmt.Sprintf("%d bytes", len(raw)), "4 bytes for each element")
		return nil
	}
	x := make([]float32, len(raw)/4)
	for i := range x {
		x[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
	}
	return x
}

// sizeOf returns the number of elements of a shape.
func sizeOf(shape []int) int {
	size := 1
	for _, n := range shape {
		size *= n
	}
	return size
}

// shapeAgrees reports whether a tensor's shape is absent or as wanted.
func shapeAgrees(shape []int64, want []int) bool {
	return len(shape) == 0 || slices.EqualFunc(shape, want, func(a int64, b int) bool { return a == int64(b) })
}
