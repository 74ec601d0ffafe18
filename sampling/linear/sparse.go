package linear

import (
	"fmt"

	"github.com/langevin-ml/langevin/sampling"
)

// sparse is a basis whose column j has the values of entries start[j] to start[j+1].
type sparse struct {
	start []int
	index []int
	value []float64
}

func newSparse() *sparse { return &sparse{start: []int{0}} }

// add adds an entry to the column that is being written, and end ends the column.
func (s *sparse) add(index int, value float64) {
	s.index, s.value = append(s.index, index), append(s.value, value)
}

func (s *sparse) end() { s.start = append(s.start, len(s.index)) }

func (s *sparse) columns() int { return len(s.start) - 1 }

func (s *sparse) coordinates(c, x []float64, _ *sampling.Work) {
	for j := range s.columns() {
		var sum float64
		for i := s.start[j]; i < s.start[j+1]; i++ {
			sum += float64(s.value[i] * x[s.index[i]])
		}
		c[j] = sum
	}
}

func (s *sparse) spread(x, c []float64, _ *sampling.Work) {
	clear(x)
	for j := range s.columns() {
		for i := s.start[j]; i < s.start[j+1]; i++ {
			x[s.index[i]] += float64(s.value[i] * c[j])
		}
	}
}

// operator returns the operator whose rows are the columns of s, all with the same singular value.
func (s *sparse) operator(dim int, singular float64) *Operator {
	return &Operator{dim: dim, size: s.columns(), singular: repeated(singular, s.columns()), right: s}
}

func repeated(v float64, n int) []float64 {
	all := make([]float64, n)
	for i := range all {
		all[i] = v
	}
	return all
}

// Mask measures the elements whose mask is true, in their order. At least one must be.
func Mask(mask []bool) (*Operator, error) {
	s := newSparse()
	for i, seen := range mask {
		if seen {
			s.add(i, 1)
			s.end()
		}
	}
	if s.columns() == 0 {
		return nil, &sampling.FieldError{Field: "mask", Given: "all unset", Want: "at least one element set"}
	}
	return s.operator(len(mask), 1), nil
}

// Shape is that of samples that are pictures: channels, height and width, all at least 1. A vector of n elements is a
// picture of 1 × 1 × n.
type Shape struct{ Channels, Height, Width int }

// Dim returns the number of elements.
func (s Shape) Dim() int { return s.Channels * s.Height * s.Width }

// ShapeOf returns the shape of samples with the given lengths of axes. It reports false if they are neither vectors nor
// pictures of [height, width] or [channels, height, width].
func ShapeOf(axes []int) (Shape, bool) {
	switch len(axes) {
	case 1:
		return Shape{1, 1, axes[0]}, true
	case 2:
		return Shape{1, axes[0], axes[1]}, true
	case 3:
		return Shape{axes[0], axes[1], axes[2]}, true
	}
	return Shape{}, false
}

// Pool measures the means of blocks of factor × factor elements of every channel, row by row: a smaller picture. The
// factor must divide the height and the width. In vectors, of height 1, blocks are 1 × factor.
func Pool(of Shape, factor int) (*Operator, error) {
	down := factor
	if of.Height == 1 {
		down = 1
	}
	if factor < 1 || of.Height%down != 0 || of.Width%factor != 0 {
		return nil, &sampling.FieldError{
			Field: "pool.factor", Given: factor,
			Want: fmt.Sprintf("at least 1, and a divisor of the height and the width, %d and %d", of.Height, of.Width),
		}
	}
	s, unit := newSparse(), inverseRoot(down*factor)
	for c := range of.Channels {
		for top := 0; top < of.Height; top += down {
			for left := 0; left < of.Width; left += factor {
				for i := range down * factor {
					s.add((c*of.Height+top+i/factor)*of.Width+left+i%factor, unit)
				}
				s.end()
			}
		}
	}
	return s.operator(of.Dim(), unit), nil
}

// Grey measures the mean of the channels of every pixel. There must be at least two channels.
func Grey(of Shape) (*Operator, error) {
	if of.Channels < 2 {
		return nil, &sampling.FieldError{
			Field: "grey", Given: fmt.Sprintf("set for samples of %d channel", of.Channels),
			Want: "samples of at least 2 channels",
		}
	}
	s, unit, pixels := newSparse(), inverseRoot(of.Channels), of.Height*of.Width
	for p := range pixels {
		for c := range of.Channels {
			s.add(c*pixels+p, unit)
		}
		s.end()
	}
	return s.operator(of.Dim(), unit), nil
}
