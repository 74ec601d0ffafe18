package client

import (
	"math"

	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
)

// Measurement is what was measured of a sample x that is not known itself: Values = A x + N(0, NoiseStd²). Chains draw
// samples that agree with it, from the posterior of the model's distribution. It excludes Guidance, Sum, Condition,
// Columns, and a GuidanceScale other than 1.
type Measurement struct {
	Operator Operator  // A
	Values   []float32 // one for each row of A
	NoiseStd float64   // in the units of Values, or in standard deviations of a table's columns; from 0 to 1e18

	// Method says how to draw. nil: [Particles] for at most 16 values, [DDRM] for more. [Started] says which.
	Method Method

	// LeastEffectiveSize is the least effective size of a chain's particles that does not count as collapsed, from 1 to
	// their number. nil: 2, and less with fewer than 16 particles. Other methods take none.
	LeastEffectiveSize *float64

	// RefuseCollapsed ends the call with [ErrCollapsed] at the first chain with a smaller effective size. Without it
	// [Done] and [Result] count such chains. Other methods than particles do not take it.
	RefuseCollapsed bool
}

// Operator is a linear map from samples to measured values: [Mask], [Pool], [Blur], [Grey], [Matrix], [Fourier] or
// [Hadamard].
type Operator interface{ operator() }

// Mask measures the elements for which it is true. It has one entry for each element, or one for each pixel of samples
// of shape [channels, height, width]. Of a table it has one for each column; other operators cannot measure a table.
type Mask []bool

// Pool measures the means of blocks of the given number of elements down and across every channel: a smaller picture.
// Blocks of vectors are as many elements long. The number divides the height and the width.
type Pool int

// Blur measures every channel weighed by a kernel of Rows rows, row-major. Element (a, b) of the result is the sum of
// kernel (i, j) times element (a + i - rows/2, b + j - columns/2).
type Blur struct {
	Kernel []float32
	Rows   int
	// ZeroEdge makes a picture 0 beyond its edges. The kernel must then be the product of a column and a row. Otherwise
	// a picture goes on at the opposite edge.
	ZeroEdge bool
}

// Grey measures the mean of the channels of every pixel.
type Grey struct{}

// Matrix measures with any matrix, whose rows follow each other. Each has as many elements as a sample.
type Matrix []float32

// Fourier measures coefficients of the orthonormal discrete Fourier transform of every channel, in real form. They are
// numbered like the elements of a sample: docs/api.md says how.
type Fourier []int

// Hadamard measures coefficients of the orthonormal Walsh-Hadamard transform, numbered like the elements of a sample.
type Hadamard []int

func (Mask) operator()     {}
func (Pool) operator()     {}
func (Blur) operator()     {}
func (Grey) operator()     {}
func (Matrix) operator()   {}
func (Fourier) operator()  {}
func (Hadamard) operator() {}

// Method draws samples that agree with a measurement: [Particles], [DDRM], [SNIPS] or [LikelihoodLangevin].
type Method interface{ method() }

// Particles is sequential Monte Carlo. As the count grows, samples have the distribution of the posterior. The sampler
// is nil or a [ReverseSDE] with noise levels or steps; the default is 50 steps by [ReverseMultistep].
type Particles struct {
	Count     int      // of a chain; 0: 64
	Threshold *float64 // resample below this part of the count, from 0 to 1; nil: 0.5
	Guided    *bool    // move particles towards the measurement; nil: true

	// Spread is the standard deviation of an element of the data, from 1e-18 to 1e18. nil: a quarter of the model's
	// range, or for a table 1, in standard deviations of its columns.
	Spread *float64
}

// DDRM is the denoising diffusion restoration model (Kawar et al. 2022). The weights of modes are wrong. The sampler is
// nil or a [ReverseSDE] with noise levels or steps; the default is 20 steps.
type DDRM struct {
	Eta  *float64 // part of new noise, from 0 to 1; nil: 0.85
	EtaB *float64 // part of the measurement where it is accurate, from 0 to 1; nil: 1
}

// SNIPS is Langevin dynamics that follows the measurement (Kawar et al. 2021). The weights of modes are wrong. The
// sampler is nil or an [AnnealedLangevin].
type SNIPS struct{}

