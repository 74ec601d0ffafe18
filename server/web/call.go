package web

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"
)

// caller makes calls of a gRPC server in this process for an HTTP request. They have the request's peer, credentials
// and cancellation.
type caller struct {
	server          *grpc.Server
	admit           func(r *http.Request, method string) (*http.Request, bool)
	maxMessageBytes int
}

// passed lists the headers that a call copies from its request.
func passed() []string {
	return []string{"Authorization", "X-Request-Id", "Traceparent", "Tracestate", "User-Agent"}
}

// call sends one message to a method, named /package.Service/Method, and passes every message of the answer to each, in
// order and on this goroutine. each may use the bytes only until it returns. An error of each ends the call and is
// returned; other errors are statuses. A timeout of 0 means none. The call's request id is put into header.
func (c caller) call(r *http.Request, method string, request proto.Message, timeout time.Duration, header http.Header,
	each func([]byte) error) error {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	inner, err := c.request(ctx, r, method, request, timeout)
	if err != nil {
		return err
	}
	answer := &answer{header: make(http.Header), each: each, cancel: cancel, limit: max(c.maxMessageBytes, 64<<20)}
	c.server.ServeHTTP(answer, inner)
	if id := answer.header.Get(requestIDHeader); id != "" {
		header.Set(requestIDHeader, id)
	}
	if answer.err != nil {
		return answer.err
	}
	return answer.status(r.Context())
}

// enter decides whether a request may call a method of the server, before its body is read. The call must be made
// with the request that it returns.
func (c caller) enter(r *http.Request, method string) (*http.Request, bool) {
	noteOf(r).method = method
	return c.admit(r, method)
}

// turnAway returns the error of a call that is not allowed. It makes the call with an empty message, so that the
// interceptors count and log it.
func (c caller) turnAway(r *http.Request, method string, header http.Header) error {
	err := c.call(r, method, &emptypb.Empty{}, 0, header, func([]byte) error { return nil })
	if err == nil { // the tokens have changed since the call was refused
		err = status.Error(codes.Unavailable, "the server's tokens have just changed: try again")
	}
	return err
}

// request returns the HTTP/2 request that a gRPC client would send.
func (c caller) request(ctx context.Context, r *http.Request, method string, message proto.Message,
	timeout time.Duration) (*http.Request, error) {
	body := make([]byte, 5)
	body, err := proto.MarshalOptions{}.MarshalAppend(body, message)
	if err != nil {
		return nil, fmt.Errorf("encode a call of %s: %w", method, err)
	}
	binary.BigEndian.PutUint32(body[1:], uint32(len(body)-5))
	inner, err := http.NewRequestWithContext(ctx, http.MethodPost, "/", bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("call %s: %w", method, err)
	}
	inner.URL.Path = method // as it is: a client may have sent what is no URL
	inner.Proto, inner.ProtoMajor, inner.ProtoMinor = "HTTP/2.0", 2, 0
	inner.Host, inner.RemoteAddr, inner.TLS = r.Host, r.RemoteAddr, r.TLS
	inner.Header.Set("Content-Type", "application/grpc")
	inner.Header.Set("Te", "trailers")
	for _, name := range passed() {
		if values := r.Header.Values(name); len(values) > 0 {
			inner.Header[name] = slices.Clone(values)
		}
	}
	if timeout > 0 {
		inner.Header.Set("Grpc-Timeout", strconv.FormatInt(min(timeout.Milliseconds(), 99_999_999), 10)+"m")
	}
	return inner, nil
}

// answer receives what a gRPC server writes and splits it into messages as it comes.
type answer struct {
	header  http.Header
	pending []byte
	each    func([]byte) error
	cancel  context.CancelFunc
	limit   int
	err     error
}

func (a *answer) Header() http.Header { return a.header }
func (a *answer) WriteHeader(int)     {}
func (a *answer) Flush()              {}

// Write receives a part of the stream of messages. Each message has a prefix of 5 bytes: a flag and its length.
func (a *answer) Write(p []byte) (int, error) {
	if a.err != nil {
		return 0, a.err
	}
	a.pending = append(a.pending, p...)
	for len(a.pending) >= 5 {
		size := int(binary.BigEndian.Uint32(a.pending[1:]))
		if size > a.limit {
			return 0, a.fail(fmt.Errorf("a message of %d bytes: at most %d are expected", size, a.limit))
		}
		if len(a.pending) < 5+size {
			break
		}
		if err := a.each(a.pending[5 : 5+size]); err != nil {
			return 0, a.fail(err)
		}
		a.pending = a.pending[:copy(a.pending, a.pending[5+size:])]
	}
	return len(p), nil
}

func (a *answer) fail(err error) error {
	a.err = err
	a.cancel()
	return err
}

// status returns the error with which the call ended; nil if it succeeded. A call without a status was cut off.
func (a *answer) status(ctx context.Context) error {
	code, err := strconv.ParseUint(a.header.Get("Grpc-Status"), 10, 32)
	if err != nil {
		if ctx.Err() != nil {
			return status.FromContextError(ctx.Err()).Err()
		}
		return status.Error(codes.Unavailable, "the server is stopping")
	}
	if details, err := base64.RawStdEncoding.DecodeString(a.header.Get("Grpc-Status-Details-Bin")); err == nil &&
		len(details) > 0 {
		full := &spb.Status{}
		if err := proto.Unmarshal(details, full); err == nil {
			return status.ErrorProto(full)
		}
	}
	message, err := url.PathUnescape(a.header.Get("Grpc-Message"))
	if err != nil {
		message = a.header.Get("Grpc-Message")
	}
	return status.Error(codes.Code(code), message)
}
