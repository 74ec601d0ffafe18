package ort

import (
	"context"
	"fmt"
	"slices"

	"github.com/gomlx/compute-onnx/support/protos"
)

// PointDim is the number of elements of the largest sample that is a point and not an image.
const PointDim = 64

// What the rows of an evaluation are padded to where the batch is a side of a matrix product, whose kernels treat a
// remainder of rows in another way, with other bits.
const (
	productRows = 16  // the floats in the widest vector register
	fewRows     = 4   // enough for small products wherever it was tried, which is worth much to a chain that runs alone
	trialRows   = 256 // of points
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
	"SpaceToDepth": true, "DepthToSpace": true, "Transpose": true, "Unsqueeze": true,
}

// rowMultiplesOf returns what the rows of a graph's evaluations may have to be a multiple of so that results do not depend
// on how many there are, from the least, which is the fastest, to productRows, which is safe. It goes by the operators:
// [Session.settle] holds all but the last against a trial.
func rowMultiplesOf(graph *protos.GraphProto, dim int) []int {
	products, convolves := false, false
	for _, node := range graph.GetNode() {
		known := node.GetDomain() == "" || node.GetDomain() == "ai.onnx"
		products = products || !known || !rowOperators[node.GetOpType()]
		convolves = convolves || node.GetOpType() == "Conv"
	}
	switch {
	case convolves && products: // where they carry the noise level, models.Rewrite has seen to them
		return []int{1, fewRows, productRows}
	case convolves:
		return []int{1, productRows}
	case dim <= PointDim:
		return []int{fewRows, productRows}
	}
	return []int{productRows}
}

// settle takes the first of the multiples that a trial bears out, or the last.
func (s *Session) settle(ctx context.Context, l *lane, multiples []int) error {
	if s.buckets {
		return s.warmBuckets(ctx, l)
	}
	for _, s.multiple = range multiples[:len(multiples)-1] {
		if agree, err := s.rowsAgree(ctx, l); agree || err != nil {
			return err
		}
	}
	s.multiple = productRows
	return nil
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
	many, few := productRows, []int{1, 2, 3, 7} // the rows of images cost more
	if s.multiple > 1 {
		few = nil
		if s.dim <= PointDim {
			many = trialRows
		}
		for n := s.multiple; n < many; n += max(s.multiple, n/8/s.multiple*s.multiple) {
			few = append(few, n)
		}
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

// match pads rows as another session does, and evaluates some of them, each by itself, in both.
func (s *Session) match(ctx context.Context, other *Session) error {
	const rows = 2
	s.multiple = other.multiple
	x, sigma := make([]float32, rows*s.dim), make([]float32, rows)
	fill(x, sigma)
	var scores [2][]float32
	for i, session := range []*Session{s, other} {
		scores[i] = make([]float32, len(x))
		for row := range rows {
			from, to := row*s.dim, (row+1)*s.dim
			if err := session.Score(ctx, scores[i][from:to], x[from:to], sigma[row:row+1]); err != nil {
				return fmt.Errorf("trial evaluation: %w", err)
			}
		}
	}
	if !slices.Equal(scores[0], scores[1]) {
		return ErrUnlike
	}
	return nil
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
