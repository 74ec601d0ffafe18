package web

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"

	"google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
)

// room bounds the bytes of the bodies of all requests that are being read. It is safe for concurrent use.
type room struct {
	most int64
	used atomic.Int64
}

// free is the number of bytes of a body that take no room, so that large requests do not shut out small ones.
const free = 64 << 10

// portion is the part of a room that one request has. It belongs to one goroutine at a time, but release may be called
// at any time.
type portion struct {
	*room
	read int64
	held atomic.Int64
}

func (r *room) open() *portion { return &portion{room: r} }

// take makes room for n more bytes, or returns a problem if there is none.
func (s *portion) take(n int) error {
	if s.read += int64(n); s.read <= free {
		return nil
	}
	if s.used.Add(int64(n)) > s.most {
		s.used.Add(-int64(n))
		return full(s.most)
	}
	s.held.Add(int64(n))
	return nil
}

// release gives back what the portion has.
func (s *portion) release() { s.used.Add(-s.held.Swap(0)) }

// full returns the problem of a request for which there is no room now.
func full(most int64) *problem {
	return &problem{
		Code: code.Code_RESOURCE_EXHAUSTED.String(), Reason: langevinv1.ReasonQueueFull, RetryAfter: 1,
		Message: fmt.Sprintf("too many large requests are being read: together they may have %d bytes "+
			"(http.max_open_body_bytes)", most),
		status: statusCode(codes.ResourceExhausted),
	}
}

// source is the text of a request. It stops when the client has left, and if a token is too long.
type source struct {
	from    io.Reader
	portion *portion        // nil for text that is in memory anyway
	ctx     context.Context // of the request; nil for text in memory

	read  int64 // bytes read
	begun int64 // where the token that is read now begins
	most  int   // bytes of the message that the text becomes; 0 for no bound
	text  bool  // something other than white space was read
	err   error // the problem with which reading ended; nil at the end of the text
}

// Read implements [io.Reader]. The longest token that can become a part of a message is a string in base64.
func (s *source) Read(p []byte) (int, error) {
	if s.err == nil && s.most > 0 && s.read-s.begun > int64(s.most)/3*4+2*free {
		s.err = tooMuch(s.most)
	}
	if s.err == nil && s.ctx != nil && s.ctx.Err() != nil {
		s.err = status.FromContextError(s.ctx.Err()).Err()
	}
	if s.err != nil {
		return 0, s.err
	}
	n, err := s.from.Read(p[:min(len(p), free)]) // a little at a time, so that read stays near begun
	s.read += int64(n)
	s.text = s.text || len(bytes.TrimLeft(p[:n], " \t\r\n")) > 0
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = unreadable(err)
		return n, s.err
	}
	if s.portion != nil {
		if s.err = s.portion.take(n); s.err != nil {
			return n, s.err
		}
	}
	return n, err
}

// unreadable returns the problem of a body that could not be read to its end.
func unreadable(err error) error {
	if p := (*problem)(nil); errors.As(err, &p) {
		return p
	}
	if most := (*http.MaxBytesError)(nil); errors.As(err, &most) {
		return tooLarge(most.Limit)
	}
	return invalid("", "read the request: %v", err)
}
