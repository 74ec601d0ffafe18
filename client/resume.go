package client

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"time"

	"google.golang.org/grpc/codes"

	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
)

// drawAll draws a request to its end: in one call, or with WithResume in as many calls as it takes.
func (s sampleCall) drawAll(ctx context.Context, req SampleRequest, emit sink) error {
	if !s.client.resume {
		return s.retrying(ctx, req, emit)
	}
	d := drawing{sampleCall: s, request: req, emit: emit}
	var failures outage
	for {
		d.advanced, d.begun = false, false
		err := d.retrying(ctx, d.rest(), d.receive)
		if err == nil || !d.begun || !broken(err) {
			return err
		}
		if d.advanced {
			failures = outage{}
		}
		if d.have == d.started.N { // only the Done event is missing
			nfe := int64(d.have) * int64(d.started.Steps*d.started.Evaluations()) * d.started.Measurement.particles()
			done := Done{N: d.have, NFE: nfe, Elapsed: d.elapsed, PreviewsDropped: d.dropped}
			d.trust.describe(&done)
			return emit(done)
		}
		if !s.client.again(ctx, &failures, unavailable(err)) {
			return s.lastly(ctx, err)
		}
		s.client.log.LogAttrs(ctx, slog.LevelWarn, "call broke, going on", slog.String("request_id", s.id),
			slog.String("error", err.Error()), slog.Int("step", d.step()), slog.Int("chains_done", d.have))
		if err := emit(Resumed{Cause: err, Step: d.step()}); err != nil {
			return err
		}
	}
}

// broken reports whether err is about the connection to the server and not about the request.
func broken(err error) bool {
	var e *Error
	return errors.As(err, &e) && (e.Code == codes.Unavailable || errors.Is(err, ErrStreamTruncated))
}

// unavailable turns a truncated stream into an Unavailable error, so that it is retried.
func unavailable(err error) error {
	if e, ok := err.(*Error); ok && e.Code == codes.DataLoss {
		mendable := *e
		mendable.Code = codes.Unavailable
		return &mendable
	}
	return err
}

// drawing is a request that is drawn by a sequence of calls. Each call continues where the previous one broke. A sample
// depends only on model, settings, seed and chain index, so the calls together deliver the bits of one unbroken call.
type drawing struct {
	sampleCall
	request SampleRequest
	emit    sink

	started  Started       // of the first call; its N is 0 before
	total    int64         // steps of the whole request
	have     int           // chains delivered
	seen     int           // previews delivered or dropped
	last     int           // step of the last preview delivered
	dropped  int           // previews lost
	elapsed  time.Duration // as the server last reported
	state    *Preview      // the states of all chains of its call, to resume from; nil: draw them again
	skipped  int           // chains of the whole request before the ones of state
	index    int           // the index of state among the previews
	begun    bool          // the current call has answered
	advanced bool          // the current call has delivered something new
	trust    trust         // in the particles of the chains delivered
	shortBy  int           // chains of the whole request that the current call leaves out
}

// step returns the number of steps after which the next call continues.
func (d *drawing) step() int {
	if d.state == nil {
		return 0
	}
	return d.state.Step
}

// rest returns the request for what has not been delivered.
func (d *drawing) rest() SampleRequest {
	req := d.request
	d.shortBy = 0
	if d.started.N == 0 {
		return req
	}
	req.Guidance, req.Sum = d.started.Guidance, d.started.Sum // including their digests
	if req.Measurement != nil {
		req.Measurement = d.started.Measurement
	}
	req.Model, req.Version, req.Seed, req.N = d.started.Model, d.started.Version, &d.started.Seed, d.started.N
	if !d.showsDelivered() {
		d.shortBy = d.have
		req = req.part(d.have, req.N-d.have)
	}
	if req.Preview == nil {
		return req
	}
	if d.have >= d.shown() {
		req.Preview = nil
		return req
	}
	req.Preview = new(*req.Preview)
	if req.Preview.Unfinished {
		req.Preview.Chains = min(req.Preview.Chains, req.N)
	}
	if d.state != nil {
		d.resumeAt(&req)
	}
	return req
}

// resumeAt lets a request for the last chains go on from their newest states.
func (d *drawing) resumeAt(req *SampleRequest) {
	x := d.state.rows(d.shortBy-d.skipped, d.state.N)
	req.Resume = &Resume{Digest: d.started.Digest, Step: d.state.Step, X: x}
	if req.Preview.Frames > 0 {
		req.Preview.Frames -= d.index // the frame to resume from is the first of the remaining ones
	}
	if req.Preview.MaxFrames > 0 {
		req.Preview.MaxFrames -= d.index
	}
}

// shown returns how many chains the previews show.
func (d *drawing) shown() int {
	if d.request.Preview == nil {
		return 0
	}
	return min(d.started.N, cmp.Or(d.request.Preview.Chains, langevinv1.DefaultPreviewChains))
}

// showsDelivered reports whether previews are still to come of chains whose results have been delivered. The server
// sends the last preview before the last of the chains that it shows.
func (d *drawing) showsDelivered() bool { return d.have < d.shown() && !d.request.Preview.Unfinished }

// receive emits the new part of an event.
func (d *drawing) receive(e Event) error {
	switch e := e.(type) {
	case Started:
		return d.start(e)
	case Progress:
		return d.progress(e)
	case Preview:
		return d.preview(e)
	case Chunk:
		return d.chunk(e)
	case Done:
		e.N, e.PreviewsDropped = d.started.N, max(d.dropped, e.PreviewsDropped)
		d.trust.describe(&e)
		return d.emit(e)
	}
	return d.emit(e)
}

func (d *drawing) start(s Started) error {
	d.begun = true
	if d.started.N > 0 {
		return nil
	}
	d.started, d.goesOn = s, true
	return d.emit(s)
}

// progress counts steps from the start of the first call.
func (d *drawing) progress(p Progress) error {
	d.elapsed = p.Elapsed
	d.total = max(d.total, p.StepsTotal)
	spared := d.total - p.StepsTotal
	p.StepsDone, p.StepsTotal = p.StepsDone+spared, d.total
	p.ChainsDone += d.shortBy
	return d.emit(p)
}

func (d *drawing) preview(p Preview) error {
	if d.seen > 0 && p.Step <= d.last {
		return nil
	}
	d.advanced = true
	d.seen, d.last, d.dropped = d.seen+1+p.Dropped, p.Step, d.dropped+p.Dropped
	if d.started.GoesOnFrom(p) && p.N == d.started.N-d.shortBy {
		d.state, d.skipped, d.index = &p, d.shortBy, d.seen-1
	}
	return d.emit(p)
}

// chunk drops the rows that an earlier call has already delivered.
func (d *drawing) chunk(c Chunk) error {
	next := d.started.FirstChain + uint64(d.have)
	if skip := next - c.FirstChain; c.FirstChain < next {
		if skip >= uint64(c.N) {
			return nil
		}
		c = c.after(int(skip))
	}
	d.advanced = true
	d.have += c.N
	d.trust.add(c, d.started.Measurement)
	return d.emit(c)
}
