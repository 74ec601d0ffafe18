package rpc

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/langevin-ml/langevin/models"
	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
	"github.com/langevin-ml/langevin/sampling"
	"github.com/langevin-ml/langevin/sampling/linear"
)

// The defaults of measurements.
const (
	particlesMost      = 16 // measured values up to which particles are the default: their weights hold for so many
	particlesCount     = 64
	particlesThreshold = 0.5
	particlesSteps     = 50
	ddrmSteps          = 20
	ddrmEta            = 0.85
	ddrmEtaB           = 1

	// The least effective size is below leastSize with few particles, of which one decides sooner.
	leastSize      = 2
	leastSizeCount = 16
)

// The range of the spread of particles. Its squares, and the squares' products with those of an operator, are numbers.
const (
	leastSpread = 1 / mostSpread
	mostSpread  = sampling.MaxStd
)

// withMeasurement returns a request whose measurement has a method, and whose sampler is the one of this method. It
// returns other requests as they are.
func withMeasurement(req *langevinv1.SampleRequest, m models.Manifest, limits Limits, bad *invalid,
) *langevinv1.SampleRequest {
	if req.GetMeasurement() == nil {
		return req
	}
	checkMeasuredAlone(req, m, bad)
	req = proto.CloneOf(req)
	y := req.GetMeasurement()
	why := chooseMethod(y)
	checkTrust(y, why, bad)
	completeMethod(y, m, limits, bad)
	setMeasuredSampler(req, why, bad)
	return req
}

// chooseMethod sets the method of a measurement without one. It returns what to add to the method's name in an error,
// so that a client that named none learns where it comes from.
func chooseMethod(y *langevinv1.Measurement) (why string) {
	if y.GetMethod() != nil {
		return ""
	}
	if max(len(y.GetValues().GetValues()), len(y.GetValues().GetData())/4) <= particlesMost {
		y.Method = &langevinv1.Measurement_Particles{}
		return fmt.Sprintf(", which the server chose for at most %d measured values", particlesMost)
	}
	y.Method = &langevinv1.Measurement_Ddrm{}
	return fmt.Sprintf(", which the server chose for more than %d measured values", particlesMost)
}

// methodName returns the field of a measurement's method.
func methodName(y *langevinv1.Measurement) string {
	r := y.ProtoReflect()
	return string(r.WhichOneof(r.Descriptor().Oneofs().ByName("method")).Name())
}

// checkTrust refuses what is asked about the effective size of particles with a method that has none.
func checkTrust(y *langevinv1.Measurement, why string, bad *invalid) {
	if _, ok := y.GetMethod().(*langevinv1.Measurement_Particles); ok {
		return
	}
	if y.LeastEffectiveSize != nil {
		bad.add("measurement.least_effective_size", y.GetLeastEffectiveSize(),
			"none with %s%s: only particles have one", methodName(y), why)
	}
	if y.GetRefuseCollapsed() {
		bad.add("measurement.refuse_collapsed", true, "false with %s%s: only particles collapse", methodName(y), why)
	}
}

// checkMeasuredAlone checks that nothing else changes what chains follow.
func checkMeasuredAlone(req *langevinv1.SampleRequest, m models.Manifest, bad *invalid) {
	for _, other := range []struct {
		field string
		set   bool
	}{
		{"guidance", req.GetGuidance() != nil},
		{"terms", len(req.GetTerms()) > 0},
		{"own_weight", req.OwnWeight != nil},
		{"guidance_scale", req.GuidanceScale != nil && req.GetGuidanceScale() != 1},
		{"inpainting", req.GetInpainting() != nil},
		{"colourisation", req.GetColourisation() != nil},
		{"interpolation", req.GetInterpolation() != nil},
	} {
		if other.set {
			bad.add("measurement", "set together with "+other.field, "either of the two")
		}
	}
	checkScore("measurement", "set", "none", m, bad)
}

