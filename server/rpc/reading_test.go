package rpc_test

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"

	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
)

// rawCodec sends bytes as they are, and drops what it receives.
type rawCodec struct{}

func (rawCodec) Name() string { return "proto" }

func (rawCodec) Marshal(v any) (mem.BufferSlice, error) {
	data, _ := v.([]byte)
	return mem.BufferSlice{mem.SliceBuffer(data)}, nil
}

func (rawCodec) Unmarshal(mem.BufferSlice, any) error { return nil }

var _ encoding.CodecV2 = rawCodec{}

// TestUnreadableRequests: bytes that are no message are the client's mistake, for unary calls and streams, and such a
// call is logged and counted.
func TestUnreadableRequests(t *testing.T) {
	s := start(t)
	garbage := []byte("\xff\xff\xff")
	for _, method := range []string{
		langevinv1.SamplingService_Score_FullMethodName, langevinv1.SamplingService_Sample_FullMethodName,
	} {
		stream, err := s.conn.NewStream(t.Context(), &grpc.StreamDesc{ServerStreams: true}, method,
			grpc.ForceCodecV2(rawCodec{}))
		if err != nil {
			t.Fatal(err)
		}
		if err := stream.SendMsg(garbage); err != nil {
			t.Fatal(err)
		}
		if err := stream.CloseSend(); err != nil {
			t.Fatal(err)
		}
		err = stream.RecvMsg(nil)
		if status.Code(err) != codes.InvalidArgument || reasonOf(status.Convert(err)) != langevinv1.ReasonInvalid ||
			!strings.Contains(err.Error(), "not a message of its type") {
			t.Errorf("%s of garbage: %v", method, err)
		}
		line := "method=" + method + " error="
		await(t, method, func() bool {
			_, rest, found := strings.Cut(s.log.String(), line)
			return found && strings.Contains(rest, "code=InvalidArgument")
		})
	}
}

// TestNoRequest: a call without a message is not logged as the server's failure.
func TestNoRequest(t *testing.T) {
	s := start(t)
	stream, err := s.conn.NewStream(t.Context(), &grpc.StreamDesc{ServerStreams: true, ClientStreams: true},
		langevinv1.SamplingService_Sample_FullMethodName)
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if err := stream.RecvMsg(&langevinv1.SampleResponse{}); err == nil {
		t.Fatal("a call without a message was answered")
	}
	await(t, "the call's line", func() bool { return strings.Contains(s.log.String(), "msg=call") })
	if log := s.log.String(); strings.Contains(log, "level=ERROR") {
		t.Errorf("the log says %s", log)
	}
}

func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited 10 s for %s", what)
		}
	}
}
