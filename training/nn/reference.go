package nn

import (
	"fmt"
	"math"
	"slices"
)

// Evaluate computes the score in float64 without any library, slowly. x has len(sigma) rows of one sample each, and so
// does the result. c has a row of Condition.Width() elements for each of them, or nothing without a condition. For a
// classifier, it computes the probabilities, and only the length of sigma matters. It is the reference in tests of the
// other interpreters.
func (g *Graph) Evaluate(params []float32, x, sigma []float64, c ...float64) ([]float64, error) {
	row, width := product(g.X.Shape[1:]), g.Condition.Width()
	if len(params) != g.NumParams() || len(x) != row*len(sigma) || len(c) != width*len(sigma) {
		return nil, fmt.Errorf("nn: evaluate: %d parameters, %d elements of x and %d of c for %d sigmas: "+
			"want %d, %d and %d", len(params), len(x), len(c), len(sigma), g.NumParams(), row*len(sigma),
			width*len(sigma))
	}
	values := map[*Node]tensor{
		g.X: {rows(g.X.Shape, len(sigma)), x},
	}
	if g.Sigma != nil {
		values[g.Sigma] = tensor{[]int{len(sigma)}, sigma}
	}
	if g.C != nil {
		values[g.C] = tensor{rows(g.C.Shape, len(sigma)), c}
	}
	for i, piece := range g.Split(params) {
		data := make([]float64, len(piece))
		for j, v := range piece {
			data[j] = float64(v)
		}
		values[g.Params[i]] = tensor{g.Params[i].Shape, data}
	}
	for _, n := range g.Nodes {
		in := make([]tensor, len(n.Inputs))
		for i, input := range n.Inputs {
			in[i] = values[input]
		}
		values[n] = n.evaluate(tensorOf(rows(n.Shape, len(sigma))), in)
	}
	return values[g.Outputs[len(g.Outputs)-1]].data, nil
}

// tensor is a row-major array.
type tensor struct {
	shape []int
	data  []float64
}

func tensorOf(shape []int) tensor {
	size := 1
	for _, n := range shape {
		size *= n
	}
	return tensor{shape, make([]float64, size)}
}

// rows returns shape with n as its batch axis.
func rows(shape []int, n int) []int {
	actual := make([]int, len(shape))
	for i, size := range shape {
		if actual[i] = size; size == Batch {
			actual[i] = n
		}
	}
	return actual
}

// evaluate fills out, which has the shape of n, from its inputs.
func (n *Node) evaluate(out tensor, in []tensor) tensor {
	switch n.Op {
	case OpConstant:
		copy(out.data, n.Values)
	case OpUnsqueeze:
		copy(out.data, in[0].data)
	case OpConcat:
		out.concat(n.Axes[0], in)
	case OpAdd:
		out.zip(in[0], in[1], func(a, b float64) float64 { return a + b })
	case OpSub:
		out.zip(in[0], in[1], func(a, b float64) float64 { return a - b })
	case OpMul:
		out.zip(in[0], in[1], func(a, b float64) float64 { return a * b })
	case OpDiv:
		out.zip(in[0], in[1], func(a, b float64) float64 { return a / b })
	case OpSigmoid:
		out.each(in[0], func(a float64) float64 { return 1 / (1 + math.Exp(-a)) })
	case OpSoftplus:
		out.each(in[0], func(a float64) float64 { return max(a, 0) + math.Log1p(math.Exp(-math.Abs(a))) })
	case OpTanh:
		out.each(in[0], math.Tanh)
	case OpReLU:
		out.each(in[0], func(a float64) float64 { return max(a, 0) })
	case OpELU:
		out.each(in[0], func(a float64) float64 { return max(a, 0) + math.Expm1(min(a, 0)) })
	case OpExp:
		out.each(in[0], math.Exp)
	case OpLog:
		out.each(in[0], math.Log)
	case OpSqrt:
		out.each(in[0], math.Sqrt)
	case OpSin:
		out.each(in[0], math.Sin)
	case OpCos:
		out.each(in[0], math.Cos)
	case OpReshape:
		copy(out.data, in[0].data)
	case OpReduceMean:
		out.reduceMean(in[0])
	case OpSoftmax:
		out.softmax(in[0])
	case OpTranspose:
		out.transpose(in[0])
	case OpMatMul:
		out.matMul(in[0], in[1])
	case OpDropout:
		copy(out.data, in[0].data)
	case OpDense:
		out.dense(in[0], in[1], in[2])
	case OpNearest:
		out.each(in[0], func(a float64) float64 { return float64(nearest(n.Values, a)) })
	case OpGather:
		width := out.shape[1]
		for i, row := range in[1].data {
			copy(out.data[i*width:(i+1)*width], in[0].data[int(row)*width:])
		}
	default:
		n.evaluateImage(out, in)
	}
	return out
}