// LikelihoodLangevin adds a gradient of the likelihood to the score (Jalal et al. 2021). The weights of modes are
// wrong. The sampler is nil or an [AnnealedLangevin].
type LikelihoodLangevin struct {
	Weight *float64 // length of the gradient in units of the score's; nil or 0: the gradient itself
}

func (Particles) method()          {}
func (DDRM) method()               {}
func (SNIPS) method()              {}
func (LikelihoodLangevin) method() {}

// MeasurementMessage returns the message of a measurement in the API; nil for nil.
func MeasurementMessage(m *Measurement) (*langevinv1.Measurement, error) {
	if m == nil {
		return nil, nil
	}
	w := &langevinv1.Measurement{
		Values: &langevinv1.Tensor{Data: encodeFloats(m.Values)}, NoiseStd: m.NoiseStd,
		LeastEffectiveSize: m.LeastEffectiveSize, RefuseCollapsed: m.RefuseCollapsed,
	}
	if err := setOperator(w, m.Operator); err != nil {
		return nil, err
	}
	return w, setMethod(w, m.Method)
}

func setOperator(w *langevinv1.Measurement, o Operator) error {
	var err error
	switch o := o.(type) {
	case Mask:
		w.Operator = &langevinv1.Measurement_Mask{Mask: &langevinv1.Mask{Seen: o}}
	case Pool:
		factor, bad := toInt32("measurement.pool.factor", int(o))
		w.Operator, err = &langevinv1.Measurement_Pool{Pool: &langevinv1.AveragePool{Factor: factor}}, bad
	case Blur:
		w.Operator, err = o.wire()
	case Grey:
		w.Operator = &langevinv1.Measurement_Grey{Grey: &langevinv1.Grey{}}
	case Matrix:
		rows := &langevinv1.Tensor{Data: encodeFloats(o)}
		w.Operator = &langevinv1.Measurement_Matrix{Matrix: &langevinv1.Matrix{Rows: rows}}
	case Fourier:
		f := &langevinv1.Fourier{}
		f.Coefficients, err = toInt32s("measurement.fourier.coefficients", o)
		w.Operator = &langevinv1.Measurement_Fourier{Fourier: f}
	case Hadamard:
		h := &langevinv1.Hadamard{}
		h.Coefficients, err = toInt32s("measurement.hadamard.coefficients", o)
		w.Operator = &langevinv1.Measurement_Hadamard{Hadamard: h}
	}
	return err
}

func (b Blur) wire() (*langevinv1.Measurement_Blur, error) {
	if b.Rows < 1 || len(b.Kernel)%b.Rows != 0 {
		return nil, invalid("measurement.blur.kernel",
			"measurement.blur.kernel has %d elements in %d rows: want a rectangle", len(b.Kernel), b.Rows)
	}
	w := &langevinv1.Blur{Kernel: shapedTensor(b.Kernel, []int{b.Rows, len(b.Kernel) / b.Rows})}
	if b.ZeroEdge {
		w.Edge = langevinv1.Edge_EDGE_ZERO
	}
	return &langevinv1.Measurement_Blur{Blur: w}, nil
}

