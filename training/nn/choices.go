package nn

import "fmt"

// Choices are categories of equally many values, next to each other in a row. A row has a number for each value of a
// category: Scale - Scale/Size for the one that it has, and -Scale/Size for the others.
type Choices struct {
	First int     // index of the first number
	Count int     // of categories
	Size  int     // values of each category, at least 2
	Scale float64 // above 0
}

// decided replaces the score of categories by that of the denoised estimate Scale·(p - 1/Size), with
//
//	p = softmax(f + Scale·x/σ²)
//
// which is exact if f has the logarithms of the probabilities of the values given the rest of the row: Scale·x/σ² is
// what the category's own numbers tell by Bayes' theorem. So the network learns nothing of a category's code, and its
// score is right at small σ, where a plain network would have to be as steep as a step. f is what the network learned
// for all numbers of the row, and sigma is a column.
func decided(b *Builder, x, sigma, f, score *Node, all []Choices) *Node {
	if len(all) == 0 {
		return score
	}
	variance := b.Mul("choices/variance", sigma, sigma)
	var parts []*Node
	next := 0
	plain := func(to int) {
		if to > next {
			parts = append(parts, b.pick(fmt.Sprintf("numbers%d", next), score, next, to-next))
		}
	}
	for _, c := range all {
		plain(c.First)
		parts = append(parts, c.score(b, x, variance, f))
		next = c.First + c.Count*c.Size
	}
	if plain(x.Shape[1]); len(parts) == 1 {
		return parts[0]
	}
	return b.Concat("decided", 1, parts...)
}

func (c Choices) score(b *Builder, x, variance, f *Node) *Node {
	name, width := fmt.Sprintf("choices%d", c.First), c.Count*c.Size
	scale := b.Constant(name+"/scale", c.Scale)
	own := b.pick(name+"/own", x, c.First, width)
	told := b.Div(name+"/told", b.Mul(name+"/scaled", own, scale), variance)
	logits := b.Add(name+"/logits", b.pick(name+"/learned", f, c.First, width), told)
	p := b.Softmax(name+"/softmax", b.Reshape(name+"/each", logits, c.Count, c.Size))
	code := b.Sub(name+"/code", b.Mul(name+"/probabilities", b.Reshape(name+"/row", p, width), scale),
		b.Constant(name+"/others", c.Scale/float64(c.Size)))
	return b.Div(name, b.Sub(name+"/residual", code, own), variance)
}

// pick returns some of the numbers of rows, as a product with rows of the identity.
func (b *Builder) pick(name string, x *Node, first, count int) *Node {
	if first == 0 && count == x.Shape[1] {
		return x
	}
	rows := make([]float64, x.Shape[1]*count)
	for i := range count {
		rows[(first+i)*count+i] = 1
	}
	return b.add(&Node{Op: OpDense, Name: name, Shape: []int{x.Shape[0], count}, Inputs: []*Node{
		x, b.constant(name+"/rows", []int{x.Shape[1], count}, rows...),
		b.constant(name+"/zeros", []int{count}, make([]float64, count)...),
	}})
}
