package nn

import (
	"fmt"
	"math"
	"slices"
)

// Builder records the operations of one network. Its methods infer the shape of their result and return its node. An
// invalid call, such as the sum of shapes that do not broadcast, ends the recording, and [Build] returns the reason. So
// the definition of a network does not need to check anything.
type Builder struct {
	nodes []*Node
	names map[string]bool
}

// mistake carries the reason from a Builder method to Build.
type mistake struct{ error }

// Build records the network that define describes, for samples of the given shape. define gets the inputs x, of shape
// [Batch, shape...], and sigma, of shape [Batch], and returns the score, of x's shape.
func Build(shape []int, define func(b *Builder, x, sigma *Node) *Node) (*Graph, error) {
	return BuildGiven(shape, Condition{}, func(b *Builder, x, sigma, _ *Node) *Node { return define(b, x, sigma) })
}

// BuildClassifier records a network of x alone, [Batch, shape...]. define returns its features, [Batch, n], and the
// logits of its classes, [Batch, k]. The graph has no sigma and no score. It has three outputs: features, logits and
// probabilities, which are the softmax of the logits.
func BuildClassifier(shape []int, define func(b *Builder, x *Node) (features, logits *Node)) (*Graph, error) {
	return record(shape, func(b *Builder, x *Node) *Graph {
		features, logits := define(b, x)
		for _, n := range []*Node{features, logits} {
			if len(n.Shape) != 2 || n.Shape[0] != Batch {
				b.fail("%s of a classifier has shape %v: want rows, two axes", n.Name, n.Shape)
			}
		}
		b.output("features", features)
		b.output("logits", logits)
		return b.graph(&Graph{X: x, Outputs: []*Node{features, logits, b.Softmax("probabilities", logits)}})
	})
}

// record returns the graph that define describes, or the mistake that ended the recording.
func record(shape []int, define func(b *Builder, x *Node) *Graph) (g *Graph, err error) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case mistake:
			g, err = nil, r.error
		default:
			panic(r)
		}
	}()
	b := &Builder{names: make(map[string]bool)}
	if len(shape) == 0 || slices.Min(shape) < 1 {
		b.fail("sample of shape %v: want at least one axis, all of them positive", shape)
	}
	x := b.add(&Node{Op: OpInput, Name: "x", Shape: append([]int{Batch}, shape...)})
	return define(b, x), nil
}

// output gives n the name of a result.
func (b *Builder) output(name string, n *Node) {
	if n.Op == OpInput || n.Op == OpClass || n.Op == OpParameter {
		b.fail("%s is an %s: want the result of an operation", name, n.Op)
	}
	if n.Name != name && b.names[name] {
		b.fail("a node named %s is not the %s: want the name for the result alone", name, name)
	}
	b.names[name] = true
	n.Name = name
}

// graph adds to g what its outputs need.
func (b *Builder) graph(g *Graph) *Graph {
	for _, n := range used(b.nodes, g.Outputs) {
		switch n.Op {
		case OpInput, OpClass:
		case OpParameter:
			g.Params = append(g.Params, n)
		default:
			g.Nodes = append(g.Nodes, n)
		}
	}
	return g
}

func (b *Builder) fail(format string, args ...any) {
	panic(mistake{fmt.Errorf("nn: "+format, args...)})
}

// add records n. No other node may have its name.
func (b *Builder) add(n *Node) *Node {
	if b.names[n.Name] {
		b.fail("two nodes named %q: want a name for each", n.Name)
	}
	b.names[n.Name] = true
	b.nodes = append(b.nodes, n)
	return n
}

// Parameter returns a trained tensor of a fixed shape.
func (b *Builder) Parameter(name string, init Init, shape ...int) *Node {
	if len(shape) == 0 || slices.Min(shape) < 1 {
		b.fail("parameter %s has shape %v: want at least one axis, all of them positive", name, shape)
	}
	return b.add(&Node{Op: OpParameter, Name: name, Shape: shape, Init: init})
}

// Constant returns a scalar that is not trained.
func (b *Builder) Constant(name string, value float64) *Node {
	return b.constant(name, []int{}, value)
}

// Row returns values as a tensor [1, len(values)] that is not trained.
func (b *Builder) Row(name string, values ...float64) *Node {
	if len(values) == 0 {
		b.fail("row %s has no values: want at least one", name)
	}
	return b.constant(name, []int{1, len(values)}, values...)
}

func (b *Builder) constant(name string, shape []int, values ...float64) *Node {
	for _, v := range values {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			b.fail("constant %s is %g: want a finite number", name, v)
		}
	}
	return b.add(&Node{Op: OpConstant, Name: name, Shape: shape, Values: values})
}

// Add returns x + y, elementwise.
func (b *Builder) Add(name string, x, y *Node) *Node { return b.elementwise(OpAdd, name, x, y) }

