package sampling

import (
	"fmt"
	"math"
)

// Measurement is y = A x + N(0, Std² I), where x is a sample, in the coordinates of the singular value decomposition A
// = U S V'. Nothing changes it after it is made, so chains share it. Package linear makes operators and measurements.
type Measurement struct {
	Rows     RowSpace  // V
	Dim      int       // elements in a sample
	Singular []float64 // the diagonal of S: the singular values, all finite and above 0
	Values   []float64 // U'y: one for each singular value
	Std      float64   // standard deviation of the noise of every measured value; from 0 to [MaxStd]

	// Outside is the log density of the part of y that no x can reach. Only the noise decides it. It is 0 if there is
	// no such part, or no noise.
	Outside float64
}

// MaxStd is the largest standard deviation of the noise of a measurement. Its square is a float32 that can still be
// multiplied.
const MaxStd = 1e18

// RowSpace is the space of all A'y, the part of a sample that measurements with A depend on. It has an orthonormal
// basis, the columns of V. Its methods are safe for concurrent calls with different work.
type RowSpace interface {
	// Coordinates writes V'x to dst.
	Coordinates(dst, x []float64, work *Work)
	// Spread writes V c to dst.
	Spread(dst, c []float64, work *Work)
}

// Work is memory that a [RowSpace] works in. Its zero value is ready. One goroutine may use it at a time.
type Work struct{ buffers [2][]float64 }

// Floats returns buffer i, 0 or 1, with n elements of any value. It stays valid until the next call for the same i.
func (w *Work) Floats(i, n int) []float64 {
	if cap(w.buffers[i]) < n {
		w.buffers[i] = make([]float64, n)
	}
	return w.buffers[i][:n]
}

// Fits reports whether the measurement is one of samples of dim elements.
func (m *Measurement) Fits(dim int) bool { return m.Dim == dim }

// Validate returns a [FieldError] for the first field that is out of range.
func (m *Measurement) Validate() error {
	if !(m.Std >= 0 && m.Std <= MaxStd) {
		return &FieldError{Field: "noise_std", Given: m.Std, Want: fmt.Sprintf("from 0 to %g", MaxStd)}
	}
	if len(m.Singular) == 0 || len(m.Values) != len(m.Singular) {
		return &FieldError{
			Field: "values",
			Given: fmt.Sprintf("%d coordinates", len(m.Values)),
			Want:  fmt.Sprintf("one for each of the %d singular values, at least one", len(m.Singular)),
		}
	}
	for j, s := range m.Singular {
		if !finite(s) || s <= 0 || !finite(m.Values[j]) {
			return &FieldError{
				Field: "values",
				Given: fmt.Sprintf("%g for the singular value %g", m.Values[j], s),
				Want:  "finite numbers, and singular values above 0",
			}
		}
	}
	return nil
}

// logNormal returns log N(e; 0, v).
func logNormal(e, v float64) float64 { return -(math.Log(2*math.Pi*v) + e*e/v) / 2 }

// logSumExp returns log Σ exp(l). It is -Inf if l has no other value.
func logSumExp(l []float64) float64 {
	top := math.Inf(-1)
	for _, v := range l {
		top = max(top, v)
	}
	if math.IsInf(top, -1) {
		return top
	}
	var sum float64
	for _, v := range l {
		sum += math.Exp(v - top)
	}
	return top + math.Log(sum)
}
