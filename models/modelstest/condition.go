package modelstest

import (
	"math/rand/v2"
	"slices"

	"github.com/gomlx/compute-onnx/support/protos"

	"github.com/langevin-ml/langevin/models"
)

// Conditional returns [Manifest] with a condition.
func Conditional(c models.Condition, name string, shape ...int) models.Manifest {
	m := Manifest(name, shape...)
	m.Format, m.Condition = models.FormatCondition, &c
	return m
}

// GaussianOfClass returns a graph of the exact score of N(mean, I) convolved with N(0, σ²I), where the class selects
// the mean: (mean - x)/(1+σ²). shape is the shape of a sample, and each mean has its elements. If the network also
// works without a class, the last mean is the one for none.
func GaussianOfClass(means [][]float32, shape ...int) *protos.ModelProto {
	g := newGraph("classes", shape)
	g.input(&protos.ValueInfoProto{Name: models.InputC, Type: integersOfRows()})
	table := g.floats("means", []int{len(means), len(means[0])}, slices.Concat(means...))
	return g.gaussianAround(g.add("Gather", table, models.InputC))
}

// GaussianOfVector returns a graph like [GaussianOfClass] whose mean is the vector of the condition. size is the size
// of a sample and of the vector. If dropped, the condition has one more element, by which the mean is multiplied.
func GaussianOfVector(size int, dropped bool) *protos.ModelProto {
	g := newGraph("vector", []int{size})
	c := models.Condition{Size: size, Dropped: dropped}
	g.input(Value(models.InputC, c.Width()))
	mean := models.InputC
	if dropped {
		last := g.ints("last", int64(size))
		axes := g.ints("axes", 1)
		flag := g.add("Slice", models.InputC, last, g.ints("end", int64(size+1)), axes)
		mean = g.add("Mul", g.add("Slice", models.InputC, g.ints("start", 0), last, axes), flag)
	}
	return g.gaussianAround(mean)
}

// GivenMLP returns a network like [MLP] with SiLU that is also conditioned on a class, by a table of random rows, or on
// a vector.
func GivenMLP(c models.Condition, seed uint64) *protos.ModelProto {
	const dim, width, embedded = 2, 64, 8
	g := newGraph("given_mlp", []int{dim})
	rng := rand.New(rand.NewPCG(seed, 0))
	sigma := g.perRow(models.InputSigma)
	h := g.add("Concat", models.InputX, g.add("Log", sigma), g.embed(c, embedded, rng))
	g.set("axis", 1)
	h = g.activate("SiLU", g.dense(h, dim+1+embedded, width, rng))
	h = g.activate("SiLU", g.dense(h, width, width, rng))
	return g.finish("Div", g.dense(h, width, dim, rng), sigma)
}

// GivenConv returns a network like [EmbeddedConv] with SiLU whose planes are also shifted by an embedding of a
// condition.
func GivenConv(c models.Condition, side int, seed uint64) *protos.ModelProto {
	const channels = 16
	g := newGraph("given_conv", []int{1, side, side})
	rng := rand.New(rand.NewPCG(seed, 0))
	shift := g.dense(g.activate("SiLU", g.embed(c, 2*channels, rng)), 2*channels, channels, rng)
	h := g.add("Add", g.conv(models.InputX, 1, channels, rng),
		g.add("Reshape", shift, g.ints("planes", -1, channels, 1, 1)))
	return g.finish("Div", g.conv(g.activate("SiLU", h), channels, 1, rng), g.perRow(models.InputSigma))
}

// embed adds the input c and returns rows of its embedding.
func (g *graph) embed(c models.Condition, size int, rng *rand.Rand) string {
	if c.Classes > 0 {
		g.input(&protos.ValueInfoProto{Name: models.InputC, Type: integersOfRows()})
		kinds := c.Classes + 1
		return g.add("Gather", g.floats("table", []int{kinds, size}, uniform(kinds*size, 1, rng)), models.InputC)
	}
	g.input(Value(models.InputC, c.Width()))
	return g.dense(models.InputC, c.Width(), size, rng)
}

// gaussianAround finishes a graph with (mean - x)/(1+σ²).
func (g *graph) gaussianAround(mean string) *protos.ModelProto {
	if len(g.shape) > 1 {
		mean = g.add("Reshape", mean, g.ints("sample", append([]int64{-1}, sizes(g.shape)...)...))
	}
	variance := g.add("Add", g.add("Mul", models.InputSigma, models.InputSigma), g.floats("one", nil, []float32{1}))
	return g.finish("Div", g.add("Sub", mean, models.InputX), g.perRow(variance))
}

func (g *graph) input(v *protos.ValueInfoProto) {
	g.model.Graph.Input = append(g.model.Graph.Input, v)
}

// integersOfRows is the type of an int64 tensor [N].
func integersOfRows() *protos.TypeProto {
	t := Value("").Type
	t.GetTensorType().ElemType = int32(protos.TensorProto_INT64)
	return t
}

// DependentOnConditions returns graphs like [GaussianOfClass] in which a row depends on the class of another row.
func DependentOnConditions(means [][]float32, shape ...int) []Case {
	ways := []struct {
		name  string
		class func(g rowGraph) string
	}{
		{"class of the first row", func(g rowGraph) string { return g.rowOf(models.InputC, 0) }},
		{"class of the last row", func(g rowGraph) string { return g.rowOf(models.InputC, -1) }},
		{"largest class", func(g rowGraph) string { return g.over("ReduceMax", models.InputC) }},
		{"smallest class", func(g rowGraph) string { return g.over("ReduceMin", models.InputC) }},
	}
	var cases []Case
	for _, way := range ways {
		g := rowGraph{newGraph("dependent", shape), models.InputX}
		g.input(&protos.ValueInfoProto{Name: models.InputC, Type: integersOfRows()})
		table := g.floats("means", []int{len(means), len(means[0])}, slices.Concat(means...))
		cases = append(cases, Case{way.name, g.gaussianAround(g.add("Gather", table, way.class(g)))})
	}
	return cases
}
