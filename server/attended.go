package server

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

const (
	// requestTime is how long a client may take to send a request with its body.
	requestTime = time.Minute

	// lingering is how long the rest of a body is read after the answer. A client that is still sending would otherwise
	// find its connection reset, and not the answer.
	lingering = time.Second
)

// newHTTPServer returns a server for a listener that is bound by request. An answer may take longer than requestTime.
func (s *Server) newHTTPServer(handler http.Handler, protocols *http.Protocols) *http.Server {
	return &http.Server{
		Handler:           attended(handler),
		ConnContext:       remember,
		ConnState:         noteState,
		Protocols:         protocols,
		HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: s.config.Limits.MaxStreams},
		ReadHeaderTimeout: s.config.GRPC.HandshakeTimeout,
		ReadTimeout:       requestTime,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    s.config.Limits.MaxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
}

type connKey struct{}

// remember is an [http.Server.ConnContext]. It gives requests their connection.
func remember(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, boundedOf(conn))
}

// noteState is an [http.Server.ConnState]. It notes which connections have a request.
func noteState(conn net.Conn, state http.ConnState) {
	boundedOf(conn).change(func(c *boundedConn) { c.active = state == http.StateActive })
}

// boundedOf returns the connection that a listener counts, which may be encrypted; nil if there is none.
func boundedOf(conn net.Conn) *boundedConn {
	if encrypted, ok := conn.(interface{ NetConn() net.Conn }); ok {
		conn = encrypted.NetConn()
	}
	c, _ := conn.(*boundedConn)
	return c
}

// change changes what is known about the requests of a connection. One is silent while the server has no request of it,
// or only ones whose bodies it waits for. c may be nil.
func (c *boundedConn) change(f func(*boundedConn)) {
	if c == nil {
		return
	}
	l := c.owner
	l.mu.Lock()
	defer l.mu.Unlock()
	f(c)
	switch silent := !c.active || c.requests > 0 && c.requests == c.awaited; {
	case !silent:
		l.spoke(c)
	case c.silent == nil && !c.left:
		c.silent = l.silent.PushBack(c)
	}
}

// attended answers before the body of a request has come, if next does not read it, and then closes the connection
// soon. While a body is awaited, its connection counts as silent.
func attended(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, _ := r.Context().Value(connKey{}).(*boundedConn)
		conn.change(func(c *boundedConn) { c.requests++ })
		defer conn.change(func(c *boundedConn) { c.requests-- })
		body := &awaitedBody{ReadCloser: r.Body, conn: conn}
		body.ended.Store(r.Body == http.NoBody)
		r = r.WithContext(r.Context()) // net/http looks at the body of its own request
		r.Body = body
		answer := &promptWriter{ResponseWriter: w, body: body, closes: r.ProtoMajor == 1}
		next.ServeHTTP(answer, r)
		if answer.closes && !body.ended.Load() {
			answer.linger()
		}
	})
}

// awaitedBody is the body of a request. Its connection counts as silent while a read waits, until the answer begins: a
// client that is answered may wait with its next message.
type awaitedBody struct {
	io.ReadCloser
	conn     *boundedConn
	ended    atomic.Bool
	answered atomic.Bool
	waits    bool // a read is counted as awaited; the owner of conn guards it
}

func (b *awaitedBody) Read(p []byte) (int, error) {
	b.conn.change(func(c *boundedConn) { b.await(c, !b.answered.Load()) })
	defer b.conn.change(func(c *boundedConn) { b.await(c, false) })
	n, err := b.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) {
		b.ended.Store(true)
	}
	return n, err
}

// await notes whether the connection waits for this body. The owner of the connection is locked.
func (b *awaitedBody) await(c *boundedConn, waits bool) {
	switch {
	case waits && !b.waits:
		c.awaited++
	case !waits && b.waits:
		c.awaited--
	}
	b.waits = waits
}

// promptWriter does not wait for the body of a request. net/http would read the rest of a small one before it sends an
// answer, unless the connection is closed afterwards.
type promptWriter struct {
	http.ResponseWriter
	body   *awaitedBody
	closes bool // HTTP/1. An HTTP/2 server resets the stream.
}

func (w *promptWriter) begin() {
	if w.body.answered.Swap(true) {
		return
	}
	w.body.conn.change(func(c *boundedConn) { w.body.await(c, false) })
	if w.closes && !w.body.ended.Load() {
		w.Header().Set("Connection", "close")
	}
}

func (w *promptWriter) WriteHeader(status int) {
	if status >= http.StatusOK {
		w.begin()
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *promptWriter) Write(p []byte) (int, error) {
	w.begin()
	return w.ResponseWriter.Write(p)
}

func (w *promptWriter) Flush() {
	w.begin()
	// The next write reports the error.
	_ = http.NewResponseController(w.ResponseWriter).Flush()
}

func (w *promptWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// linger sends the answer and reads what still comes for a moment. The connection is closed then, because its deadline
// has passed.
func (w *promptWriter) linger() {
	// A connection without deadlines, as in tests, ends by itself.
	_ = http.NewResponseController(w.ResponseWriter).SetReadDeadline(time.Now().Add(lingering))
	w.Flush()
	w.body.conn.change(func(c *boundedConn) { w.body.await(c, true) })
	_, _ = io.Copy(io.Discard, w.body.ReadCloser) // ends with the deadline, or with the body
	w.body.conn.change(func(c *boundedConn) { w.body.await(c, false) })
}
