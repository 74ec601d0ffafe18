package rpc

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"math"
	"strconv"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/langevin-ml/langevin/models"
	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
	"github.com/langevin-ml/langevin/server/auth"
	"github.com/langevin-ml/langevin/server/batch"
	"github.com/langevin-ml/langevin/server/host"
)

// progressEvery is the time between two progress events of a Sample call.
const progressEvery = langevinv1.EventEvery

// waitingEvery is the same while the call waits in the queue. There may be many thousand such calls, and their events
// must not take the processors from the calls that run.
const waitingEvery = time.Second

// untilProgress returns the time until the next progress event. All calls report at the same moments, so that the
// events of many calls on one connection travel together. It is at least half a period, because a call that has just
// begun would have nothing to report.
func untilProgress(period time.Duration) time.Duration {
	left := period - time.Duration(time.Now().UnixNano())%period
	if left < period/2 {
		left += period
	}
	return left
}

// Sampling answers langevin.v1.SamplingService.
type Sampling struct {
	langevinv1.UnimplementedSamplingServiceServer
	host   *host.Host[*Engine]
	limits Limits
}

// NewSampling returns the service over the models of h.
func NewSampling(h *host.Host[*Engine], limits Limits) *Sampling {
	return &Sampling{host: h, limits: limits}
}

var _ langevinv1.SamplingServiceServer = (*Sampling)(nil)

// Sample draws the chains of one request and streams events.
func (s *Sampling) Sample(req *langevinv1.SampleRequest,
	stream grpc.ServerStreamingServer[langevinv1.SampleResponse]) error {
	return s.Draw(stream.Context(), req, stream.Send)
}

// Draw is Sample for other protocols. It passes the events to send in order.
func (s *Sampling) Draw(ctx context.Context, req *langevinv1.SampleRequest,
	send func(*langevinv1.SampleResponse) error) error {
	wait := waitFor(req, send)
	defer wait.end()
	loaded, err := acquire(ctx, s.host, req.GetModel(), req.GetVersion())
	if err != nil {
		return err
	}
	defer loaded.Release()
	composed, err := s.acquireComposition(ctx, req)
	if err != nil {
		return err
	}
	defer composed.release()
	order, err := s.resolve(ctx, req, loaded, composed)
	if err != nil {
		return err
	}
	annotate(ctx, order.attrs()...)
	order.job.Charge = func() error { return auth.Charge(ctx, order.cost()) }
	defer follow(ctx, &order.job)()
	chains, err := loaded.Value.Scheduler.Submit(ctx, order.job)
	if err != nil {
		return err
	}
	defer chains.Close()
	wait.end()
	if err := send(&langevinv1.SampleResponse{Event: &langevinv1.SampleResponse_Started{
		Started: order.started}}); err != nil {
		return err
	}
	return order.relay(ctx, chains, send)
}

// acquire returns the model that a request names. The caller must release it.
func acquire(ctx context.Context, h *host.Host[*Engine], name string, version int32) (*host.Loaded[*Engine], error) {
	setModel(ctx, OtherModel)
	if err := checkModel(name, version, "model"); err != nil {
		return nil, err
	}
	loaded, err := h.Acquire(ctx, name, int(version))
	if err == nil {
		setModel(ctx, loaded.Entry.Name)
	}
	return loaded, err
}

// checkModel returns an error if name, which is in the named field, cannot be a model's name, or version not a version.
func checkModel(name string, version int32, field string) error {
	var bad invalid
	if name != "" && !models.ValidName(name) {
		bad.add(field, quoted(name), "1 to 64 of a-z, 0-9, dot, dash and underscore, the first a letter or digit")
	}
	if version < 0 {
		bad.add("version", version, "a positive version, or 0 for the newest")
	}
	return bad.err()
}

// quoted returns any text in a form that fits into one line.
func quoted(text string) string {
	const limit = 80
	if len(text) > limit {
		text = text[:limit] + "..."
	}
	return strconv.Quote(text)
}

// order is a request with every default filled in.
type order struct {
	job     batch.Job
	started *langevinv1.Started
	trust   trust
	encoder encoder
	kind    langevinv1.PreviewKind
	asSeen  bool // previews show what the network sees of a table, and not the values of its columns
}

