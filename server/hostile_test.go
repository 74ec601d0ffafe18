package server_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
	"github.com/langevin-ml/langevin/server"
)

// alive fails the test unless the server still answers.
func (r *running) alive(t *testing.T) {
	t.Helper()
	if err := r.few(t.Context()); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// TestCompressionBomb: what unpacks to more than a message may hold is refused while it is unpacked; other compressed
// messages are served.
func TestCompressionBomb(t *testing.T) {
	r := start(t, nil)
	client := langevinv1.NewSamplingServiceClient(r.conn)
	score := func(packing string, elements int) error {
		_, err := client.Score(t.Context(), &langevinv1.ScoreRequest{
			X: &langevinv1.Tensor{Data: make([]byte, 4*elements)}, Sigma: []float32{1},
		}, grpc.UseCompressor(packing))
		return err
	}
	for _, packing := range []string{"gzip", "deflate"} {
		for range 2 { // the second time with what the first has left in gRPC's pools
			if err := score(packing, 1000); err != nil {
				t.Errorf("4 kB of zeros in %s: %v", packing, err)
			}
			if err := score(packing, 4<<20); status.Code(err) != codes.ResourceExhausted {
				t.Errorf("16 MB of zeros in 16 kB of %s: %v", packing, err)
			}
		}
	}
	r.alive(t)
}

// TestHugeMetadata: a call's metadata is bounded.
func TestHugeMetadata(t *testing.T) {
	r := start(t, nil)
	ctx := metadata.AppendToOutgoingContext(t.Context(), "x-padding", strings.Repeat("x", 32<<10))
	if err := r.few(ctx); err == nil {
		t.Error("32 KiB of metadata were accepted")
	}
	r.alive(t)
}

// TestManyStreams: a connection has a limited number of calls. A further call waits until another ends.
func TestManyStreams(t *testing.T) {
	r := start(t, func(c *server.Config) { c.Limits.MaxStreams = 2 })
	watch := func(ctx context.Context) error {
		stream, err := healthv1.NewHealthClient(r.conn).Watch(ctx, &healthv1.HealthCheckRequest{})
		if err == nil {
			_, err = stream.Recv()
		}
		return err
	}
	open, end := context.WithCancel(t.Context())
	defer end()
	if err := errors.Join(watch(open), watch(open)); err != nil {
		t.Fatal(err)
	}
	third, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := watch(third); status.Code(err) != codes.DeadlineExceeded {
		t.Errorf("a third call next to two: %v", err)
	}
	end()
	r.alive(t)
}

// raw opens an HTTP/2 connection without a client.
func (r *running) raw(t *testing.T) (net.Conn, *http2.Framer) {
	t.Helper()
	conn, err := net.Dial("tcp", r.conn.Target())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return conn, http2.NewFramer(conn, conn)
}

// shakeHands sends what a client sends first.
func shakeHands(t *testing.T, conn net.Conn, framer *http2.Framer) {
	t.Helper()
	if _, err := io.WriteString(conn, http2.ClientPreface); err != nil {
		t.Fatal(err)
	}
	if err := framer.WriteSettings(); err != nil {
		t.Fatal(err)
	}
}

// TestEarlyReset: a call that its client resets before the server has begun it is logged as cancelled, not as a failure
// of the server.
func TestEarlyReset(t *testing.T) {
	r := start(t, nil)
	conn, _ := r.raw(t)
	var burst bytes.Buffer
	framer := http2.NewFramer(&burst, nil)
	burst.WriteString(http2.ClientPreface)
	if err := framer.WriteSettings(); err != nil {
		t.Fatal(err)
	}
	const calls = 100
	methods := []string{
		langevinv1.ModelService_ListModels_FullMethodName, langevinv1.SamplingService_Sample_FullMethodName,
	}
	for i := range uint32(calls) {
		callEmpty(t, framer, 2*i+1, methods[i%2])
		if err := framer.WriteRSTStream(2*i+1, http2.ErrCodeCancel); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := conn.Write(burst.Bytes()); err != nil {
		t.Fatal(err)
	}
	ended := func() int { return strings.Count(r.log.String(), "msg=call ") }
	for deadline := time.Now().Add(20 * time.Second); ended() < calls/2 && time.Now().Before(deadline); {
		time.Sleep(10 * time.Millisecond)
	}
	if log := r.log.String(); strings.Contains(log, "code=Internal") || !strings.Contains(log, "code=Canceled") {
		t.Errorf("the log has %d calls, and:\n%.2000s", ended(), log)
	}
	r.alive(t)
}

// TestPingFlood: a client that pings all the time is disconnected.
func TestPingFlood(t *testing.T) {
	r := start(t, nil)
	conn, framer := r.raw(t)
	shakeHands(t, conn, framer)
	go func() {
		for framer.WritePing(false, [8]byte{1}) == nil { // until the server hangs up
		}
	}()
	for {
		frame, err := framer.ReadFrame()
		if err != nil {
			t.Fatalf("the server closed the connection without a GOAWAY: %v", err)
		}
		if away, ok := frame.(*http2.GoAwayFrame); ok {
			if away.ErrCode != http2.ErrCodeEnhanceYourCalm ||
				!bytes.Contains(away.DebugData(), []byte("too_many_pings")) {
				t.Errorf("disconnected with %v %q", away.ErrCode, away.DebugData())
			}
			break
		}
	}
	conn.Close()
	r.alive(t)
}

// TestDeadClient: a client that does not answer pings is disconnected.
func TestDeadClient(t *testing.T) {
	r := start(t, func(c *server.Config) {
		c.GRPC.KeepaliveTime, c.GRPC.KeepaliveTimeout = time.Second, 50*time.Millisecond
	})
	conn, framer := r.raw(t)
	shakeHands(t, conn, framer)
	asked := false
	for {
		frame, err := framer.ReadFrame()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("not disconnected: %v", err)
		}
		ping, ok := frame.(*http2.PingFrame)
		asked = asked || ok && !ping.IsAck()
	}
	if !asked {
		t.Error("disconnected without a ping")
	}
	r.alive(t)
}

// TestConnectionAge: an old connection is told to make room for a new one.
func TestConnectionAge(t *testing.T) {
	r := start(t, func(c *server.Config) { c.GRPC.MaxConnectionAge = 100 * time.Millisecond })
	conn, framer := r.raw(t)
	shakeHands(t, conn, framer)
	for {
		frame, err := framer.ReadFrame()
		if err != nil {
			t.Fatalf("not told: %v", err)
		}
		if away, ok := frame.(*http2.GoAwayFrame); ok {
			if away.ErrCode != http2.ErrCodeNo || string(away.DebugData()) != "max_age" {
				t.Errorf("told %v %q", away.ErrCode, away.DebugData())
			}
			break
		}
	}
	r.alive(t)
}

// TestSilentConnection: a client that connects and sends nothing is disconnected.
func TestSilentConnection(t *testing.T) {
	r := start(t, func(c *server.Config) { c.GRPC.HandshakeTimeout = 300 * time.Millisecond })
	conn, _ := r.raw(t)
	if _, err := io.Copy(io.Discard, conn); err != nil {
		t.Errorf("not disconnected: %v", err)
	}
	r.alive(t)
}

// TestQuotaOfCancelledCalls: a cancelled call costs as much as a finished one.
func TestQuotaOfCancelledCalls(t *testing.T) {
	r := start(t, func(c *server.Config) { c.Quota.RowStepsPerSecond, c.Quota.RowStepsBurst = 1, 20_000_000 })
	request := long()
	request.N = proto.Int64(150)
	for i := range 2 { // 15,000,000 row-steps each
		ctx, cancel := context.WithCancel(t.Context())
		_, err := r.sample(ctx, request)
		cancel()
		if _, told := detail[*errdetails.RetryInfo](err); i == 0 && err != nil || i == 1 &&
			(reason(err) != langevinv1.ReasonQuota || !told) {
			t.Errorf("call %d: %v", i, err)
		}
	}
}

// TestMemoryOfOpenCalls: every kind of call counts at what it holds: its request, states, plan and answer.
func TestMemoryOfOpenCalls(t *testing.T) {
	r := start(t, func(c *server.Config) {
		withBuiltIn(c)
		c.Limits.MaxOpenBytes = 100_000
	})
	many := &langevinv1.Tensor{Shape: []int64{2000, 2}, Data: make([]byte, 16_000)}
	one := &langevinv1.Tensor{Shape: []int64{1, 2}, Data: make([]byte, 8)}
	client := langevinv1.NewSamplingServiceClient(r.conn)
	score := func(rows *langevinv1.Tensor) (*langevinv1.ScoreResponse, error) {
		return client.Score(t.Context(), &langevinv1.ScoreRequest{Model: "ring", X: rows, Sigma: []float32{1}})
	}
	scored, err := score(one)
	if err != nil {
		t.Fatal(err)
	}
	for kind, call := range map[string]func(rows *langevinv1.Tensor) error{
		"score": func(rows *langevinv1.Tensor) error {
			_, err := score(rows)
			return err
		},
		"encode": func(rows *langevinv1.Tensor) error {
			_, err := client.Encode(t.Context(), &langevinv1.EncodeRequest{Model: "ring", X: rows})
			return err
		},
		"sample from states": func(rows *langevinv1.Tensor) error {
			n := rows.GetShape()[0]
			_, err := r.sample(t.Context(), &langevinv1.SampleRequest{Model: "ring", N: &n, Seed: proto.Uint64(1),
				Resume: &langevinv1.Resume{Digest: scored.GetDigest(), Step: 99, X: rows}})
			return err
		},
	} {
		if err := call(many); reason(err) != langevinv1.ReasonQueueFull {
			t.Errorf("%s of 2,000 rows with a limit of 100 kB: %v, want %s", kind, err, langevinv1.ReasonQueueFull)
		}
		if err := call(one); err != nil {
			t.Errorf("%s of one row: %v", kind, err)
		}
	}
}

// TestQuotaOfCalls: calls count whatever they cost, but health probes do not. A request over HTTP counts before its
// body is read, and once: all of them share one account.
func TestQuotaOfCalls(t *testing.T) {
	r := start(t, func(c *server.Config) {
		c.Quota.CallsPerSecond, c.Quota.CallsBurst, c.HTTP.Listen = 1, 30, "localhost:0"
	})
	answers := map[int]int{}
	post := func(path, body string) {
		resp, err := http.Post("http://"+r.http+path, "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		answers[resp.StatusCode]++
	}
	for range 5 {
		post("/v1/models/gauss:sample", `{"n": `)
		post(langevinv1.SamplingService_Score_FullMethodName, `{"x": `)
		post("/v1/models/gauss:sample?timeout=abc", `{}`)
		post("/v1/models/gauss:sample", `{"n": 1, "langevin": {"steps": 1}}`)
		post(langevinv1.ModelService_ListModels_FullMethodName, `{}`)
	}
	defer http.DefaultClient.CloseIdleConnections()
	if answers[http.StatusBadRequest] != 15 || answers[http.StatusOK] != 10 {
		t.Errorf("answers within the quota: %v", answers)
	}
	client := langevinv1.NewModelServiceClient(r.conn)
	served, refused := 0, 0
	for range 20 {
		_, err := client.ListModels(t.Context(), &langevinv1.ListModelsRequest{})
		if status.Code(err) == codes.ResourceExhausted {
			refused++
		} else if err == nil {
			served++
		}
	}
	if served < 5 || served > 15 || served+refused != 20 { // 30, and one for each second since
		t.Errorf("%d calls were served and %d refused for the quota, of 20 at once", served, refused)
	}
	for range 5 { // at most one of them has a new call
		post("/v1/models/gauss:sample", `{"n": `)
	}
	if answers[http.StatusTooManyRequests] < 3 {
		t.Errorf("answers beyond the quota: %v", answers)
	}
	r.waitHealthy(t, "")
}
