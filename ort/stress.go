package ort

import (
	"context"
	"fmt"
	"math"

	"github.com/langevin-ml/langevin/models"
)

// Stress evaluates every number of rows up to the largest of one evaluation that is a power of two or one and a half
// times as large. Among the rows are samples that are huge, tiny, zero, infinite and not numbers, sigmas at the ends
// of the schedule of m, between its levels and outside, and conditions of all kinds. Scores may be anything. The error
// says which evaluation failed; it wraps [models.ErrInvalid] unless ctx has ended.
func (s *Session) Stress(ctx context.Context, m models.Manifest) error {
	x, sigma, score := make([]float32, s.rows*s.dim), make([]float32, s.rows), make([]float32, s.rows*s.dim)
	odd(x, sigma, m)
	c := oddGiven(s.rows, m.Condition)
	for _, rows := range stressed(s.rows) {
		err := s.scoreGiven(ctx, score[:rows*s.dim], x[:rows*s.dim], sigma[:rows], c[:rows*m.Condition.Width()])
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			return fmt.Errorf("%w: evaluation of %d rows: %w", models.ErrInvalid, rows, err)
		}
	}
	return nil
}

// stressed returns the numbers of rows up to most that [Session.Stress] evaluates, the largest last.
func stressed(most int) (numbers []int) {
	for n := 1; n < most; n *= 2 {
		numbers = append(numbers, n)
		if more := n + n/2; n > 1 && more < most {
			numbers = append(numbers, more)
		}
	}
	return append(numbers, most)
}

// odd writes rows of states and sigmas that a network may not expect. Every third row is one of [fill].
func odd(x, sigma []float32, m models.Manifest) {
	fill(x, sigma, m)
	values := []float32{
		0, math.MaxFloat32, float32(math.NaN()), -1e30, float32(math.Inf(1)), math.SmallestNonzeroFloat32,
		float32(math.Inf(-1)), 1e9,
	}
	levels := oddSigmas(m.Sigmas)
	dim := len(x) / len(sigma)
	for i := range sigma {
		sigma[i] = levels[i%len(levels)]
		if i%3 > 0 {
			fillWith(x[i*dim:(i+1)*dim], values[(i/3)%len(values)])
		}
	}
}

// oddGiven returns conditions for a number of rows: all classes, and vectors of numbers that a network may not expect.
func oddGiven(rows int, c *models.Condition) []float32 {
	given, width := anyGiven(rows, c), c.Width()
	values := []float32{math.MaxFloat32, -math.MaxFloat32, math.SmallestNonzeroFloat32, -1e9, 0}
	for i := 0; i < rows && width > 0 && c.Classes == 0; i++ {
		if i%3 == 1 {
			copy(given[i*width:], filledGiven(values[i/3%len(values)], c))
		}
	}
	return given
}

// oddSigmas returns sigmas at the ends of a schedule, twice and half as large, and between some of its levels.
func oddSigmas(schedule []float64) (sigmas []float32) {
	const between = 5
	first, last := schedule[0], schedule[len(schedule)-1]
	for _, sigma := range []float64{first, last, 2 * first, last / 2} {
		sigmas = append(sigmas, float32(sigma))
	}
	for i := 1; i <= between; i++ {
		at := (len(schedule) - 1) * i / (between + 1)
		sigmas = append(sigmas, float32(math.Sqrt(schedule[at]*schedule[min(at+1, len(schedule)-1)])))
	}
	return sigmas
}
