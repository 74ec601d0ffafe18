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

// pipeline is the scheduler and the network as the server combines them, without the service around them.
type pipeline struct {
	scheduler *batch.Scheduler
	prior     sampling.Prior
	seed      atomic.Uint64
}

// newPipeline advances chains of the network with model, which is the network or does nothing.
func newPipeline(n *network, model sampling.Model, blocks batch.Config) *pipeline {
	return &pipeline{scheduler: batch.New(model, n.manifest.Dim(), blocks), prior: n.manifest.Prior}
}

// blocks returns the scheduler settings of a server with the given number of workers on the device.
func (n *network) blocks(d ort.Device, workers int) batch.Config {
	return server.Blocks(d, workers, n.manifest.Dim(), n.session, n.wide)
}

// close stops the workers. No job may be open.
func (p *pipeline) close(ctx context.Context) error { return p.scheduler.Close(ctx) }

// draw draws chains and reads the result. Calls may be concurrent.
func (p *pipeline) draw(ctx context.Context, plan sampling.Plan, chains int) error {
	stream, err := p.scheduler.Submit(ctx, batch.Job{
		Caller: "bench", Plan: plan, Prior: p.prior, Seed: p.seed.Add(1), N: chains,
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

// drawing returns a side that draws chains with the given plan.
func (p *pipeline) drawing(name string, plan sampling.Plan, chains int) side {
	return side{name, func(ctx context.Context, repeat int) (time.Duration, error) {
		start := time.Now()
		for range repeat {
			if err := p.draw(ctx, plan, chains); err != nil {
				return 0, err
			}
		}
		return time.Since(start), nil
	}, ""}
}
