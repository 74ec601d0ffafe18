package drawing

import (
	"fmt"
	"slices"

	"github.com/langevin-ml/langevin/client"
	"github.com/langevin-ml/langevin/internal/phrase"
	"github.com/langevin-ml/langevin/sampling/linear"
)

// BuildOperator returns an operator on samples of a shape, and the shape of what it measures.
func BuildOperator(of client.Operator, shape linear.Shape) (op *linear.Operator, measured []int, err error) {
	measured = []int{shape.Channels, shape.Height, shape.Width}
	flat := func(op *linear.Operator, err error) (*linear.Operator, []int, error) {
		if err != nil {
			return nil, nil, err
		}
		return op, []int{op.Size()}, nil
	}
	switch of := of.(type) {
	case client.Pool:
		op, err = linear.Pool(shape, int(of))
		if err == nil {
			measured = []int{shape.Channels, max(1, shape.Height/int(of)), shape.Width / int(of)}
		}
		return op, measured, err
	case client.Grey:
		op, err = linear.Grey(shape)
		return op, []int{1, shape.Height, shape.Width}, err
	case client.Blur:
		kernel := linear.Kernel{Height: of.Rows, Width: len(of.Kernel) / of.Rows}
		for _, v := range of.Kernel {
			kernel.Values = append(kernel.Values, float64(v))
		}
		op, err = linear.Blur(shape, kernel)
		return op, measured, err
	case client.Mask:
		mask, err := maskFor(of, shape)
		if err != nil {
			return nil, nil, err
		}
		return flat(linear.Mask(mask))
	case client.Matrix:
		return flat(linear.Matrix(of, shape.Dim()))
	case client.Fourier:
		return flat(linear.Fourier(shape, of))
	case client.Hadamard:
		return flat(linear.Hadamard(shape.Dim(), of))
	}
	return nil, nil, fmt.Errorf("an operator that this command does not know")
}

// maskFor repeats a mask of pixels for every channel.
func maskFor(mask []bool, shape linear.Shape) ([]bool, error) {
	switch len(mask) {
	case shape.Dim():
		return mask, nil
	case shape.Height * shape.Width:
		return slices.Repeat(mask, shape.Channels), nil
	}
	return nil, fmt.Errorf("the mask has %s: want one for each of the %d of a sample, or for each pixel",
		phrase.Plural(len(mask), "element"), shape.Dim())
}
