package compile

import (
	"slices"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
)

// matrix records how a value was computed, so that a transposition or a reshape can start from an earlier value. GoMLX
// computes the gradient of a dense layer as a product that is transposed, and then reshaped twice to the shape that it
// already has.
type matrix struct {
	reshaped compute.Value // has the same numbers in the same order; nil: no such value
	product  *dot          // nil: none
}

// dot is a product of the matrices a and b, each summed over one axis.
type dot struct {
	a, b         compute.Value
	overA, overB int
	config       compute.DotGeneralConfig
}

func (f ownFunction) DotGeneral(
	a compute.Value, overA, batchA []int, b compute.Value, overB, batchB []int, config compute.DotGeneralConfig,
) (compute.Value, error) {
	result, err := f.Function.DotGeneral(a, overA, batchA, b, overB, batchB, config)
	if err != nil || len(batchA) > 0 || len(overA) != 1 || !f.isMatrix(a) || !f.isMatrix(b) {
		return result, err
	}
	f.matrices[result] = matrix{product: &dot{a, b, overA[0], overB[0], config}}
	return result, nil
}

func (f ownFunction) isMatrix(x compute.Value) bool {
	shape, err := f.Shape(x)
	return err == nil && shape.Rank() == 2
}

// Transpose computes the transpose of a product as the product of its factors in the other order. It stays a
// transposition if the new product would have few columns, because these take ONNX Runtime longer than few rows.
func (f ownFunction) Transpose(x compute.Value, axes ...int) (compute.Value, error) {
	if slices.IsSorted(axes) {
		return x, nil
	}
	shape, err := f.Shape(x)
	if err != nil {
		return nil, err
	}
	if p := f.matrices[x].product; p != nil && shape.Dimensions[0] >= shape.Dimensions[1] {
		return f.DotGeneral(p.b, []int{p.overB}, nil, p.a, []int{p.overA}, nil, p.config)
	}
	return f.Function.Transpose(x, axes...)
}

func (f ownFunction) Reshape(x compute.Value, dims ...int) (compute.Value, error) {
	if from := f.matrices[x].reshaped; from != nil {
		x = from
	}
	shape, err := f.Shape(x)
	if err != nil || slices.Equal(shape.Dimensions, dims) {
		return x, err
	}
	result, err := f.Function.Reshape(x, dims...)
	if err == nil {
		f.matrices[result] = matrix{reshaped: x}
	}
	return result, err
}

// ReduceSum computes the sum over the rows of a matrix, as in the gradient of a bias, as a product with a row of ones.
// ONNX Runtime computes it several times faster.
func (f ownFunction) ReduceSum(x compute.Value, axes ...int) (compute.Value, error) {
	shape, err := f.Shape(x)
	if err != nil || shape.DType != dtypes.Float32 || shape.Rank() != 2 || !slices.Equal(axes, []int{0}) {
		return f.Function.ReduceSum(x, axes...)
	}
	rows, columns := shape.Dimensions[0], shape.Dimensions[1]
	ones, err := f.Constant(slices.Repeat([]float32{1}, rows), 1, rows)
	if err != nil {
		return nil, err
	}
	sum, err := f.DotGeneral(ones, []int{1}, nil, x, []int{0}, nil, compute.DotGeneralConfig{})
	if err != nil {
		return nil, err
	}
	return f.Reshape(sum, columns)
}
