package server_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/langevin-ml/langevin/models/modelstest"
	"github.com/langevin-ml/langevin/ort"
	"github.com/langevin-ml/langevin/ort/proof/prooftest"
	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
	"github.com/langevin-ml/langevin/server"
)

func TestMain(m *testing.M) {
	ort.ExitAfterProbe()
	server.AddCompression()
	goleak.VerifyTestMain(m, goleak.Cleanup(prooftest.Start()))
}

// safeBuffer is a log that a test may read while the server writes.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// folder returns a models folder with a valid model, a truncated file and a file that is not a model.
func folder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	sound := modelstest.GaussianFile(t, "gauss", 2)
	for path, data := range map[string][]byte{
		"gauss/1/model.onnx":   sound,
		"torn/1/model.onnx":    sound[:len(sound)/2],
		"foreign/1/model.onnx": []byte("GIF89a"),
	} {
		path = filepath.Join(dir, path)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, data, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// running is a server on a loopback port.
type running struct {
	conn *grpc.ClientConn
	stop context.CancelFunc
	done chan error
	log  *safeBuffer
	http string // address of the HTTP listener; empty without one
}

func start(t *testing.T, change func(*server.Config), options ...grpc.DialOption) *running {
	t.Helper()
	c := server.Default()
	c.Listen, c.HTTP.Listen, c.Models.Dir, c.Models.Default = "localhost:0", "", folder(t), "gauss"
	c.Models.BuiltIn = false // loading them takes longer than most tests; see withBuiltIn
	if change != nil {
		change(&c)
	}
	r := launch(t, c, options...)
	r.waitHealthy(t, "")
	return r
}

// withBuiltIn is a change for start: the server also has the built-in models.
func withBuiltIn(c *server.Config) { c.Models.BuiltIn = true }

// launch starts a server and does not wait until it is ready.
func launch(t *testing.T, c server.Config, options ...grpc.DialOption) *running {
	t.Helper()
	r := &running{done: make(chan error, 1), log: &safeBuffer{}}
	s, err := server.New(c, slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: c.Log.Level})))
	if err != nil {
		t.Fatal(err)
	}
	lis, err := s.Listen()
	if err == nil {
		err = s.ListenHTTP()
	}
	if err != nil {
		t.Fatal(err)
	}
	if address := s.HTTPAddress(); address != nil {
		r.http = address.String()
	}
	ctx, cancel := context.WithCancel(context.Background())
	r.stop = cancel
	go func() { r.done <- s.Serve(ctx, lis) }()
	target := lis.Addr().String()
	if lis.Addr().Network() == "unix" {
		target = "unix://" + target
	}
	options = append([]grpc.DialOption{grpc.WithTransportCredentials(insecure.NewCredentials())}, options...)
	if r.conn, err = grpc.NewClient(target, options...); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		r.conn.Close()
		cancel()
		<-r.done
	})
	return r
}

func (r *running) health(t *testing.T, service string) healthv1.HealthCheckResponse_ServingStatus {
	t.Helper()
	resp, err := healthv1.NewHealthClient(r.conn).Check(t.Context(), &healthv1.HealthCheckRequest{Service: service})
	if status.Code(err) == codes.NotFound {
		return healthv1.HealthCheckResponse_SERVICE_UNKNOWN
	}
	if err != nil {
		t.Fatal(err)
	}
	return resp.GetStatus()
}

// awaitEnd waits until a server that was stopped has ended, which must be without an error.
func (r *running) awaitEnd(t *testing.T) {
	t.Helper()
	select {
	case err := <-r.done:
		if err != nil {
			t.Errorf("serve: %v", err)
		}
		r.done <- nil
	case <-time.After(10 * time.Second):
		t.Fatalf("the server did not stop:\n%s", r.log)
	}
}

