package nn

import "math"

// Transpose exchanges the two axes of matrices, [Batch, n, m] to [Batch, m, n].
func (b *Builder) Transpose(name string, x *Node) *Node {
	b.wantMatrices(name, x)
	shape := []int{x.Shape[0], x.Shape[2], x.Shape[1]}
	return b.add(&Node{Op: OpTranspose, Name: name, Shape: shape, Inputs: []*Node{x}})
}

// MatMul multiplies the matrices of each row, [Batch, n, k] and [Batch, k, m], to [Batch, n, m].
func (b *Builder) MatMul(name string, x, y *Node) *Node {
	b.wantMatrices(name, x)
	b.wantMatrices(name, y)
	if x.Shape[2] != y.Shape[1] {
		b.fail("%s: product of shapes %v and %v: want as many columns as rows", name, x.Shape, y.Shape)
	}
	shape := []int{x.Shape[0], x.Shape[1], y.Shape[2]}
	return b.add(&Node{Op: OpMatMul, Name: name, Shape: shape, Inputs: []*Node{x, y}})
}

func (b *Builder) wantMatrices(name string, x *Node) {
	if len(x.Shape) != 3 || x.Shape[0] != Batch {
		b.fail("%s: shape %v: want matrices [Batch, n, m]", name, x.Shape)
	}
}

// attention returns, for each place of images, the mean of all places' values (Vaswani et al. 2017), with the weights
// softmax(q·k/√channels) of one head. Queries q, keys k and values are 1×1 convolutions of x, name.query, name.key and
// name.value, whose weights are as of [Scaled] with the given scale. The result has x's shape.
func (b *Builder) attention(name string, x *Node, scale float64) *Node {
	b.wantImages(name, x)
	c, h, w := x.Shape[1], x.Shape[2], x.Shape[3]
	columns := func(part string) *Node { // [Batch, c, places]
		projected := b.Conv(name+"."+part, x, Conv{Out: c, Size: 1, Scale: scale})
		return b.Reshape(name+"/"+part, projected, c, h*w)
	}
	q, k, v := columns("query"), columns("key"), columns("value")
	q = b.Mul(name+"/scaled", q, b.Constant(name+"/scale", 1/math.Sqrt(float64(c))))
	weights := b.Softmax(name+"/weights", b.MatMul(name+"/scores", b.Transpose(name+"/rows", q), k))
	mean := b.MatMul(name+"/mean", v, b.Transpose(name+"/columns", weights))
	return b.Reshape(name, mean, c, h, w)
}
