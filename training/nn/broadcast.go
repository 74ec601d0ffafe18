package nn

import (
	"slices"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/shapes"
)

// A value that GoMLX broadcasts to the shape of another before the two are added or multiplied, as it does all over a
// gradient, is written out in full: ONNX Runtime's operators take the small one, so that it need not be. small remembers
// what each of such values was made of, with an axis of 1 wherever it was repeated.
type small map[compute.Value]compute.Value

func (f ownFunction) BroadcastInDim(x compute.Value, shape shapes.Shape, axes []int) (compute.Value, error) {
	full, err := f.Function.BroadcastInDim(x, shape, axes)
	if err != nil {
		return nil, err
	}
	of, err := f.builder.OpShape(x)
	if err != nil {
		return nil, err
	}
	dims := slices.Repeat([]int{1}, shape.Rank())
	for i, axis := range axes {
		dims[axis] = of.Dimensions[i]
	}
	f.small[full], err = f.Function.Reshape(x, dims...)
	return full, err
}

// Identity is x itself: GoMLX has nodes of it that only steer its gradients.
func (f ownFunction) Identity(x compute.Value) (compute.Value, error) { return x, nil }

// Sub of a value from itself is 0, and so no operation in a sum. [withGradient] relies on it.
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

// binary is operation on the small forms of a and b where there are, as long as the result comes out in full. That of two
// small ones is small itself.
func (f ownFunction) binary(operation func(a, b compute.Value) (compute.Value, error), a, b compute.Value) (compute.Value, error) {
	full, err := f.Function.Shape(a)
	if err != nil {
		return nil, err
	}
	smallA, isA := f.small[a]
	smallB, isB := f.small[b]
	if !isA && !isB {
		return operation(a, b)
	}
	other, err := f.Function.Shape(b)
	if err != nil {
		return nil, err
	}
	switch {
	case isA && (isB || other.IsScalar()), isB && full.IsScalar():
	case isA:
		return operation(smallA, b)
	default:
		return operation(a, smallB)
	}
	if full.IsScalar() {
		full = other
	}
	if !isA {
		smallA = a
	}
	if !isB {
		smallB = b
	}
	result, err := operation(smallA, smallB)
	if err != nil {
		return nil, err
	}
	axes := make([]int, full.Rank())
	for i := range axes {
		axes[i] = i
	}
	return f.BroadcastInDim(result, full, axes)
}
