package nn

import "slices"

// Condition describes what the samples of a network are given: one of a number of classes, or a vector. The zero value
// is no condition.
type Condition struct {
	Classes int  // number of classes; 0 for a vector
	Size    int  // of the vector; 0 for classes
	Dropped bool // whether the network also works without the condition

	// Mean and Std are of the numbers of the vector, over all data. The network subtracts the mean and divides by the
	// standard deviation. If they are nil, it takes the numbers as they are.
	Mean, Std []float64
}

// Width returns the number of elements of a row of the input c; 0 without a condition. A class is one number, from 0 to
// Classes-1 or, for none, Classes. A vector that may be dropped has one more element, which is 1 with a condition and 0
// without one, where all others are 0 too.
func (c Condition) Width() int {
	switch {
	case c.Classes > 0:
		return 1
	case c.Size > 0 && c.Dropped:
		return c.Size + 1
	}
	return c.Size
}

// kinds returns the number of values that a class can have, none included.
func (c Condition) kinds() int {
	if c.Dropped {
		return c.Classes + 1
	}
	return c.Classes
}

// BuildGiven is [Build] of a network whose samples are given a condition. define also gets the condition: the index of
// a class, [Batch], for [Builder.Embedding], or a standardized vector, [Batch, width]. It is nil without a condition.
func BuildGiven(shape []int, given Condition, define func(b *Builder, x, sigma, c *Node) *Node) (*Graph, error) {
	return record(shape, func(b *Builder, x *Node) *Graph {
		sigma := b.add(&Node{Op: OpInput, Name: "sigma", Shape: []int{Batch}})
		c := b.condition(given)
		score := define(b, x, sigma, b.standardized(c, given))
		if !slices.Equal(score.Shape, x.Shape) {
			b.fail("score has shape %v: want x's shape, %v", score.Shape, x.Shape)
		}
		b.output("score", score)
		return b.graph(&Graph{X: x, Sigma: sigma, C: c, Condition: given, Score: score, Outputs: []*Node{score}})
	})
}

// condition records the input c.
func (b *Builder) condition(given Condition) *Node {
	switch {
	case given.Classes < 0 || given.Size < 0 || given.Classes > 0 && given.Size > 0:
		b.fail("condition of %d classes and size %d: want one of the two, or none", given.Classes, given.Size)
	case len(given.Mean) != len(given.Std) || len(given.Mean) > 0 && len(given.Mean) != given.Size:
		b.fail("condition of size %d with %d means and %d standard deviations: want one of each for each number, "+
			"or none", given.Size, len(given.Mean), len(given.Std))
	case given.Classes > 0:
		return b.add(&Node{Op: OpClass, Name: "c", Shape: []int{Batch}, Choices: given.kinds()})
	case given.Size > 0:
		return b.add(&Node{Op: OpInput, Name: "c", Shape: []int{Batch, given.Width()}})
	}
	return nil
}

// standardized returns the input c for the layers of a network: the numbers of a vector with mean 0 and standard
// deviation 1. It does not change the flag.
func (b *Builder) standardized(c *Node, given Condition) *Node {
	if c == nil || len(given.Mean) == 0 {
		return c
	}
	mean, std := slices.Clone(given.Mean), slices.Clone(given.Std)
	if given.Dropped {
		mean, std = append(mean, 0), append(std, 1)
	}
	return b.Div("c_standard", b.Sub("c_centred", c, b.Row("c_mean", mean...)), b.Row("c_std", std...))
}

// embedded returns a learned vector of the given width for the input c, [Batch, width]: a row of a table for each class
// and for none, or a dense layer of a vector.
func (b *Builder) embedded(name string, c *Node, width int) *Node {
	if c.Op == OpClass {
		return b.Embedding(name, c, width)
	}
	return b.Dense(name, c, width)
}

// with returns h plus an embedding of the condition c, or h itself without one.
func (b *Builder) with(name string, h, c *Node) *Node {
	if c == nil {
		return h
	}
	embedded := b.embedded(name+"_embedding", c, h.Shape[1])
	for _, input := range embedded.Inputs {
		input.OfCondition = input.Op == OpParameter
	}
	return b.Add(name, h, embedded)
}
