package nn

import (
	"math"
	"slices"

	"github.com/langevin-ml/langevin/sampling"
)

// Batch is the size of the first axis of inputs and activations in the shape of a [Node]. It means any number of rows.
const Batch = -1

// Op is what a [Node] computes from its inputs.
type Op string

// These are the operations. Elementwise ones broadcast axes of size 1, and scalars.
const (
	OpInput     Op = "Input"     // x, sigma or the vector c
	OpClass     Op = "Class"     // the input c as the index of a class, below Choices
	OpParameter Op = "Parameter" // trained
	OpConstant  Op = "Constant"  // Values in Shape
	OpUnsqueeze Op = "Unsqueeze" // insert axes of size 1 at Axes of the result
	OpConcat    Op = "Concat"    // join inputs along Axes[0]
	OpAdd       Op = "Add"
	OpSub       Op = "Sub"
	OpMul       Op = "Mul"
	OpDiv       Op = "Div"
	OpSigmoid   Op = "Sigmoid"  // 1/(1 + e^-x)
	OpSoftplus  Op = "Softplus" // ln(1 + e^x)
	OpTanh      Op = "Tanh"
	OpReLU      Op = "Relu" // max(x, 0)
	OpELU       Op = "Elu"  // x if x is positive, else e^x - 1
	OpExp       Op = "Exp"
	OpLog       Op = "Log"
	OpSqrt      Op = "Sqrt"
	OpSin       Op = "Sin"
	OpCos       Op = "Cos"
	OpDense     Op = "Dense"   // input [Batch, in], weight [in, out], bias [out] -> input·weight + bias
	OpNearest   Op = "Nearest" // input [Batch] -> index of the nearest of Values, the first one of equals
	OpGather    Op = "Gather"  // table [rows, width], index [Batch] -> rows of the table [Batch, width]

	OpReshape    Op = "Reshape"    // the same elements in Shape, row by row of the batch
	OpReduceMean Op = "ReduceMean" // mean over Axes, which keep size 1
	OpSoftmax    Op = "Softmax"    // over the last axis
	OpTranspose  Op = "Transpose"  // matrices [Batch, n, m] -> [Batch, m, n]
	OpMatMul     Op = "MatMul"     // matrices [Batch, n, k], [Batch, k, m] -> products [Batch, n, m]
	OpDropout    Op = "Dropout"    // in a training, zeros with probability Values[0], and the rest grows to match

	// These operations are for images [Batch, channels, height, width].
	OpConv          Op = "Conv"          // input, weight [out, in, Size, Size], optional bias [out]; padded with zeros
	OpConvTranspose Op = "ConvTranspose" // input, weight [in, out, Size, Size], bias [out]: to Stride times the size
	OpFilter        Op = "Filter"        // convolve each channel with Values in both directions; padded with zeros
	OpInstanceNorm  Op = "InstanceNorm"  // (x - mean)/√(variance + Values[0]) of each channel, over all places
	OpMeanPool      Op = "MeanPool"      // padded with zeros, which count
	OpMaxPool       Op = "MaxPool"       // padded with -∞
	OpUpsample      Op = "Upsample"      // repeat every element Stride×Stride times
	OpResize        Op = "Resize"        // bilinear, to Shape; corners coincide
	OpSpaceToDepth  Op = "SpaceToDepth"  // blocks of Stride×Stride places to channels: place, then channel
	OpDepthToSpace  Op = "DepthToSpace"  // the inverse of OpSpaceToDepth
)

// Window describes how an operation moves over images, in both directions.
type Window struct {
	Size     int // of the window
	Stride   int // distance of two windows
	Dilation int // distance of two elements of a window
	Pad      int // number of elements added on each side

	// Flat says that the window is one element high, and Pad only on the left and the right. Stride is then 1.
	Flat bool
}

// height returns the size of the window and the padding along the first axis of images.
func (w Window) height() (size, pad int) {
	if w.Flat {
		return 1, 0
	}
	return w.Size, w.Pad
}

// places returns the number of windows along an axis of the given length.
func (w Window) places(length int) int {
	return (length+2*w.Pad-w.Dilation*(w.Size-1)-1)/w.Stride + 1
}

