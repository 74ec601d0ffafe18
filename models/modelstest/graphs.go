package modelstest

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/gomlx/compute-onnx/support/protos"

	"github.com/langevin-ml/langevin/models"
)

// Gaussian returns a graph of the exact score of N(0, I) convolved with N(0, σ²I): -x/(1+σ²). shape is the shape of a
// sample.
func Gaussian(shape ...int) *protos.ModelProto {
	g := newGraph("gaussian", shape)
	variance := g.add("Add", g.add("Mul", models.InputSigma, models.InputSigma), g.floats("one", nil, []float32{1}))
	return g.finish("Div", g.add("Neg", models.InputX), g.perRow(variance))
}

// GaussianAs returns [Gaussian] in another parameterization: the noise σx/(1+σ²) or the denoised x/(1+σ²).
func GaussianAs(p models.Parameterization, shape ...int) *protos.ModelProto {
	if p == models.ParameterizationScore {
		return Gaussian(shape...)
	}
	g := newGraph("gaussian", shape)
	variance := g.add("Add", g.add("Mul", models.InputSigma, models.InputSigma), g.floats("one", nil, []float32{1}))
	scaled := models.InputX
	if p == models.ParameterizationNoise {
		scaled = g.add("Mul", models.InputX, g.perRow(models.InputSigma))
	}
	return g.finish("Div", scaled, g.perRow(variance))
}

// ClassGradient returns a graph of ∇ log p_σ(y|x) for the classes at mean and at -mean of a mixture of two Gaussians of
// std 1. y is the class at mean, and odds is its share divided by that of the other. The gradient is d·sigmoid(-(x·d +
// ln odds)) with d = 2·mean/(1+σ²).
func ClassGradient(mean []float32, odds float64) *protos.ModelProto {
	dim := len(mean)
	g := newGraph("class", []int{dim})
	twice := make([]float32, dim)
	for i, v := range mean {
		twice[i] = 2 * v
	}
	variance := g.add("Add", g.add("Mul", models.InputSigma, models.InputSigma), g.floats("one", nil, []float32{1}))
	d := g.add("Div", g.floats("twice", []int{1, dim}, twice), g.perRow(variance))
	projected := g.add("ReduceSum", g.add("Mul", models.InputX, d), g.ints("last_axis", 1))
	logit := g.add("Add", projected, g.floats("log_odds", nil, []float32{float32(math.Log(odds))}))
	return g.finish("Mul", d, g.add("Sigmoid", g.add("Neg", logit)))
}

// MLP returns a network 2-128-128-2 conditioned on log σ. Its weights are random with the given seed, and its output is
// divided by σ. The activation is "SiLU" or an ONNX operator of one input, such as Softplus, Elu, Relu.
func MLP(activation string, seed uint64) *protos.ModelProto {
	const dim, width = 2, 128
	g := newGraph("mlp", []int{dim})
	rng := rand.New(rand.NewPCG(seed, 0))
	sigma := g.perRow(models.InputSigma)
	h := g.add("Concat", models.InputX, g.add("Log", sigma))
	g.set("axis", 1)
	for _, size := range []struct{ in, out int }{{dim + 1, width}, {width, width}} {
		h = g.activate(activation, g.dense(h, size.in, size.out, rng))
	}
	return g.finish("Div", g.dense(h, width, dim, rng), sigma)
}

// Conv returns a network of three 3×3 convolutions with instance norm on samples of shape [1, side, side]. Its weights
// are random with the given seed, and its output is divided by σ. Activations are as in [MLP].
func Conv(activation string, side int, seed uint64) *protos.ModelProto {
	const channels = 16
	g := newGraph("conv", []int{1, side, side})
	rng := rand.New(rand.NewPCG(seed, 0))
	h := g.activate(activation, g.conv(models.InputX, 1, channels, rng))
	ones, zeros := make([]float32, channels), make([]float32, channels)
	for i := range ones {
		ones[i] = 1
	}
	h = g.add("InstanceNormalization", h, g.floats("scale", []int{channels}, ones),
		g.floats("shift", []int{channels}, zeros))
	h = g.activate(activation, g.conv(h, channels, channels, rng))
	return g.finish("Div", g.conv(h, channels, 1, rng), g.perRow(models.InputSigma))
}

// DeepConv returns [Conv] with a fourth convolution, which is added to its own input.
func DeepConv(activation string, side int, seed uint64) *protos.ModelProto {
	const channels = 16
	g := newGraph("deep", []int{1, side, side})
	rng := rand.New(rand.NewPCG(seed, 0))
	h := g.activate(activation, g.conv(models.InputX, 1, channels, rng))
	h = g.activate(activation, g.conv(h, channels, channels, rng))
	h = g.add("Add", h, g.activate(activation, g.conv(h, channels, channels, rng)))
	return g.finish("Div", g.conv(h, channels, 1, rng), g.perRow(models.InputSigma))
}

// graph writes nodes in the order of the calls. A value has the name of the operator that computes it.
type graph struct {
	model *protos.ModelProto
	shape []int
	count int
}

