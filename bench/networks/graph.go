package main

import (
	"encoding/binary"
	"math"
	"math/rand/v2"

	"github.com/gomlx/compute-onnx/support/protos"

	"github.com/langevin-ml/langevin/models"
)

// graph writes nodes in the order of the calls, with random weights, and counts their cost.
type graph struct {
	model  *protos.ModelProto
	random *rand.Rand
	cost   cost
}

// shape is the shape of a square image.
type shape struct{ channels, side int }

func newGraph(name string, sample ...int64) *graph {
	return &graph{random: rand.New(rand.NewPCG(1, 0)), model: &protos.ModelProto{
		IrVersion: 8, ProducerName: "langevin", OpsetImport: []*protos.OperatorSetIdProto{{Version: 18}},
		Graph: &protos.GraphProto{
			Name:   name,
			Input:  []*protos.ValueInfoProto{rows(models.InputX, sample...), rows(models.InputSigma)},
			Output: []*protos.ValueInfoProto{rows(models.OutputScore, sample...)},
		},
	}}
}

// rows returns the declaration of a float32 tensor [N, sample...].
func rows(name string, sample ...int64) *protos.ValueInfoProto {
	axes := []*protos.TensorShapeProto_Dimension{{Value: &protos.TensorShapeProto_Dimension_DimParam{DimParam: "N"}}}
	for _, n := range sample {
		axes = append(axes,
			&protos.TensorShapeProto_Dimension{Value: &protos.TensorShapeProto_Dimension_DimValue{DimValue: n}})
	}
	tensor := &protos.TypeProto_Tensor{ElemType: int32(protos.TensorProto_FLOAT),
		Shape: &protos.TensorShapeProto{Dim: axes}}
	return &protos.ValueInfoProto{Name: name,
		Type: &protos.TypeProto{Value: &protos.TypeProto_TensorType{TensorType: tensor}}}
}

// node appends an operator and returns the name of its output.
func (g *graph) node(op, output string, inputs ...string) string {
	g.model.Graph.Node = append(g.model.Graph.Node, &protos.NodeProto{
		OpType: op, Name: output, Input: inputs, Output: []string{output},
	})
	return output
}

// set sets an attribute of the last node.
func (g *graph) set(name string, values ...int64) {
	g.attribute(&protos.AttributeProto{Name: name, Type: protos.AttributeProto_INTS, Ints: values})
}

func (g *graph) setText(name, value string) {
	g.attribute(&protos.AttributeProto{Name: name, Type: protos.AttributeProto_STRING, S: []byte(value)})
}

func (g *graph) attribute(a *protos.AttributeProto) {
	last := g.model.Graph.Node[len(g.model.Graph.Node)-1]
	last.Attribute = append(last.Attribute, a)
}

// conv appends a 3×3 convolution that keeps the size of the image.
func (g *graph) conv(name, x string, in shape, out, dilation int) string {
	bound := 1 / math.Sqrt(float64(9*in.channels))
	g.floats(name+".weight", -bound, bound, out, in.channels, 3, 3)
	g.floats(name+".bias", -bound, bound, out)
	g.cost.FLOPs += 2 * 9 * in.channels * out * in.side * in.side
	y := g.node("Conv", name+".conv", x, name+".weight", name+".bias")
	d := int64(dilation)
	g.set("pads", d, d, d, d)
	g.set("dilations", d, d)
	return y
}

// halve appends the means of 2×2 pixels.
func (g *graph) halve(x string) string {
	y := g.node("AveragePool", "halved", x)
	g.set("kernel_shape", 2, 2)
	g.set("strides", 2, 2)
	return y
}

// double repeats every pixel 2×2 times.
func (g *graph) double(x string) string {
	scales := &protos.TensorProto{
		Name: "scales", Dims: []int64{4}, DataType: int32(protos.TensorProto_FLOAT), FloatData: []float32{1, 1, 2, 2},
	}
	g.model.Graph.Initializer = append(g.model.Graph.Initializer, scales)
	y := g.node("Resize", "doubled", x, "", scales.Name)
	g.setText("mode", "nearest")
	g.setText("coordinate_transformation_mode", "asymmetric")
	g.setText("nearest_mode", "floor")
	return y
}

// floats adds a parameter, uniform between two bounds.
func (g *graph) floats(name string, low, high float64, shape ...int) {
	dims, size := make([]int64, len(shape)), 1
	for i, n := range shape {
		dims[i] = int64(n)
		size *= n
	}
	raw := make([]byte, 0, 4*size)
	for range size {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(float32(low+(high-low)*g.random.Float64())))
	}
	g.cost.Parameters += size
	g.model.Graph.Initializer = append(g.model.Graph.Initializer, &protos.TensorProto{
		Name: name, Dims: dims, DataType: int32(protos.TensorProto_FLOAT), RawData: raw,
	})
}

func (g *graph) ints(name string, values ...int64) string {
	g.model.Graph.Initializer = append(g.model.Graph.Initializer, &protos.TensorProto{
		Name: name, Dims: []int64{int64(len(values))}, DataType: int32(protos.TensorProto_INT64), Int64Data: values,
	})
	return name
}

// matrixProduct returns a graph that multiplies x, n×n, by a constant matrix. It measures what the machine can do.
func matrixProduct(n int) (*protos.ModelProto, cost) {
	g := newGraph("product", int64(n))
	g.floats("weight", -1, 1, n, n)
	g.node("MatMul", models.OutputScore, models.InputX, "weight")
	g.model.Graph.Input = g.model.Graph.Input[:1]
	g.cost.FLOPs = 2 * n * n * n
	return g.model, g.cost
}
