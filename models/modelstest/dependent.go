package modelstest

import (
	"math"
	"math/rand/v2"

	"github.com/gomlx/compute-onnx/support/protos"

	"github.com/langevin-ml/langevin/models"
)

// A Case is a graph and a name that says what the graph does.
type Case struct {
	Name  string
	Model *protos.ModelProto
}

// Dependent returns graphs of [Gaussian] in which a row of the score depends on the other rows, on its index or on
// their number. If convolve is true, samples pass a convolution first; their shape is then [1, h, w].
func Dependent(convolve bool, shape ...int) []Case {
	return spoiled(dependences, convolve, shape)
}

// Independent returns graphs that look like some of [Dependent], but whose rows depend only on themselves.
func Independent(convolve bool, shape ...int) []Case {
	return spoiled(independences, convolve, shape)
}

func spoiled(ways []way, convolve bool, shape []int) []Case {
	var cases []Case
	for _, c := range ways {
		g := rowGraph{newGraph("dependent", shape), models.InputX}
		if convolve {
			g.x = g.conv(models.InputX, 1, 1, rand.New(rand.NewPCG(1, 0)))
		}
		x, sigma := c.spoil(g)
		variance := g.add("Add", g.add("Mul", sigma, sigma), g.floats("one", nil, []float32{1}))
		cases = append(cases, Case{c.name, g.finish("Div", g.add("Neg", x), g.perRow(variance))})
	}
	return cases
}

// A way says what replaces x and sigma.
type way struct {
	name  string
	spoil func(g rowGraph) (x, sigma string)
}

var independences = []way{
	{"norm of the row", func(g rowGraph) (x, sigma string) {
		return g.add("Div", g.x, g.within("ReduceL2", g.x)), models.InputSigma
	}},
	{"mean of the row", func(g rowGraph) (x, sigma string) {
		return g.add("Sub", g.x, g.within("ReduceMean", g.x)), models.InputSigma
	}},
	{"scale of eight bits of the row", func(g rowGraph) (x, sigma string) {
		step := g.times(g.within("ReduceMax", g.add("Abs", g.x)), 1.0/127)
		return g.add("Mul", g.add("Round", g.add("Div", g.x, step)), step), models.InputSigma
	}},
	{"sum within the row", func(g rowGraph) (x, sigma string) {
		return g.add("CumSum", g.x, g.number("axis", 1)), models.InputSigma
	}},
	{"softmax of the row", func(g rowGraph) (x, sigma string) {
		soft := g.add("Softmax", g.x)
		g.set("axis", -1)
		return soft, models.InputSigma
	}},
	{"logarithm of sigma", func(g rowGraph) (x, sigma string) { return g.x, g.add("Log", models.InputSigma) }},
}