// Sub returns x - y, elementwise.
func (b *Builder) Sub(name string, x, y *Node) *Node { return b.elementwise(OpSub, name, x, y) }

// Mul returns x·y, elementwise.
func (b *Builder) Mul(name string, x, y *Node) *Node { return b.elementwise(OpMul, name, x, y) }

// Div returns x / y, elementwise.
func (b *Builder) Div(name string, x, y *Node) *Node { return b.elementwise(OpDiv, name, x, y) }

// Sigmoid returns 1/(1 + e^-x), elementwise.
func (b *Builder) Sigmoid(name string, x *Node) *Node { return b.elementwise(OpSigmoid, name, x) }

// Softplus returns ln(1 + e^x), elementwise.
func (b *Builder) Softplus(name string, x *Node) *Node { return b.elementwise(OpSoftplus, name, x) }

// Tanh returns the hyperbolic tangent, elementwise.
func (b *Builder) Tanh(name string, x *Node) *Node { return b.elementwise(OpTanh, name, x) }

// ReLU returns max(x, 0), elementwise.
func (b *Builder) ReLU(name string, x *Node) *Node { return b.elementwise(OpReLU, name, x) }

// ELU returns x if x is positive and e^x - 1 otherwise, elementwise.
func (b *Builder) ELU(name string, x *Node) *Node { return b.elementwise(OpELU, name, x) }

// Exp returns e^x, elementwise.
func (b *Builder) Exp(name string, x *Node) *Node { return b.elementwise(OpExp, name, x) }

// Log returns the natural logarithm, elementwise.
func (b *Builder) Log(name string, x *Node) *Node { return b.elementwise(OpLog, name, x) }

// Sqrt returns the square root, elementwise.
func (b *Builder) Sqrt(name string, x *Node) *Node { return b.elementwise(OpSqrt, name, x) }

// Sin returns the sine, elementwise.
func (b *Builder) Sin(name string, x *Node) *Node { return b.elementwise(OpSin, name, x) }

// Cos returns the cosine, elementwise.
func (b *Builder) Cos(name string, x *Node) *Node { return b.elementwise(OpCos, name, x) }

// SiLU returns x·sigmoid(x), elementwise, recorded as these two operations.
func (b *Builder) SiLU(name string, x *Node) *Node {
	return b.Mul(name, x, b.Sigmoid(name+"/gate", x))
}

func (b *Builder) elementwise(op Op, name string, inputs ...*Node) *Node {
	shape := inputs[0].Shape
	for _, in := range inputs[1:] {
		joint, ok := broadcast(shape, in.Shape)
		if !ok {
			b.fail("%s: %s of shapes %v and %v, which do not broadcast", name, op, shape, in.Shape)
		}
		shape = joint
	}
	return b.add(&Node{Op: op, Name: name, Shape: shape, Inputs: inputs})
}

// broadcast returns the joint shape of a and b. One of them must be a scalar's shape, or both must have the same rank
// and axes that are equal or 1.
func broadcast(a, b []int) (joint []int, ok bool) {
	if len(a) == 0 {
		return b, true
	}
	if len(b) == 0 {
		return a, true
	}
	if len(a) != len(b) {
		return nil, false
	}
	joint = slices.Clone(a)
	for i, n := range b {
		switch {
		case joint[i] == 1:
			joint[i] = n
		case n != 1 && n != joint[i]:
			return nil, false
		}
	}
	return joint, true
}

// Unsqueeze inserts axes of size 1. axes are the places in the result's shape, ascending.
func (b *Builder) Unsqueeze(name string, x *Node, axes ...int) *Node {
	shape := slices.Clone(x.Shape)
	for i, axis := range axes {
		if axis < 0 || axis > len(shape) || i > 0 && axis <= axes[i-1] {
			b.fail("%s: axes %v into shape %v: want ascending places in the result", name, axes, x.Shape)
		}
		shape = slices.Insert(shape, axis, 1)
	}
	return b.add(&Node{Op: OpUnsqueeze, Name: name, Shape: shape, Inputs: []*Node{x}, Axes: axes})
}

// Reshape gives the elements of each row of the batch another shape. The result is [Batch, shape...].
func (b *Builder) Reshape(name string, x *Node, shape ...int) *Node {
	if len(x.Shape) == 0 || x.Shape[0] != Batch || len(shape) == 0 || slices.Min(shape) < 1 ||
		product(shape) != product(x.Shape[1:]) {
		b.fail("%s: reshape of %v to rows of %v: want as many elements in every row of the batch", name, x.Shape, shape)
	}
	return b.add(&Node{Op: OpReshape, Name: name, Shape: append([]int{Batch}, shape...), Inputs: []*Node{x}})
}

