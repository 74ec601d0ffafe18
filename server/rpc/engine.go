package rpc

import (
	"context"
	"io"
	"time"

	"github.com/langevin-ml/langevin/server/batch"
)

// Engine is a loaded model, ready to be sampled.
type Engine struct {
	Scheduler *batch.Scheduler
	Identity  string        // what else decides a sample's bits: runtime, optimisation, noise generator
	Device    string        // the provider in use: cpu or cuda
	Session   io.Closer     // what holds the network
	LoadTime  time.Duration // how long it took to get ready
	WarmTime  time.Duration // the part of it that went into warming up
}

// Close stops the scheduler at once and lets go of the network. Whoever closes an Engine has waited for its users.
func (e *Engine) Close() error {
	now, cancel := context.WithCancel(context.Background())
	cancel()
	if err := e.Scheduler.Close(now); err != nil && e.Scheduler.Load() != (batch.Load{}) {
		return err
	}
	return e.Session.Close()
}

// Limits bound what one request may ask for. The zero value of a field allows nothing.
type Limits struct {
	Chains    int // of one Sample call
	Steps     int // score evaluations of one chain
	ScoreRows int // of one Score call
}
