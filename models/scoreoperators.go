package models

// operator says how one of ONNX's operators may be used.
type operator struct {
	gives   gives // of which type its first output is
	like    int   // the input with that type
	keeps   bool  // whether the elements of the output are those of the first input
	sizes   []int // inputs whose elements decide the size of the output
	divides bool  // whether it divides its first input by the second
	counts  bool  // whether it divides by the number of elements, which may be 0
}

// gives says of which type the first output of an operator is.
type gives int

const (
	likeInput gives = iota
	attributeType
	storedValue
	sizes
	integersOrFlags
)

// scoreOperators are the operators that score networks need. None of them contains a graph, draws random numbers, or
// decides the size of its result by the elements of its inputs, unless they are given in sizes.
var scoreOperators = map[string]operator{
	// Element by element.
	"Abs": {}, "Add": {}, "Ceil": {}, "Clip": {}, "Cos": {}, "Cosh": {}, "Div": {divides: true}, "Erf": {}, "Exp": {},
	"Floor": {}, "Log": {}, "Max": {}, "Mean": {}, "Min": {}, "Mod": {divides: true}, "Mul": {}, "Neg": {}, "Pow": {},
	"Reciprocal": {}, "Round": {}, "Sign": {}, "Sin": {}, "Sinh": {}, "Sqrt": {}, "Sub": {}, "Sum": {}, "Tan": {},
	"Acos": {}, "Acosh": {}, "Asin": {}, "Asinh": {}, "Atan": {}, "Atanh": {},
	"Cast": {gives: attributeType}, "CastLike": {like: 1}, "Where": {like: 1},
	"And": {gives: integersOrFlags}, "Or": {gives: integersOrFlags}, "Xor": {gives: integersOrFlags},
	"Not": {gives: integersOrFlags}, "Equal": {gives: integersOrFlags}, "Greater": {gives: integersOrFlags},
	"GreaterOrEqual": {gives: integersOrFlags}, "Less": {gives: integersOrFlags},
	"LessOrEqual": {gives: integersOrFlags}, "IsInf": {gives: integersOrFlags}, "IsNaN": {gives: integersOrFlags},

	// Activations.
	"Celu": {}, "Elu": {}, "Gelu": {}, "HardSigmoid": {}, "HardSwish": {}, "LeakyRelu": {}, "LogSoftmax": {},
	"Mish": {}, "PRelu": {}, "Relu": {}, "Selu": {}, "Sigmoid": {}, "Softmax": {}, "Softplus": {}, "Softsign": {},
	"Swish": {}, "Tanh": {}, "ThresholdedRelu": {},

	// Products and convolutions.
	"Attention": {}, "Conv": {}, "ConvTranspose": {}, "Einsum": {}, "Gemm": {}, "MatMul": {}, "RotaryEmbedding": {},
	"ConvInteger": {gives: integersOrFlags}, "MatMulInteger": {gives: integersOrFlags},
	"QLinearConv": {gives: integersOrFlags}, "QLinearMatMul": {gives: integersOrFlags},
	"DequantizeLinear": {like: 1}, "QuantizeLinear": {gives: integersOrFlags},

	// Pools and norms.
	"AveragePool": {}, "GlobalAveragePool": {}, "GlobalLpPool": {}, "GlobalMaxPool": {}, "LpPool": {}, "MaxPool": {},
	"BatchNormalization": {}, "Dropout": {}, "GroupNormalization": {}, "InstanceNormalization": {},
	"LayerNormalization": {}, "LpNormalization": {}, "LRN": {}, "MeanVarianceNormalization": {},
	"RMSNormalization": {},

	// Reductions.
	"ArgMax": {gives: integersOrFlags}, "ArgMin": {gives: integersOrFlags}, "CumSum": {},
	"ReduceL1": {sizes: []int{1}}, "ReduceL2": {sizes: []int{1}}, "ReduceLogSum": {sizes: []int{1}},
	"ReduceLogSumExp": {sizes: []int{1}}, "ReduceMax": {sizes: []int{1}},
	"ReduceMean": {sizes: []int{1}, counts: true}, "ReduceMin": {sizes: []int{1}}, "ReduceProd": {sizes: []int{1}},
	"ReduceSum": {sizes: []int{1}}, "ReduceSumSquare": {sizes: []int{1}}, "TopK": {sizes: []int{1}},

	// Shapes and places.
	"Concat": {}, "Constant": {gives: storedValue}, "ConstantOfShape": {gives: storedValue, sizes: []int{0}},
	"DepthToSpace": {}, "Expand": {sizes: []int{1}}, "Flatten": {keeps: true}, "Gather": {}, "GatherElements": {},
	"GatherND": {}, "Identity": {keeps: true}, "OneHot": {like: 2, sizes: []int{1}}, "Pad": {sizes: []int{1, 3}},
	"Range": {sizes: []int{0, 1, 2}}, "Reshape": {keeps: true, sizes: []int{1}}, "Resize": {sizes: []int{1, 2, 3}},
	"ScatterElements": {}, "ScatterND": {}, "Shape": {gives: sizes}, "Size": {gives: sizes},
	"Slice": {sizes: []int{1, 2, 3, 4}}, "SpaceToDepth": {}, "Split": {sizes: []int{1}},
	"Squeeze": {keeps: true, sizes: []int{1}}, "Tile": {sizes: []int{1}}, "Transpose": {}, "Trilu": {},
	"Unsqueeze": {keeps: true, sizes: []int{1}}, "Upsample": {sizes: []int{1}},
}