// completeMethod fills in the settings of a measurement's method.
func completeMethod(y *langevinv1.Measurement, m models.Manifest, limits Limits, bad *invalid) {
	switch method := y.GetMethod().(type) {
	case *langevinv1.Measurement_Particles:
		method.Particles = cmp.Or(method.Particles, &langevinv1.Particles{})
		p := method.Particles
		setDefault(&p.Count, int32(min(particlesCount, max(2, limits.Particles))))
		setDefault(&p.Threshold, particlesThreshold)
		setDefault(&p.Guided, true)
		setDefault(&p.Spread, spreadOf(m))
		setDefault(&y.LeastEffectiveSize, min(leastSize, 1+float64(max(0, p.GetCount()))/leastSizeCount))
		if !(p.GetSpread() >= leastSpread && p.GetSpread() <= mostSpread) {
			bad.add("measurement.particles.spread", p.GetSpread(), "from %g to %g", leastSpread, mostSpread)
		}
		if p.GetCount() < 2 || int(p.GetCount()) > limits.Particles {
			bad.add("measurement.particles.count", p.GetCount(), "2 to %d (limits.max_particles)", limits.Particles)
		} else if size := y.GetLeastEffectiveSize(); !(size >= 1 && size <= float64(p.GetCount())) {
			bad.add("measurement.least_effective_size", size, "from 1 to the number of particles, %d", p.GetCount())
		}
	case *langevinv1.Measurement_Ddrm:
		method.Ddrm = cmp.Or(method.Ddrm, &langevinv1.DDRM{})
		setDefault(&method.Ddrm.Eta, ddrmEta)
		setDefault(&method.Ddrm.EtaB, ddrmEtaB)
	case *langevinv1.Measurement_Snips:
		method.Snips = cmp.Or(method.Snips, &langevinv1.SNIPS{})
	case *langevinv1.Measurement_Langevin:
		method.Langevin = cmp.Or(method.Langevin, &langevinv1.LikelihoodLangevin{})
		setDefault(&method.Langevin.Weight, 0)
	}
}

// spreadOf returns the default spread of a model's data: of a table it is that of a standardized column.
func spreadOf(m models.Manifest) float64 {
	if m.Columns != nil {
		return 1
	}
	return (m.Range.High - m.Range.Low) / 4
}

// setMeasuredSampler sets the sampler of a request to the one that the measurement's method needs, with the settings
// that the method decides. why is that of [chooseMethod].
func setMeasuredSampler(req *langevinv1.SampleRequest, why string, bad *invalid) {
	method, steps, rule := "particles", int32(particlesSteps), langevinv1.ReverseMethod_REVERSE_METHOD_MULTISTEP
	switch req.GetMeasurement().GetMethod().(type) {
	case *langevinv1.Measurement_Snips, *langevinv1.Measurement_Langevin:
		setAnnealed(req, bad)
		return
	case *langevinv1.Measurement_Ddrm:
		method, steps, rule = "ddrm", ddrmSteps, langevinv1.ReverseMethod_REVERSE_METHOD_EULER
	}
	if req.GetSampler() != nil && req.GetReverseSde() == nil {
		refuseSampler(req, "reverse_sde", why, bad)
		return
	}
	method += why
	r := cmp.Or(req.GetReverseSde(), &langevinv1.ReverseSDE{})
	setDefault(&r.Steps, steps)
	setDefault(&r.Eta, 1)
	setDefault(&r.Noise, 1)
	setDefault(&r.Denoise, true)
	if r.GetEta() != 1 {
		bad.add("reverse_sde.eta", r.GetEta(), "1 with %s", method)
	}
	if r.GetNoise() != 1 {
		bad.add("reverse_sde.noise", r.GetNoise(), "1 with %s", method)
	}
	if !r.GetDenoise() {
		bad.add("reverse_sde.denoise", false, "true with %s, whose samples are denoised", method)
	}
	_, ddrm := req.GetMeasurement().GetMethod().(*langevinv1.Measurement_Ddrm)
	if ddrm && r.GetMethod() == langevinv1.ReverseMethod_REVERSE_METHOD_MULTISTEP {
		bad.add("reverse_sde.method", r.GetMethod(), "euler with %s", method)
	}
	r.Method = cmp.Or(r.GetMethod(), rule)
	req.Sampler = &langevinv1.SampleRequest_ReverseSde{ReverseSde: r}
}

