package robustness_test

import (
	"context"
	"encoding/hex"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	"github.com/langevin-ml/langevin/models"
	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
	"github.com/langevin-ml/langevin/server/batch"
	"github.com/langevin-ml/langevin/server/host"
	"github.com/langevin-ml/langevin/server/rpc"
)

// The longest that each fault lasts, and what a tick takes without one.
const (
	longPause = 50 * time.Millisecond
	longTick  = 150 * time.Millisecond
	baseTick  = 2 * time.Millisecond
	rowTime   = 5 * time.Microsecond
)

// network is the exact score of N(m, I), where m depends on the model's digest. So two versions never give the same
// samples. A score far outside is not a number.
type network struct {
	mean     float32
	faults   *faults
	closings *atomic.Int64 // sessions that were closed
	misused  *atomic.Int64 // calls of a closed session, and second closings
	closed   atomic.Bool
}

// meanOf returns the mean of the model with a digest.
func meanOf(digest string) float32 {
	raw, err := hex.DecodeString(digest)
	if err != nil || len(raw) < 2 {
		return 0
	}
	return float32(raw[0])/16 + float32(raw[1])/4096
}

// Score implements [sampling.Model]. It takes time on the fake clock.
func (n *network) Score(_ context.Context, dst, x, sigma []float32) error {
	if n.closed.Load() {
		n.misused.Add(1)
	}
	took := baseTick + time.Duration(len(sigma))*rowTime
	if n.faults.strikes(slowTick) {
		took = longTick
	}
	time.Sleep(took)
	if n.faults.strikes(failedTick) {
		return errInjected
	}
	score(n.mean, dst, x, sigma)
	return nil
}

func score(mean float32, dst, x, sigma []float32) {
	for i, v := range x {
		s := sigma[i/dim]
		dst[i] = (mean - v) / (1 + s*s)
	}
}

// Close implements [io.Closer].
func (n *network) Close() error {
	n.faults.pause(slowClose, 10*longPause)
	if n.closed.Swap(true) {
		n.misused.Add(1)
	}
	n.closings.Add(1)
	return nil
}

// service is a server made of the parts that server.New puts together, with faults between them. Its networks are
// exact, and it listens in memory.
type service struct {
	faults   *faults
	host     *host.Host[*rpc.Engine]
	memory   *batch.Memory
	grpc     *grpc.Server
	listener *bufconn.Listener
	folder   string // of models
	watch    *watch
	maxWait  time.Duration

	mu         sync.Mutex
	schedulers []*batch.Scheduler
	loaded     int // engines that were made
	closings   atomic.Int64
	misused    atomic.Int64
}

// dim is the number of elements of a sample.
const dim = 16

// The bounds of the service.
const (
	maxRows   = 3000
	maxBytes  = 6 << 20
	maxUnread = time.Second / 2
	silence   = time.Second // after which a client that does not answer is given up
)

// newService starts a service with the model points, whose queue takes at most maxWait. The caller must close it.
func newService(t *testing.T, f *faults, maxWait time.Duration) *service {
	t.Helper()
	s := &service{faults: f, memory: batch.NewMemory(maxBytes), listener: bufconn.Listen(256 << 10),
		folder: t.TempDir(), watch: &watch{}, maxWait: maxWait}
	s.write(t, "points", modelFile(t, 0), "")
	repository, err := models.NewRepository(fstest.MapFS{}, s.folder, models.Rules{})
	if err != nil {
		t.Fatal(err)
	}
	if s.host, err = host.New(repository, s.load, host.Options{Default: "points"}); err != nil {
		t.Fatal(err)
	}
	s.host.Start()
	if err := s.host.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	options := append([]grpc.ServerOption{grpc.ChainStreamInterceptor(s.watch.stream)},
		rpc.Interceptors(slog.New(s.watch), s.watch, rpc.CallLimits{Time: time.Hour, Unread: maxUnread})...)
	s.grpc = grpc.NewServer(append(options,
		grpc.ChainStreamInterceptor(s.spoil), grpc.WaitForHandlers(true),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: silence / 2, Timeout: silence / 2}),
	)...)
	langevinv1.RegisterSamplingServiceServer(s.grpc,
		rpc.NewSampling(s.host, rpc.Limits{Chains: 2000, Steps: 2000, ScoreRows: 500}))
	go s.grpc.Serve(s.listener) // returns an error after Stop
	return s
}

// load is the host's loader.
func (s *service) load(_ context.Context, file models.File) (*rpc.Engine, error) {
	s.faults.pause(slowReload, 4*longPause)
	if s.faults.strikes(failedReload) {
		return nil, errInjected
	}
	n := &network{mean: meanOf(file.Digest), faults: s.faults, closings: &s.closings, misused: &s.misused}
	scheduler := batch.New(n, dim, batch.Config{Workers: 2, Rows: 64, MaxRows: maxRows, Memory: s.memory,
		MaxFrameBytes: 16 << 10, MaxWait: s.maxWait, Observer: s.watch})
	s.mu.Lock()
	s.schedulers = append(s.schedulers, scheduler)
	s.loaded++
	s.mu.Unlock()
	engine := &rpc.Engine{Scheduler: scheduler, Identity: "exact", Device: "cpu", Session: n}
	if err := scheduler.Warm(context.Background(), 1); err != nil {
		return nil, errors.Join(err, engine.Close())
	}
	return engine, nil
}

// spoil pauses and fails calls before they are admitted, and messages before they are sent.
func (s *service) spoil(srv any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	s.faults.pause(beforeAdmission, longPause)
	if s.faults.strikes(panicInAdmission) {
		panic(errInjected)
	}
	return handler(srv, spoiledStream{stream, s.faults})
}

type spoiledStream struct {
	grpc.ServerStream
	faults *faults
}

func (s spoiledStream) SendMsg(m any) error {
	s.faults.pause(slowSend, longPause)
	if s.faults.strikes(failedSend) {
		return status.Error(codes.Unavailable, errInjected.Error())
	}
	return s.ServerStream.SendMsg(m)
}

// dial returns a connection in memory.
func (s *service) dial(ctx context.Context) (net.Conn, error) { return s.listener.DialContext(ctx) }

// write puts a model file into the folder, as a program does that replaces it in one step. An empty digest means none.
func (s *service) write(t *testing.T, name string, file []byte, digest string) {
	t.Helper()
	folder := filepath.Join(s.folder, name, "1")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(folder, models.FileName)
	if err := errors.Join(os.WriteFile(path+".new", file, 0o644), os.Rename(path+".new", path)); err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(folder, models.DigestFileName)
	if digest == "" {
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		return
	}
	if err := os.WriteFile(path, []byte(digest), 0o644); err != nil {
		t.Fatal(err)
	}
}

// open returns how many jobs and chains all schedulers have, and the bytes that calls may hold.
func (s *service) open() (jobs, rows int, bytes int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, scheduler := range s.schedulers {
		stats := scheduler.Stats()
		jobs, rows = jobs+stats.Jobs, max(rows, stats.Rows)
	}
	return jobs, rows, s.memory.Used()
}

// close stops the service and checks that every session was closed once, and none was used afterwards.
func (s *service) close(t *testing.T) {
	t.Helper()
	s.grpc.Stop()
	if err := s.host.Close(context.Background()); err != nil {
		t.Error(err)
	}
	if closings := s.closings.Load(); closings != int64(s.loaded) || s.misused.Load() > 0 {
		t.Errorf("%d sessions were opened and %d closed; %d times a closed one was used or closed again",
			s.loaded, closings, s.misused.Load())
	}
}
