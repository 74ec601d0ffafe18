package fake

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/test/bufconn"

	"github.com/langevin-ml/langevin/client"
	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
)

// Script says what the server answers. A call whose field is nil fails with UNIMPLEMENTED. The functions may run
// concurrently. If they return an *[client.Error], the client receives its code, reason and details.
type Script struct {
	Models        []client.Model
	Sample        SampleFunc
	Score         func(context.Context, client.ScoreRequest) (*client.Scores, error)
	Encode        func(context.Context, client.EncodeRequest) (*client.Flowed, error)
	Decode        func(context.Context, client.DecodeRequest) (*client.Flowed, error)
	LogLikelihood func(context.Context, client.LogLikelihoodRequest) (*client.LogLikelihoods, error)
	Detect        func(context.Context, client.DetectRequest) (*client.Detected, error)
}

// SampleFunc answers one Sample call by emitting events. The context ends when the client leaves; emit then returns an
// error.
type SampleFunc func(ctx context.Context, req client.SampleRequest, emit func(client.Event) error) error

// Events answers every call with the given events, valid or not.
func Events(events ...client.Event) SampleFunc {
	return func(_ context.Context, _ client.SampleRequest, emit func(client.Event) error) error {
		for _, e := range events {
			if err := emit(e); err != nil {
				return err
			}
		}
		return nil
	}
}

// Fail answers every call with err.
func Fail(err error) SampleFunc {
	return func(context.Context, client.SampleRequest, func(client.Event) error) error { return err }
}

// Sequence answers the first call with its first function, the second with the second, and all later calls with the
// last. It can imitate a server that fails and recovers.
func Sequence(answers ...SampleFunc) SampleFunc {
	var calls atomic.Int64
	return func(ctx context.Context, req client.SampleRequest, emit func(client.Event) error) error {
		call := calls.Add(1) - 1
		return answers[min(int(call), len(answers)-1)](ctx, req, emit)
	}
}

// Delay waits before every event of an answer, or until the client leaves.
func Delay(wait time.Duration, answer SampleFunc) SampleFunc {
	return func(ctx context.Context, req client.SampleRequest, emit func(client.Event) error) error {
		return answer(ctx, req, func(e client.Event) error {
			select {
			case <-time.After(wait):
				return emit(e)
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	}
}

// Break emits the given number of events and then fails with err. If err is nil, it imitates a broken connection.
func Break(events int, err error, answer SampleFunc) SampleFunc {
	if err == nil {
		err = &client.Error{Code: codes.Unavailable, Message: "connection broke"}
	}
	return func(ctx context.Context, req client.SampleRequest, emit func(client.Event) error) error {
		sent := 0
		return answer(ctx, req, func(e client.Event) error {
			if sent == events {
				return err
			}
			sent++
			return emit(e)
		})
	}
}

// Samples answers as a server does. It draws the requested chains by calling row for each, and fills in the defaults,
// including a seed of 1. The rows must have the given shape. If the request has previews, there is one, with the chains
// that it wants to see. If it asks for pictures, 0 is black and 1 is white.
func Samples(shape []int, row func(chain uint64) []float32) SampleFunc {
	return func(ctx context.Context, req client.SampleRequest, emit func(client.Event) error) error {
		started := start(req, shape)
		rows := client.Batch{Shape: shape, N: started.N}
		for i := range started.N {
			rows.X = append(rows.X, row(started.FirstChain+uint64(i))...)
		}
		events := []client.Event{
			started,
			client.Progress{StepsDone: 1, StepsTotal: int64(2 * started.N)},
			client.Progress{StepsDone: int64(2 * started.N), StepsTotal: int64(2 * started.N), ChainsDone: started.N,
				Step: 1},
		}
		if req.Preview != nil {
			shown := min(started.N, cmp.Or(req.Preview.Chains, langevinv1.DefaultPreviewChains))
			events = append(events, client.Preview{
				Batch:      client.Batch{Shape: shape, N: shown, X: rows.X[:shown*len(rows.X)/rows.N]},
				FirstChain: started.FirstChain, Step: 1, Sigma: 1,
			})
		}
		events = append(events,
			client.Chunk{Batch: rows, FirstChain: started.FirstChain},
			client.Done{N: started.N, NFE: int64(2 * started.N)})
		return Events(events...)(ctx, req, emit)
	}
}

func start(req client.SampleRequest, shape []int) client.Started {
	s := client.Started{
		Model: req.Model, Version: max(1, req.Version), Digest: "fake", Engine: "fake",
		N: max(1, req.N), Seed: 1, FirstChain: req.FirstChain, Shape: shape, Sampler: req.Sampler, Steps: 2,
		Condition: req.Condition, Columns: req.Columns, Guidance: req.Guidance, Resumable: true,
		Given: req.Given, GuidanceScale: req.GuidanceScale, Sum: req.Sum,
		Measurement: req.Measurement,
	}
	if req.Resume != nil {
		s.ResumedAt = req.Resume.Step
	}
	if req.Seed != nil {
		s.Seed = *req.Seed
	}
	if s.Sampler == nil {
		s.Sampler = client.AnnealedLangevin{Sigmas: []float64{1}, StepsPerLevel: 2, StepLR: 0.1}
	}
	return s
}

// Server answers as its [Script] says. It is safe for concurrent use.
type Server struct {
	grpc   *grpc.Server
	health *health.Server
	pipe   *bufconn.Listener
	done   chan struct{}
}

// New starts a server. Close it at the end of the test.
func New(script Script) *Server {
	patient := keepalive.EnforcementPolicy{MinTime: langevinv1.MinKeepalive, PermitWithoutStream: true}
	s := &Server{
		grpc:   grpc.NewServer(grpc.KeepaliveEnforcementPolicy(patient)),
		health: health.NewServer(), pipe: bufconn.Listen(1 << 20), done: make(chan struct{}),
	}
	langevinv1.RegisterSamplingServiceServer(s.grpc, samplingService{script: script})
	langevinv1.RegisterModelServiceServer(s.grpc, modelService{models: script.Models})
	s.health.SetServingStatus(langevinv1.SamplingService_ServiceDesc.ServiceName, healthv1.HealthCheckResponse_SERVING)
	healthv1.RegisterHealthServer(s.grpc, s.health)
	go func() {
		defer close(s.done)
		_ = s.grpc.Serve(s.pipe) // returns only after Close
	}()
	return s
}

// Client returns a client of the server; the caller closes it.
func (s *Server) Client(opts ...client.Option) (*client.Client, error) {
	c, err := client.New("passthrough:///fake", append(opts, client.WithDialOptions(grpc.WithContextDialer(s.Dial)))...)
	if err != nil {
		return nil, fmt.Errorf("client of fake server: %w", err)
	}
	return c, nil
}

// Dial connects to the server and ignores the address. It is for programs that make their own gRPC connection.
func (s *Server) Dial(ctx context.Context, _ string) (net.Conn, error) {
	return s.pipe.DialContext(ctx)
}

// Drain makes the server report that it does not serve, as one that is stopping does. It still answers calls.
func (s *Server) Drain() { s.health.Shutdown() }

// Close ends all calls and waits for the server to stop.
func (s *Server) Close() {
	s.grpc.Stop()
	<-s.done
}
