package rpc_test

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/durationpb"

	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
	"github.com/langevin-ml/langevin/robustness/process"
	"github.com/langevin-ml/langevin/server/rpc"
)

// talker answers Sample with the requested number of messages and nothing else.
type talker struct {
	langevinv1.UnimplementedSamplingServiceServer
}

func (talker) Sample(req *langevinv1.SampleRequest,
	stream grpc.ServerStreamingServer[langevinv1.SampleResponse]) error {
	message := &langevinv1.SampleResponse{Event: &langevinv1.SampleResponse_Progress{Progress: &langevinv1.Progress{
		StepsDone: 12345, StepsTotal: 16000, Step: 771, Level: 38, Sigma: 0.3, Elapsed: durationpb.New(time.Second),
	}}}
	for range req.GetN() {
		if err := stream.Send(message); err != nil {
			return err
		}
	}
	return nil
}

// BenchmarkMessages measures the cost of a message from a handler to a client in the same process: with as many
// messages in one call as fit, and with calls of one message. cpu-ns/op is the time of both sides on all cores, which
// other work on the machine disturbs less than ns/op.
func BenchmarkMessages(b *testing.B) {
	client := talk(b)
	draw := func(b *testing.B, n int64) {
		stream, err := client.Sample(b.Context(), &langevinv1.SampleRequest{N: &n})
		for err == nil {
			_, err = stream.Recv()
		}
		if !errors.Is(err, io.EOF) {
			b.Fatal(err)
		}
	}
	for name, run := range map[string]func(b *testing.B){
		"one call": func(b *testing.B) { draw(b, int64(b.N)) },
		"a call each": func(b *testing.B) {
			for range b.N {
				draw(b, 1)
			}
		},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			before := process.OwnTime(b)
			run(b)
			b.ReportMetric(float64(process.OwnTime(b)-before)/float64(b.N), "cpu-ns/op")
		})
	}
}

func talk(b *testing.B) langevinv1.SamplingServiceClient {
	b.Helper()
	server := grpc.NewServer(rpc.Interceptors(slog.New(slog.DiscardHandler), &recorder{},
		rpc.CallLimits{Time: time.Hour, Unread: time.Minute})...)
	langevinv1.RegisterSamplingServiceServer(server, talker{})
	lis, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		b.Fatal(err)
	}
	go server.Serve(lis) // returns an error after Stop
	conn, err := grpc.NewClient(lis.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		conn.Close()
		server.Stop()
	})
	return langevinv1.NewSamplingServiceClient(conn)
}