// evaluateImage is evaluate for an operation on images.
func (n *Node) evaluateImage(out tensor, in []tensor) {
	switch n.Op {
	case OpConv:
		out.conv(n.Window, in)
	case OpConvTranspose:
		out.convTranspose(n.Window, in[0], in[1], in[2])
	case OpFilter:
		out.filter(n.Window, n.outer(), in[0])
	case OpInstanceNorm:
		out.instanceNorm(n.Values[0], in[0])
	case OpMeanPool:
		out.meanPool(n.Window, in[0])
	case OpMaxPool:
		out.maxPool(n.Window, in[0])
	case OpUpsample:
		out.upsample(n.Window.Stride, in[0])
	case OpResize:
		out.resize(in[0])
	case OpSpaceToDepth:
		in[0].blocks(n.Window.Stride, func(space, depth int) { out.data[depth] = in[0].data[space] })
	case OpDepthToSpace:
		out.blocks(n.Window.Stride, func(space, depth int) { out.data[space] = in[0].data[depth] })
	default:
		panic(fmt.Sprintf("nn: no reference for %s", n.Op))
	}
}

func (t tensor) each(a tensor, f func(float64) float64) {
	for i, v := range a.data {
		t.data[i] = f(v)
	}
}

func (t tensor) zip(a, b tensor, f func(a, b float64) float64) {
	for i := range t.data {
		t.data[i] = f(a.data[a.at(t.shape, i)], b.data[b.at(t.shape, i)])
	}
}

// at returns the element of t, broadcast to shape, at place i of shape.
func (t tensor) at(shape []int, i int) int {
	place, stride := 0, 1
	for axis := len(t.shape) - 1; axis >= 0; axis-- {
		if t.shape[axis] != 1 {
			place += i % shape[axis] * stride
		}
		i /= shape[axis]
		stride *= t.shape[axis]
	}
	return place
}

// reduceMean adds every element of x, divided by their number, to the element of t that broadcasts to it.
func (t tensor) reduceMean(x tensor) {
	share := float64(len(t.data)) / float64(len(x.data))
	for i, v := range x.data {
		t.data[t.at(x.shape, i)] += v * share
	}
}

func (t tensor) softmax(x tensor) {
	width := x.shape[len(x.shape)-1]
	for at := 0; at < len(x.data); at += width {
		var sum float64
		row := x.data[at : at+width]
		for i, v := range row {
			t.data[at+i] = math.Exp(v - slices.Max(row))
			sum += t.data[at+i]
		}
		for i := range row {
			t.data[at+i] /= sum
		}
	}
}

func (t tensor) transpose(x tensor) {
	n, m := x.shape[1], x.shape[2]
	for at := range x.data {
		matrix, row, column := at/(n*m), at/m%n, at%m
		t.data[(matrix*m+column)*n+row] = x.data[at]
	}
}

func (t tensor) matMul(a, c tensor) {
	n, k, m := a.shape[1], a.shape[2], c.shape[2]
	for at := range t.data {
		matrix, row, column := at/(n*m), at/m%n, at%m
		for i := range k {
			t.data[at] += a.data[(matrix*n+row)*k+i] * c.data[(matrix*k+i)*m+column]
		}
	}
}

func (t tensor) concat(axis int, in []tensor) {
	at := 0
	for outer := 0; at < len(t.data); outer++ {
		for _, part := range in {
			run := 1
			for _, n := range part.shape[axis:] {
				run *= n
			}
			at += copy(t.data[at:], part.data[outer*run:(outer+1)*run])
		}
	}
}

func (t tensor) dense(x, weight, bias tensor) {
	in, width := weight.shape[0], weight.shape[1]
	for row := range x.shape[0] {
		for j := range width {
			sum := bias.data[j]
			for k := range in {
				sum += x.data[row*in+k] * weight.data[k*width+j]
			}
			t.data[row*width+j] = sum
		}
	}
}

func nearest(values []float64, a float64) int {
	best := 0
	for i, v := range values {
		if math.Abs(a-v) < math.Abs(a-values[best]) {
			best = i
		}
	}
	return best
}
