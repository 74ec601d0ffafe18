package ort

import (
	"context"
	"fmt"
	"slices"

	"github.com/gomlx/compute-onnx/support/protos"
)

// What the rows of an evaluation are padded to where the batch is a side of a matrix product, whose kernels treat a
// remainder of rows in another way, with other bits.
const (
	productRows = 16 // the floats in the widest vector register
	pointRows   = 4  // enough for small networks wherever it was tried, which is worth much to a chain that runs alone
	pointDim    = 64 // largest sample for which pointRows is tried
	trialRows   = 256
)

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

// rowMultipleOf returns what the rows of a graph's evaluations probably have to be a multiple of so that results do not
// depend on how many there are. It goes by the operators; [Session.settle] holds its word against a trial.
func rowMultipleOf(graph *protos.GraphProto, dim int) int {
	products, convolves := false, false
	for _, node := range graph.GetNode() {
		known := node.GetDomain() == "" || node.GetDomain() == "ai.onnx"
		products = products || !known || !rowOperators[node.GetOpType()]
		convolves = convolves || node.GetOpType() == "Conv"
	}
	switch {
	case convolves && !products:
		return 1
	case dim <= pointDim:
		return pointRows
	}
	return productRows
}

// settle keeps the multiple of rows that was guessed if a trial bears it out, and falls back to productRows otherwise.
func (s *Session) settle(ctx context.Context, l *lane) error {
	if s.buckets {
		return s.warmBuckets(ctx, l)
	}
	if s.multiple == productRows {
		return nil
	}
	agree, err := s.rowsAgree(ctx, l)
	if !agree {
		s.multiple = productRows
	}
	return err
}

// warmBuckets evaluates every number of rows that evaluations can have, so that no request has to wait for a plan.
func (s *Session) warmBuckets(ctx context.Context, l *lane) error {
	for rows := productRows; rows <= s.rows; rows *= 2 {
		fill(l.x[:rows*s.dim], l.sigma[:rows])
		b, err := l.binding(rows)
		if err == nil {
			err = b.run(ctx)
		}
		if err != nil {
			return fmt.Errorf("with %d rows: %w", rows, err)
		}
	}
	return nil
}

// rowsAgree evaluates few rows, in the numbers that s.multiple allows, and reports whether their bits are the same as
// among many.
func (s *Session) rowsAgree(ctx context.Context, l *lane) (bool, error) {
	many, few := trialRows, []int{}
	if s.multiple == 1 { // the rows of images cost more
		many, few = productRows, []int{1, 2, 3, 7}
	}
	for n := s.multiple; s.multiple > 1 && n < many; n += max(s.multiple, n/8/s.multiple*s.multiple) {
		few = append(few, n)
	}
	fill(l.x[:many*s.dim], l.sigma[:many])
	run := func(rows int) ([]float32, error) {
		b, err := l.binding(rows)
		if err != nil {
			return nil, err
		}
		return l.score[:rows*s.dim], b.run(ctx)
	}
	all, err := run(many)
	if err != nil {
		return false, err
	}
	want := slices.Clone(all)
	for _, rows := range few {
		got, err := run(rows)
		if err != nil {
			return false, err
		}
		if !slices.Equal(got, want[:len(got)]) {
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
