package linear

import (
	"fmt"
	"math"

	"github.com/langevin-ml/langevin/sampling"
)

// smallest is the least singular value that is not taken for zero, as a part of the largest.
const smallest = 1e-6

func inverseRoot(n int) float64 { return 1 / math.Sqrt(float64(n)) }

// dense is a basis with its columns one after the other.
type dense struct {
	rows int
	data []float64
}

func (d *dense) column(j int) []float64 { return d.data[j*d.rows : (j+1)*d.rows] }

func (d *dense) columns() int { return len(d.data) / d.rows }

func (d *dense) coordinates(c, x []float64, _ *sampling.Work) {
	for j := range d.columns() {
		c[j] = dot(d.column(j), x)
	}
}

func (d *dense) spread(x, c []float64, _ *sampling.Work) {
	clear(x)
	for j := range d.columns() {
		for i, v := range d.column(j) {
			x[i] += float64(v * c[j])
		}
	}
}

func dot(a, b []float64) (sum float64) {
	for i, v := range a {
		sum += float64(v * b[i])
	}
	return sum
}

// Matrix measures with a matrix of rows of dim elements. All must be finite, and one not 0. The work grows with
// rows²·dim.
func Matrix(data []float32, dim int) (*Operator, error) {
	if dim < 1 || len(data) == 0 || len(data)%dim != 0 {
		return nil, &sampling.FieldError{
			Field: "matrix.rows", Given: fmt.Sprintf("%d elements", len(data)),
			Want: fmt.Sprintf("rows of %d elements, at least one", dim),
		}
	}
	rows := len(data) / dim
	if work := float64(rows) * float64(rows) * float64(dim); work > MaxMatrixWork {
		return nil, &sampling.FieldError{
			Field: "matrix.rows", Given: fmt.Sprintf("%d rows of %d elements", rows, dim),
			Want: fmt.Sprintf("rows squared times elements of at most %d", MaxMatrixWork),
		}
	}
	a := &dense{dim, make([]float64, len(data))}
	for i, v := range data {
		if v-v != 0 {
			return nil, &sampling.FieldError{
				Field: "matrix.rows", Given: fmt.Sprintf("%g at row %d, column %d", v, i/dim, i%dim),
				Want: "finite numbers",
			}
		}
		a.data[i] = float64(v)
	}
	u, s, v := decompose(a)
	if len(s) == 0 {
		return nil, &sampling.FieldError{Field: "matrix.rows", Given: "all 0", Want: "a matrix of rank 1 or more"}
	}
	return &Operator{dim: dim, size: rows, singular: s, right: v, left: u}, nil
}

// decompose returns the singular value decomposition of the transposed matrix whose columns are a's: a' = U S V'. So
// column j of a is row j of the operator. It changes a. Singular values that count as zero are left out.
//
// One-sided Jacobi rotations (Hestenes 1958) of pairs of a's columns make all columns orthogonal: then a is V S, and
// the product of the rotations is U. The method is accurate for small singular values too.
func decompose(a *dense) (u *dense, singular []float64, v *dense) {
	n := a.columns()
	turns := &dense{n, make([]float64, n*n)}
	for j := range n {
		turns.data[j*n+j] = 1
	}
	const sweeps = 60
	for range sweeps {
		if !sweep(a, turns) {
			break
		}
	}
	norms, top := make([]float64, n), 0.0
	for j := range n {
		norms[j] = math.Sqrt(dot(a.column(j), a.column(j)))
		top = max(top, norms[j])
	}
	u, v = &dense{rows: n}, &dense{rows: a.rows}
	for j, norm := range norms {
		if norm <= smallest*top {
			continue
		}
		for _, e := range a.column(j) {
			v.data = append(v.data, e/norm)
		}
		u.data = append(u.data, turns.column(j)...)
		singular = append(singular, norm)
	}
	return u, singular, v
}

// sweep makes every pair of columns orthogonal once. It reports whether any pair was not.
func sweep(a, turns *dense) (turned bool) {
	const orthogonal = 1e-14
	for p := range a.columns() {
		for q := p + 1; q < a.columns(); q++ {
			x, y := a.column(p), a.column(q)
			xx, yy, xy := dot(x, x), dot(y, y), dot(x, y)
			if math.Abs(xy) <= orthogonal*math.Sqrt(xx)*math.Sqrt(yy) {
				continue
			}
			turned = true
			zeta := (yy - xx) / (2 * xy)
			t := math.Copysign(1/(math.Abs(zeta)+math.Hypot(1, zeta)), zeta)
			cos := 1 / math.Hypot(1, t)
			rotate(x, y, cos, cos*t)
			rotate(turns.column(p), turns.column(q), cos, cos*t)
		}
	}
	return turned
}

func rotate(x, y []float64, cos, sin float64) {
	for i, v := range x {
		x[i], y[i] = float64(cos*v)-float64(sin*y[i]), float64(sin*v)+float64(cos*y[i])
	}
}
