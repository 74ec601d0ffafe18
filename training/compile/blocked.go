package compile

import (
	"github.com/gomlx/compute-onnx/support/protos"

	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/models/onnxgraph"
)

// convolution is the shape of a kernel.
type convolution struct{ out, in, height, width int }

// blockConvolutions makes the convolutions of a graph run in blocks of the given number of channels, see ChannelBlock
// of package ort. It returns the number of convolutions that do. ONNX Runtime itself converts networks with constant
// kernels to this form. It does not convert computed kernels, as in a training, and such convolutions take two to three
// times as long.
//
// known has the kernels' shapes by the name of the convolution's result. A convolution with too few channels for a
// block is unchanged.
func blockConvolutions(model *protos.ModelProto, known map[string]convolution, block int) (blocked int) {
	if block == 0 {
		return 0
	}
	w := blockWriter{onnxgraph.NewWriter(model.GetGraph())}
	nodes := w.Graph.Node
	w.Graph.Node = nil
	for _, node := range nodes {
		c, ok := known[node.GetOutput()[0]]
		// A block is filled with zeros if there are at least 4 channels.
		if !ok || node.GetOpType() != "Conv" || c.in < block || c.in%4 != 0 {
			w.Graph.Node = append(w.Graph.Node, node)
			continue
		}
		w.blocked(node, c, block)
		blocked++
	}
	if blocked > 0 {
		model.OpsetImport = append(model.OpsetImport,
			&protos.OperatorSetIdProto{Domain: models.BlockedDomain, Version: 1})
	}
	return blocked
}

// blockWriter appends nodes to a graph.
type blockWriter struct{ *onnxgraph.Writer }

// blocked appends conv in blocks, with its kernel as [out/block, in/block, height, width, block in, block out].
func (w blockWriter) blocked(conv *protos.NodeProto, c convolution, block int) {
	x, kernel, y := conv.GetInput()[0], conv.GetInput()[1], conv.GetOutput()[0]
	filled := func(channels int) int { return (channels + block - 1) / block * block }
	reshape := func(name, x string, shape ...int) string {
		return w.Node("Reshape", y+"/"+name, x, w.Int64s(name, shape)).Output[0]
	}
	transpose := func(name, x string, axes ...int) string {
		turned := w.Node("Transpose", y+"/"+name, x)
		turned.Attribute = []*protos.AttributeProto{onnxgraph.Ints("perm", axes...)}
		return turned.Output[0]
	}
	out, in, places := filled(c.out), filled(c.in), c.height*c.width
	if out != c.out || in != c.in {
		kernel = w.Step("Pad", y, kernel, w.Int64s("padding", []int{0, 0, 0, 0, out - c.out, in - c.in, 0, 0}))
	}
	// Two transpositions of one axis each are ten times faster than one of many axes.
	kernel = transpose("out_inside", reshape("rows", kernel, out/block, block, in*places), 0, 2, 1)
	kernel = transpose("in_inside", reshape("columns", kernel, out/block*in/block, block, places, block), 0, 2, 1, 3)
	kernel = reshape("kernel", kernel, out, in, c.height, c.width)

	inBlocks := w.Node("ReorderInput", y+"/input", x)
	convolved := w.Node("Conv", y+"/output", inBlocks.Output[0], kernel)
	convolved.Attribute = conv.GetAttribute()
	result := w.Node("ReorderOutput", y, convolved.Output[0])
	result.Attribute = []*protos.AttributeProto{onnxgraph.Int("channels", c.out)}
	for _, node := range []*protos.NodeProto{inBlocks, convolved, result} {
		node.Domain = models.BlockedDomain
	}
}
