package main

import (
	"context"
	"errors"
	"log"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/langevin-ml/langevin/ort"
)

// inProcess measures what a service does without the service: the pipeline with the same number of callers, each of
// which draws the same number of chains again and again. It returns the samples per second after a warm-up.
func (b *bench) inProcess(ctx context.Context, warmup, duration time.Duration) (rate float64, err error) {
	n := b.networks["toy"]
	plan, err := n.annealing(serviceSteps).Plan()
	if err != nil {
		return 0, err
	}
	e := newPipeline(n, n.session, n.blocks(ort.Device{}, runtime.NumCPU()))
	defer func() { err = errors.Join(err, e.close(context.WithoutCancel(ctx))) }()
	var drawn atomic.Int64
	var enough atomic.Bool
	group, ctx := errgroup.WithContext(ctx)
	for range serviceClients {
		group.Go(func() error {
			for !enough.Load() {
				if err := e.draw(ctx, plan, serviceChains); err != nil {
					return err
				}
				drawn.Add(serviceChains)
			}
			return nil
		})
	}
	time.Sleep(warmup)
	before, start := drawn.Load(), time.Now()
	time.Sleep(duration)
	rate = float64(drawn.Load()-before) / time.Since(start).Seconds()
	enough.Store(true)
	return rate, group.Wait()
}

// inProcessAlone is like inProcess but repeats disturbed measurements.
func (b *bench) inProcessAlone(ctx context.Context, round int) (rate float64, err error) {
	log.Printf("scheduler in process, %d callers, round %d", serviceClients, round+1)
	err = b.referee.measure(ctx, func() (err error) {
		rate, err = b.inProcess(ctx, b.effort.service/4, b.effort.service)
		return err
	})
	return rate, err
}