// ReduceMean returns the mean over the given axes, which keep size 1. The axes are ascending, without the batch.
func (b *Builder) ReduceMean(name string, x *Node, axes ...int) *Node {
	shape := slices.Clone(x.Shape)
	for i, axis := range axes {
		if axis < 1 || axis >= len(shape) || i > 0 && axis <= axes[i-1] {
			b.fail("%s: mean over axes %v of shape %v: want ascending ones after the first", name, axes, x.Shape)
		}
		shape[axis] = 1
	}
	return b.add(&Node{Op: OpReduceMean, Name: name, Shape: shape, Inputs: []*Node{x}, Axes: axes})
}

// Softmax returns e^x divided by the sum of e^x along the last axis, for rows x [Batch, n] or matrices [Batch, m, n].
func (b *Builder) Softmax(name string, x *Node) *Node {
	if len(x.Shape) != 2 && len(x.Shape) != 3 {
		b.fail("%s: softmax of shape %v: want rows or matrices, two or three axes", name, x.Shape)
	}
	return b.add(&Node{Op: OpSoftmax, Name: name, Shape: x.Shape, Inputs: []*Node{x}})
}

func product(shape []int) int {
	size := 1
	for _, n := range shape {
		size *= n
	}
	return size
}

// Concat joins tensors along one axis, which must not be the batch. Their other axes must be equal.
func (b *Builder) Concat(name string, axis int, inputs ...*Node) *Node {
	first := inputs[0].Shape
	if axis < 1 || axis >= len(first) {
		b.fail("%s: axis %d of shape %v: want one after the first", name, axis, first)
	}
	shape := slices.Clone(first)
	shape[axis] = 0
	for _, in := range inputs {
		if len(in.Shape) != len(first) || !slices.Equal(in.Shape[:axis], first[:axis]) ||
			!slices.Equal(in.Shape[axis+1:], first[axis+1:]) {
			b.fail("%s: shapes %v and %v differ off axis %d", name, first, in.Shape, axis)
		}
		shape[axis] += in.Shape[axis]
	}
	return b.add(&Node{Op: OpConcat, Name: name, Shape: shape, Inputs: inputs, Axes: []int{axis}})
}

// Dense returns x·W + b for rows x [Batch, in]. The parameters are name.weight [in, width] and name.bias [width], both
// initialized in ±1/√in.
func (b *Builder) Dense(name string, x *Node, width int) *Node {
	b.wantRows(name, x)
	init := Init{Bound: 1 / math.Sqrt(float64(x.Shape[1]))}
	return b.dense(name, x, width, init, init)
}

// DenseScaled is [Builder.Dense] with the initial weights of [Scaled] and biases of 0.
func (b *Builder) DenseScaled(name string, x *Node, width int) *Node {
	b.wantRows(name, x)
	return b.dense(name, x, width, Scaled(1, x.Shape[1], width), Init{})
}

func (b *Builder) wantRows(name string, x *Node) {
	if len(x.Shape) != 2 {
		b.fail("%s: Dense of shape %v: want rows, two axes", name, x.Shape)
	}
}

func (b *Builder) dense(name string, x *Node, width int, weights, biases Init) *Node {
	weight := b.Parameter(name+".weight", weights, x.Shape[1], width)
	bias := b.Parameter(name+".bias", biases, width)
	return b.add(&Node{Op: OpDense, Name: name, Shape: []int{x.Shape[0], width}, Inputs: []*Node{x, weight, bias}})
}

// Nearest returns, for each sigma [Batch], the index of the nearest of values, or the first one of two equally near
// ones. The result is only for [Builder.Embedding].
func (b *Builder) Nearest(name string, sigma *Node, values []float64) *Node {
	if len(sigma.Shape) != 1 || len(values) == 0 {
		b.fail("%s: nearest of %d values to shape %v: want one axis and at least one value",
			name, len(values), sigma.Shape)
	}
	return b.add(&Node{Op: OpNearest, Name: name, Shape: sigma.Shape, Inputs: []*Node{sigma},
		Values: slices.Clone(values), Choices: len(values)})
}

// Embedding returns row index of the parameter name.weight [index.Choices, width], which is initialized from N(0, 1).
// index must come from [Builder.Nearest] or be the input c of classes.
func (b *Builder) Embedding(name string, index *Node, width int) *Node {
	return b.lookUp(name, name+".weight", index, Init{Std: 1}, width)
}

// lookUp returns row index of the parameter table, [index.Choices, width].
func (b *Builder) lookUp(name, table string, index *Node, init Init, width int) *Node {
	if index.Choices == 0 {
		b.fail("%s: embedding of %s: want the result of Nearest, or a class", name, index.Op)
	}
	rows := b.Parameter(table, init, index.Choices, width)
	return b.add(&Node{Op: OpGather, Name: name, Shape: []int{index.Shape[0], width}, Inputs: []*Node{rows, index}})
}