// refuseSampler refuses a sampler that the measurement's method does not follow.
func refuseSampler(req *langevinv1.SampleRequest, want, why string, bad *invalid) {
	given, _ := langevinv1.SamplerOf(langevinv1.SamplerIn(req))
	bad.add("sampler", given.Field, "%s or none with %s%s: particles and ddrm follow reverse_sde, and snips and "+
		"langevin follow annealed_langevin", want, methodName(req.GetMeasurement()), why)
}

func setAnnealed(req *langevinv1.SampleRequest, bad *invalid) {
	if req.GetSampler() != nil && req.GetAnnealedLangevin() == nil {
		refuseSampler(req, "annealed_langevin", "", bad)
		return
	}
	a := cmp.Or(req.GetAnnealedLangevin(), &langevinv1.AnnealedLangevin{})
	setDefault(&a.Consistent, false)
	if a.GetConsistent() {
		bad.add("annealed_langevin.consistent", true, "false with snips and langevin, which need the noise of Langevin")
	}
	req.Sampler = &langevinv1.SampleRequest_AnnealedLangevin{AnnealedLangevin: a}
}

// measuredBy returns what a complete request says that was measured, with its method, and the plan that the method
// makes of the sampler's. It returns nil if nothing was measured, or something is wrong.
func measuredBy(
	req *langevinv1.SampleRequest, sampler compiled, m models.Manifest, bad *invalid,
) (*sampling.Measured, sampling.Plan) {
	y := req.GetMeasurement()
	if y == nil || len(*bad) > 0 {
		return nil, sampler.plan
	}
	op, field := operatorOf(y, m, bad)
	values := decodeElements(y.GetValues(), "measurement.values", bad)
	if m.Columns != nil && len(*bad) == 0 {
		values = encodeMeasured(values, y.GetMask().GetSeen(), m.Columns, bad)
	}
	if len(*bad) > 0 {
		return nil, sampler.plan
	}
	if m.Columns == nil {
		checkPlausible(values, op, m, bad)
	}
	of, err := op.Measurement(values, y.GetNoiseStd())
	bad.join("measurement.", err)
	method, plan, err := methodOf(y, sampler)
	bad.join(field, err)
	if len(*bad) > 0 {
		return nil, sampler.plan
	}
	return &sampling.Measured{Measurement: of, By: method}, plan
}

// farRange is how many times the width of a model's range, or standard deviations of a column, elements may be away
// from its middle. Chains that should reach values from elements farther away would say nothing of the model.
const farRange = 1000

// checkPlausible refuses measured values that no sample near a model's data gives: |A x| is at most the largest
// singular value times the length of x.
func checkPlausible(values []float32, op *linear.Operator, m models.Manifest, bad *invalid) {
	low, high := m.Range.Low, m.Range.High
	element := math.Abs(low+high)/2 + farRange*(high-low)
	most := slices.Max(op.Singular()) * math.Sqrt(float64(op.Dim())) * element
	for i, v := range values {
		if math.Abs(float64(v)) > most { // false for NaN
			bad.add("measurement.values", fmt.Sprintf("%g at element %d", v, i), "from %.3g to %.3g, which the "+
				"operator can give for samples %d times as wide as the range of %s, %g to %g", -most, most, farRange,
				m.Name, low, high)
			return
		}
	}
}