var dependences = []way{
	{"sigma of the first row", func(g rowGraph) (x, sigma string) { return g.x, g.rowOf(models.InputSigma, 0) }},
	{"sigma of the last row", func(g rowGraph) (x, sigma string) { return g.x, g.rowOf(models.InputSigma, -1) }},
	{"sigma of the last row but one", func(g rowGraph) (x, sigma string) {
		return g.x,
			g.rowOf(models.InputSigma, -2)
	}},
	{"largest sigma", func(g rowGraph) (x, sigma string) { return g.x, g.over("ReduceMax", models.InputSigma) }},
	{"smallest sigma", func(g rowGraph) (x, sigma string) { return g.x, g.over("ReduceMin", models.InputSigma) }},
	{"mean sigma", func(g rowGraph) (x, sigma string) { return g.x, g.over("ReduceMean", models.InputSigma) }},
	{"mean", func(g rowGraph) (x, sigma string) {
		return g.add("Sub", g.x, g.over("ReduceMean", g.x)), models.InputSigma
	}},
	{"a millionth of the mean", func(g rowGraph) (x, sigma string) {
		return g.add("Add", g.x, g.times(g.over("ReduceMean", g.x), 1e-6)), models.InputSigma
	}},
	{"a millionth of a bounded mean", func(g rowGraph) (x, sigma string) {
		bounded := g.times(g.add("Tanh", g.over("ReduceMean", g.x)), 1e-6)
		return g.add("Mul", g.x, g.add("Add", bounded, g.floats("all", nil, []float32{1}))), models.InputSigma
	}},
	{"norm", func(g rowGraph) (x, sigma string) {
		return g.add("Div", g.x, g.whole("ReduceL2", g.x)), models.InputSigma
	}},
	{"maximum, if a row is large", func(g rowGraph) (x, sigma string) {
		return g.add("Add", g.x, g.above(g.whole("ReduceMax", g.x), 1000)), models.InputSigma
	}},
	{"maximum, if a row is large, of clipped rows", func(g rowGraph) (x, sigma string) {
		low, high := g.floats("low", nil, []float32{-50}), g.floats("high", nil, []float32{50})
		return g.add("Add", g.x, g.above(g.whole("ReduceMax", g.add("Clip", g.x, low, high)), 45)), models.InputSigma
	}},
	{"scale of eight bits", func(g rowGraph) (x, sigma string) {
		step := g.times(g.whole("ReduceMax", g.add("Abs", g.x)), 1.0/127)
		return g.add("Mul", g.add("Round", g.add("Div", g.x, step)), step), models.InputSigma
	}},
	{"rows in the order of sigma", func(g rowGraph) (x, sigma string) {
		g.add("TopK", models.InputSigma, g.rows())
		last := g.model.Graph.Node[len(g.model.Graph.Node)-1]
		last.Output = append(last.Output, "order")
		return g.add("Gather", g.x, "order"), models.InputSigma
	}},
	{"sum of the rows up to it", func(g rowGraph) (x, sigma string) {
		return g.add("CumSum", g.x, g.number("axis", 0)), models.InputSigma
	}},
	{"sum of the rows from it on", func(g rowGraph) (x, sigma string) {
		sum := g.add("CumSum", g.x, g.number("axis", 0))
		g.set("reverse", 1)
		return sum, models.InputSigma
	}},
	{"number of rows", func(g rowGraph) (x, sigma string) {
		return g.add("Mul", g.x, g.float(g.rows())), models.InputSigma
	}},
	{"place", func(g rowGraph) (x, sigma string) {
		place := g.add("Range", g.number("from", 0), g.add("Squeeze", g.rows()), g.number("step", 1))
		return g.x, g.add("Add", models.InputSigma, g.times(g.float(place), 1e-3))
	}},
	{"a little of the row before", func(g rowGraph) (x, sigma string) {
		before := g.add("Slice", g.x, g.ints("first", 0), g.ints("last", -1), g.ints("axes", 0))
		last := g.add("Slice", g.x, g.ints("from_last", -1), g.ints("end", math.MaxInt64), g.ints("axes_too", 0))
		shifted := g.add("Concat", last, before)
		g.set("axis", 0)
		return g.add("Add", g.x, g.times(shifted, 1e-5)), models.InputSigma
	}},
}

// rowGraph writes graphs that combine rows.
type rowGraph struct {
	*graph
	x string
}

// rowOf returns the i-th row of value.
func (g rowGraph) rowOf(value string, i int64) string {
	return g.add("Gather", value, g.ints("row", i))
}

// over reduces value over the rows.
func (g rowGraph) over(op, value string) string { return g.add(op, value, g.ints("over_rows", 0)) }

// within reduces samples over all axes except the first.
func (g rowGraph) within(op, value string) string {
	axes := make([]int64, len(g.shape))
	for i := range axes {
		axes[i] = int64(1 + i)
	}
	return g.add(op, value, g.ints("within_rows", axes...))
}

// whole reduces value to one number.
func (g rowGraph) whole(op, value string) string {
	one := g.add(op, value)
	g.set("keepdims", 0)
	return one
}

// above returns by how much value exceeds a number.
func (g rowGraph) above(value string, number float32) string {
	return g.add("Relu", g.add("Sub", value, g.floats("much", nil, []float32{number})))
}

func (g rowGraph) times(value string, factor float32) string {
	return g.add("Mul", value, g.floats(value+"_factor", nil, []float32{factor}))
}

func (g rowGraph) float(value string) string {
	cast := g.add("Cast", value)
	g.set("to", int64(protos.TensorProto_FLOAT))
	return cast
}

// rows returns the number of rows, as a tensor of one element.
func (g rowGraph) rows() string {
	rows := g.add("Shape", models.InputX)
	g.set("end", 1)
	return rows
}

// number stores an integer without axes.
func (g rowGraph) number(name string, value int64) string {
	g.ints(name, value)
	g.model.Graph.Initializer[len(g.model.Graph.Initializer)-1].Dims = nil
	return name
}
