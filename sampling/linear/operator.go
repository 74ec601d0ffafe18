// Package linear has the linear maps that measure samples: y = A x + noise.
//
// Every operator comes with its singular value decomposition A = U S V'. The posterior samplers of package sampling
// work in its coordinates. Singular values below a millionth of the largest count as zero, and are left out together
// with their columns.
//
//	operator            U                      S                      V
//	Mask                identity               1                      the unit vectors of the elements seen
//	Pool                identity               1/√(elements of a block)  the blocks, scaled to length 1
//	Grey                identity               1/√channels            the pixels, scaled to length 1
//	Fourier, Hadamard   identity               1                      the chosen rows of the orthonormal transform
//	Blur, wrapped       phases in Fourier space  the kernel's spectrum  the real Fourier basis
//	Blur, separable     products of the two axes' decompositions, by one-sided Jacobi rotations
//	Matrix              by one-sided Jacobi rotations (Hestenes 1958)
package linear

import (
	"fmt"
	"math"

	"github.com/langevin-ml/langevin/sampling"
)

// Bounds on the work of operators, beyond which the constructors refuse: the decomposition of a matrix takes rows²·dim
// operations several times, a Fourier transform height·width·(height + width), and a separable blur decomposes a matrix
// for each axis.
const (
	MaxMatrixWork  = 1 << 24
	MaxFourierWork = 1 << 22
	MaxBlurWork    = 1 << 26 // of the frequencies times the elements of a kernel
	MaxBlurAxis    = 256
)

// Operator is a linear map A from samples to measured values. It is never changed after it is made, and safe for
// concurrent use.
type Operator struct {
	dim, size int
	singular  []float64
	right     basis // V
	left      basis // U; nil: the identity
}

// basis is a matrix with orthonormal columns.
type basis interface {
	// coordinates writes the product of the transposed matrix and x to c.
	coordinates(c, x []float64, work *sampling.Work)
	// spread writes the product of the matrix and c to x.
	spread(x, c []float64, work *sampling.Work)
}

// Dim returns the number of elements in a sample.
func (o *Operator) Dim() int { return o.dim }

// Size returns the number of measured values.
func (o *Operator) Size() int { return o.size }

// Singular returns the singular values above 0, one for each coordinate. The caller must not change them.
func (o *Operator) Singular() []float64 { return o.singular }

// Apply writes A x to y, of Size elements.
func (o *Operator) Apply(y, x []float64) {
	var work sampling.Work
	c := make([]float64, len(o.singular))
	o.right.coordinates(c, x, &work)
	o.scale(c)
	if o.left == nil {
		copy(y, c)
		return
	}
	o.left.spread(y, c, &work)
}

// Adjoint writes A'y to x, of Dim elements.
func (o *Operator) Adjoint(x, y []float64) {
	var work sampling.Work
	c := o.turned(y, &work)
	o.scale(c)
	o.right.spread(x, c, &work)
}

func (o *Operator) scale(c []float64) {
	for j, s := range o.singular {
		c[j] *= s
	}
}

// turned returns U'y.
func (o *Operator) turned(y []float64, work *sampling.Work) []float64 {
	c := make([]float64, len(o.singular))
	if o.left == nil {
		copy(c, y)
	} else {
		o.left.coordinates(c, y, work)
	}
	return c
}

// Coordinates implements [sampling.RowSpace].
func (o *Operator) Coordinates(dst, x []float64, work *sampling.Work) {
	o.right.coordinates(dst, x, work)
}

// Spread implements [sampling.RowSpace].
func (o *Operator) Spread(dst, c []float64, work *sampling.Work) { o.right.spread(dst, c, work) }

// Measurement returns the measurement of the given values, which must be finite, with noise of the given standard
// deviation. Without noise there must be a sample of which the operator measures the values. The
// error is a [sampling.FieldError].
func (o *Operator) Measurement(values []float32, std float64) (*sampling.Measurement, error) {
	if len(values) != o.size {
		return nil, &sampling.FieldError{
			Field: "values",
			Given: fmt.Sprintf("%d elements", len(values)),
			Want:  fmt.Sprintf("%d, which the operator measures of a sample", o.size),
		}
	}
	y := make([]float64, len(values))
	for i, v := range values {
		if v-v != 0 {
			return nil, &sampling.FieldError{
				Field: "values", Given: fmt.Sprintf("%g at element %d", v, i), Want: "finite numbers",
			}
		}
		y[i] = float64(v)
	}
	var work sampling.Work
	m := &sampling.Measurement{
		Rows: o, Dim: o.dim, Singular: o.singular, Values: o.turned(y, &work), Std: std,
	}
	if err := m.Validate(); err != nil {
		return nil, err
	}
	if free := o.size - len(o.singular); free > 0 {
		return m, o.addOutside(m, y, free)
	}
	return m, nil
}

// rounding is how far measured values may be from every A x without noise, as a part of their length. They are float32,
// and come from sums that may have been float32 too.
const rounding = 1e-5

// addOutside sets the log density of the part of y that is in no A x, of the given dimension. It returns an error if
// the noise cannot be the reason for the part.
func (o *Operator) addOutside(m *sampling.Measurement, y []float64, free int) error {
	off, variance := o.off(y, m.Values), m.Std*m.Std
	if variance > 0 {
		m.Outside = -float64(free)/2*math.Log(2*math.Pi*variance) - off*off/(2*variance)
	}
	if variance == 0 && off > rounding*math.Sqrt(sumSquares(y)) || math.IsInf(m.Outside, 0) {
		each := off / math.Sqrt(float64(free))
		return &sampling.FieldError{
			Field: "values",
			Given: fmt.Sprintf("%.3g away from all that the operator measures of samples", off),
			Want:  fmt.Sprintf("values that depend on each other as its rows do, or a noise_std of some %.2g", each),
		}
	}
	return nil
}

// off returns the distance of y, whose coordinates are c, from the nearest A x.
func (o *Operator) off(y, c []float64) float64 {
	near := append([]float64(nil), c...)
	if o.left != nil {
		near = make([]float64, o.size)
		var work sampling.Work
		o.left.spread(near, c, &work)
	}
	for i, v := range y {
		near[i] -= v
	}
	return math.Sqrt(sumSquares(near))
}

func sumSquares(v []float64) (sum float64) {
	for _, e := range v {
		sum += e * e
	}
	return sum
}
