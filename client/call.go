package client

import (
	"context"
	"crypto/rand"
	"errors"
	"io"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
)

// named gives a call a request id, unless its context already has one.
func named(ctx context.Context) (context.Context, string) {
	outgoing, _ := metadata.FromOutgoingContext(ctx)
	if ids := outgoing.Get(langevinv1.RequestIDHeader); len(ids) > 0 {
		return ctx, ids[0]
	}
	id := rand.Text()
	return metadata.AppendToOutgoingContext(ctx, langevinv1.RequestIDHeader, id), id
}

// unary makes a call that has one answer, and retries it as the client's policy says.
func unary[Request, Response any](
	ctx context.Context, c *Client, op string, request *Request,
	method func(context.Context, *Request, ...grpc.CallOption) (*Response, error),
) (*Response, error) {
	ctx, id := named(ctx)
	var failures outage
	for {
		var header metadata.MD
		response, err := method(ctx, request, grpc.Header(&header))
		if err == nil {
			return response, nil
		}
		failed := fromRPC(op, id, err, header)
		if turning(ctx) || !c.again(ctx, &failures, failed) {
			return nil, failed
		}
	}
}

// sink receives the events of a call. If it returns an error, the call ends with that error.
type sink func(Event) error

// sampleCall is what all Sample calls for the same chains have in common.
type sampleCall struct {
	client *Client
	op     string
	id     string     // of the request
	agreed *agreement // of the request
	route  *route     // of these chains
	goesOn bool       // a call for these chains has begun before
}

// once makes one call and emits its events after checking their order. It emits Done only after the call's status is
// known to be OK.
func (s sampleCall) once(ctx context.Context, request *langevinv1.SampleRequest, emit sink) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	attempt := s.route.begin(ctx, cancel)
	defer attempt.end()
	call, err := s.open(context.WithValue(ctx, attemptKey{}, attempt), attempt, request)
	if err != nil {
		return s.failed(ctx, err, nil)
	}
	var order sequence
	for {
		attempt.await()
		response, err := call.Recv()
		attempt.hear(err)
		if errors.Is(err, io.EOF) {
			return s.end(order, emit)
		}
		if err != nil {
			header, _ := call.Header() // its error is the error of the call
			return s.failed(ctx, err, header)
		}
		e, err := newEvent(response)
		if err == nil && e != nil {
			err = order.check(e)
		}
		if err != nil {
			return during(s.op, err)
		}
		if _, last := e.(Done); last || e == nil {
			continue
		}
		if err := emit(e); err != nil {
			return err
		}
	}
}

// open sends a request. Silence counts from when the request is on its way: a call may wait for long until its
// connection has room for another one.
func (s sampleCall) open(
	ctx context.Context, attempt *attempt, request *langevinv1.SampleRequest,
) (grpc.ServerStreamingClient[langevinv1.SampleResponse], error) {
	stream, err := s.client.conn.NewStream(ctx, &langevinv1.SamplingService_ServiceDesc.Streams[0],
		langevinv1.SamplingService_Sample_FullMethodName)
	if err != nil {
		return nil, err
	}
	attempt.await()
	if err := stream.SendMsg(request); err != nil && !errors.Is(err, io.EOF) { // EOF: Recv has the error
		return nil, err
	}
	return &grpc.GenericClientStream[langevinv1.SampleRequest, langevinv1.SampleResponse]{ClientStream: stream},
		stream.CloseSend()
}

// failed returns the error of a call that gRPC ended.
func (s sampleCall) failed(ctx context.Context, err error, header metadata.MD) error {
	if silent, ok := context.Cause(ctx).(silentError); ok {
		s.route.avoid()
		return s.failure(codes.Unavailable, reasonUnreachable, "%s", silent)
	}
	return fromRPC(s.op, s.id, err, header)
}

// lastly returns the error of a call that is not made again: why its caller ended it, or why it failed.
func (s sampleCall) lastly(ctx context.Context, err error) error {
	if ended := ctx.Err(); ended != nil {
		return fromRPC(s.op, s.id, status.FromContextError(ended).Err(), nil)
	}
	return err
}

// end finishes a call whose status is OK.
func (s sampleCall) end(order sequence, emit sink) error {
	if order.done.N == 0 {
		return s.failure(codes.DataLoss, reasonStreamTruncated, "the stream ended after %d of %d chains", order.have,
			order.want)
	}
	return emit(order.done)
}

// retrying makes a call as often as the client's policy allows, until one has begun to answer.
func (s sampleCall) retrying(ctx context.Context, req SampleRequest, emit sink) error {
	request, err := req.wire()
	if err != nil {
		return during(s.op, err)
	}
	var failures outage
	for {
		begun, err := s.somewhere(ctx, request, emit)
		if err == nil || begun {
			return err
		}
		if !s.client.again(ctx, &failures, err) {
			return s.lastly(ctx, err)
		}
	}
}

// somewhere makes a call on a server that has the model that the request's calls agreed on. It passes over those that
// have another one. It also reports whether the call began to answer.
func (s sampleCall) somewhere(
	ctx context.Context, request *langevinv1.SampleRequest, emit sink,
) (begun bool, err error) {
	for {
		err := s.once(ctx, request, func(e Event) error {
			if started, ok := e.(Started); ok && !begun {
				if err := s.agree(started); err != nil {
					return err
				}
			}
			begun = true
			return emit(e)
		})
		if err == nil || begun {
			return begun, err
		}
		if err = s.disagreement(err); !s.route.passes(err) {
			return false, err
		}
	}
}

func (s sampleCall) failure(code codes.Code, reason, format string, args ...any) error {
	return newError(s.op, code, reason, format, args...)
}
