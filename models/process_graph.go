package models

import (
	"cmp"
	"math"
	"slices"

	"github.com/gomlx/compute-onnx/support/protos"
)

// formula writes arithmetic on float32 values of a graph. Its methods return the name of the result.
type formula struct{ a *adoption }

func (f formula) op(op string, inputs ...string) string {
	output, _ := f.a.compute(op, inputs...)
	return output
}

func (f formula) add(x, y string) string { return f.op("Add", x, y) }
func (f formula) mul(x, y string) string { return f.op("Mul", x, y) }
func (f formula) div(x, y string) string { return f.op("Div", x, y) }

func (f formula) number(value float64) string { return f.a.floats("number", nil, value) }

// log1p returns ln(1+x) for x ≥ 0, as exact for small x as float32 is: with u = 1+x, as rounded, it is ln(u)·x/(u-1).
func (f formula) log1p(x string) string {
	one := f.number(1)
	u := f.add(x, one)
	exact := f.div(f.mul(f.op("Log", u), x), f.op("Sub", u, one))
	return f.op("Where", f.op("Equal", u, one), x, exact)
}

// rootOfSquares returns √(x² + y²).
func (f formula) rootOfSquares(x string, y float64) string {
	return f.op("Sqrt", f.add(f.mul(x, x), f.number(y*y)))
}

// The divisors 1/α by which a sample with noise of standard deviation σ becomes an input of the network.

func divisorVP(f formula, _ Process, sigma string) string { return f.rootOfSquares(sigma, 1) }

func divisorEDM(f formula, p Process, sigma string) string { return f.rootOfSquares(sigma, p.DataStd) }

func divisorFlow(f formula, _ Process, sigma string) string { return f.add(sigma, f.number(1)) }

// divisorSubVP: σ = (1-α²)/α, so 1/α = σ/2 + √(1 + σ²/4).
func divisorSubVP(f formula, _ Process, sigma string) string {
	half := f.mul(sigma, f.number(0.5))
	return f.add(half, f.rootOfSquares(half, 1))
}

// The times from 0 to 1 at which a process has a sigma.

// timeVE inverts σ_min (σ_max/σ_min)^t for the range of the schedule.
func timeVE(f formula, _ Process, sigma string, sigmas []float64) string {
	first, last := sigmas[0], sigmas[len(sigmas)-1]
	above := f.op("Sub", f.op("Log", sigma), f.number(math.Log(last)))
	return f.mul(above, f.number(1/max(math.Log(first/last), math.SmallestNonzeroFloat32)))
}

// timeVP: α = e^(-B/2), so B = ln(1+σ²).
func timeVP(f formula, p Process, sigma string, _ []float64) string {
	return timeOfIntegral(f, p, f.log1p(f.mul(sigma, sigma)))
}

// timeSubVP: σ = 2 sinh(B/2), so B = 2 asinh(σ/2), and asinh(y) = ln(1 + y + y²/(1 + √(1+y²))).
func timeSubVP(f formula, p Process, sigma string, _ []float64) string {
	y := f.mul(sigma, f.number(0.5))
	above := f.div(f.mul(y, y), f.add(f.rootOfSquares(y, 1), f.number(1)))
	return timeOfIntegral(f, p, f.mul(f.log1p(f.add(y, above)), f.number(2)))
}

// timeOfIntegral solves B = t (β_min + t/2 (β_max - β_min)) for t, without a difference of near numbers.
func timeOfIntegral(f formula, p Process, integral string) string {
	radicand := f.add(f.mul(integral, f.number(2*(p.BetaMax-p.BetaMin))), f.number(p.BetaMin*p.BetaMin))
	return f.div(f.mul(integral, f.number(2)), f.add(f.op("Sqrt", radicand), f.number(p.BetaMin)))
}

// timeCosine: α = cos(θ)/cos(θ₀) at the angle θ = π/2 (t+s)/(1+s), so tan(θ) = √(σ² + sin²θ₀)/cos(θ₀).
func timeCosine(f formula, p Process, sigma string, _ []float64) string {
	start := math.Pi / 2 * p.Offset / (1 + p.Offset)
	tan := f.mul(f.rootOfSquares(sigma, math.Sin(start)), f.number(1/math.Cos(start)))
	return f.op("Sub", f.mul(f.op("Atan", tan), f.number((1+p.Offset)*2/math.Pi)), f.number(p.Offset))
}

func timeFlow(f formula, _ Process, sigma string, _ []float64) string {
	return f.div(sigma, divisorFlow(f, Process{}, sigma))
}

// The noise ε in x = x₀ + σε from v and the divisor d = 1/α.

// noiseOfAngle: v is αε - s·x₀ with α² + s² = 1.
func noiseOfAngle(f formula, x, sigma, d, v string) string {
	return f.div(f.add(f.mul(sigma, x), f.mul(d, v)), f.mul(d, d))
}

// noiseOfFlow: v is ε - x₀, and d is 1+σ.
func noiseOfFlow(f formula, x, _, d, v string) string { return f.div(f.add(x, v), d) }

// wideColumns is a multiple of the numbers in a vector register.
const wideColumns = 16

// wide returns rows of copies of sigma. A row fills whole vector registers. Otherwise the number of rows would decide
// which of them a kernel computes one by one, and a logarithm may round differently there.
func (a *adoption) wide() string {
	column, _ := a.compute("Reshape", InputSigma, a.ints("column", -1, 1))
	rows, _ := a.compute("Expand", column, a.ints("columns", 1, wideColumns))
	return rows
}

// narrow returns the first of the copies, [N].
func (a *adoption) narrow(rows string) string {
	output, node := a.compute("Gather", rows, a.constant("first", integers(nil, 0)))
	node.Attribute = []*protos.AttributeProto{integer("axis", 1)}
	return output
}

