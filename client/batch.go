package client

import (
	"encoding/binary"
	"fmt"
	"math"

	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
)

// Batch has N rows of one shape: samples, states of chains, or scores.
type Batch struct {
	X     []float32 // the rows in order, each row-major; nil if they came as pictures
	Shape []int     // of one row: [2] for points, [1 28 28] for images
	N     int       // rows
	PNG   [][]byte  // the rows as PNG files, if the request asked for PNG; see [Batch.Images]
}

// rows returns the rows from index first to before index last.
func (b Batch) rows(first, last int) Batch {
	part := Batch{Shape: b.Shape, N: last - first}
	if b.PNG != nil {
		part.PNG = b.PNG[first:last:last]
	}
	if b.X != nil {
		width := len(b.X) / b.N
		part.X = b.X[first*width : last*width : last*width]
	}
	return part
}

// Row returns row i, a part of X; nil if the rows came as pictures. It panics unless 0 <= i < N.
func (b Batch) Row(i int) []float32 {
	if i < 0 || i >= b.N {
		panic(fmt.Sprintf("client: row %d of %d", i, b.N))
	}
	if b.X == nil {
		return nil
	}
	width := len(b.X) / b.N
	return b.X[i*width : (i+1)*width : (i+1)*width]
}

// maxElements bounds the elements of one tensor. It is far above what a message can carry.
const maxElements = math.MaxInt32

// shapeOf converts a shape from the wire and counts its elements.
func shapeOf(axes []int64) (shape []int, elements int, err error) {
	shape, elements = make([]int, len(axes)), 1
	for i, n := range axes {
		if n < 1 || n > maxElements/int64(elements) {
			return nil, 0, malformed("shape %v: want axes of at least 1 and at most %d elements", axes, maxElements)
		}
		shape[i] = int(n)
		elements *= int(n)
	}
	return shape, elements, nil
}

// newBatch decodes a tensor whose first axis counts its rows.
func newBatch(t *langevinv1.Tensor) (Batch, error) {
	shape, elements, err := shapeOf(t.GetShape())
	if err != nil {
		return Batch{}, err
	}
	if len(shape) == 0 {
		return Batch{}, malformed("tensor without a shape")
	}
	if pictures := t.GetPng(); len(pictures) > 0 {
		if len(pictures) != shape[0] {
			return Batch{}, malformed("tensor of shape %v carries %d pictures", shape, len(pictures))
		}
		return Batch{Shape: shape[1:], N: shape[0], PNG: pictures}, nil
	}
	x := t.GetValues()
	if len(t.GetData()) > 0 {
		if x, err = decodeFloats(t.GetData()); err != nil {
			return Batch{}, err
		}
	}
	if len(x) != elements {
		return Batch{}, malformed("tensor of shape %v carries %d elements", shape, len(x))
	}
	return Batch{X: x, Shape: shape[1:], N: shape[0]}, nil
}

// newTensor encodes b with its rows as the first axis.
func newTensor(b Batch) *langevinv1.Tensor {
	shape := []int64{int64(b.N)}
	for _, n := range b.Shape {
		shape = append(shape, int64(n))
	}
	return &langevinv1.Tensor{Shape: shape, Data: encodeFloats(b.X)}
}

func decodeFloats(data []byte) ([]float32, error) {
	if len(data)%4 != 0 {
		return nil, malformed("tensor of %d bytes: want a multiple of 4", len(data))
	}
	x := make([]float32, len(data)/4)
	if _, err := binary.Decode(data, binary.LittleEndian, x); err != nil {
		return nil, malformed("tensor of %d bytes: %v", len(data), err)
	}
	return x, nil
}

func encodeFloats(x []float32) []byte {
	data, _ := binary.Append(nil, binary.LittleEndian, x) // fails for types without a fixed size only
	return data
}
