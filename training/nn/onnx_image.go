package nn

import (
	"slices"
	"strconv"

	"github.com/gomlx/compute-onnx/support/protos"
)

// writeImage appends an operation on images.
func (w *onnxWriter) writeImage(n *Node, in []string) {
	v := n.Window
	switch n.Op {
	case OpConv:
		w.node("Conv", n.Name, in...).Attribute = append(v.onnx(), intsAttribute("dilations", v.Dilation, v.Dilation))
	case OpConvTranspose:
		more := v.Stride - 1 + (v.Size - 1) - 2*v.Pad // what the formula of the size leaves out
		w.node("ConvTranspose", n.Name, in...).Attribute = append(v.onnx(), intsAttribute("output_padding", more, more))
	case OpInstanceNorm:
		ones, zeros := w.repeated("ones", 1, n.Shape[1]), w.repeated("zeros", 0, n.Shape[1])
		w.node("InstanceNormalization", n.Name, in[0], ones, zeros).Attribute = []*protos.AttributeProto{floatAttribute("epsilon", n.Values[0])}
	case OpMeanPool:
		w.node("AveragePool", n.Name, in...).Attribute = append(v.onnx(), intAttribute("count_include_pad", 1))
	case OpMaxPool:
		w.node("MaxPool", n.Name, in...).Attribute = v.onnx()
	case OpUpsample:
		w.resize(n, in[0], textAttribute("mode", "nearest"), textAttribute("coordinate_transformation_mode", "asymmetric"), textAttribute("nearest_mode", "floor"))
	case OpResize:
		w.resize(n, in[0], textAttribute("mode", "linear"), textAttribute("coordinate_transformation_mode", "align_corners"))
	default:
		w.node(string(n.Op), n.Name, in...).Attribute = []*protos.AttributeProto{intAttribute("blocksize", v.Stride)}
	}
}

// onnx is what convolutions and pools have in common.
func (w Window) onnx() []*protos.AttributeProto {
	return []*protos.AttributeProto{
		intsAttribute("kernel_shape", w.Size, w.Size), intsAttribute("strides", w.Stride, w.Stride),
		intsAttribute("pads", w.Pad, w.Pad, w.Pad, w.Pad),
	}
}

func (w *onnxWriter) resize(n *Node, x string, attributes ...*protos.AttributeProto) {
	size := w.int64s("size", n.Shape[2:])
	w.node("Resize", n.Name, x, "", "", size).Attribute = append(attributes, intsAttribute("axes", 2, 3))
}

// repeated is a vector of equal values that many nodes may use.
func (w *onnxWriter) repeated(name string, value float32, n int) string {
	name += "_" + strconv.Itoa(n)
	if !w.constants[name] {
		w.constants[name] = true
		w.float32s(name, []int{n}, slices.Repeat([]float32{value}, n))
	}
	return name
}

func intsAttribute(name string, values ...int) *protos.AttributeProto {
	a := &protos.AttributeProto{Name: name, Type: protos.AttributeProto_INTS}
	for _, v := range values {
		a.Ints = append(a.Ints, int64(v))
	}
	return a
}

func floatAttribute(name string, value float64) *protos.AttributeProto {
	return &protos.AttributeProto{Name: name, Type: protos.AttributeProto_FLOAT, F: float32(value)}
}

func textAttribute(name, value string) *protos.AttributeProto {
	return &protos.AttributeProto{Name: name, Type: protos.AttributeProto_STRING, S: []byte(value)}
}
