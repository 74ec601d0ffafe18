package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/langevin-ml/langevin/training"
)

// firstBatches is the number of updates on which both sides must agree.
const firstBatches = 3

// peer has at most one training in progress.
type peer struct {
	library string
	running *running
}

// begin ends the previous training, trains the first batches, and writes what another side needs to do the same. Then
// it starts the training that train continues.
func (p *peer) begin(c command) (a answer, err error) {
	if err := p.stop(); err != nil {
		return a, err
	}
	config, err := training.Preset(c.Preset)
	if err != nil {
		return a, err
	}
	for _, setting := range append(c.Set, "training.test_every=0", "training.checkpoint_every=0", "optimizer.warmup=0",
		"optimizer.decay=none") {
		if err := config.Set(setting); err != nil {
			return a, err
		}
	}
	start, err := training.Begin(config, firstBatches)
	if err != nil {
		return a, err
	}
	if err := writeBeginning(c.Folder, config, start); err != nil {
		return a, err
	}
	if a.Losses, a.Moved, err = firstLosses(config, start, p.library); err != nil {
		return a, err
	}
	p.running = startTraining(config, p.library)
	_, err = p.running.wait() // until it has compiled
	return a, err
}

// firstLosses trains only the first batches.
func firstLosses(c training.Config, start *training.Beginning, library string) (losses []float64, moved float64,
	err error) {
	c.Training.Iterations, c.Training.LogEvery = firstBatches, 1
	c.Training.EvalRows = c.Noise.Levels // the smallest number allowed, because nobody reads the evaluation
	result, err := training.Run(context.Background(), c, training.Options{Library: library})
	if err != nil {
		return nil, 0, err
	}
	for i, record := range result.History {
		losses = append(losses, meanOfRows(record.LossPerLevel, start.Batches[i].Level))
	}
	for i, v := range result.Params {
		moved += math.Pow(float64(v)-float64(start.Params[i]), 2)
	}
	return losses, math.Sqrt(moved), nil
}

// meanOfRows returns the mean loss of a batch whose rows have these levels.
func meanOfRows(perLevel []float64, levels []int) float64 {
	var sum float64
	for _, level := range levels {
		sum += perLevel[level]
	}
	return sum / float64(len(levels))
}

func (p *peer) train(repeat int) (time.Duration, error) {
	if p.running == nil {
		return 0, errors.New("train before begin")
	}
	if repeat%p.running.every != 0 || repeat < 1 {
		return 0, fmt.Errorf("%d iterations: want a multiple of %d", repeat, p.running.every)
	}
	start := time.Now()
	select {
	case p.running.turns <- repeat / p.running.every:
	case err := <-p.running.ended:
		p.running.ended <- err // for stop, which reads it too
		return 0, fmt.Errorf("the training has ended: %w", err)
	}
	end, err := p.running.wait()
	return end.Sub(start), err
}

// stop ends the training in progress, if there is one.
func (p *peer) stop() error {
	if p.running == nil {
		return nil
	}
	r := p.running
	p.running = nil
	r.cancel()
	close(r.turns)
	if err := <-r.ended; !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// running is a training that pauses at a line of its log until it is told for how many more lines to continue.
type running struct {
	every  int // iterations between two lines
	cancel context.CancelFunc
	turns  chan int
	idle   chan time.Time // receives the time when it pauses
	ended  chan error     // receives Run's error
}

// manyIterations are more than a comparison makes of the fastest network.
const manyIterations = 5_000_000

// startTraining starts a training that goes on until it is stopped. It first pauses after its first line.
func startTraining(c training.Config, library string) *running {
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{every: c.Training.LogEvery, cancel: cancel, turns: make(chan int), idle: make(chan time.Time),
		ended: make(chan error, 1)}
	c.Training.Iterations = manyIterations
	left := 1
	go func() {
		_, err := training.Run(ctx, c, training.Options{Library: library, Progress: func(training.Progress) {
			if left--; left > 0 || ctx.Err() != nil {
				return
			}
			select {
			case r.idle <- time.Now():
				left = <-r.turns
			case <-ctx.Done():
			}
		}})
		r.ended <- err
	}()
	return r
}

// wait returns when the training pauses.
func (r *running) wait() (time.Time, error) {
	select {
	case at := <-r.idle:
		return at, nil
	case err := <-r.ended:
		r.ended <- err // for stop, which reads it too
		return time.Time{}, err
	}
}