func toInt32s(field string, v []int) ([]int32, error) {
	all := make([]int32, len(v))
	for i, e := range v {
		var err error
		if all[i], err = toInt32(field, e); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func setMethod(w *langevinv1.Measurement, m Method) error {
	switch m := m.(type) {
	case Particles:
		count, err := toInt32("measurement.particles.count", m.Count)
		w.Method = &langevinv1.Measurement_Particles{Particles: &langevinv1.Particles{
			Count: optional(count), Threshold: m.Threshold, Guided: m.Guided, Spread: m.Spread,
		}}
		return err
	case DDRM:
		w.Method = &langevinv1.Measurement_Ddrm{Ddrm: &langevinv1.DDRM{Eta: m.Eta, EtaB: m.EtaB}}
	case SNIPS:
		w.Method = &langevinv1.Measurement_Snips{Snips: &langevinv1.SNIPS{}}
	case LikelihoodLangevin:
		l := &langevinv1.LikelihoodLangevin{Weight: m.Weight}
		w.Method = &langevinv1.Measurement_Langevin{Langevin: l}
	}
	return nil
}

// MeasurementOf is the inverse of [MeasurementMessage]. An operator or a method that this client does not know is nil.
func MeasurementOf(w *langevinv1.Measurement) (*Measurement, error) {
	if w == nil {
		return nil, nil
	}
	values, _, err := newShaped(w.GetValues())
	if err != nil {
		return nil, err
	}
	operator, err := operatorOf(w)
	return &Measurement{
		Operator: operator, Values: values, NoiseStd: w.GetNoiseStd(), Method: methodOf(w),
		LeastEffectiveSize: w.LeastEffectiveSize, RefuseCollapsed: w.GetRefuseCollapsed(),
	}, err
}

func operatorOf(w *langevinv1.Measurement) (Operator, error) {
	switch o := w.GetOperator().(type) {
	case *langevinv1.Measurement_Mask:
		return Mask(o.Mask.GetSeen()), nil
	case *langevinv1.Measurement_Pool:
		return Pool(o.Pool.GetFactor()), nil
	case *langevinv1.Measurement_Blur:
		kernel, shape, err := newShaped(o.Blur.GetKernel())
		b := Blur{Kernel: kernel, ZeroEdge: o.Blur.GetEdge() == langevinv1.Edge_EDGE_ZERO}
		if len(shape) > 0 {
			b.Rows = shape[0]
		}
		return b, err
	case *langevinv1.Measurement_Grey:
		return Grey{}, nil
	case *langevinv1.Measurement_Matrix:
		rows, _, err := newShaped(o.Matrix.GetRows())
		return Matrix(rows), err
	case *langevinv1.Measurement_Fourier:
		return Fourier(toInts(o.Fourier.GetCoefficients())), nil
	case *langevinv1.Measurement_Hadamard:
		return Hadamard(toInts(o.Hadamard.GetCoefficients())), nil
	}
	return nil, nil
}

func toInts(v []int32) []int {
	all := make([]int, len(v))
	for i, e := range v {
		all[i] = int(e)
	}
	return all
}

func methodOf(w *langevinv1.Measurement) Method {
	switch m := w.GetMethod().(type) {
	case *langevinv1.Measurement_Particles:
		p := m.Particles
		return Particles{
			Count: int(p.GetCount()), Threshold: p.Threshold, Guided: p.Guided, Spread: p.Spread,
		}
	case *langevinv1.Measurement_Ddrm:
		return DDRM{Eta: m.Ddrm.Eta, EtaB: m.Ddrm.EtaB}
	case *langevinv1.Measurement_Snips:
		return SNIPS{}
	case *langevinv1.Measurement_Langevin:
		return LikelihoodLangevin{Weight: m.Langevin.Weight}
	}
	return nil
}

// particles returns the number of states of a chain.
func (m *Measurement) particles() int64 {
	if m != nil {
		if p, ok := m.Method.(Particles); ok {
			return int64(max(1, p.Count))
		}
	}
	return 1
}

// trust sums up what chunks say about the particles of their chains, so that the parts of a call that is split or
// continued give one answer.
type trust struct {
	chains    int
	least     float64
	collapsed int
	top, sum  float64 // the sum of the estimates of the evidence is exp(top)·sum
}

func (t *trust) add(c Chunk, m *Measurement) {
	below := 0.0
	if m != nil && m.LeastEffectiveSize != nil {
		below = *m.LeastEffectiveSize
	}
	for i, size := range c.EffectiveSizes {
		log := c.LogEvidences[i]
		if t.chains == 0 {
			t.least, t.top = size, log
		}
		t.chains++
		t.least = min(t.least, size)
		if size < below {
			t.collapsed++
		}
		if log > t.top {
			t.sum, t.top = t.sum*math.Exp(t.top-log), log
		}
		t.sum += math.Exp(log - t.top)
	}
}

// describe sets what a Done says about particles.
func (t *trust) describe(d *Done) {
	if t.chains > 0 {
		d.EffectiveSize, d.Collapsed = t.least, t.collapsed
		d.LogEvidence = t.top + math.Log(t.sum/float64(t.chains))
	}
}
