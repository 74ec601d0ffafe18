package nn

import (
	"github.com/gomlx/gomlx/core/graph"
)

// Dropout returns x outside of trainings. In a training, it sets each number to 0 with probability rate, and divides
// the others by 1 - rate (Srivastava et al. 2014). It returns x itself if rate is 0.
func (b *Builder) Dropout(name string, x *Node, rate float64) *Node {
	switch {
	case rate == 0:
		return x
	case !(rate > 0 && rate < 1) || len(x.Shape) < 2 || x.Shape[0] != Batch:
		b.fail("%s: dropout of shape %v at rate %g: want rows, and at least 0 and below 1", name, x.Shape, rate)
	}
	return b.add(&Node{Op: OpDropout, Name: name, Shape: x.Shape, Inputs: []*Node{x}, Values: []float64{rate}})
}

// Dropped returns the number of factors that a row of a training needs, one for each number that dropout may drop.
func (g *Graph) Dropped() int {
	total := 0
	for _, n := range g.Nodes {
		total += n.dropped()
	}
	return total
}

// dropped returns the number of factors of n in a row.
func (n *Node) dropped() int {
	if n.Op != OpDropout {
		return 0
	}
	return product(n.Shape[1:])
}

// DropFactors replaces the numbers of one row, g.Dropped() of them, uniform on [0, 1), by the factors of
// [Graph.GoMLXDropped]: 0 or 1 over the rate of those that are kept.
func (g *Graph) DropFactors(row []float32) {
	for _, n := range g.Nodes {
		size := n.dropped()
		if size == 0 {
			continue
		}
		rate, kept := float32(n.Values[0]), float32(1/(1-n.Values[0]))
		for i, u := range row[:size] {
			if row[i] = kept; u < rate {
				row[i] = 0
			}
		}
		row = row[size:]
	}
}

// GoMLXDropped is [Graph.GoMLX] within a training. factors has a row of [Graph.DropFactors] for each row of x. If it is
// nil, nothing is dropped.
func (g *Graph) GoMLXDropped(params []*graph.Node, factors *graph.Node, inputs ...*graph.Node) *graph.Node {
	return g.goMLX(params, factors, inputs...)[0]
}

// drop multiplies the value of an OpDropout by its columns of factors, which begin at column at.
func (n *Node) drop(x, factors *graph.Node, at int) *graph.Node {
	own := graph.Slice(factors, graph.AxisRange(), graph.AxisRange(at, at+n.dropped()))
	return graph.Mul(x, graph.Reshape(own, x.Shape().Dimensions...))
}