// EmbeddedConv returns a convolutional network for grey images of the given side. Like most networks for images, it
// gets the noise level through a matrix product: conv(activation(conv(x) + dense(dense(features of sigma))))/sigma.
func EmbeddedConv(activation string, side int, seed uint64) *protos.ModelProto {
	const channels = 16
	g := newGraph("embedded", []int{1, side, side})
	rng := rand.New(rand.NewPCG(seed, 0))
	column := g.add("Reshape", models.InputSigma, g.ints("column", -1, 1))
	features := g.add("Mul", column, g.floats("features", []int{1, channels}, uniform(channels, 1, rng)))
	embedding := g.dense(g.activate(activation, g.dense(features, channels, 2*channels, rng)), 2*channels, channels,
		rng)
	h := g.add("Add", g.conv(models.InputX, 1, channels, rng),
		g.add("Reshape", embedding, g.ints("planes", -1, channels, 1, 1)))
	return g.finish("Div", g.conv(g.activate(activation, h), channels, 1, rng), g.perRow(models.InputSigma))
}

func newGraph(name string, shape []int) *graph {
	return &graph{shape: shape, model: &protos.ModelProto{
		IrVersion:   8,
		OpsetImport: []*protos.OperatorSetIdProto{{Version: 18}},
		Graph: &protos.GraphProto{
			Name:   name,
			Input:  []*protos.ValueInfoProto{Value(models.InputX, shape...), Value(models.InputSigma)},
			Output: []*protos.ValueInfoProto{Value(models.OutputScore, shape...)},
		},
	}}
}

// Value describes a float32 tensor [N, shape...].
func Value(name string, shape ...int) *protos.ValueInfoProto {
	axes := []*protos.TensorShapeProto_Dimension{
		{Value: &protos.TensorShapeProto_Dimension_DimParam{DimParam: "N"}},
	}
	for _, n := range shape {
		axes = append(axes, &protos.TensorShapeProto_Dimension{
			Value: &protos.TensorShapeProto_Dimension_DimValue{DimValue: int64(n)},
		})
	}
	return &protos.ValueInfoProto{Name: name, Type: &protos.TypeProto{Value: &protos.TypeProto_TensorType{
		TensorType: &protos.TypeProto_Tensor{
			ElemType: int32(protos.TensorProto_FLOAT),
			Shape:    &protos.TensorShapeProto{Dim: axes},
		},
	}}}
}

func (g *graph) add(op string, inputs ...string) string {
	g.count++
	return g.addAs(fmt.Sprintf("%s_%d", op, g.count), op, inputs...)
}

func (g *graph) addAs(output, op string, inputs ...string) string {
	g.model.Graph.Node = append(g.model.Graph.Node, &protos.NodeProto{
		Name: output + "_node", OpType: op, Input: inputs, Output: []string{output},
	})
	return output
}

// finish adds the node that computes the output.
func (g *graph) finish(op string, inputs ...string) *protos.ModelProto {
	g.addAs(models.OutputScore, op, inputs...)
	return g.model
}

// set sets an attribute of the last node: one number, or a list.
func (g *graph) set(name string, values ...int64) {
	attribute := &protos.AttributeProto{Name: name, Type: protos.AttributeProto_INTS, Ints: values}
	if len(values) == 1 {
		attribute = &protos.AttributeProto{Name: name, Type: protos.AttributeProto_INT, I: values[0]}
	}
	last := g.model.Graph.Node[len(g.model.Graph.Node)-1]
	last.Attribute = append(last.Attribute, attribute)
}

func (g *graph) floats(name string, shape []int, values []float32) string {
	g.model.Graph.Initializer = append(g.model.Graph.Initializer, &protos.TensorProto{
		Name: name, Dims: sizes(shape), DataType: int32(protos.TensorProto_FLOAT), FloatData: values,
	})
	return name
}

func (g *graph) ints(name string, values ...int64) string {
	g.model.Graph.Initializer = append(g.model.Graph.Initializer, &protos.TensorProto{
		Name: name, Dims: []int64{int64(len(values))}, DataType: int32(protos.TensorProto_INT64), Int64Data: values,
	})
	return name
}

// perRow reshapes a value [N] so that it broadcasts over a sample: [N, 1...].
func (g *graph) perRow(value string) string {
	axes := []int64{-1}
	for range g.shape {
		axes = append(axes, 1)
	}
	return g.add("Reshape", value, g.ints(value+"_axes", axes...))
}

func (g *graph) activate(activation, x string) string {
	if activation == "SiLU" {
		return g.add("Mul", x, g.add("Sigmoid", x))
	}
	return g.add(activation, x)
}

func (g *graph) dense(x string, in, out int, rng *rand.Rand) string {
	w := g.floats(x+"_w", []int{in, out}, uniform(in*out, in, rng))
	b := g.floats(x+"_b", []int{out}, uniform(out, in, rng))
	return g.add("Gemm", x, w, b)
}

func (g *graph) conv(x string, in, out int, rng *rand.Rand) string {
	w := g.floats(x+"_w", []int{out, in, 3, 3}, uniform(out*in*9, in*9, rng))
	b := g.floats(x+"_b", []int{out}, uniform(out, in*9, rng))
	y := g.add("Conv", x, w, b)
	g.set("pads", 1, 1, 1, 1)
	return y
}

// uniform returns weights drawn from ±1/√fanIn.
func uniform(n, fanIn int, rng *rand.Rand) []float32 {
	bound := 1 / math.Sqrt(float64(fanIn))
	values := make([]float32, n)
	for i := range values {
		values[i] = float32((2*rng.Float64() - 1) * bound)
	}
	return values
}

func sizes(shape []int) []int64 {
	dims := make([]int64, len(shape))
	for i, n := range shape {
		dims[i] = int64(n)
	}
	return dims
}
