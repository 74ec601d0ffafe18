package nn

import (
	"fmt"

	"github.com/gomlx/compute-onnx/support/protos"

	"github.com/langevin-ml/langevin/models"
)

// convolution is the shape of a kernel.
type convolution struct{ out, in, height, width int }

// blockConvolutions lets the convolutions of a graph run in blocks of so many channels, see ChannelBlock of package ort, and
// returns how many do. ONNX Runtime brings networks whose kernels are constants into that form itself, but not those
// whose kernels are computed, as in a training, and convolves these two to three times slower.
//
// known has the kernels' shapes, by the name of the convolution's result. Few channels are left: they do not fill a block.
func blockConvolutions(model *protos.ModelProto, known map[string]convolution, block int) (blocked int) {
	if block == 0 {
		return 0
	}
	var nodes []*protos.NodeProto
	for _, node := range model.GetGraph().GetNode() {
		c, ok := known[node.GetOutput()[0]]
		// A block is filled up with zeros from 4 channels at a time.
		if !ok || node.GetOpType() != "Conv" || c.in < block || c.in%4 != 0 {
			nodes = append(nodes, node)
			continue
		}
		b := blocks{model: model, node: node, c: c, size: block}
		nodes = append(nodes, b.nodes()...)
		blocked++
	}
	model.Graph.Node = nodes
	if blocked > 0 {
		model.OpsetImport = append(model.OpsetImport, &protos.OperatorSetIdProto{Domain: models.BlockedDomain, Version: 1})
	}
	return blocked
}

// blocks writes one convolution.
type blocks struct {
	model   *protos.ModelProto
	node    *protos.NodeProto
	c       convolution
	size    int
	written []*protos.NodeProto
}

// nodes has the kernel as [out/size, in/size, height, width, size in, size out].
func (b *blocks) nodes() []*protos.NodeProto {
	x, kernel, y := b.node.GetInput()[0], b.node.GetInput()[1], b.node.GetOutput()[0]
	out, in := b.filled(b.c.out), b.filled(b.c.in)
	if out != b.c.out || in != b.c.in {
		kernel = b.add("Pad", "", nil, kernel, b.integers("padding", 0, 0, 0, 0, out-b.c.out, in-b.c.in, 0, 0))
	}
	// Two moves of one axis each are ten times faster than one of many.
	places := b.c.height * b.c.width
	cut := b.add("Reshape", "", nil, kernel, b.integers("rows", out/b.size, b.size, in*places))
	inner := b.add("Transpose", "", []*protos.AttributeProto{intsAttribute("perm", 0, 2, 1)}, cut)
	cut = b.add("Reshape", "", nil, inner, b.integers("columns", out/b.size*in/b.size, b.size, places, b.size))
	middle := b.add("Transpose", "", []*protos.AttributeProto{intsAttribute("perm", 0, 2, 1, 3)}, cut)
	kernel = b.add("Reshape", "", nil, middle, b.integers("whole", out, in, b.c.height, b.c.width))
	blocked := b.add("ReorderInput", models.BlockedDomain, nil, x)
	convolved := b.add("Conv", models.BlockedDomain, b.node.GetAttribute(), blocked, kernel)
	channels := &protos.AttributeProto{Name: "channels", Type: protos.AttributeProto_INT, I: int64(b.c.out)}
	b.addAs(y, "ReorderOutput", models.BlockedDomain, []*protos.AttributeProto{channels}, convolved)
	return b.written
}

// filled is the channels of whole blocks.
func (b *blocks) filled(channels int) int { return (channels + b.size - 1) / b.size * b.size }

func (b *blocks) add(op, domain string, attributes []*protos.AttributeProto, inputs ...string) (output string) {
	output = fmt.Sprintf("%s/%d", b.node.GetOutput()[0], len(b.written))
	b.addAs(output, op, domain, attributes, inputs...)
	return output
}

func (b *blocks) addAs(output, op, domain string, attributes []*protos.AttributeProto, inputs ...string) {
	b.written = append(b.written, &protos.NodeProto{
		Name: output, OpType: op, Domain: domain, Attribute: attributes, Input: inputs, Output: []string{output},
	})
}

// integers adds a constant.
func (b *blocks) integers(name string, values ...int) (output string) {
	output = b.node.GetOutput()[0] + "/" + name
	tensor := &protos.TensorProto{Name: output, DataType: int32(protos.TensorProto_INT64), Dims: []int64{int64(len(values))}}
	for _, v := range values {
		tensor.Int64Data = append(tensor.Int64Data, int64(v))
	}
	b.model.Graph.Initializer = append(b.model.Graph.Initializer, tensor)
	return output
}
