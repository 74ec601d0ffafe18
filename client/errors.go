package client

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"

	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
)

// The errors that errors.Is finds in an [*Error]. The server reports the first group; the client finds the others
// itself.
var (
	ErrInvalid          = errors.New("invalid request")             // a field is out of range: see Violations
	ErrModelNotFound    = errors.New("model not found")             // no such model or version
	ErrModelFailed      = errors.New("model failed to load")        // the server has the model but cannot run it
	ErrModelLoading     = errors.New("model is still loading")      // try again after RetryAfter
	ErrDiverged         = errors.New("chain diverged")              // a chain is not finite: the step is too large
	ErrCollapsed        = errors.New("weights collapsed")           // of particles: see Measurement.RefuseCollapsed
	ErrNoDetector       = errors.New("model has no detector")       // see Client.Detect
	ErrTolerance        = errors.New("tolerance cannot be met")     // by Encode, Decode or LogLikelihood: ask for less
	ErrQueueFull        = errors.New("queue full")                  // try again after RetryAfter
	ErrQuota            = errors.New("quota exceeded")              // of the caller; try again after RetryAfter, if set
	ErrDeadlineTooShort = errors.New("deadline too short")          // refused at once; context.DeadlineExceeded too
	ErrDraining         = errors.New("server is stopping")          // another server may answer
	ErrSlowConsumer     = errors.New("events were read too slowly") // for the server to wait any longer
	ErrUnauthenticated  = errors.New("no valid credentials")        // see WithToken
	ErrForbidden        = errors.New("credentials do not allow it") // they lack a scope

	ErrUnreachable     = errors.New("server does not answer")            // no connection, or it broke
	ErrMessageTooLarge = errors.New("message too large")                 // see WithMaxMessageSize
	ErrStreamTruncated = errors.New("stream ended before its result")    // the server or a proxy cut it short
	ErrMalformed       = errors.New("answer that breaks the protocol")   // a gap, a wrong shape, a missing event
	ErrChanged         = errors.New("model or engine changed")           // between the parts of a split or resumed call
	ErrNotRead         = errors.New("events were not read to their end") // by the caller
)

// The reasons of errors that the client finds itself. They are never sent.
const (
	reasonUnreachable     = "UNREACHABLE"
	reasonMessageTooLarge = "MESSAGE_TOO_LARGE"
	reasonStreamTruncated = "STREAM_TRUNCATED"
	reasonMalformed       = "MALFORMED"
	reasonChanged         = "CHANGED"
	reasonNotRead         = "NOT_READ"
)

// sentinels returns the error that errors.Is finds for each reason.
func sentinels() map[string]error {
	return map[string]error{
		langevinv1.ReasonInvalid:          ErrInvalid,
		langevinv1.ReasonModelNotFound:    ErrModelNotFound,
		langevinv1.ReasonModelFailed:      ErrModelFailed,
		langevinv1.ReasonModelLoading:     ErrModelLoading,
		langevinv1.ReasonDiverged:         ErrDiverged,
		langevinv1.ReasonCollapsed:        ErrCollapsed,
		langevinv1.ReasonNoDetector:       ErrNoDetector,
		langevinv1.ReasonTolerance:        ErrTolerance,
		langevinv1.ReasonQueueFull:        ErrQueueFull,
		langevinv1.ReasonQuota:            ErrQuota,
		langevinv1.ReasonDeadlineTooShort: ErrDeadlineTooShort,
		langevinv1.ReasonDraining:         ErrDraining,
		langevinv1.ReasonSlowConsumer:     ErrSlowConsumer,
		reasonUnreachable:                 ErrUnreachable,
		reasonMessageTooLarge:             ErrMessageTooLarge,
		reasonStreamTruncated:             ErrStreamTruncated,
		reasonMalformed:                   ErrMalformed,
		reasonChanged:                     ErrChanged,
		reasonNotRead:                     ErrNotRead,
	}
}

// Error says why a call failed. Every error of a call is one.
type Error struct {
	Op         string        // what was tried on what: "sample ring"
	Code       codes.Code    // the gRPC code
	Reason     string        // the server's reason, such as QUEUE_FULL; empty if it gave none
	Message    string        // for people
	RetryAfter time.Duration // how long the server asks to wait before another try; 0 if it does not say
	RequestID  string        // names the call in the server's log; empty if nothing was sent
	Violations []Violation   // the fields that are wrong, if the request was

	// Metadata has details of Reason: the chain, step and sigma of a chain that diverged, or the chain and
	// effective_size of one whose weights collapsed.
	Metadata map[string]string

	status   *status.Status // as received; nil if the client made the error
	notReady bool           // there are connections, and the server behind each says that it is not ready
}

// Violation says what is wrong with one field of a request.
type Violation struct {
	Field   string // its name in the API: annealed_langevin.step_lr
	Message string
}

// Error returns a text such as "sample ring: no model is called ring".
func (e *Error) Error() string {
	message := e.Message
	if message == "" {
		message = e.Code.String()
	}
	if e.Op == "" {
		return message
	}
	return e.Op + ": " + message
}