// resolve validates a request for its model and those of its terms, and fills in what it leaves out.
func (s *Sampling) resolve(ctx context.Context, req *langevinv1.SampleRequest, loaded *loadedModel,
	composed *composition) (*order, error) {
	var bad invalid
	m := loaded.Entry.Manifest
	checkGivenSampler(req, m, &bad)
	req = withMeasurement(req, m, s.limits, &bad)
	n := chainsOf(req, s.limits.Chains, &bad)
	encoder := newEncoder(m, req.GetFormat(), &bad)
	known, columns := knownOf(req, m, &bad), columnsOf(req, &bad)
	given, follows := givenOf(req.GetGiven(), m, int(n), &bad), composed.follow(req, loaded, &bad)
	sampler, err := loaded.Value.compile(req, m, s.limits.Steps, func(steps int) error {
		return loaded.Value.Scheduler.Admits(ctx, batch.Demand{
			Caller: auth.Caller(ctx), Chains: int(n), Sum: follows.sum, Terms: follows.cost,
			States: int(req.GetMeasurement().GetParticles().GetCount()),
			Steps:  max(0, steps-int(min(max(0, req.GetResume().GetStep()), int64(steps)))),
		})
	}, &bad)
	if err != nil {
		return nil, err
	}
	measured, plan := measuredBy(req, sampler, m, &bad)
	o := &order{
		encoder: encoder,
		kind:    max(req.GetPreview().GetKind(), langevinv1.PreviewKind_PREVIEW_KIND_STATE),
		asSeen:  m.Columns != nil && req.GetPreview().GetForResume(),
	}
	o.job = batch.Job{
		Caller: auth.Caller(ctx), Plan: plan, Prior: sampler.prior,
		Seed: seedOf(req), First: req.GetFirstChain(), N: int(n),
		Known: known, Columns: columns, Given: given, Sum: follows.sum, TermCost: follows.cost, Measured: measured,
		Held: sampler.bytes + 2*int64(proto.Size(req)) + // the request, and the values in it
			heldByMeasurement(req.GetMeasurement(), m.Dim()),
	}
	o.trustFrom(req.GetMeasurement())
	follows.checkSigmas(sampler.plan, m, &bad)
	resume(&o.job, req.GetResume(), loaded.Entry, &bad)
	o.job.Preview = previewOf(req.GetPreview(), o.job, m, &bad)
	if o.job.Columns > 0 && len(o.job.Plan) > 0 && !o.job.Plan.UsesNoise() {
		bad.add("interpolation", "set", "a sampler that adds noise: the chains of a row differ only by their noise")
	}
	if err := bad.err(); err != nil {
		return nil, err
	}
	o.started = follows.started
	o.started.Approximate = follows.approximate && !sampler.exact || approximates(req.GetMeasurement())
	o.describe(ctx, req, loaded)
	langevinv1.SetSampler(o.started, sampler.message)
	return o, nil
}

// describe fills in the started event of an order, except for the sampler and what chains follow.
func (o *order) describe(ctx context.Context, req *langevinv1.SampleRequest, loaded *loadedModel) {
	s := o.started
	s.Model, s.Version, s.Digest = loaded.Entry.Name, int32(loaded.Entry.Version), loaded.Entry.Digest
	s.N, s.Seed, s.FirstChain = int64(o.job.N), o.job.Seed, o.job.First
	s.Columns = columnsProto(loaded.Entry.Manifest)
	s.Shape, s.Steps = shapeProto(loaded.Entry.Manifest), int64(o.job.Plan.NFE())
	s.Engine, s.RequestId, s.Interpolation = loaded.Value.Identity, idOf(ctx), req.GetInterpolation()
	s.Resumable = !o.job.Plan.UsesHistory() && o.job.Measured.Rows() == 1 &&
		(loaded.Entry.Manifest.Columns == nil || o.asSeen)
	s.ResumedAt, s.Measurement = int64(o.job.StartStep), req.GetMeasurement()
	setCondition(s, req)
}

// chainsOf returns the number of chains of a request, at most most. It also checks the index of the first.
func chainsOf(req *langevinv1.SampleRequest, most int, bad *invalid) int64 {
	n := int64(1)
	if req.N != nil {
		n = req.GetN()
	}
	if n < 1 || n > int64(most) {
		bad.add("n", n, "1 to %d (limits.max_chains)", most)
		n = 1
	}
	if req.GetFirstChain() > math.MaxUint64-uint64(n)+1 {
		bad.add("first_chain", req.GetFirstChain(), "at most 2^64 - n")
	}
	return n
}

// seedOf returns the request's seed, or a new one.
func seedOf(req *langevinv1.SampleRequest) uint64 {
	if req.Seed != nil {
		return req.GetSeed()
	}
	var b [8]byte
	rand.Read(b[:]) // never fails: see its documentation
	return binary.LittleEndian.Uint64(b[:])
}

// chainSteps returns the size of the work: chains times steps.
func (o *order) chainSteps() int64 {
	return int64(o.job.N) * int64(o.job.Plan.NFE()-o.job.StartStep)
}

// cost returns what an order costs its caller's quota: the evaluations of all chains, including those of further terms.
func (o *order) cost() int64 {
	return o.chainSteps() * int64(o.job.Sum.Evaluations()) * int64(o.job.Measured.Rows())
}

// trustFrom sets what is said and done about chains whose weights collapse.
func (o *order) trustFrom(y *langevinv1.Measurement) {
	o.trust.below = y.GetLeastEffectiveSize()
	if y.GetRefuseCollapsed() && o.job.Measured.Rows() > 1 {
		o.job.LeastSize = o.trust.below
	}
}

