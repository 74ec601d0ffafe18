package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"google.golang.org/grpc"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection"

	"github.com/langevin-ml/langevin/internal/processors"
	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/ort"
	"github.com/langevin-ml/langevin/ort/proof"
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
	prover   *proof.Prover
	device   ort.Found
	source   *source // nil without one
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
	opening  chan struct{} // has an element while a model is opened
	settled  atomic.Bool   // whether the default model is ready or has failed
}

// patience is how long a call waits for a model that loads before it is refused. Most load in less time.
const patience = 5 * time.Second

// New opens ONNX Runtime and the models' folder and prepares everything except the models, which Serve loads. c must be
// valid. It is [NewContext] without an end.
func New(c Config, log *slog.Logger) (*Server, error) {
	return NewContext(context.Background(), c, log)
}

// NewContext is New with a context that ends the download from models.source.
func NewContext(ctx context.Context, c Config, log *slog.Logger) (*Server, error) {
	return newServer(ctx, c, log, patience)
}

// newServer is like New for callers that wait for a model with the given patience; without a limit if it is 0.
func newServer(ctx context.Context, c Config, log *slog.Logger, patience time.Duration) (*Server, error) {
	library, err := ort.OpenFound(c.ONNXRuntime.Library)
	if err != nil {
		return nil, err
	}
	found, err := findDevice(c.Device, library.Path(), log)
	if err != nil {
		return nil, err
	}
	source, err := c.mirror(ctx, log)
	if err != nil {
		return nil, err
	}
	repo, err := c.repository()
	if err != nil {
		return nil, err
	}
	s := &Server{config: c, log: log, runtime: library, source: source, repo: repo, device: found,
		prover: c.prover(library), opening: make(chan struct{}, 1), health: newHealthBoard(serviceNames()...)}
	s.memory = batch.NewMemory(s.config.Limits.MaxOpenBytes)
	s.metrics = metrics.New(s.states, s.memory.Used)
	if source != nil {
		source.counted(s.metrics.LookedAtSource)
	}
	if s.tracing, err = newTracing(c.Tracing); err != nil {
		return nil, errors.Join(err, repo.Close())
	}
	if s.workers = c.Workers; s.workers == 0 {
		s.workers = Workers(s.device.Device)
	}
	s.cores = batch.NewSemaphore(s.workers)
	if s.host, err = host.New(repo, s.load, s.hosting(patience)); err != nil {
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
		Particles: c.Limits.MaxParticles,
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

// hosting returns how models are loaded. A load has time for a proof and as much again.
func (s *Server) hosting(patience time.Duration) host.Options {
	return host.Options{
		Default: s.config.Models.Default, Aliases: s.config.Models.Aliases, Parallel: processors.Count(),
		Limit: 2 * s.config.limitsOfProofs().Clock(), Patience: patience, Ended: s.loadEnded,
	}
}

// Serve loads the models and answers calls on lis until ctx ends. Then it refuses new calls, lets running calls finish
// within the drain timeout, and closes the models. Each model is served as soon as it is ready, and the server is ready
// when the default model is. If a model does not load, Serve logs it and serves the others. It is an error if no model
// loads.
func (s *Server) Serve(ctx context.Context, lis net.Listener) error {
	sides, err := s.listenSides()
	if err != nil {
		return errors.Join(err, s.drain(0))
	}
	defer sides.close()
	served := make(chan error, 2)
	go func() { served <- s.grpc.Serve(lis) }()
	if s.frontend != nil {
		go func() { served <- s.frontend.serve() }()
	}
	var background sync.WaitGroup
	defer background.Wait()
	working, stop := context.WithCancel(ctx)
	defer stop()
	s.host.Start()
	loaded := make(chan error, 1)
	background.Go(func() { loaded <- s.awaitModels(working) })
	background.Go(func() { s.heartbeat(working) })
	background.Go(func() { s.giveBackMemory(working) })
	if s.config.Models.Poll > 0 {
		background.Go(func() { s.poll(working) })
	}
	if s.config.Models.Watch {
		background.Go(func() {
			if err := s.watchModels(working); err != nil {
				s.log.Error("the models' folder is not watched", "error", err)
			}
		})
	}
	return s.until(ctx, lis, served, loaded)
}

// until returns when ctx has ended, and the server with it, or when it cannot serve.
func (s *Server) until(ctx context.Context, lis net.Listener, served, loaded <-chan error) error {
	for {
		select {
		case err := <-loaded:
			switch {
			case ctx.Err() != nil:
			case err != nil:
				return errors.Join(err, s.drain(0))
			default:
				s.announce(lis)
			}
		case err := <-served:
			return errors.Join(fmt.Errorf("serve %s: %w", lis.Addr(), err), s.drain(0))
		case <-ctx.Done():
			return s.drain(s.config.Drain)
		}
	}
}

// announce logs where the server can be reached.
func (s *Server) announce(lis net.Listener) {
	if s.frontend != nil {
		s.log.Info("page", "url", s.frontend.url())
	}
	s.log.Info("serving", "address", lis.Addr().String(), "onnxruntime", s.runtime.Version(), "device",
		s.device.String(), "workers", s.workers)
}

// awaitModels waits until the default model is ready or, if it has failed, any other. Then it publishes the health of
// the server.
func (s *Server) awaitModels(ctx context.Context) error {
	if foreign := s.repo.Foreign(); len(foreign) > 0 {
		s.log.Debug("passed over in the models' folder: no models", "paths", foreign)
	}
	for _, p := range s.host.Problems() {
		s.log.Error("model refused", "file", p.Path, "origin", p.Origin, "error", p.Err)
	}
	if err := s.host.Await(ctx); err != nil {
		return fmt.Errorf("no model could be loaded: %w", err)
	}
	if s.config.Device == ort.DeviceAuto {
		s.health.fix(cudaHealth, s.device.CUDA)
	}
	s.settled.Store(true)
	s.publishHealth()
	return nil
}

// loadEnded logs how a load ended and publishes the health of the model.
func (s *Server) loadEnded(status host.Status) {
	entry := status.Entry
	log := s.log.With("model", entry.Name, "version", entry.Version, "origin", entry.Origin)
	switch {
	case status.State == host.StateReady:
		log.Info("model ready", "default", entry.Name == s.host.DefaultModel(), "digest", entry.Digest)
	case errors.Is(status.Err, context.Canceled):
		log.Debug("model not loaded: the server is stopping")
	default:
		log.Error("model failed", "error", status.Err)
	}
	s.publishHealth()
}

// serviceNames returns the services whose health depends on the models.
func serviceNames() []string {
	return []string{langevinv1.SamplingService_ServiceDesc.ServiceName, langevinv1.ModelService_ServiceDesc.ServiceName,
		inference.GRPCInferenceService_ServiceDesc.ServiceName}
}

func (s *Server) publishHealth() { s.health.publish(s.host.List(), s.settled.Load()) }

// load is the host's loader. It prepares a model for sampling and warms it up.
func (s *Server) load(ctx context.Context, file models.File) (*rpc.Engine, error) {
	grain, err := s.prove(ctx, file)
	if err != nil {
		return nil, err
	}
	select { // one at a time, since sessions are timed
	case s.opening <- struct{}{}:
		defer func() { <-s.opening }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	start := time.Now()
	sessions, err := s.openSessions(ctx, file, grain)
	if err != nil {
		return nil, err
	}
	dim := file.Manifest.Dim()
	schedule := Blocks(s.device.Device, s.workers, dim, sessions.narrow, sessions.wide)
	schedule.Cores, schedule.Observer = s.cores, s.metrics.Scheduler(file.Name)
	schedule.MaxWait = s.config.Limits.MaxWait
	schedule.MaxRows, schedule.Memory = s.config.Limits.MaxOpenChains, s.memory
	engine := &rpc.Engine{
		Scheduler: batch.New(sessions.narrow.Model(), dim, schedule),
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
	s.host.StopLoading()
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