// levelOf returns what the network takes for the noise level, and its type.
func (a *adoption) levelOf(f Foreign, sigmas []float64, whole bool) (string, protos.TensorProto_DataType) {
	row, _ := f.Process.row() // which adopt has checked
	w := formula{a}
	const float = protos.TensorProto_FLOAT
	switch f.Takes.Kind {
	case LevelLabel:
		return a.nearest(a.logSigma(), logsOf(sigmas)), protos.TensorProto_INT64
	case LevelStep:
		logs := logsOf(f.Process.steps(f.Takes.Steps))
		if whole {
			return a.nearest(a.logSigma(), logs), protos.TensorProto_INT64
		}
		return a.between(a.logSigma(), logs), float
	case LevelLogSigma:
		return a.narrow(w.mul(w.op("Log", a.wide()), w.number(f.Takes.factor(f.Process)))), float
	case LevelTime:
		first, last := f.Takes.ends()
		t := w.op("Max", w.op("Min", row.time(w, f.Process, a.wide(), sigmas), w.number(1)), w.number(0))
		return a.narrow(w.add(w.mul(t, w.number(last-first)), w.number(first))), float
	}
	return InputSigma, float
}

// ends returns what stands for the times 0 and 1.
func (l Level) ends() (first, last float64) {
	if l.First == 0 && l.Last == 0 {
		return 0, 1
	}
	return l.First, l.Last
}

func (l Level) factor(p Process) float64 {
	if p.Kind == ProcessEDM {
		return cmp.Or(l.Factor, 0.25)
	}
	return cmp.Or(l.Factor, 1)
}

func (a *adoption) logSigma() string { return a.narrow(formula{a}.op("Log", a.wide())) }

func logsOf(sigmas []float64) []float64 {
	logs := make([]float64, len(sigmas))
	for i, sigma := range sigmas {
		logs[i] = math.Log(sigma)
	}
	return logs
}

// nearest returns the index of the element of a table that is nearest to each of the values, int64 [N].
func (a *adoption) nearest(values string, table []float64) string {
	w := formula{a}
	column := w.op("Reshape", values, a.ints("column", -1, 1))
	distance := w.op("Abs", w.op("Sub", column, a.floats("log_sigmas", []int{1, len(table)}, table...)))
	index, node := a.compute("ArgMin", distance)
	node.Attribute = []*protos.AttributeProto{integer("axis", 1), integer("keepdims", 0)}
	return index
}

// between returns the places of values in a table that increases, as indices with a fraction, [N]: that of the linear
// interpolation between the two neighbours. Values beyond the table have the places of its ends.
func (a *adoption) between(values string, table []float64) string {
	w, n := formula{a}, len(table)
	// Row k+1 of these is the segment from element k to the next. The first and the last row lie beyond the table.
	start, place := append([]float64{table[0]}, table...), make([]float64, n+1)
	slope := make([]float64, n+1)
	for k := range n {
		place[k+1] = float64(k)
		if k < n-1 {
			slope[k+1] = 1 / (table[k+1] - table[k])
		}
	}
	nearest := a.nearest(values, table)
	below := w.op("Less", values, w.op("Gather", a.floats("log_sigma", []int{n}, table...), nearest))
	row := w.op("Sub", w.add(nearest, a.constant("next", integers(nil, 1))),
		a.cast(below, protos.TensorProto_BOOL, protos.TensorProto_INT64))
	along := w.mul(w.op("Sub", values, w.op("Gather", a.floats("start", []int{n + 1}, start...), row)),
		w.op("Gather", a.floats("slope", []int{n + 1}, slope...), row))
	fraction := w.op("Max", w.op("Min", along, w.number(1)), w.number(0))
	return w.add(w.op("Gather", a.floats("place", []int{n + 1}, place...), row), fraction)
}

func (a *adoption) floats(name string, shape []int, values ...float64) string {
	tensor := &protos.TensorProto{DataType: int32(protos.TensorProto_FLOAT)}
	for _, n := range shape {
		tensor.Dims = append(tensor.Dims, int64(n))
	}
	for _, v := range values {
		tensor.FloatData = append(tensor.FloatData, float32(v))
	}
	return a.constant(name, tensor)
}

// column returns sigma with a place for each axis of a sample, [N, 1...].
func (a *adoption) column(axes int) string {
	shape := append([]int64{-1}, slices.Repeat([]int64{1}, axes)...)
	column, _ := a.compute("Reshape", InputSigma, a.ints("row", shape...))
	return column
}

// scaled returns the input of a network for samples: the samples times α of the process.
func (a *adoption) scaled(f Foreign, axes int) string {
	row, _ := f.Process.row()
	if row.divisor == nil {
		return InputX
	}
	w := formula{a}
	return w.div(InputX, row.divisor(w, f.Process, a.column(axes)))
}

// converted returns an output of the given parameterization.
func (a *adoption) converted(f Foreign, output string, axes int) (string, Parameterization) {
	row, _ := f.Process.row()
	w, v := formula{a}, output
	switch f.Computes {
	case ComputesNoise:
		return output, ParameterizationNoise
	case ComputesDenoised:
		return output, ParameterizationDenoised
	case ComputesScore:
		if row.divisor == nil {
			return output, ParameterizationScore
		}
		return w.div(output, row.divisor(w, f.Process, a.column(axes))), ParameterizationScore
	case ComputesMinusV:
		v = w.op("Neg", output)
	case ComputesEDM: // c_skip·x + c_out·F is the denoiser of -DataStd·F as v
		v = w.mul(output, w.number(-f.Process.DataStd))
	}
	sigma := a.column(axes)
	return row.noise(w, InputX, sigma, row.divisor(w, f.Process, sigma), v), ParameterizationNoise
}
