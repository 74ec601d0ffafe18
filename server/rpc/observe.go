package rpc

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
	"github.com/langevin-ml/langevin/server/batch"
)

// Observer counts and times calls. It is safe for concurrent use. A model is one of the host's or [OtherModel], and is
// empty for calls that name none.
type Observer interface {
	// CallEnded reports the end of every call except calls of tools and probes. method has the form
	// langevin.v1.ModelService/GetModel, and outcome is one of the Outcome constants.
	CallEnded(method, model, outcome string)

	// SampleEnded reports the duration of a Sample call that succeeded.
	SampleEnded(model string, elapsed time.Duration)

	// FirstEvent reports how long a Sample call waited for its first preview or result.
	FirstEvent(model string, elapsed time.Duration)

	// Detected reports the p-values of the rows of a Detect call.
	Detected(model string, p []float64)
}

// OtherModel replaces the name of a model that the host does not have, so that a client cannot make up names.
const OtherModel = "other"

// The outcomes of a call.
const (
	OutcomeOK        = "ok"
	OutcomeCancelled = "cancelled" // by the client
	OutcomeDeadline  = "deadline"  // passed, or cannot be met
	OutcomeRejected  = "rejected"  // too much work is waiting, or the server is stopping
	OutcomeDenied    = "denied"    // not authenticated, or not allowed
	OutcomeInvalid   = "invalid"   // the request is wrong, or names something that does not exist
	OutcomeDiverged  = "diverged"
	OutcomeInternal  = "internal"
)

// outcomeOf returns the outcome of a call's end.
func outcomeOf(s *status.Status) string {
	switch s.Code() {
	case codes.OK:
		return OutcomeOK
	case codes.Canceled:
		return OutcomeCancelled
	case codes.DeadlineExceeded:
		return OutcomeDeadline
	case codes.ResourceExhausted, codes.Unavailable:
		return OutcomeRejected
	case codes.Unauthenticated, codes.PermissionDenied:
		return OutcomeDenied
	case codes.InvalidArgument, codes.NotFound, codes.OutOfRange, codes.Unimplemented:
		return OutcomeInvalid
	case codes.FailedPrecondition:
		if reasonOf(s) == langevinv1.ReasonDiverged {
			return OutcomeDiverged
		}
		return OutcomeInvalid
	}
	return OutcomeInternal
}

func reasonOf(s *status.Status) string {
	for _, detail := range s.Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok {
			return info.GetReason()
		}
	}
	return ""
}

// observe reports the call's end to the observer.
func (c *call) observe(method string, result *status.Status) {
	if isProbe(method) {
		return
	}
	outcome := outcomeOf(result)
	c.observer.CallEnded(strings.TrimPrefix(method, "/"), c.model, outcome)
	if outcome == OutcomeOK && method == langevinv1.SamplingService_Sample_FullMethodName {
		c.observer.SampleEnded(c.model, time.Since(c.start))
	}
}

// firstEvent reports to the observer that the call of ctx has its first event.
func firstEvent(ctx context.Context) {
	if c, ok := ctx.Value(callKey{}).(*call); ok {
		c.observer.FirstEvent(c.model, time.Since(c.start))
	}
}

// detected reports to the observer the p-values that the call of ctx found.
func detected(ctx context.Context, p []float64) {
	if c, ok := ctx.Value(callKey{}).(*call); ok {
		c.observer.Detected(c.model, p)
	}
}

// setModel sets the model of the call of ctx.
func setModel(ctx context.Context, name string) {
	if c, ok := ctx.Value(callKey{}).(*call); ok {
		c.model = name
	}
}

// trace copies the attributes of the call's log line to its span, if there is one.
func (c *call) trace(attrs []slog.Attr) {
	span := trace.SpanFromContext(c.ctx)
	if !span.IsRecording() {
		return
	}
	for _, a := range attrs {
		span.SetAttributes(attribute.String("langevin."+a.Key, a.Value.String()))
	}
}

// jobTrace adds a job to the trace of its call: a span for the wait and one for the sampling, with an event at each
// level. It implements [batch.Follower].
type jobTrace struct {
	ctx    context.Context
	tracer trace.Tracer
	queue  trace.Span
	sample trace.Span // nil until the job starts
}

// follow sets the job's follower if its call is traced. It returns the function that ends the spans after the job is
// closed.
func follow(ctx context.Context, job *batch.Job) (end func()) {
	span := trace.SpanFromContext(ctx)
	if !span.IsRecording() {
		return func() {}
	}
	t := &jobTrace{ctx: ctx, tracer: span.TracerProvider().Tracer("github.com/langevin-ml/langevin/server/rpc")}
	_, t.queue = t.tracer.Start(ctx, "queue")
	job.Follower = t
	return t.end
}

// Started implements [batch.Follower].
func (t *jobTrace) Started() {
	t.queue.End()
	_, t.sample = t.tracer.Start(t.ctx, "sample")
}

// Entered implements [batch.Follower].
func (t *jobTrace) Entered(level int32, sigma float32) {
	t.sample.AddEvent("level", trace.WithAttributes(
		attribute.Int("sampler.level", int(level)), attribute.Float64("sampler.sigma", float64(sigma))))
}

func (t *jobTrace) end() {
	t.queue.End()
	if t.sample != nil {
		t.sample.End()
	}
}
