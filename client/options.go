package client

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	_ "google.golang.org/grpc/health" // gRPC's check of each server's health
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/stats"

	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
)

const (
	serverVariable        = "LANGEVIN_SERVER"
	defaultTarget         = "localhost:50051"
	defaultMaxMessageSize = 16 << 20
	maxParts              = 1024
	minKeepalive          = langevinv1.MinKeepalive + 5*time.Second // servers measure by their own clock

	// serviceConfig spreads calls over the servers behind a name, those that say they serve.
	serviceConfig = `{"loadBalancingConfig":[{"round_robin":{}}],"healthCheckConfig":{"serviceName":"langevin.v1.SamplingService"}}`
)

// DefaultTarget is the target that [New] makes of the given one: what stands for none, if it is empty.
func DefaultTarget(target string) string {
	return cmp.Or(target, os.Getenv(serverVariable), defaultTarget)
}

// Option changes how [New] connects and what the client does about calls that fail.
type Option func(*settings)

type settings struct {
	credentials    credentials.TransportCredentials
	token          TokenFunc
	plaintextToken bool
	maxMessageSize int
	keepalive      time.Duration
	retry          RetryPolicy
	resume         bool
	parts          int
	log            *slog.Logger
	dial           []grpc.DialOption
}

func newSettings(opts []Option) settings {
	s := settings{
		credentials: insecure.NewCredentials(), maxMessageSize: defaultMaxMessageSize,
		parts: 1, log: slog.New(slog.DiscardHandler),
	}
	for _, o := range opts {
		o(&s)
	}
	s.retry = RetryPolicy{
		Attempts:  cmp.Or(s.retry.Attempts, defaultAttempts),
		BaseDelay: cmp.Or(s.retry.BaseDelay, defaultBaseDelay),
		MaxDelay:  cmp.Or(s.retry.MaxDelay, defaultMaxDelay),
	}
	return s
}

// check refuses settings that are out of range, all of them at once.
func (s settings) check(target string) error {
	var errs []error
	bad := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	bad(s.maxMessageSize > 0, "WithMaxMessageSize is %d: want more than 0", s.maxMessageSize)
	bad(s.parts >= 1 && s.parts <= maxParts, "WithSplit is %d: want 1 to %d", s.parts, maxParts)
	bad(s.keepalive == 0 || s.keepalive >= minKeepalive,
		"WithKeepalive is %s: want at least %s, since servers close connections that ask more often", s.keepalive, minKeepalive)
	r := s.retry
	bad(r.Attempts >= 1 && r.BaseDelay > 0 && r.MaxDelay >= r.BaseDelay,
		"WithRetry is %+v: want at least 1 attempt, and delays above 0, the largest last", r)
	return errors.Join(append(errs, s.checkToken(target))...)
}

func (s settings) dialOptions(target string) []grpc.DialOption {
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(s.credentials),
		grpc.WithDefaultServiceConfig(serviceConfig),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(s.maxMessageSize)),
	}
	if s.token != nil {
		// Of our calls only: gRPC's own health check would wait for ever for a token that cannot be had.
		options = append(options, grpc.WithDefaultCallOptions(grpc.PerRPCCredentials(s.bearer(target))))
	}
	if s.keepalive > 0 {
		options = append(options, grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: s.keepalive}))
	}
	return append(options, s.dial...)
}

// WithTLS encrypts the connection. A nil config trusts the system's certificate authorities. For mutual TLS, put the
// client's certificate into config.
func WithTLS(config *tls.Config) Option {
	return WithTransportCredentials(credentials.NewTLS(config))
}

// WithTransportCredentials secures the connection in any way gRPC knows.
func WithTransportCredentials(c credentials.TransportCredentials) Option {
	return func(s *settings) { s.credentials = c }
}

// WithMaxMessageSize bounds the size of one received message in bytes. The default, 16 MiB, is far above what
// sampling needs, since servers send results in chunks of at most 1 MiB; the answer to a large Score may need more.
func WithMaxMessageSize(bytes int) Option {
	return func(s *settings) { s.maxMessageSize = bytes }
}

// WithRetry changes how calls are retried that fail before their first answer. Zero fields keep their defaults.
func WithRetry(p RetryPolicy) Option {
	return func(s *settings) { s.retry = p }
}

// WithResume lets a Sample call outlive its server. If the connection breaks after the first event, the client makes
// another call, to whichever server answers, and goes on: from the last preview if that showed the state of every chain
// (PreviewOptions.Chains equal to N), or else by drawing again what has not been delivered. Nothing is delivered twice.
// The samples are bit for bit those of an unbroken call; if the new server has another model file or engine, the call
// fails with [ErrChanged]. An event [Resumed] tells of it. How long to try is up to [WithRetry]: a server that
// restarts may need more than the default, which is over in a second. Previews by Frames may come a step earlier or
// later than those of an unbroken call.
func WithResume() Option {
	return func(s *settings) { s.resume = true }
}

// WithSplit draws every request for many chains in so many parts at once, which the addresses behind the target take in
// turn: with three servers, WithSplit(3) keeps all of them busy with one request. The samples are bit for bit those of
// one call, and so are the events, but that chunks wait in memory for those before them. Parts have at least 16
// chains, and the first all those that previews show. If the servers disagree about the model or the engine, the
// request fails with [ErrChanged]. Of Score, Encode, Decode and LogLikelihood with more rows than one call takes, as
// many calls run at once, and at least two.
func WithSplit(parts int) Option {
	return func(s *settings) { s.parts = parts }
}

// WithKeepalive asks the server for a sign of life after so long without one while a call runs, at least 35 s. By
// default a broken connection shows when the operating system notices.
func WithKeepalive(after time.Duration) Option {
	return func(s *settings) { s.keepalive = after }
}

// WithLogger tells log of calls that are tried again and of calls that broke and went on. By default nothing is logged.
func WithLogger(log *slog.Logger) Option {
	return func(s *settings) { s.log = log }
}

// WithStatsHandler passes every event of the transport to h, such as OpenTelemetry's otelgrpc.NewClientHandler, which
// makes traces and metrics of them.
func WithStatsHandler(h stats.Handler) Option {
	return WithDialOptions(grpc.WithStatsHandler(h))
}

// WithDialOptions passes options to gRPC as they are: interceptors, a dialer, a service config. They are applied last
// and win over the client's own.
func WithDialOptions(opts ...grpc.DialOption) Option {
	return func(s *settings) { s.dial = append(s.dial, opts...) }
}
