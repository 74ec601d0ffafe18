package ort

import (
	"slices"

	"github.com/gomlx/compute-onnx/support/protos"
)

// productRows is what the rows of an evaluation are padded to where the batch is a side of a matrix product: the floats
// in the widest vector register. The kernels treat a remainder of rows in another way, and its bits differ.
const productRows = 16

// rowOperators compute every row by itself, whatever stands beside it. An image of its own costs a convolutional network
// far less than one of sixteen, so such networks are not padded.
var rowOperators = map[string]bool{
	"Conv": true, "ConvTranspose": true, "AveragePool": true, "MaxPool": true, "GlobalAveragePool": true,
	"InstanceNormalization": true, "GroupNormalization": true,
	"Add": true, "Sub": true, "Mul": true, "Div": true, "Neg": true, "Abs": true, "Pow": true, "Sqrt": true, "Reciprocal": true,
	"Exp": true, "Log": true, "Sin": true, "Cos": true, "Erf": true, "Min": true, "Max": true, "Clip": true,
	"Relu": true, "LeakyRelu": true, "Elu": true, "Sigmoid": true, "Tanh": true, "Softplus": true,
	"ReduceMean": true, "ReduceSum": true, "Cast": true, "Constant": true, "Identity": true, "Concat": true, "Expand": true,
	"Gather": true, "Pad": true, "Reshape": true, "Resize": true, "Shape": true, "Slice": true, "Split": true, "Squeeze": true,
	"Transpose": true, "Unsqueeze": true,
}

// rowMultipleOf returns what the rows of a graph's evaluations have to be a multiple of so that results do not depend on
// how many there are. It goes by the operators; [Session.try] holds its word against a trial.
func rowMultipleOf(graph *protos.GraphProto) int {
	convolves := false
	for _, node := range graph.GetNode() {
		if node.GetDomain() != "" && node.GetDomain() != "ai.onnx" || !rowOperators[node.GetOpType()] {
			return productRows
		}
		convolves = convolves || node.GetOpType() == "Conv"
	}
	if !convolves {
		return productRows
	}
	return 1
}

// rowsAgree evaluates few rows alone and among productRows, and reports whether their bits are the same.
func (s *Session) rowsAgree(l *lane) (bool, error) {
	fill(l.x[:productRows*s.dim], l.sigma[:productRows])
	all, err := l.binding(productRows)
	if err != nil {
		return false, err
	}
	if err := all.run(); err != nil {
		return false, err
	}
	want := slices.Clone(l.score[:productRows*s.dim])
	for _, rows := range []int{1, 2, 3, 7} {
		few, err := l.binding(rows)
		if err != nil {
			return false, err
		}
		if err := few.run(); err != nil {
			return false, err
		}
		if !slices.Equal(l.score[:rows*s.dim], want[:rows*s.dim]) {
			return false, nil
		}
	}
	return true, nil
}

// fill writes states and sigmas that exercise every bit: a fixed sequence of numbers between -2 and 2.
func fill(x, sigma []float32) {
	state := uint32(1)
	next := func() float32 {
		state = state*1664525 + 1013904223 // Numerical Recipes' linear congruential generator
		return float32(int32(state)) * (1.0 / (1 << 30))
	}
	for i := range x {
		x[i] = next()
	}
	for i := range sigma {
		sigma[i] = 2.5 + next()
	}
}
