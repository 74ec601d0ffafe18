package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"

	"google.golang.org/grpc/codes"
)

// Stream is one Sample call, read event by event. It is not safe for concurrent use.
type Stream struct {
	ctx     context.Context // of this one call
	client  *Client
	request SampleRequest

	used  bool
	err   error // what Result reports instead of the result
	built assembly
}

// errBroken ends a call whose caller broke out of the loop.
var errBroken = errors.New("caller broke out")

// Stream prepares a call that draws what req asks for. Nothing is sent before the events are read, so a Stream that
// is not used needs no closing. Cancelling ctx ends the call.
func (c *Client) Stream(ctx context.Context, req SampleRequest) *Stream {
	return &Stream{ctx: ctx, client: c, request: req}
}

// Events makes the call and yields its events as they arrive. An error comes as the last pair, with a nil event.
// Breaking out of the loop cancels the call and frees its chains. Events can be read once.
func (s *Stream) Events() iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		if s.used {
			yield(nil, s.failure(codes.FailedPrecondition, reasonNotRead, "its events have been read already"))
			return
		}
		s.used = true
		s.err = s.failure(codes.FailedPrecondition, reasonNotRead, "its events were not read to the end")
		err := s.receive(func(e Event) bool { return yield(e, nil) })
		if err == nil || err == errBroken {
			return
		}
		s.err = err
		yield(nil, err)
	}
}

// Result reads the events that are left and returns the samples assembled. After a complete loop over Events it only
// returns what the loop has read, or the error that ended it.
func (s *Stream) Result() (*Result, error) {
	if !s.used {
		for range s.Events() {
		}
	}
	if s.err != nil {
		return nil, s.err
	}
	return &s.built.result, nil
}

// receive makes the call and emits its events until one of them ends it.
func (s *Stream) receive(emit func(Event) bool) error {
	request, err := s.request.wire()
	if err != nil {
		return during(s.op(), err)
	}
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	call, err := s.client.sampling.Sample(ctx, request)
	if err != nil {
		return fromRPC(s.op(), err, nil)
	}
	for {
		response, err := call.Recv()
		if err == io.EOF {
			return s.end(emit)
		}
		if err != nil {
			header, _ := call.Header() // its error is the call's
			return fromRPC(s.op(), err, header)
		}
		e, err := s.built.add(response)
		if err != nil {
			return during(s.op(), err)
		}
		if _, last := e.(Done); last || e == nil {
			continue // the end counts once the status of the call is known
		}
		if !emit(e) {
			return errBroken
		}
	}
}

// end finishes a call whose status is OK.
func (s *Stream) end(emit func(Event) bool) error {
	if s.built.done.N == 0 {
		return s.failure(codes.DataLoss, reasonStreamTruncated,
			fmt.Sprintf("the stream ended after %d of %d chains", s.built.result.N, s.built.want))
	}
	s.err = nil
	emit(s.built.done)
	return nil
}

func (s *Stream) op() string { return operation("sample", s.request.Model) }

func (s *Stream) failure(code codes.Code, reason, message string) error {
	return &Error{Op: s.op(), Code: code, Reason: reason, Message: message}
}
