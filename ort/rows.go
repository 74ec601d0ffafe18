package ort

import (
	"context"
	"fmt"

	"github.com/gomlx/compute-onnx/support/protos"

	"github.com/langevin-ml/langevin/models"
)

// PointDim is the number of elements of the largest sample that is a point and not an image.
const PointDim = 64

// What the rows of an evaluation are padded to if the batch is a side of a matrix product. Kernels treat a remainder of
// rows differently, and its bits differ.
const (
	productRows = 16 // the floats in the widest vector register
	fewRows     = 4  // enough for small products wherever it was tried; a chain that runs alone gains much
)

// rowOperators compute every row independently of the others. A convolutional network needs far less time for one image
// than for sixteen, so such networks are not padded.
var rowOperators = map[string]bool{
	"Conv": true, "ConvTranspose": true, "AveragePool": true, "MaxPool": true, "GlobalAveragePool": true,
	"InstanceNormalization": true, "GroupNormalization": true,
	"Add": true, "Sub": true, "Mul": true, "Div": true, "Neg": true, "Abs": true, "Pow": true, "Sqrt": true,
	"Reciprocal": true,
	"Exp":        true, "Log": true, "Sin": true, "Cos": true, "Erf": true, "Min": true, "Max": true, "Clip": true,
	"Relu": true, "LeakyRelu": true, "Elu": true, "Sigmoid": true, "Tanh": true, "Softplus": true,
	"ReduceMean": true, "ReduceSum": true, "Cast": true, "Constant": true, "Identity": true,
	"Concat": true, "Expand": true,
	"Gather": true, "Pad": true, "Reshape": true, "Resize": true, "Shape": true, "Slice": true,
	"Split": true, "Squeeze": true,
	"SpaceToDepth": true, "DepthToSpace": true, "Transpose": true, "Unsqueeze": true,
}

// rowMultiplesOf returns the multiples to which the rows of a graph may have to be padded, so that results do not
// depend on their number. The first is the smallest and fastest, and the last, productRows, is safe. It decides by the
// operators; [Session.settle] tries the multiples.
func rowMultiplesOf(graph *protos.GraphProto, dim int) []int {
	products, convolves := false, false
	for _, node := range graph.GetNode() {
		known := node.GetDomain() == "" || node.GetDomain() == "ai.onnx"
		products = products || !known || !rowOperators[node.GetOpType()]
		convolves = convolves || node.GetOpType() == "Conv"
	}
	switch {
	case convolves && products: // models.Rewrite has changed the products that carry the noise level
		return []int{1, fewRows, productRows}
	case convolves:
		return []int{1, productRows}
	case dim <= PointDim:
		return []int{fewRows, productRows}
	}
	return []int{productRows}
}

// settle chooses the first of the multiples for which no row of a trial depends on the others. If there is none, it
// refuses the network. On a GPU rows are padded to powers of two instead.
func (s *Session) settle(ctx context.Context, l *lane, manifest models.Manifest, multiples []int) error {
	t, err := s.newTrial(ctx, l, manifest)
	if err != nil {
		return err
	}
	if s.buckets {
		if err := s.warmBuckets(ctx, l); err != nil {
			return err
		}
		multiples = []int{productRows}
	}
	var dependent *dependence
	for _, s.multiple = range multiples {
		if dependent, err = t.find(ctx); dependent == nil || err != nil {
			return err
		}
	}
	return t.explain(ctx, dependent)
}

// warmBuckets evaluates every number of rows that evaluations can have, so that no request waits for a plan. It uses
// the rows in the lane.
func (s *Session) warmBuckets(ctx context.Context, l *lane) error {
	for rows := productRows; rows <= s.rows; rows *= 2 {
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

// match pads rows as another session does. It evaluates some of them alone in both sessions and compares.
func (s *Session) match(ctx context.Context, other *Session, manifest models.Manifest) error {
	const rows = 2
	s.multiple = other.multiple
	x, sigma := make([]float32, rows*s.dim), make([]float32, rows)
	fill(x, sigma, manifest)
	c, width := anyGiven(rows, manifest.Condition), manifest.Condition.Width()
	var scores [2][]float32
	for i, session := range []*Session{s, other} {
		scores[i] = make([]float32, len(x))
		for row := range rows {
			from, to := row*s.dim, (row+1)*s.dim
			err := session.scoreGiven(ctx, scores[i][from:to], x[from:to], sigma[row:row+1], c[row*width:(row+1)*width])
			if err != nil {
				return fmt.Errorf("trial evaluation: %w", err)
			}
		}
	}
	if differ(scores[0], scores[1], 0) >= 0 {
		return ErrUnlike
	}
	return nil
}
