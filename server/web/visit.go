package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Visit is one request. It becomes a call of the gRPC server, or is refused before.
type Visit interface {
	// ID returns the id of the request and of its call.
	ID() string
	// Refused logs and counts a request that err ended, unless it became a call. method is /package.Service/Method, or
	// empty for a request that names no method of the server.
	Refused(method string, err error)
	// Broke logs an error of this program that left a request without its answer, also after its call. It returns the
	// status for the client.
	Broke(method string, err error) error
}

// Arrive begins a visit. The calls of a visit are made with the context that it returns.
type Arrive func(r *http.Request) (context.Context, Visit)

const requestIDHeader = "X-Request-Id"

// Recorded gives every answer of next the id of its request, and has every request logged and counted that is refused
// before it becomes a call. A panic of next is logged. Its request gets an error as its answer, or if the answer has
// begun, an end that no client takes for a complete one.
func Recorded(next http.Handler, arrive Arrive) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, visit := arrive(r)
		n := &note{}
		r = r.WithContext(context.WithValue(ctx, noteKey{}, n))
		r.Header.Set(requestIDHeader, visit.ID())
		w.Header().Set(requestIDHeader, visit.ID())
		recorded := &recorder{ResponseWriter: w, id: visit.ID()}
		if err := survived(next, recorded, r); err != nil {
			answer := visit.Broke(n.method, err)
			if recorded.status != 0 {
				panic(http.ErrAbortHandler)
			}
			writeProblem(recorded, r, answer)
		}
		if n.err == nil && recorded.status >= 400 && recorded.status < 500 {
			n.err = status.Errorf(codeOf(recorded.status), "%s %s: %s", clipped(r.Method), clipped(r.URL.Path),
				http.StatusText(recorded.status))
		}
		if n.err != nil {
			visit.Refused(n.method, n.err)
		}
	})
}

// survived has next answer a request, and returns a panic of it as an error. The panic with which a handler asks for
// the end of the connection goes on.
func survived(next http.Handler, w http.ResponseWriter, r *http.Request) (err error) {
	defer func() {
		switch p := recover(); {
		case p == nil:
		case errors.Is(asError(p), http.ErrAbortHandler):
			panic(http.ErrAbortHandler)
		default:
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	next.ServeHTTP(w, r)
	return nil
}

func asError(panicked any) error {
	err, _ := panicked.(error)
	return err
}

// note is what is known about a request while it is answered.
type note struct {
	method string
	err    error
}

type noteKey struct{}

// noteOf returns the note of a request; one that nobody reads if it is not recorded.
func noteOf(r *http.Request) *note {
	if n, ok := r.Context().Value(noteKey{}).(*note); ok {
		return n
	}
	return &note{}
}

// failed notes the error with which a request ends.
func failed(r *http.Request, err error) { noteOf(r).err = err }

// codeOf returns the gRPC code of an answer that has only an HTTP status.
func codeOf(answer int) codes.Code {
	switch answer {
	case http.StatusUnauthorized:
		return codes.Unauthenticated
	case http.StatusForbidden:
		return codes.PermissionDenied
	case http.StatusNotFound:
		return codes.NotFound
	case http.StatusMethodNotAllowed:
		return codes.Unimplemented
	case http.StatusRequestEntityTooLarge, http.StatusTooManyRequests:
		return codes.ResourceExhausted
	}
	return codes.InvalidArgument
}

// recorder remembers the status of an answer and gives it its id, once: the gRPC server adds its own, which is the
// same.
type recorder struct {
	http.ResponseWriter
	id     string
	status int
}

func (w *recorder) WriteHeader(status int) {
	if w.status == 0 && status >= http.StatusOK {
		w.status = status
		w.Header().Set(requestIDHeader, w.id)
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *recorder) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	return w.ResponseWriter.Write(p)
}

func (w *recorder) Flush() {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	// The next write reports the error.
	_ = http.NewResponseController(w.ResponseWriter).Flush()
}

func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// overlong is the body of a request whose headers declare too much. Nothing of it is read.
type overlong struct {
	most int64
}

func (b overlong) Read([]byte) (int, error) { return 0, &http.MaxBytesError{Limit: b.most} }

func (b overlong) Close() error { return nil }