func (o *order) attrs() []slog.Attr {
	return []slog.Attr{
		slog.String("model", o.started.GetModel()), slog.Int64("version", int64(o.started.GetVersion())),
		slog.Int64("n", o.started.GetN()), slog.Int64("steps", o.started.GetSteps()), slog.Uint64("seed",
			o.started.GetSeed()),
	}
}

// relay sends the events of a job until it ends. Only relay calls send. Finished chains do not wait until their chunk
// is full: what has finished is sent with every progress event, so that a client that loses the call keeps it.
func (o *order) relay(ctx context.Context, chains *batch.Stream, send func(*langevinv1.SampleResponse) error) error {
	due := time.NewTimer(untilProgress(progressEvery))
	defer due.Stop()
	first := true
	for {
		event, err := chains.Poll()
		switch {
		case errors.Is(err, io.EOF):
			return o.finish(ctx, chains, send)
		case err != nil:
			return err
		case event != nil:
			if first {
				firstEvent(ctx)
				first = false
			}
			response, err := o.encode(event)
			if err != nil {
				return err
			}
			if err := send(response); err != nil {
				return err
			}
			continue
		}
		select {
		case <-chains.Ready():
		case <-due.C:
			p := chains.Progress()
			if err := send(o.progress(p)); err != nil {
				return err
			}
			chains.Flush()
			due.Reset(untilProgress(periodOf(p)))
		}
	}
}

// periodOf returns the time between two progress events of a call that is where p says.
func periodOf(p batch.Progress) time.Duration {
	if p.Steps == 0 {
		return waitingEvery
	}
	return progressEvery
}

func (o *order) encode(event batch.Event) (*langevinv1.SampleResponse, error) {
	switch e := event.(type) {
	case *batch.Frame:
		tensor, err := o.states(e.X)
		if err != nil {
			return nil, err
		}
		level, sigma := o.at(e.Step)
		return &langevinv1.SampleResponse{Event: &langevinv1.SampleResponse_Preview{Preview: &langevinv1.Preview{
			Step: int64(e.Step), Level: level, Sigma: sigma, Kind: o.kind,
			FirstChain: o.job.First, Tensor: tensor, Dropped: int64(e.Dropped), ForResume: o.asSeen,
		}}}, nil
	case *batch.Chunk:
		tensor, err := o.encoder.samples(e.X)
		if err != nil {
			return nil, err
		}
		chunk := &langevinv1.Chunk{FirstChain: o.job.First + uint64(e.First), Tensor: tensor}
		o.trust.add(chunk, e.Diagnoses)
		return &langevinv1.SampleResponse{Event: &langevinv1.SampleResponse_Chunk{Chunk: chunk}}, nil
	}
	return nil, errors.New("unknown event of the scheduler")
}

// states returns the rows of a preview.
func (o *order) states(x []float32) (*langevinv1.Tensor, error) {
	if !o.asSeen {
		return o.encoder.samples(x)
	}
	seen := o.encoder
	seen.shape = seen.manifest.Shape
	return seen.tensor(x)
}

// at returns the level and sigma of the last of the given number of steps. For 0 it returns those of the first step.
func (o *order) at(steps int) (level int32, sigma float64) {
	step := o.job.Plan[max(0, steps-1)]
	return step.Level, float64(step.Sigma)
}

func (o *order) progress(p batch.Progress) *langevinv1.SampleResponse {
	total := o.chainSteps()
	level, sigma := o.at(p.Position)
	progress := &langevinv1.Progress{
		StepsDone: p.Steps, StepsTotal: total, ChainsDone: int64(p.Chains),
		Step: int64(p.Position), Level: level, Sigma: sigma, Elapsed: durationpb.New(p.Elapsed),
	}
	if p.Steps > 0 {
		running := p.Elapsed - p.Queued
		left := float64(running) * float64(total-p.Steps) / float64(p.Steps)
		progress.Remaining = durationpb.New(time.Duration(min(left, math.MaxInt64/2)))
	}
	return &langevinv1.SampleResponse{Event: &langevinv1.SampleResponse_Progress{Progress: progress}}
}

func (o *order) finish(ctx context.Context, chains *batch.Stream, send func(*langevinv1.SampleResponse) error) error {
	p := chains.Progress()
	annotate(ctx, slog.Duration("queued", p.Queued), slog.Int("previews_dropped", p.DroppedFrames))
	done := &langevinv1.Done{
		N: int64(o.job.N), Nfe: p.Steps * int64(o.job.Sum.Evaluations()*o.job.Measured.Rows()),
		Elapsed: durationpb.New(p.Elapsed),
		Queued:  durationpb.New(p.Queued), PreviewsDropped: int64(p.DroppedFrames),
	}
	o.trust.describe(done)
	return send(&langevinv1.SampleResponse{Event: &langevinv1.SampleResponse_Done{Done: done}})
}

// shapeProto returns the shape of a model's samples as users see them.
func shapeProto(m models.Manifest) []int64 { return int64s(m.RowShape()) }

func int64s(shape []int) []int64 {
	wide := make([]int64, len(shape))
	for i, n := range shape {
		wide[i] = int64(n)
	}
	return wide
}