// methodOf returns the method of a complete measurement, and its plan.
func methodOf(y *langevinv1.Measurement, sampler compiled) (sampling.Method, sampling.Plan, error) {
	switch in := y.GetMethod().(type) {
	case *langevinv1.Measurement_Particles:
		p := sampling.Particles{
			Schedule: levelsOf(sampler), Method: ruleOf(sampler),
			Count: int(in.Particles.GetCount()), Threshold: in.Particles.GetThreshold(),
			Guided: in.Particles.GetGuided(), Spread: in.Particles.GetSpread(),
		}
		plan, err := p.Plan()
		return p, plan, err
	case *langevinv1.Measurement_Ddrm:
		d := sampling.DDRM{Schedule: levelsOf(sampler), Eta: in.Ddrm.GetEta(), EtaB: in.Ddrm.GetEtaB()}
		plan, err := d.Plan()
		return d, plan, err
	case *langevinv1.Measurement_Snips:
		return sampling.SNIPS{}, sampler.plan, nil
	}
	l := sampling.LikelihoodLangevin{Weight: y.GetLangevin().GetWeight()}
	return l, sampler.plan, l.Validate()
}

// levelsOf returns the noise levels of a compiled reverse_sde.
func levelsOf(sampler compiled) sampling.Schedule {
	r, _ := sampler.message.(*langevinv1.ReverseSDE)
	return scheduleOf(r.GetSigmas(), &invalid{})
}

// ruleOf returns the rule of a compiled reverse_sde.
func ruleOf(sampler compiled) sampling.ReverseMethod {
	r, _ := sampler.message.(*langevinv1.ReverseSDE)
	return choice(reverseMethods(), r.GetMethod(), "method", &invalid{})
}

// operatorOf returns the operator of a measurement, and the field that its method is in.
func operatorOf(y *langevinv1.Measurement, m models.Manifest, bad *invalid) (op *linear.Operator, method string) {
	const field = "measurement."
	method = field + methodName(y) + "."
	given := y.ProtoReflect().WhichOneof(y.ProtoReflect().Descriptor().Oneofs().ByName("operator"))
	if m.Columns != nil && given != nil && y.GetMask() == nil {
		bad.add("measurement", given.Name(),
			"mask: the units of a table's columns are not linear in what the network sees")
		return nil, method
	}
	shape, ok := linear.ShapeOf(m.Shape)
	if !ok {
		bad.add("measurement", fmt.Sprintf("of samples of shape %v", m.Shape),
			"a model whose samples are vectors or pictures")
		return nil, method
	}
	op, err := buildOperator(y, m, shape, bad)
	bad.join(field, err)
	return op, method
}

func buildOperator(
	y *langevinv1.Measurement, m models.Manifest, shape linear.Shape, bad *invalid,
) (*linear.Operator, error) {
	switch in := y.GetOperator().(type) {
	case *langevinv1.Measurement_Mask:
		return maskOf(in.Mask.GetSeen(), m)
	case *langevinv1.Measurement_Pool:
		return linear.Pool(shape, int(in.Pool.GetFactor()))
	case *langevinv1.Measurement_Blur:
		return blurOf(in.Blur, shape, bad)
	case *langevinv1.Measurement_Grey:
		return linear.Grey(shape)
	case *langevinv1.Measurement_Matrix:
		before := len(*bad)
		rows := decodeRows(in.Matrix.GetRows(), "measurement.matrix.rows", "samples of "+m.Name, m.Shape,
			math.MaxInt, bad)
		if len(*bad) > before {
			return nil, nil
		}
		return linear.Matrix(rows, m.Dim())
	case *langevinv1.Measurement_Fourier:
		return linear.Fourier(shape, ints(in.Fourier.GetCoefficients()))
	case *langevinv1.Measurement_Hadamard:
		return linear.Hadamard(m.Dim(), ints(in.Hadamard.GetCoefficients()))
	}
	return nil, &sampling.FieldError{Field: "operator", Given: "missing",
		Want: "one of mask, pool, blur, grey, matrix, fourier and hadamard"}
}

