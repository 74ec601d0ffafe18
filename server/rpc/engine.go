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

// Engine is a loaded model that is ready to be sampled.
type Engine struct {
	Scheduler *batch.Scheduler
	Identity  string        // what else decides a sample's bits: runtime, optimisation, noise generator
	Device    string        // the provider in use: cpu or cuda
	Session   io.Closer     // owns the network
	LoadTime  time.Duration // time from the start of loading until it was ready
	WarmTime  time.Duration // the part of LoadTime that warming up took

	usual atomic.Pointer[compiled] // the model's default sampler, which most requests use; nil until the first
}

// compile is [compile] for a request to the model of e, whose manifest is m. Plans are only read, so requests without a
// sampler share one.
func (e *Engine) compile(
	req *langevinv1.SampleRequest, m models.Manifest, maxSteps int, admits admission, bad *invalid,
) (compiled, error) {
	if req.GetSampler() != nil {
		return compile(req, m, maxSteps, admits, bad)
	}
	if usual := e.usual.Load(); usual != nil {
		return *usual, nil
	}
	before := len(*bad)
	usual, err := compile(req, m, maxSteps, admits, bad)
	if err == nil && len(*bad) == before {
		usual.bytes = 0
		e.usual.Store(&usual)
	}
	return usual, err
}

// Close stops the scheduler at once and releases the network. The caller must have waited for the users of the Engine.
func (e *Engine) Close() error {
	now, cancel := context.WithCancel(context.Background())
	cancel()
	if err := e.Scheduler.Close(now); err != nil && e.Scheduler.Stats() != (batch.Stats{}) {
		return err
	}
	return e.Session.Close()
}

// Limits bound one request. A field of zero allows nothing.
type Limits struct {
	Chains    int // of one Sample call
	Steps     int // score evaluations of one chain
	ScoreRows int // of one Score call
}
