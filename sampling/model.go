package sampling

import (
	"context"
	"fmt"
)

// Model evaluates a score network.
//
// Score writes to dst, row for row, the score at each row of x and its sigma. dst and x are row-major with
// len(sigma) rows of equal length; both have len(sigma)*dim elements. A row's result depends on that row alone, bit
// for bit, whatever rows stand beside it. dst, x and sigma are not kept. An implementation is safe for concurrent
// use.
type Model interface {
	Score(ctx context.Context, dst, x, sigma []float32) error
}

// ModelFunc lets a function be a [Model].
type ModelFunc func(ctx context.Context, dst, x, sigma []float32) error

// Score calls f.
func (f ModelFunc) Score(ctx context.Context, dst, x, sigma []float32) error {
	return f(ctx, dst, x, sigma)
}

// CheckRows reports whether dst, x and sigma are the arguments of a [Model] whose rows have dim elements.
func CheckRows(dim int, dst, x, sigma []float32) error {
	if len(x) != len(sigma)*dim || len(dst) != len(x) {
		return fmt.Errorf("score of %d rows of %d elements: x has %d and dst %d elements, want %d",
			len(sigma), dim, len(x), len(dst), len(sigma)*dim)
	}
	return nil
}