// Unwrap returns the error that Reason stands for and the one that Code implies: the context's error for a deadline or
// a cancelled call, [ErrUnauthenticated], [ErrForbidden].
func (e *Error) Unwrap() []error {
	var causes []error
	if err := sentinels()[e.Reason]; err != nil {
		causes = append(causes, err)
	}
	switch e.Code {
	case codes.Canceled:
		causes = append(causes, context.Canceled)
	case codes.DeadlineExceeded:
		causes = append(causes, context.DeadlineExceeded)
	case codes.Unauthenticated:
		causes = append(causes, ErrUnauthenticated)
	case codes.PermissionDenied:
		causes = append(causes, ErrForbidden)
	}
	return causes
}

// GRPCStatus returns the status received, or a status made of the fields. A service that calls another can pass it on.
func (e *Error) GRPCStatus() *status.Status {
	if e.status != nil {
		return e.status
	}
	bare := status.New(e.Code, e.Message)
	full, err := bare.WithDetails(e.details()...)
	if err != nil { // an OK code, which no error has
		return bare
	}
	return full
}

func (e *Error) details() []protoadapt.MessageV1 {
	var all []protoadapt.MessageV1
	if e.Reason != "" {
		all = append(all, &errdetails.ErrorInfo{Reason: e.Reason, Domain: langevinv1.ErrorDomain, Metadata: e.Metadata})
	}
	if e.RetryAfter > 0 {
		all = append(all, &errdetails.RetryInfo{RetryDelay: durationpb.New(e.RetryAfter)})
	}
	if e.RequestID != "" {
		all = append(all, &errdetails.RequestInfo{RequestId: e.RequestID})
	}
	if len(e.Violations) > 0 {
		bad := &errdetails.BadRequest{}
		for _, v := range e.Violations {
			bad.FieldViolations = append(bad.FieldViolations,
				&errdetails.BadRequest_FieldViolation{Field: v.Field, Description: v.Message})
		}
		all = append(all, bad)
	}
	return all
}

// fromRPC turns a gRPC error of the call named id into an [*Error]. The header is the one that came before it, if any.
func fromRPC(op, id string, err error, header metadata.MD) error {
	st := status.Convert(err)
	e := &Error{Op: op, Code: st.Code(), Message: st.Message(), RequestID: id, status: st}
	if ids := header.Get(langevinv1.RequestIDHeader); len(ids) > 0 {
		e.RequestID = ids[0]
	}
	for _, detail := range st.Details() {
		e.read(detail)
	}
	if e.Reason == "" {
		e.explain()
	}
	return e
}

func (e *Error) read(detail any) {
	switch d := detail.(type) {
	case *errdetails.ErrorInfo:
		if d.GetDomain() == langevinv1.ErrorDomain {
			e.Reason, e.Metadata = d.GetReason(), d.GetMetadata()
		}
	case *errdetails.RetryInfo:
		e.RetryAfter = d.GetRetryDelay().AsDuration()
	case *errdetails.RequestInfo:
		e.RequestID = d.GetRequestId()
	case *errdetails.BadRequest:
		for _, v := range d.GetFieldViolations() {
			e.Violations = append(e.Violations, Violation{v.GetField(), v.GetDescription()})
		}
	}
}

// unsent is what gRPC writes before the error of [bearer.GetRequestMetadata].
const unsent = "per-RPC creds failed due to error: "

// explain sets the reason of errors that gRPC itself reports, which have no details.
func (e *Error) explain() {
	switch {
	case e.Code == codes.Internal && strings.Contains(e.Message, unsent):
		e.Code, e.status = codes.Unauthenticated, nil // nothing was sent: see WithTokenFunc
		_, e.Message, _ = strings.Cut(e.Message, unsent)
	case e.Code == codes.Unavailable && strings.Contains(e.Message, "health check failed"):
		e.Reason, e.notReady = reasonUnreachable, true
		e.Message = "the server still loads its models or is stopping: " + e.Message
	case e.Code == codes.Unavailable:
		e.Reason = reasonUnreachable
	case e.Code == codes.ResourceExhausted && strings.Contains(e.Message, "larger than max"):
		e.Reason = reasonMessageTooLarge
		e.Message += "; see client.WithMaxMessageSize for answers, and ask for less at once"
	}
}

func newError(op string, code codes.Code, reason, format string, args ...any) error {
	return &Error{Op: op, Code: code, Reason: reason, Message: fmt.Sprintf(format, args...)}
}

// invalid refuses a request on this side. The caller sets Op.
func invalid(field, format string, args ...any) error {
	message := fmt.Sprintf(format, args...)
	return &Error{
		Code: codes.InvalidArgument, Reason: langevinv1.ReasonInvalid, Message: message,
		Violations: []Violation{{field, message}},
	}
}

// malformed refuses an answer. The caller sets Op.
func malformed(format string, args ...any) error {
	message := "the server broke the protocol: " + fmt.Sprintf(format, args...)
	return &Error{Code: codes.Internal, Reason: reasonMalformed, Message: message}
}

// during sets what was tried in an error made by this package.
func during(op string, err error) error {
	if e, ok := err.(*Error); ok {
		e.Op = op
	}
	return err
}
