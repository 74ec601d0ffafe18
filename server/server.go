package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"google.golang.org/grpc"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection"

	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/ort"
	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
	"github.com/langevin-ml/langevin/sampling"
	"github.com/langevin-ml/langevin/server/auth"
	"github.com/langevin-ml/langevin/server/batch"
	"github.com/langevin-ml/langevin/server/host"
	"github.com/langevin-ml/langevin/server/metrics"
	"github.com/langevin-ml/langevin/server/oip/inference"
	"github.com/langevin-ml/langevin/server/rpc"
)

// Server is a sampling service. Make one with New and call Serve once.
type Server struct {
	config   Config
	log      *slog.Logger
	runtime  *ort.Runtime
	device   ort.Found
	repo     *models.Repository
	host     *host.Host[*rpc.Engine]
	health   *healthBoard
	guard    *auth.Guard
	metrics  *metrics.Metrics
	tracing  *sdktrace.TracerProvider // nil if off
	grpc     *grpc.Server
	frontend *httpFrontend // nil without HTTP
	cores    batch.Semaphore
	memory   *batch.Memory
	workers  int
}

// New opens ONNX Runtime and the models' folder and prepares everything except the models, which Serve loads. c must be
// valid.
func New(c Config, log *slog.Logger) (*Server, error) {
	runtime, err := ort.OpenFound(c.ONNXRuntime.Library)
	if err != nil {
		return nil, err
	}
	found, err := findDevice(c.Device, runtime.Path(), log)
	if err != nil {
		return nil, err
	}
	repo, err := models.NewRepository(models.Zoo(), c.Models.Dir, models.Rules{})
	if err != nil {
		return nil, err
	}
	s := &Server{config: c, log: log, runtime: runtime, repo: repo, device: found,
		health: newHealthBoard(serviceNames()...)}
	s.memory = batch.NewMemory(s.config.Limits.MaxOpenBytes)
	s.metrics = metrics.New(s.states, s.memory.Used)
	if s.tracing, err = newTracing(c.Tracing); err != nil {
		return nil, errors.Join(err, repo.Close())
	}
	if s.workers = c.Workers; s.workers == 0 {
		s.workers = Workers(s.device.Device)
	}
	s.cores = batch.NewSemaphore(s.workers)
	if s.host, err = host.New(repo, s.load, c.Models.Default, c.Models.Aliases...); err != nil {
		return nil, errors.Join(err, repo.Close())
	}
	if s.guard, err = newGuard(c, log); err != nil {
		return nil, errors.Join(err, repo.Close())
	}
	var admin *rpc.Admin
	if s.isPrivate() {
		admin = s.admin()
	}
	if s.grpc, err = s.newGRPC(admin); err != nil {
		return nil, errors.Join(err, repo.Close())
	}
	return s, nil
}

// newGRPC registers the services. It registers the services that load models only if admin is not nil.
func (s *Server) newGRPC(admin *rpc.Admin) (*grpc.Server, error) {
	c := s.config
	options, err := s.transport()
	if err != nil {
		return nil, err
	}
	options = append(options, rpc.Interceptors(s.log, s.metrics,
		rpc.CallLimits{Time: c.Limits.MaxCallTime, Unread: c.Limits.SlowReaderTimeout})...)
	if s.tracing != nil {
		options = append(options, traceCalls(s.tracing))
	}
	g := grpc.NewServer(append(options, s.guard.Interceptors()...)...)
	r := rpc.Registrar(g)
	draw := rpc.NewSampling(s.host, rpc.Limits{
		Chains: c.Limits.MaxChains, Steps: c.Limits.MaxSteps, ScoreRows: c.Limits.MaxScoreRows,
	})
	langevinv1.RegisterSamplingServiceServer(r, draw)
	catalogue := rpc.NewModels(s.host)
	langevinv1.RegisterModelServiceServer(r, catalogue)
	inference.RegisterGRPCInferenceServiceServer(r, s.newOIP(draw, catalogue, admin))
	if admin != nil {
		langevinv1.RegisterAdminServiceServer(r, admin)
	}
	healthv1.RegisterHealthServer(r, s.health)
	if c.GRPC.Reflection {
		reflection.Register(r)
	}
	return g, nil
}

// Serve loads the models and answers calls on lis until ctx ends. Then it refuses new calls, lets running calls finish
// within the drain timeout, and closes the models. If a model does not load, Serve logs it and serves the others. It is
// an error if no model loads.
func (s *Server) Serve(ctx context.Context, lis net.Listener) error {
	admin, err := s.listenAdmin()
	if err != nil {
		return errors.Join(err, s.drain(0))
	}
	defer admin.close()
	served := make(chan error, 2)
	go func() { served <- s.grpc.Serve(lis) }()
	if s.frontend != nil {
		go func() { served <- s.frontend.serve() }()
	}
	if err := s.preload(ctx); err != nil {
		return errors.Join(err, s.drain(0))
	}
	if s.frontend != nil {
		s.log.Info("page", "url", s.frontend.url())
	}
	var background sync.WaitGroup
	defer background.Wait()
	watching, stop := context.WithCancel(ctx)
	defer stop()
	background.Go(func() { s.heartbeat(watching) })
	if s.config.Models.Watch {
		background.Go(func() {
			if err := s.watchModels(watching); err != nil {
				s.log.Error("the models' folder is not watched", "error", err)
			}
		})
	}
	s.log.Info("serving", "address", lis.Addr().String(), "onnxruntime", s.runtime.Version(), "device",
		s.device.String(), "workers", s.workers)
	select {
	case err := <-served:
		return errors.Join(fmt.Errorf("serve %s: %w", lis.Addr(), err), s.drain(0))
	case <-ctx.Done():
		return s.drain(s.config.Drain)
	}
}