// Node is one value of a [Graph] and the operation that computes it. A [Builder] makes nodes, and nobody changes them
// afterwards.
type Node struct {
	Op     Op
	Name   string    // unique in the graph; also the name in the ONNX file
	Shape  []int     // an axis of size [Batch] has any number of rows
	Inputs []*Node   // in the order that the operation documents
	Axes   []int     // of OpUnsqueeze, OpConcat and OpReduceMean
	Values []float64 // of OpConstant, OpNearest, OpInstanceNorm, OpFilter and OpDropout
	Window Window    // of the operations on images

	// Choices is the number of values that an index can have: of OpClass and OpNearest.
	Choices int
	Init    Init // of OpParameter

	// OfCondition is whether the network has this parameter only because its samples are given a condition. If it is
	// 0, the condition has no effect.
	OfCondition bool
}

// Size returns the number of elements of a node whose shape has no batch axis.
func (n *Node) Size() int { return product(n.Shape) }

// Graph is a recorded network: the score as a function of x, sigma, the parameters and perhaps a condition, or the
// results of a classifier as a function of x and the parameters. It is immutable and safe for concurrent use.
type Graph struct {
	X       *Node   // [Batch, shape of one sample...]
	Sigma   *Node   // [Batch]; nil in a classifier
	C       *Node   // condition, [Batch] or [Batch, width]; nil without one
	Score   *Node   // has X's shape; nil in a classifier
	Outputs []*Node // the score, or the outputs of BuildClassifier
	Params  []*Node // in the order of the flat vector of parameters
	Nodes   []*Node // everything that Outputs need, except inputs and parameters, each node after its inputs

	Condition Condition // describes C
}

// inputs returns x and, as far as g has them, sigma and c.
func (g *Graph) inputs() []*Node {
	all := []*Node{g.X}
	for _, n := range []*Node{g.Sigma, g.C} {
		if n != nil {
			all = append(all, n)
		}
	}
	return all
}

// NumParams returns the length of the flat vector of parameters.
func (g *Graph) NumParams() int {
	total := 0
	for _, p := range g.Params {
		total += p.Size()
	}
	return total
}

// Split divides a flat vector of NumParams elements into one part for each of Params. It does not copy.
func (g *Graph) Split(params []float32) [][]float32 {
	pieces := make([][]float32, len(g.Params))
	for i, p := range g.Params {
		pieces[i], params = params[:p.Size():p.Size()], params[p.Size():]
	}
	return pieces
}

// Init is the initial distribution of a parameter.
type Init struct {
	Bound float64 // uniform on ±Bound if not 0
	Mean  float64 // of the normal distribution
	Std   float64 // of the normal distribution, used if Bound is 0; 0: all elements are Mean
}

// Scaled returns an initial distribution of weights that keeps the variance of what flows through them, and of the
// gradient that flows back, times scale: uniform with the variance scale·2/(in + out), for the numbers of inputs and
// outputs of each (Glorot & Bengio 2010, equation 16; "fan_avg" in other libraries).
func Scaled(scale float64, in, out int) Init {
	return Init{Bound: math.Sqrt(6 * scale / float64(in+out))}
}

// NewParams returns the initial flat vector of parameters. It is a pure function of g and seed.
func (g *Graph) NewParams(seed uint64) []float32 {
	params := make([]float32, g.NumParams())
	for i, p := range g.Split(params) {
		g.Params[i].Init.draw(p, sampling.Noise{Seed: seed, Chain: uint64(i)})
	}
	return params
}

func (i Init) draw(dst []float32, noise sampling.Noise) {
	switch {
	case i.Bound != 0:
		noise.Uniform(dst, 0)
		for j, u := range dst {
			dst[j] = float32(i.Bound * (2*float64(u) - 1))
		}
	case i.Std != 0:
		noise.Normal(dst, 0)
		for j, z := range dst {
			dst[j] = float32(i.Mean + i.Std*float64(z))
		}
	default:
		for j := range dst {
			dst[j] = float32(i.Mean)
		}
	}
}

// used returns the nodes that outputs need, each after its inputs, in the order in which they were recorded.
func used(recorded, outputs []*Node) []*Node {
	needed := make(map[*Node]bool)
	for _, n := range outputs {
		needed[n] = true
	}
	for _, n := range slices.Backward(recorded) {
		if needed[n] {
			for _, in := range n.Inputs {
				needed[in] = true
			}
		}
	}
	return slices.DeleteFunc(slices.Clone(recorded), func(n *Node) bool { return !needed[n] })
}
