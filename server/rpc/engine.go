package rpc

import (
	"context"
	"io"
	"sync/atomic"
	"time"

	"github.com/langevin-ml/langevin/models"
	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
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

	usual atomic.Pointer[compiled] // the model's own sampler, which most requests ask for; nil until one has
}

// compile is [compile] for a request to the model of e, whose manifest is m. Plans are only read, so requests that leave
// the sampler to the model have one in common.
func (e *Engine) compile(req *langevinv1.SampleRequest, m models.Manifest, maxSteps int, bad *invalid) compiled {
	if req.GetSampler() != nil {
		return compile(req, m, maxSteps, bad)
	}
	if usual := e.usual.Load(); usual != nil {
		return *usual
	}
	before := len(*bad)
	usual := compile(req, m, maxSteps, bad)
	if len(*bad) == before {
		e.usual.Store(&usual)
	}
	return usual
}

// Close stops the scheduler at once and lets go of the network. Whoever closes an Engine has waited for its users.
func (e *Engine) Close() error {
	now, cancel := context.WithCancel(context.Background())
	cancel()
	if err := e.Scheduler.Close(now); err != nil && e.Scheduler.Stats() != (batch.Stats{}) {
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
