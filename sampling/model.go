package sampling

import (
	"context"
	"fmt"
)

// Model evaluates a score network.
//
// Score writes to each row of dst the score of the same row of x at its sigma. dst and x are row-major with len(sigma)
// rows of dim elements each, so both have len(sigma)*dim elements. The result of a row depends on that row alone, to
// the last bit, whatever the other rows are. Score must not keep dst, x or sigma. An implementation must be safe for
// concurrent use.
type Model interface {
	Score(ctx context.Context, dst, x, sigma []float32) error
}

// ModelFunc adapts a function to a [Model].
type ModelFunc func(ctx context.Context, dst, x, sigma []float32) error

// Score calls f.
func (f ModelFunc) Score(ctx context.Context, dst, x, sigma []float32) error {
	return f(ctx, dst, x, sigma)
}

// Conditional is a [Model] of the distributions p(x|c): its network has a third input, the condition c.
//
// ScoreGiven is Score with a condition for each row. c is row-major with len(sigma) rows of Width elements each. Where
// the condition is one of n classes, Width is 1 and the element is the index of the class, a whole number from 0 to
// n-1, or n for none. Otherwise the elements are the numbers of the condition. A network that was also trained without
// conditions has one more element, the last: 1 with a condition, and 0 without one, where all others are 0 too.
//
// Score is ScoreGiven without conditions. It returns an error if the network was trained with conditions alone.
type Conditional interface {
	Model
	Width() int
	ScoreGiven(ctx context.Context, dst, x, sigma, c []float32) error
}

// ScoreGiven calls m.ScoreGiven with the conditions c, or m.Score if c is empty. It returns an error if c does not fit
// m.
func ScoreGiven(ctx context.Context, m Model, dst, x, sigma, c []float32) error {
	if len(c) == 0 {
		return m.Score(ctx, dst, x, sigma)
	}
	width := WidthOf(m)
	if len(c) != len(sigma)*width {
		return fmt.Errorf("score of %d rows with %d elements of conditions: the model takes %d elements for each row",
			len(sigma), len(c), width)
	}
	return m.(Conditional).ScoreGiven(ctx, dst, x, sigma, c)
}

// WidthOf returns the number of elements of a condition of m; 0 if m is not [Conditional].
func WidthOf(m Model) int {
	if c, ok := m.(Conditional); ok {
		return c.Width()
	}
	return 0
}

// CheckGiven returns a [FieldError] unless given is empty, or has a condition of m for all of n rows or for each.
func CheckGiven(m Model, given []float32, n int) error {
	width := WidthOf(m)
	switch len(given) {
	case 0, width, n * width:
		return nil
	}
	if width == 0 {
		return &FieldError{Field: "given", Given: fmt.Sprint(len(given), " elements"), Want: "none for this model"}
	}
	return &FieldError{
		Field: "given",
		Given: fmt.Sprint(len(given), " elements"),
		Want:  fmt.Sprintf("%d for all rows, or as many for each of the %d", width, n),
	}
}

// GivenAt returns the condition of row i, where given has a condition of the given width for all rows or for each. It
// returns nil if given is empty.
func GivenAt(width int, given []float32, i int) []float32 {
	if len(given) == 0 {
		return nil
	}
	if len(given) > width {
		given = given[i*width:]
	}
	return given[:width:width]
}

// CheckRows returns an error unless dst, x and sigma fit a [Model] whose rows have dim elements.
func CheckRows(dim int, dst, x, sigma []float32) error {
	if len(x) != len(sigma)*dim || len(dst) != len(x) {
		return fmt.Errorf("score of %d rows of %d elements: x has %d and dst %d elements, want %d",
			len(sigma), dim, len(x), len(dst), len(sigma)*dim)
	}
	return nil
}