func ints(in []int32) []int {
	out := make([]int, len(in))
	for i, v := range in {
		out[i] = int(v)
	}
	return out
}

// encodeMeasured returns what a network sees of the values of the columns that were measured, in their order.
func encodeMeasured(values []float32, seen []bool, columns models.Columns, bad *invalid) []float32 {
	row, next := make([]float32, len(columns)), 0
	for i := range columns {
		if seen[i] {
			if next < len(values) {
				row[i] = values[next]
			}
			next++
		}
	}
	if next != len(values) {
		bad.add("measurement.values", fmt.Sprintf("%d elements", len(values)),
			"%d, one for each column that the mask has", next)
		return nil
	}
	x, mask, ok := knownColumns("measurement.values", row, seen, columns, bad)
	if !ok {
		return nil
	}
	var measured []float32
	at := 0
	for i, c := range columns {
		for range c.Width() {
			if mask[at] {
				measured = append(measured, x[at])
			}
			if mask[at] && math.Abs(float64(x[at])) > farRange {
				bad.add("measurement.values", fmt.Sprintf("%g for column %q", row[i], c.Name),
					"at most %d standard deviations from its mean", farRange)
			}
			at++
		}
	}
	return measured
}

func maskOf(seen []bool, m models.Manifest) (*linear.Operator, error) {
	if m.Columns != nil {
		if len(seen) != len(m.Columns) {
			return nil, &sampling.FieldError{Field: "mask.seen", Given: fmt.Sprintf("%d entries", len(seen)),
				Want: fmt.Sprintf("%d, one for each column", len(m.Columns))}
		}
		return linear.Mask(m.Columns.Mask(seen))
	}
	if len(m.Shape) == 3 && len(seen) == m.Shape[1]*m.Shape[2] {
		seen = slices.Repeat(seen, m.Shape[0])
	}
	if len(seen) != m.Dim() {
		return nil, &sampling.FieldError{Field: "mask.seen", Given: fmt.Sprintf("%d entries", len(seen)),
			Want: fmt.Sprintf("one for each element of a sample, of shape %v, or for each pixel", m.Shape)}
	}
	return linear.Mask(seen)
}

func blurOf(in *langevinv1.Blur, shape linear.Shape, bad *invalid) (*linear.Operator, error) {
	before := len(*bad)
	elements := decodeElements(in.GetKernel(), "measurement.blur.kernel", bad)
	if len(*bad) > before {
		return nil, nil
	}
	axes := in.GetKernel().GetShape()
	if len(axes) == 0 {
		return nil, &sampling.FieldError{Field: "blur.kernel", Given: fmt.Sprintf("%d elements", len(elements)),
			Want: "a kernel with its shape, [rows, columns]"}
	}
	if len(axes) != 2 || len(elements) == 0 {
		return nil, &sampling.FieldError{Field: "blur.kernel.shape", Given: axes, Want: "[rows, columns]"}
	}
	kernel := linear.Kernel{Height: int(axes[0]), Width: int(axes[1])}
	for _, v := range elements {
		kernel.Values = append(kernel.Values, float64(v))
	}
	switch in.GetEdge() {
	case langevinv1.Edge_EDGE_UNSPECIFIED, langevinv1.Edge_EDGE_WRAP:
		return linear.Blur(shape, kernel)
	case langevinv1.Edge_EDGE_ZERO:
		return linear.SeparableBlur(shape, kernel)
	}
	return nil, &sampling.FieldError{Field: "blur.edge", Given: in.GetEdge(), Want: "a value that this server knows"}
}

// heldByMeasurement returns the bytes that a measurement takes besides its message.
func heldByMeasurement(y *langevinv1.Measurement, dim int) int64 {
	if y == nil {
		return 0
	}
	return 4*int64(proto.Size(y)) + 64*int64(dim)
}

// approximates reports whether the samples of a measurement are not drawn from the posterior however many there are.
func approximates(y *langevinv1.Measurement) bool { return y != nil && y.GetParticles() == nil }
