package rpc

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
	"github.com/langevin-ml/langevin/server/batch"
)

// CallLimits bound every call.
type CallLimits struct {
	Time   time.Duration // from beginning to end
	Unread time.Duration // time that a message may wait for its reader
}

// Interceptors returns the server options that every call passes through. They give a call a request id and limits,
// turn a panic into INTERNAL and errors into statuses, and at the end log one line and notify the observer.
func Interceptors(log *slog.Logger, observer Observer, limits CallLimits) []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.ForceServerCodecV2(newReadingCodec()),
		grpc.ChainUnaryInterceptor(func(ctx context.Context, req any, info *grpc.UnaryServerInfo,
			handler grpc.UnaryHandler) (resp any, err error) {
			call := begin(ctx, observer, limits)
			defer func() { err = call.end(log, info.FullMethod, recover(), err) }()
			header := metadata.Pairs(langevinv1.RequestIDHeader, call.id)
			if err := ended(ctx, grpc.SetHeader(ctx, header)); err != nil {
				return nil, err
			}
			return handler(call.ctx, req)
		}),
		grpc.ChainStreamInterceptor(func(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo,
			handler grpc.StreamHandler) (err error) {
			call := begin(stream.Context(), observer, limits)
			defer func() { err = call.end(log, info.FullMethod, recover(), err) }()
			header := metadata.Pairs(langevinv1.RequestIDHeader, call.id)
			if err := ended(stream.Context(), stream.SetHeader(header)); err != nil {
				return err
			}
			passed := &callStream{ServerStream: stream, ctx: call.ctx, unread: limits.Unread}
			defer passed.close()
			return handler(srv, passed)
		}),
	}
}

