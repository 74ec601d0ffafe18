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

	// The samplers that most requests use; nil until the first: the model's default, and that of requests whose
	// chains follow more.
	usual, bent atomic.Pointer[compiled]
}

// compile is [compile] for a request to the model of e, whose manifest is m. Plans are only read, so requests without a
// sampler share one.
func (e *Engine) compile(
	req *langevinv1.SampleRequest, m models.Manifest, maxSteps int, admits admission, bad *invalid,
) (compiled, error) {
	if req.GetSampler() != nil || req.GetMeasurement() != nil {
		return compile(req, m, maxSteps, admits, bad)
	}
	shared := &e.usual
	if bent(req) {
		shared = &e.bent
	}
	if ready := shared.Load(); ready != nil {
		return *ready, nil
	}
	before := len(*bad)
	ready, err := compile(req, m, maxSteps, admits, bad)
	if err == nil && len(*bad) == before {
		ready.bytes = 0
		shared.Store(&ready)
	}
	return ready, err
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
	Particles int // of one chain
}
