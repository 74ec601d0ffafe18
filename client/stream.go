package client

import (
	"context"
	"errors"
	"iter"

	"google.golang.org/grpc/codes"
)

// Stream is one request for samples, read event by event. It is not safe for concurrent use.
type Stream struct {
	ctx     context.Context // of this one request
	client  *Client
	request SampleRequest

	used   bool
	err    error // what Result reports instead of the result
	result Result
}

// errBroken ends a call whose caller left the loop.
var errBroken = errors.New("caller broke out")

// Stream prepares a call that draws what req asks for. Nothing is sent until the events are read, so an unused Stream
// needs no closing. Cancelling ctx ends the call.
func (c *Client) Stream(ctx context.Context, req SampleRequest) *Stream {
	return &Stream{ctx: ctx, client: c, request: req}
}

// Events makes the call and yields its events as they arrive. An error comes as the last pair, with a nil event.
// Breaking out of the loop cancels the call and frees its chains. Events can be read once.
func (s *Stream) Events() iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		if s.used {
			yield(nil, newError(s.op(), codes.FailedPrecondition, reasonNotRead, "its events have been read already"))
			return
		}
		s.used = true
		s.err = newError(s.op(), codes.FailedPrecondition, reasonNotRead, "its events were not read to the end")
		err := s.draw(func(e Event) error {
			s.result.collect(e)
			if _, last := e.(Done); last {
				s.err = nil
			}
			if !yield(e, nil) {
				return errBroken
			}
			return nil
		})
		if err == nil || errors.Is(err, errBroken) {
			return
		}
		s.err = err
		yield(nil, err)
	}
}

// Result reads the remaining events and returns the assembled samples. After a complete loop over Events it only
// returns what the loop has read, or the error that ended it.
func (s *Stream) Result() (*Result, error) {
	if !s.used {
		for range s.Events() {
		}
	}
	if s.err != nil {
		return nil, s.err
	}
	return &s.result, nil
}

// draw makes the call, in parts if the client splits requests, and emits its events.
func (s *Stream) draw(emit sink) error {
	ctx, id := named(s.ctx)
	call := sampleCall{client: s.client, op: s.op(), id: id, agreed: &agreement{},
		route: newRoute(s.client.connections)}
	n := max(1, s.request.N)
	if _, err := eachGiven(s.request.Given, n, 0, n); err != nil {
		return during(call.op, err)
	}
	if parts := s.request.split(s.client.parts); len(parts) > 1 {
		return call.drawParts(ctx, parts, emit)
	}
	return call.drawAll(ctx, s.request, emit)
}

func (s *Stream) op() string { return operation("sample", s.request.Model) }
