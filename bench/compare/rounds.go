package main

import (
	"context"
	"fmt"
	"log"
	"math"
	"slices"
	"time"
)

// side is one of those that are compared: work does it a number of times over and says how long that took.
type side struct {
	name string
	work func(ctx context.Context, repeat int) (time.Duration, error)
}

// series are measurements of one thing: seconds for doing it once.
type series []float64

// takeTurns measures the sides in rounds, each for at least the least time, in an order that reverses every round.
func takeTurns(ctx context.Context, what string, e effort, sides []side) (map[string]series, error) {
	log.Println(what)
	repeats := make([]int, len(sides))
	for i, s := range sides {
		var err error
		if repeats[i], err = s.calibrate(ctx, e.least); err != nil {
			return nil, fmt.Errorf("%s, %s: %w", what, s.name, err)
		}
	}
	seen := map[string]series{}
	for round := range e.rounds {
		for i := range sides {
			if round%2 == 1 {
				i = len(sides) - 1 - i
			}
			s := sides[i]
			took, err := s.work(ctx, repeats[i])
			if err != nil {
				return nil, fmt.Errorf("%s, %s: %w", what, s.name, err)
			}
			seen[s.name] = append(seen[s.name], took.Seconds()/float64(repeats[i]))
		}
	}
	return seen, nil
}

// calibrate warms a side up and returns how often it must work to take the least time.
func (s side) calibrate(ctx context.Context, least time.Duration) (repeat int, err error) {
	for repeat = 1; ; {
		took, err := s.work(ctx, repeat)
		if err != nil || took >= least/2 {
			return max(1, int(math.Ceil(float64(repeat)*least.Seconds()/max(took.Seconds(), 1e-9)))), err
		}
		repeat *= 4
	}
}

// median is 0 of none.
func (s series) median() float64 {
	if len(s) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(s))
	half := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[half]
	}
	return (sorted[half-1] + sorted[half]) / 2
}

// spread is how far the largest and the smallest are apart, over the median.
func (s series) spread() float64 {
	if len(s) == 0 {
		return 0
	}
	return (slices.Max(s) - slices.Min(s)) / s.median()
}

// fastest returns, of the named series, the one with the smallest median.
func fastest(seen map[string]series, names []string) (name string, best series) {
	for _, n := range names {
		if s, ok := seen[n]; ok && (best == nil || s.median() < best.median()) {
			name, best = n, s
		}
	}
	return name, best
}
