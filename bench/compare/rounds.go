package main

import (
	"context"
	"fmt"
	"log"
	"math"
	"slices"
	"time"
)

// side is one side of a comparison. work does the work repeat times and returns how long that took.
type side struct {
	name string
	work func(ctx context.Context, repeat int) (time.Duration, error)
	peer string // sides with the same peer are variants, of which the best counts; empty for a single side
}

// series is measurements of one thing, in seconds for doing it once.
type series []float64

// contender is a side that has been warmed up.
type contender struct {
	side
	repeat int
	once   time.Duration // time for doing it once
}

// measureInRounds measures the sides in rounds, each for at least the least time. The order is reversed in every round.
// Disturbed measurements are repeated.
func (r *referee) measureInRounds(ctx context.Context, what string, e effort, sides []side) (map[string]series, error) {
	log.Println(what)
	var contenders []contender
	for _, s := range sides {
		c, err := s.calibrate(ctx, e.least)
		if err != nil {
			return nil, fmt.Errorf("%s, %s: %w", what, s.name, err)
		}
		contenders = append(contenders, c)
	}
	contenders = withoutHopeless(contenders)
	seen := map[string]series{}
	for round := range e.rounds {
		for _, c := range contenders {
			var took time.Duration
			err := r.measure(ctx, func() (err error) {
				took, err = c.work(ctx, c.repeat)
				return err
			})
			if err != nil {
				return nil, fmt.Errorf("%s, %s, round %d: %w", what, c.name, round+1, err)
			}
			seen[c.name] = append(seen[c.name], took.Seconds()/float64(c.repeat))
		}
		slices.Reverse(contenders)
	}
	return seen, nil
}

// withoutHopeless removes variants that took more than three times as long as another variant of the same peer.
func withoutHopeless(all []contender) []contender {
	best := map[string]time.Duration{}
	for _, c := range all {
		if once, seen := best[c.peer]; !seen || c.once < once {
			best[c.peer] = c.once
		}
	}
	return slices.DeleteFunc(all, func(c contender) bool { return c.peer != "" && c.once > 3*best[c.peer] })
}

// calibrate warms a side up and finds how often it must repeat its work to take the least time.
func (s side) calibrate(ctx context.Context, least time.Duration) (contender, error) {
	for repeat := 1; ; repeat *= 4 {
		took, err := s.work(ctx, repeat)
		if err != nil {
			return contender{}, err
		}
		if took >= least/2 {
			enough := int(math.Ceil(float64(repeat) * least.Seconds() / took.Seconds()))
			return contender{s, enough, took / time.Duration(repeat)}, nil
		}
	}
}

// median returns 0 for an empty series.
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

// spread returns the difference between the largest and the smallest, divided by the median.
func (s series) spread() float64 {
	if len(s) == 0 {
		return 0
	}
	return (slices.Max(s) - slices.Min(s)) / s.median()
}

// fastest returns the named series with the smallest median.
func fastest(seen map[string]series, names []string) (name string, best series) {
	for _, n := range names {
		if s, ok := seen[n]; ok && (best == nil || s.median() < best.median()) {
			name, best = n, s
		}
	}
	return name, best
}
