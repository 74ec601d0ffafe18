package rpc

import (
	"context"
	"slices"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"

	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
)

// A request that is not a message of its type is the client's mistake. gRPC answers it with INTERNAL, before any
// interceptor runs. Here the codec keeps the error with the message instead, and it is reported where the handler would
// run: as INVALID_ARGUMENT, and authenticated, counted and logged as the error of any other call.

// received is a request for gRPC to fill. err says why it could not be read.
type received struct {
	message any
	err     error
}

// readingCodec is protobuf's codec for a server. It keeps the errors of a received.
type readingCodec struct{ encoding.CodecV2 }

func newReadingCodec() encoding.CodecV2 { return readingCodec{encoding.GetCodecV2(proto.Name)} }

// Unmarshal implements [encoding.CodecV2].
func (c readingCodec) Unmarshal(data mem.BufferSlice, v any) error {
	r, ok := v.(*received)
	if !ok {
		return c.CodecV2.Unmarshal(data, v)
	}
	if err := c.CodecV2.Unmarshal(data, r.message); err != nil {
		r.err = unreadable("the request is not a message of its type: " + err.Error())
	}
	return nil
}

func unreadable(text string) error {
	return withDetails(status.New(codes.InvalidArgument, text),
		&errdetails.ErrorInfo{Reason: langevinv1.ReasonInvalid, Domain: langevinv1.ErrorDomain}).Err()
}

// ofClient returns an error of receiving a request as the client's mistake. gRPC calls it INTERNAL if a message is
// missing, or cannot be decompressed. It has answered so already, but the log and the counts should not blame the
// server.
func ofClient(err error) error {
	if status.Code(err) == codes.Internal {
		return unreadable(status.Convert(err).Message())
	}
	return err
}

// Registrar registers services on g, which has [Interceptors], so that they report requests that cannot be read.
func Registrar(g *grpc.Server) *ServiceRegistrar { return &ServiceRegistrar{g} }

// ServiceRegistrar is a server on which services are registered; see [Registrar].
type ServiceRegistrar struct{ *grpc.Server }

// RegisterService implements [grpc.ServiceRegistrar].
func (r *ServiceRegistrar) RegisterService(d *grpc.ServiceDesc, service any) {
	own := *d
	own.Methods = slices.Clone(d.Methods)
	for i := range own.Methods {
		own.Methods[i].Handler = readLate(own.Methods[i].Handler)
	}
	r.Server.RegisterService(&own, service)
}

// readLate returns a unary method that reports an unreadable request where its handler would run.
func readLate(method grpc.MethodHandler) grpc.MethodHandler {
	return func(service any, ctx context.Context, decode func(any) error, interceptor grpc.UnaryServerInterceptor,
	) (any, error) {
		var mistake error
		keep := func(request any) error {
			r := &received{message: request}
			err := decode(r)
			mistake = r.err
			return err
		}
		return method(service, ctx, keep, func(ctx context.Context, request any, info *grpc.UnaryServerInfo,
			handler grpc.UnaryHandler) (any, error) {
			if mistake != nil {
				handler = func(context.Context, any) (any, error) { return nil, mistake }
			}
			return interceptor(ctx, request, info, handler)
		})
	}
}
