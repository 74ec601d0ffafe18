package compile

import (
	"errors"
	"slices"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/shapes"
)

// small maps each broadcast value to the value from which it was made, with an axis of 1 wherever it was repeated.
// Throughout a gradient, GoMLX broadcasts a value to the shape of another before it adds or multiplies the two, and so
// writes it out in full. ONNX Runtime's operators accept the small value, so this is not needed.
type small map[compute.Value]compute.Value

func (f ownFunction) BroadcastInDim(x compute.Value, shape shapes.Shape, axes []int) (compute.Value, error) {
	full, err := f.Function.BroadcastInDim(x, shape, axes)
	if err != nil {
		return nil, err
	}
	of, err := f.Shape(x)
	if err != nil {
		return nil, err
	}
	dims := slices.Repeat([]int{1}, shape.Rank())
	for i, axis := range axes {
		dims[axis] = of.Dimensions[i]
	}
	f.small[full], err = f.Reshape(x, dims...)
	return full, err
}

// Identity returns x itself. GoMLX uses identity nodes only to control its gradients.
func (f ownFunction) Identity(x compute.Value) (compute.Value, error) { return x, nil }

// Sub returns 0 for the difference of a value and itself, so that it needs no operation in a sum. The gradients of
// package nn rely on this.
func (f ownFunction) Sub(a, b compute.Value) (compute.Value, error) {
	difference, err := f.binary(f.Function.Sub, a, b)
	if a == b && err == nil {
		f.zero[difference] = true
	}
	return difference, err
}

func (f ownFunction) Add(a, b compute.Value) (compute.Value, error) {
	if f.zero[b] {
		return a, nil
	}
	return f.binary(f.Function.Add, a, b)
}

func (f ownFunction) Mul(a, b compute.Value) (compute.Value, error) {
	return f.binary(f.Function.Mul, a, b)
}

func (f ownFunction) Div(a, b compute.Value) (compute.Value, error) {
	return f.binary(f.Function.Div, a, b)
}

// binary applies operation to the small forms of a and b where they have one. If neither is needed in full the result
// is small too.
func (f ownFunction) binary(
	operation func(a, b compute.Value) (compute.Value, error), a, b compute.Value,
) (compute.Value, error) {
	smallA, repeatedA := f.small[a]
	if !repeatedA {
		smallA = a
	}
	smallB, repeatedB := f.small[b]
	if !repeatedB {
		smallB = b
	}
	result, err := operation(smallA, smallB)
	if err != nil || !repeatedA && !repeatedB {
		return result, err
	}
	full, errA := f.Shape(a)
	other, errB := f.Shape(b)
	if err := errors.Join(errA, errB); err != nil {
		return nil, err
	}
	if !repeatedA && !full.IsScalar() || !repeatedB && !other.IsScalar() {
		return result, nil
	}
	if full.IsScalar() {
		full = other
	}
	axes := make([]int, full.Rank())
	for i := range axes {
		axes[i] = i
	}
	return f.BroadcastInDim(result, full, axes)
}
