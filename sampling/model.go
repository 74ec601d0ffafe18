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

// CheckRows returns an error unless dst, x and sigma fit a [Model] whose rows have dim elements.
func CheckRows(dim int, dst, x, sigma []float32) error {
	if len(x) != len(sigma)*dim || len(dst) != len(x) {
		return fmt.Errorf("score of %d rows of %d elements: x has %d and dst %d elements, want %d",
			len(sigma), dim, len(x), len(dst), len(sigma)*dim)
	}
	return nil
}
