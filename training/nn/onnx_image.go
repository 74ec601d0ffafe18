package nn

import (
	"slices"

	"github.com/gomlx/compute-onnx/support/protos"

	"github.com/langevin-ml/langevin/models/onnxgraph"
)

// writeImage appends an operation on images.
func (w onnxWriter) writeImage(n *Node, in []string) {
	v := n.Window
	switch n.Op {
	case OpConv:
		w.Node("Conv", n.Name, in...).Attribute = append(v.onnx(), onnxgraph.Ints("dilations", v.Dilation, v.Dilation))
	case OpConvTranspose:
		more := v.Stride - 1 + (v.Size - 1) - 2*v.Pad // the part of the size that the formula leaves out
		padding := onnxgraph.Ints("output_padding", more, more)
		w.Node("ConvTranspose", n.Name, in...).Attribute = append(v.onnx(), padding)
	case OpFilter:
		taps, channels := n.Name+"/taps", n.Shape[1]
		w.Float32s(taps, []int{channels, 1, v.Size, v.Size}, float32s(slices.Repeat(n.outer(), channels)))
		w.Node("Conv", n.Name, in[0], taps).Attribute = append(v.onnx(), onnxgraph.Int("group", channels))
	case OpInstanceNorm:
		ones, zeros := w.Repeated("ones", 1, n.Shape[1]), w.Repeated("zeros", 0, n.Shape[1])
		norm := w.Node("InstanceNormalization", n.Name, in[0], ones, zeros)
		norm.Attribute = []*protos.AttributeProto{onnxgraph.Float("epsilon", n.Values[0])}
	case OpMeanPool:
		w.Node("AveragePool", n.Name, in...).Attribute = append(v.onnx(), onnxgraph.Int("count_include_pad", 1))
	case OpMaxPool:
		w.Node("MaxPool", n.Name, in...).Attribute = v.onnx()
	case OpUpsample:
		w.resize(n, in[0], onnxgraph.Text("mode", "nearest"),
			onnxgraph.Text("coordinate_transformation_mode", "asymmetric"), onnxgraph.Text("nearest_mode", "floor"))
	case OpResize:
		w.resize(n, in[0], onnxgraph.Text("mode", "linear"),
			onnxgraph.Text("coordinate_transformation_mode", "align_corners"))
	default:
		w.Node(string(n.Op), n.Name, in...).Attribute = []*protos.AttributeProto{onnxgraph.Int("blocksize", v.Stride)}
	}
}

// onnx returns the attributes that convolutions and pools share.
func (w Window) onnx() []*protos.AttributeProto {
	height, above := w.height()
	return []*protos.AttributeProto{
		onnxgraph.Ints("kernel_shape", height, w.Size), onnxgraph.Ints("strides", w.Stride, w.Stride),
		onnxgraph.Ints("pads", above, w.Pad, above, w.Pad),
	}
}

func (w onnxWriter) resize(n *Node, x string, attributes ...*protos.AttributeProto) {
	size := w.Int64s("size", n.Shape[2:])
	w.Node("Resize", n.Name, x, "", "", size).Attribute = append(attributes, onnxgraph.Ints("axes", 2, 3))
}
