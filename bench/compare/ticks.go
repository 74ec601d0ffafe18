package main

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"github.com/langevin-ml/langevin/ort"
	"github.com/langevin-ml/langevin/sampling"
)

// tickCase is the block of one worker.
type tickCase struct {
	network string
	rows    int
	share   float64 // largest time of our part of a tick, as a fraction of the network's time
}

var tickCases = []tickCase{
	{"toy", 1, 0.4}, {"toy", 16, 0.4}, {"toy", 256, 0.4}, {"image", 1, 0.1}, {"image", 32, 0.1},
}

// tickResult says how the time of a tick is spent. The parts are series of seconds for one tick.
type tickResult struct {
	tickCase
	network  series // the session alone
	whole    series // the pipeline with one worker
	free     series // the pipeline with a model that does nothing: packing, noise, update, emit
	noise    series // the noise of all rows alone
	allocs   float64
	freeOnly float64 // allocations per tick with the model that does nothing
}

const (
	wholeTick = "tick"
	freeTick  = "free model"
	bareScore = "network"
	bareNoise = "noise"
)

func (b *bench) measureTicks(ctx context.Context, r *results) error {
	for _, c := range tickCases {
		result, err := b.measureTick(ctx, c)
		if err != nil {
			return err
		}
		r.ticks = append(r.ticks, result)
	}
	return nil
}

func (b *bench) measureTick(ctx context.Context, c tickCase) (tickResult, error) {
	n := b.networks[c.network]
	steps := 1000
	if c.network == "image" {
		steps = 10
	}
	plan, err := n.annealing(steps).Plan()
	if err != nil {
		return tickResult{}, err
	}
	whole := newPipeline(n, n.session, n.blocks(ort.Device{}, 1))
	nothing := func(context.Context, []float32, []float32, []float32) error { return nil }
	free := newPipeline(n, sampling.ModelFunc(nothing), n.blocks(ort.Device{}, 1))
	what := fmt.Sprintf("tick of %s, %d %s", c.network, c.rows, plural(c.rows, "row"))
	seen, err := b.referee.measureInRounds(ctx, what, b.effort, []side{
		whole.drawing(wholeTick, plan, c.rows), free.drawing(freeTick, plan, c.rows),
		n.scoring(c.rows, len(plan)), n.noising(c.rows, len(plan)),
	})
	if err != nil {
		return tickResult{}, err
	}
	for _, s := range seen {
		for i := range s {
			s[i] /= float64(len(plan))
		}
	}
	t := tickResult{tickCase: c, network: seen[bareScore], whole: seen[wholeTick], free: seen[freeTick],
		noise: seen[bareNoise]}
	if t.allocs, err = whole.allocsPerTick(ctx, n, c.rows, steps); err != nil {
		return t, err
	}
	if t.freeOnly, err = free.allocsPerTick(ctx, n, c.rows, steps); err != nil {
		return t, err
	}
	if err := whole.close(ctx); err != nil {
		return t, err
	}
	return t, free.close(ctx)
}

// scoring returns the side that only evaluates the network, once for each of the given number of steps.
func (n *network) scoring(rows, steps int) side {
	dim := n.manifest.Dim()
	x, score, sigma := make([]float32, rows*dim), make([]float32, rows*dim), make([]float32, rows)
	for i := range sigma {
		sigma[i] = float32(n.manifest.Sigmas[0])
	}
	return side{bareScore, func(ctx context.Context, repeat int) (time.Duration, error) {
		start := time.Now()
		for range repeat * steps {
			if err := n.session.Score(ctx, score, x, sigma); err != nil {
				return 0, err
			}
		}
		return time.Since(start), nil
	}, ""}
}

// noising returns the side that only draws the noise.
func (n *network) noising(rows, steps int) side {
	z := make([]float32, n.manifest.Dim())
	return side{bareNoise, func(_ context.Context, repeat int) (time.Duration, error) {
		start := time.Now()
		for step := range repeat * steps {
			for i := range rows {
				sampling.Noise{Seed: 1, Chain: uint64(i)}.Normal(z, uint32(step))
			}
		}
		return time.Since(start), nil
	}, ""}
}

// allocsPerTick returns the additional allocations of a long job compared with a short one, divided by its additional
// ticks.
func (p *pipeline) allocsPerTick(ctx context.Context, n *network, rows, steps int) (float64, error) {
	short, err := n.annealing(steps).Plan()
	if err != nil {
		return 0, err
	}
	long, err := n.annealing(4 * steps).Plan()
	if err != nil {
		return 0, err
	}
	var few, many uint64
	for _, c := range []struct {
		plan   sampling.Plan
		allocs *uint64
	}{{short, &few}, {long, &many}} {
		if *c.allocs, err = p.allocations(ctx, c.plan, rows); err != nil {
			return 0, err
		}
	}
	return (float64(many) - float64(few)) / float64(len(long)-len(short)), nil
}

func (p *pipeline) allocations(ctx context.Context, plan sampling.Plan, rows int) (uint64, error) {
	if err := p.draw(ctx, plan, rows); err != nil { // buffers and queues grow to what they need
		return 0, err
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	err := p.draw(ctx, plan, rows)
	runtime.ReadMemStats(&after)
	return after.Mallocs - before.Mallocs, err
}