// preload loads every model and publishes the health of each.
func (s *Server) preload(ctx context.Context) error {
	if err := s.host.Preload(ctx); err != nil {
		return err
	}
	if foreign := s.repo.Foreign(); len(foreign) > 0 {
		s.log.Debug("passed over in the models' folder: no models", "paths", foreign)
	}
	for _, p := range s.host.Problems() {
		s.log.Error("model refused", "file", p.Path, "origin", p.Origin, "error", p.Err)
	}
	ready := 0
	for _, status := range s.host.List() {
		entry := status.Entry
		log := s.log.With("model", entry.Name, "version", entry.Version, "origin", entry.Origin)
		if status.State == host.StateReady {
			ready++
			log.Info("model ready", "default", entry.Name == s.host.DefaultModel(), "digest", entry.Digest)
		} else {
			log.Error("model failed", "error", status.Err)
		}
	}
	if ready == 0 {
		return errors.New("no model could be loaded")
	}
	if s.config.Device == ort.DeviceAuto {
		s.health.fix(cudaHealth, s.device.CUDA)
	}
	s.publishHealth()
	return nil
}

// serviceNames returns the services whose health depends on the models.
func serviceNames() []string {
	return []string{langevinv1.SamplingService_ServiceDesc.ServiceName, langevinv1.ModelService_ServiceDesc.ServiceName,
		inference.GRPCInferenceService_ServiceDesc.ServiceName}
}

func (s *Server) publishHealth() { s.health.publish(s.host.List()) }

// load is the host's loader. It prepares a model for sampling and warms it up.
func (s *Server) load(ctx context.Context, file models.File) (*rpc.Engine, error) {
	start := time.Now()
	sessions, err := s.openSessions(ctx, file)
	if err != nil {
		return nil, err
	}
	dim := file.Manifest.Dim()
	schedule := Blocks(s.device.Device, s.workers, dim, sessions.narrow, sessions.wide)
	schedule.Cores, schedule.Observer = s.cores, s.metrics.Scheduler(file.Name)
	schedule.MaxWait = s.config.Limits.MaxWait
	schedule.MaxRows, schedule.Memory = s.config.Limits.MaxOpenChains, s.memory
	engine := &rpc.Engine{
		Scheduler: batch.New(sessions.narrow, dim, schedule),
		Identity:  sessions.narrow.Identity() + " " + sampling.NoiseVersion,
		Device:    s.device.String(),
		Session:   sessions,
	}
	warm := time.Now()
	if err := engine.Scheduler.Warm(ctx, float32(file.Manifest.Sigmas[0])); err != nil {
		return nil, errors.Join(err, engine.Close())
	}
	engine.LoadTime, engine.WarmTime = time.Since(start), time.Since(warm)
	return engine, nil
}

// drain stops the server. Running calls may take at most timeout to finish.
func (s *Server) drain(timeout time.Duration) error {
	start := time.Now()
	s.log.Info("stopping", "drain_timeout", timeout)
	s.health.stop()
	time.Sleep(s.drainDelay(timeout))
	idle := make(chan struct{})
	go func() {
		defer close(idle)
		var both sync.WaitGroup
		both.Go(s.grpc.GracefulStop)
		both.Go(s.frontend.shutdown)
		both.Wait()
	}()
	select {
	case <-idle:
	case <-time.After(timeout):
		s.cutOff()
		<-idle
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	err := errors.Join(s.host.Close(ctx), s.repo.Close())
	if s.tracing != nil {
		if lost := s.tracing.Shutdown(ctx); lost != nil {
			s.log.Warn("the last traces were not sent", "error", lost)
		}
	}
	s.log.Info("stopped", "elapsed", time.Since(start))
	return err
}

// drainDelay returns how long a stopping server keeps accepting calls. Its health is already down, so balancers and
// probes notice before it refuses calls.
func (s *Server) drainDelay(timeout time.Duration) time.Duration {
	if timeout == 0 {
		return 0
	}
	return s.config.DrainDelay
}

// cutOff ends the calls that still run with UNAVAILABLE, so that clients try another server.
func (s *Server) cutOff() {
	now, cancel := context.WithCancel(context.Background())
	cancel()
	for _, loaded := range s.host.Ready() {
		_ = loaded.Value.Scheduler.Close(now) // its error only says that it ended calls
		loaded.Release()
	}
	time.AfterFunc(time.Second, func() { // for calls that still do not end, such as one whose client does not read
		s.frontend.stop()
		s.grpc.Stop()
	})
}
