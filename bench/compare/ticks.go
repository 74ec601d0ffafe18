package main

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"github.com/langevin-ml/langevin/ort"
	"github.com/langevin-ml/langevin/sampling"
)

// tickCase is a block of one worker.
type tickCase struct {
	network string
	rows    int
	share   float64 // of the network's time that our part of a tick may take
}

var tickCases = []tickCase{
	{"toy", 1, 0.4}, {"toy", 16, 0.4}, {"toy", 256, 0.4}, {"image", 1, 0.1}, {"image", 32, 0.1},
}

// tickResult says where the time of a tick goes. The parts are series of seconds for one tick.
type tickResult struct {
	tickCase
	network  series // the session alone
	whole    series // the engine, one worker
	free     series // the engine with a model that does nothing: packing, noise, update, emit
	noise    series // the noise of all rows alone
	allocs   float64
	freeOnly float64 // allocations a tick with the model that does nothing
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
	whole := newEngine(n, n.session, n.blocks(ort.Device{}, 1))
	free := newEngine(n, sampling.ModelFunc(func(context.Context, []float32, []float32, []float32) error { return nil }), n.blocks(ort.Device{}, 1))
	seen, err := b.referee.takeTurns(ctx, fmt.Sprintf("tick of %s, %d %s", c.network, c.rows, plural(c.rows, "row")), b.effort, []side{
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
	t := tickResult{tickCase: c, network: seen[bareScore], whole: seen[wholeTick], free: seen[freeTick], noise: seen[bareNoise]}
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

// scoring is the network alone, as often as a plan of so many steps needs it.
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

// noising is the noise alone.
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

// allocsPerTick is how many more allocations a long job makes than a short one, over its further ticks.
func (e *engine) allocsPerTick(ctx context.Context, n *network, rows, steps int) (float64, error) {
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
		if *c.allocs, err = e.allocations(ctx, c.plan, rows); err != nil {
			return 0, err
		}
	}
	return (float64(many) - float64(few)) / float64(len(long)-len(short)), nil
}

func (e *engine) allocations(ctx context.Context, plan sampling.Plan, rows int) (uint64, error) {
	if err := e.draw(ctx, plan, rows); err != nil { // buffers and queues grow to what they need
		return 0, err
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	err := e.draw(ctx, plan, rows)
	runtime.ReadMemStats(&after)
	return after.Mallocs - before.Mallocs, err
}
