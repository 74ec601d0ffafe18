package main

import (
	"context"
	"errors"
	"io"
	"sync/atomic"
	"time"

	"github.com/langevin-ml/langevin/ort"
	"github.com/langevin-ml/langevin/sampling"
	"github.com/langevin-ml/langevin/server"
	"github.com/langevin-ml/langevin/server/batch"
)

// engine is the scheduler and the network, as the server puts them together, without the service around them.
type engine struct {
	scheduler *batch.Scheduler
	prior     sampling.Prior
	seed      atomic.Uint64
}

// newEngine advances chains of the network by model, which computes the network or nothing at all.
func newEngine(n *network, model sampling.Model, blocks batch.Config) *engine {
	return &engine{scheduler: batch.New(model, n.manifest.Dim(), blocks), prior: n.manifest.Prior}
}

// blocks are those of a server with so many workers on the device.
func (n *network) blocks(d ort.Device, workers int) batch.Config {
	return server.Blocks(d, workers, n.manifest.Dim(), n.session, n.wide)
}

// close stops the workers. Nothing is open by then.
func (e *engine) close(ctx context.Context) error { return e.scheduler.Close(ctx) }

// draw draws chains and reads the result. Calls may be concurrent.
func (e *engine) draw(ctx context.Context, plan sampling.Plan, chains int) error {
	stream, err := e.scheduler.Submit(ctx, batch.Job{
		Caller: "bench", Plan: plan, Prior: e.prior, Seed: e.seed.Add(1), N: chains,
	})
	if err != nil {
		return err
	}
	defer stream.Close()
	for {
		event, err := stream.Poll()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case event == nil:
			<-stream.Ready()
		}
	}
}

// drawing is the side that draws chains by annealed Langevin dynamics.
func (e *engine) drawing(name string, plan sampling.Plan, chains int) side {
	return side{name, func(ctx context.Context, repeat int) (time.Duration, error) {
		start := time.Now()
		for range repeat {
			if err := e.draw(ctx, plan, chains); err != nil {
				return 0, err
			}
		}
		return time.Since(start), nil
	}, ""}
}