func (r *running) waitHealthy(t *testing.T, service string) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); r.health(t, service) != healthv1.HealthCheckResponse_SERVING; {
		if time.Now().After(deadline) {
			t.Fatalf("not serving after 20 s:\n%s", r.log)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// sample opens a call and reads its first event.
func (r *running) sample(
	ctx context.Context, req *langevinv1.SampleRequest,
) (grpc.ServerStreamingClient[langevinv1.SampleResponse], error) {
	stream, err := langevinv1.NewSamplingServiceClient(r.conn).Sample(ctx, req)
	if err != nil {
		return nil, err
	}
	_, err = stream.Recv()
	return stream, err
}

// finish reads a call to its end.
func finish(stream grpc.ServerStreamingClient[langevinv1.SampleResponse]) error {
	for {
		if _, err := stream.Recv(); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// long returns a request that takes longer than any test waits.
func long() *langevinv1.SampleRequest {
	return &langevinv1.SampleRequest{
		N:       proto.Int64(100_000),
		Sampler: &langevinv1.SampleRequest_Langevin{Langevin: &langevinv1.Langevin{Steps: proto.Int32(100_000)}},
	}
}

// TestServesWhatIsSound: broken files are logged and listed, and the other files are served.
func TestServesWhatIsSound(t *testing.T) {
	r := start(t, nil)
	stream, err := r.sample(t.Context(), &langevinv1.SampleRequest{N: proto.Int64(10)})
	if err == nil {
		err = finish(stream)
	}
	if err != nil {
		t.Fatal(err)
	}
	for service, want := range map[string]healthv1.HealthCheckResponse_ServingStatus{
		"model/gauss/1":               healthv1.HealthCheckResponse_SERVING,
		"langevin.v1.SamplingService": healthv1.HealthCheckResponse_SERVING,
		"model/nobody/1":              healthv1.HealthCheckResponse_SERVICE_UNKNOWN,
	} {
		if got := r.health(t, service); got != want {
			t.Errorf("health of %s is %v, want %v", service, got, want)
		}
	}
	list, err := langevinv1.NewModelServiceClient(r.conn).ListModels(t.Context(), &langevinv1.ListModelsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	failed := 0
	for _, m := range list.GetModels() {
		if m.GetState() == langevinv1.ModelState_MODEL_STATE_FAILED && m.GetError() != "" {
			failed++
		}
	}
	if failed != 2 {
		t.Errorf("%d models listed as failed, want torn and foreign", failed)
	}
	for _, name := range []string{"torn", "foreign"} {
		if !strings.Contains(r.log.String(), name+"/1/model.onnx") {
			t.Errorf("the log does not name %s:\n%s", name, r.log)
		}
	}
}

func TestReflection(t *testing.T) {
	for _, on := range []bool{true, false} {
		r := start(t, func(c *server.Config) { c.GRPC.Reflection = on })
		stream, err := reflectionv1.NewServerReflectionClient(r.conn).ServerReflectionInfo(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		// Recv reports the error of the stream, so Send's error adds nothing.
		_ = stream.Send(&reflectionv1.ServerReflectionRequest{
			MessageRequest: &reflectionv1.ServerReflectionRequest_ListServices{},
		})
		resp, err := stream.Recv()
		if on && (err != nil || !strings.Contains(resp.String(), "langevin.v1.SamplingService")) {
			t.Errorf("reflection on: %v, %v", resp, err)
		}
		if !on && status.Code(err) != codes.Unimplemented {
			t.Errorf("reflection off: %v, want UNIMPLEMENTED", err)
		}
		stream.CloseSend()
	}
}

// TestDrainFinishesCalls: after a stop, the running call finishes and the server returns without an error.
func TestDrainFinishesCalls(t *testing.T) {
	r := start(t, nil)
	stream, err := r.sample(t.Context(), &langevinv1.SampleRequest{
		N:       proto.Int64(200),
		Sampler: &langevinv1.SampleRequest_Langevin{Langevin: &langevinv1.Langevin{Steps: proto.Int32(5000)}},
	})
	if err != nil {
		t.Fatal(err)
	}
	r.stop()
	if err := finish(stream); err != nil {
		t.Errorf("call during drain: %v", err)
	}
	if err := <-r.done; err != nil {
		t.Errorf("serve: %v", err)
	}
	r.done <- nil
	if _, err := r.sample(t.Context(), &langevinv1.SampleRequest{}); status.Code(err) != codes.Unavailable {
		t.Errorf("call after the stop: %v, want UNAVAILABLE", err)
	}
}

// TestDrainTimeout: a call that outlasts the drain ends with UNAVAILABLE, so that clients try another server.
func TestDrainTimeout(t *testing.T) {
	r := start(t, func(c *server.Config) { c.Drain = 50 * time.Millisecond })
	stream, err := r.sample(t.Context(), long())
	if err != nil {
		t.Fatal(err)
	}
	r.stop()
	if err := finish(stream); status.Code(err) != codes.Unavailable {
		t.Errorf("call that outlasts the drain: %v, want UNAVAILABLE", err)
	}
	r.awaitEnd(t)
}

// TestCancelledCallIsForgotten: a client that goes away leaves room for the next.
func TestCancelledCallIsForgotten(t *testing.T) {
	r := start(t, func(c *server.Config) { c.Limits.MaxOpenChains = 100_000 })
	ctx, cancel := context.WithCancel(t.Context())
	stream, err := r.sample(ctx, long())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.sample(t.Context(), long()); status.Code(err) != codes.ResourceExhausted {
		t.Fatalf("a second large call: %v, want RESOURCE_EXHAUSTED", err)
	}
	cancel()
	if err := finish(stream); status.Code(err) != codes.Canceled {
		t.Errorf("cancelled call: %v", err)
	}
	for deadline := time.Now().Add(5 * time.Second); ; {
		next, cancelNext := context.WithCancel(t.Context())
		_, err := r.sample(next, long())
		cancelNext()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("5 s after the cancel: %v", err)
		}
		time.Sleep(time.Millisecond)
	}
}

func TestLargeMessageIsRefused(t *testing.T) {
	r := start(t, func(c *server.Config) { c.GRPC.MaxReceiveBytes = 1 << 16 })
	_, err := langevinv1.NewSamplingServiceClient(r.conn).Score(t.Context(), &langevinv1.ScoreRequest{
		X: &langevinv1.Tensor{Data: make([]byte, 1<<17)}, Sigma: []float32{1},
	})
	if status.Code(err) != codes.ResourceExhausted {
		t.Errorf("message of 128 KiB: %v, want RESOURCE_EXHAUSTED", err)
	}
}

func TestStartRefuses(t *testing.T) {
	quiet := slog.New(slog.DiscardHandler)
	base := server.Default()
	base.Models.Dir, base.Models.Default = folder(t), "gauss"

	missing := base
	missing.ONNXRuntime.Library = "/does/not/exist.so"
	if _, err := server.New(missing, quiet); err == nil || !strings.Contains(err.Error(), "/does/not/exist.so") {
		t.Errorf("missing library: %v, want it named", err)
	}
	unknown := base
	unknown.Models.Default = "gaus"
	if _, err := server.New(unknown, quiet); err == nil || !strings.Contains(err.Error(), "gauss") {
		t.Errorf("unknown default model: %v, want the near name", err)
	}
	taken, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	busy := base
	busy.Listen = taken.Addr().String()
	s, err := server.New(busy, quiet)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Listen(); err == nil || !strings.Contains(err.Error(), busy.Listen) {
		t.Errorf("port in use: %v, want the address", err)
	}
}

// TestInProcess compares the samples of a server in this process with those of a server on a port.
func TestInProcess(t *testing.T) {
	c := server.Default()
	c.Models.Dir, c.Models.Default = folder(t), "gauss"
	dial, stop, err := server.InProcess(c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	conn, err := grpc.NewClient("passthrough:///in-process", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(dial))
	if err != nil {
		t.Fatal(err)
	}
	(&running{conn: conn, log: &safeBuffer{}}).waitHealthy(t, "")
	remote := start(t, nil)
	req := &langevinv1.SampleRequest{N: proto.Int64(500), Seed: proto.Uint64(3)}
	var data [2][]byte
	for i, r := range []*running{{conn: conn}, remote} {
		stream, err := r.sample(t.Context(), req)
		for err == nil {
			var resp *langevinv1.SampleResponse
			resp, err = stream.Recv()
			data[i] = append(data[i], resp.GetChunk().GetTensor().GetData()...)
		}
		if !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
	}
	if len(data[0]) != 4000 || !bytes.Equal(data[0], data[1]) {
		t.Errorf("%d bytes in process and %d over the network: want the same 4000", len(data[0]), len(data[1]))
	}
	conn.Close()
	if err := stop(); err != nil {
		t.Error(err)
	}
}