// ended returns why a call is over, if its header cannot be set for that reason. gRPC's own error does not say so.
func ended(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// Reasons for ending a call early.
var (
	errCallTime = fmt.Errorf("the call ran for as long as this server allows (limits.max_call_time): %w",
		context.DeadlineExceeded)
	errUnread = errors.New("the client does not read the answer (limits.slow_reader_timeout)")
)

// callStream is a stream whose context identifies its call.
type callStream struct {
	grpc.ServerStream
	ctx    context.Context
	unread time.Duration

	// The goroutine that sends runs from the first message to close. One for each message would be costly, and each
	// would grow a new stack.
	messages chan any
	sent     chan error
	late     *time.Timer
	stuck    bool // it waits for a reader that was given up
}

func (s *callStream) Context() context.Context { return s.ctx }

// RecvMsg gives up on a client that leaves a call open for too long.
func (s *callStream) RecvMsg(m any) error {
	request, done := &received{message: m}, make(chan error, 1)
	go func() { done <- s.ServerStream.RecvMsg(request) }()
	select {
	case err := <-done:
		return cmp.Or(ofClient(err), request.err)
	case <-s.ctx.Done():
		if s.ServerStream.Context().Err() == nil {
			return context.Cause(s.ctx)
		}
		// gRPC ends the receive too. The stream must not be in use when the handler has returned.
		return cmp.Or(context.Cause(s.ctx), <-done)
	}
}

// SendMsg gives up on a reader that makes no room for the message in time. gRPC then ends the stream, and so ends the
// send that is still waiting.
func (s *callStream) SendMsg(m any) error {
	switch {
	case s.stuck:
		return errUnread
	case s.messages == nil:
		s.messages, s.sent, s.late = make(chan any), make(chan error, 1), time.NewTimer(s.unread)
		go s.send()
	default:
		s.late.Reset(s.unread)
	}
	s.messages <- m
	select {
	case err := <-s.sent:
		s.late.Stop()
		return err
	case <-s.late.C:
		s.stuck = true
		return errUnread
	}
}

func (s *callStream) send() {
	for m := range s.messages {
		s.sent <- s.ServerStream.SendMsg(m)
	}
}

// close ends the sending goroutine. The handler has returned.
func (s *callStream) close() {
	if s.messages != nil {
		close(s.messages)
		s.late.Stop()
	}
}

// call is what the log says about one call. Its handler may add to it while it runs.
type call struct {
	ctx      context.Context
	own      time.Duration // this server's limit, if it is earlier than the client's deadline; else 0
	id       string
	start    time.Time
	attrs    []slog.Attr
	model    string // empty until it is known
	observer Observer
	done     context.CancelFunc
}

type callKey struct{}

func begin(ctx context.Context, observer Observer, limits CallLimits) *call {
	if v, ok := ctx.Value(visitKey{}).(*Visit); ok {
		v.called.Store(true)
	}
	c := &call{id: requestID(metadata.ValueFromIncomingContext(ctx, langevinv1.RequestIDHeader)), start: time.Now(),
		observer: observer}
	if deadline, ok := ctx.Deadline(); !ok || deadline.After(c.start.Add(limits.Time)) {
		c.own = limits.Time
	}
	ctx, c.done = context.WithTimeoutCause(ctx, limits.Time, errCallTime)
	c.ctx = context.WithValue(ctx, callKey{}, c)
	return c
}

// annotate adds to the line that is logged when the call ends. The last value of a key counts.
func annotate(ctx context.Context, attrs ...slog.Attr) {
	if c, ok := ctx.Value(callKey{}).(*call); ok {
		for _, attr := range attrs {
			same := slices.IndexFunc(c.attrs, func(old slog.Attr) bool { return old.Key == attr.Key })
			if same < 0 {
				c.attrs = append(c.attrs, attr)
			} else {
				c.attrs[same] = attr
			}
		}
	}
}

// idOf returns the id of the call of ctx.
func idOf(ctx context.Context) string {
	if c, ok := ctx.Value(callKey{}).(*call); ok {
		return c.id
	}
	return ""
}

// requestID returns the first of a caller's ids if it can be logged, or a new one.
func requestID(given []string) string {
	if len(given) > 0 && printable(given[0]) {
		return given[0]
	}
	return rand.Text()
}

// printable reports whether id is 1 to 64 visible ASCII characters.
func printable(id string) bool {
	for _, r := range id {
		if r <= ' ' || r > '~' {
			return false
		}
	}
	return len(id) >= 1 && len(id) <= 64
}

// isProbe reports whether tools and probes make this call all the time.
func isProbe(method string) bool { return strings.HasPrefix(method, "/grpc.") }

// levelOf returns the level of a call's line, which keeps probes out of an ordinary log.
func levelOf(method string) slog.Level {
	if isProbe(method) {
		return slog.LevelDebug
	}
	return slog.LevelInfo
}

// ownDeadlineError is the error of work that its request had bounded, rather than the call.
type ownDeadlineError struct{ error }

func (e *ownDeadlineError) Unwrap() error { return e.error }

// Within does the work of one request of a call that may bound its own time, in a field of a protocol; 0 is no bound.
func Within(ctx context.Context, bound time.Duration, work func(context.Context) error) error {
	if deadline, ok := ctx.Deadline(); bound == 0 || ok && time.Until(deadline) < bound {
		return work(ctx)
	}
	ctx, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	err := work(ctx)
	if errors.Is(err, batch.ErrDeadline) || errors.Is(err, context.DeadlineExceeded) {
		return &ownDeadlineError{err}
	}
	return err
}

// whose says of an error which deadline it means: the client's, or the one that this server sets.
func (c *call) whose(err error) error {
	var own *ownDeadlineError
	switch {
	case errors.Is(err, errCallTime) || err == nil:
		return err
	case errors.Is(err, batch.ErrDeadline) && c.own > 0 && !errors.As(err, &own):
		return fmt.Errorf("%w (the deadline is this server's: limits.max_call_time is %v)", err, c.own)
	case errors.Is(err, batch.ErrDeadline):
		return fmt.Errorf("%w (the deadline is the client's)", err)
	case !errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(context.Cause(c.ctx), errCallTime):
		return errCallTime
	}
	return fmt.Errorf("the client's deadline has passed: %w", err)
}

// end logs the call and returns its status as an error.
func (c *call) end(log *slog.Logger, method string, panicked any, err error) error {
	defer c.done()
	if panicked != nil {
		err = fmt.Errorf("panic: %v\n%s", panicked, debug.Stack())
	}
	err = c.whose(err)
	level, code := levelOf(method), codes.OK
	attrs := append(c.attrs, slog.String("request_id", c.id), slog.String("method", method))
	var result *status.Status
	if err != nil {
		result = bounded(StatusOf(err))
		code = result.Code()
		attrs = append(attrs, slog.String("error", err.Error()))
		if code == codes.Internal || code == codes.Unknown {
			level = slog.LevelError
		}
	}
	attrs = append(attrs, slog.String("code", code.String()), slog.Duration("elapsed", time.Since(c.start)))
	log.LogAttrs(c.ctx, level, "call", attrs...)
	c.trace(attrs)
	c.observe(method, result)
	return result.Err()
}
