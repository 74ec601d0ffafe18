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
	"google.golang.org/grpc/backoff"
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
	keepaliveTimeout      = 10 * time.Second                        // for the answer to a ping
	defaultStallTimeout   = 10 * time.Second
	maxReconnectDelay     = 10 * time.Second // gRPC's 2 minutes would leave a server that is back without calls
	connectTimeout        = 10 * time.Second // for a new connection, until the server speaks HTTP/2

	// serviceConfig spreads calls over the servers behind a name that report that they serve.
	serviceConfig = `{"loadBalancingConfig":[{"round_robin":{}}],` +
		`"healthCheckConfig":{"serviceName":"langevin.v1.SamplingService"}}`
)

// MinStallTimeout is the shortest time of [WithStallTimeout]. Servers send several events in it.
const MinStallTimeout = time.Second

// DefaultTarget returns the target that [New] uses for the given one, which may be empty.
func DefaultTarget(target string) string {
	return cmp.Or(target, os.Getenv(serverVariable), defaultTarget)
}

// Option changes how [New] connects and how the client handles calls that fail.
type Option func(*settings)

type settings struct {
	credentials    credentials.TransportCredentials
	token          TokenFunc
	plaintextToken bool
	maxMessageSize int
	keepalive      time.Duration
	stall          time.Duration
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
	s.keepalive = cmp.Or(s.keepalive, minKeepalive)
	s.stall = cmp.Or(s.stall, defaultStallTimeout)
	s.retry = RetryPolicy{
		Attempts:  cmp.Or(s.retry.Attempts, defaultAttempts),
		BaseDelay: cmp.Or(s.retry.BaseDelay, defaultBaseDelay),
		MaxDelay:  cmp.Or(s.retry.MaxDelay, defaultMaxDelay),
		Outage:    s.retry.Outage,
		Handover:  cmp.Or(s.retry.Handover, defaultHandover),
	}
	return s
}

// check returns an error that lists all settings that are out of range.
func (s settings) check(target string) error {
	var errs []error
	require := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	require(s.maxMessageSize > 0, "WithMaxMessageSize is %d: want more than 0", s.maxMessageSize)
	require(s.parts >= 1 && s.parts <= maxParts, "WithSplit is %d: want 1 to %d", s.parts, maxParts)
	require(s.keepalive < 0 || s.keepalive >= minKeepalive,
		"WithKeepalive is %s: want at least %s, because servers close connections that ping more often",
		s.keepalive, minKeepalive)
	require(s.stall < 0 || s.stall >= MinStallTimeout,
		"WithStallTimeout is %s: want at least %s, because servers send an event every %s, or less than 0 for none",
		s.stall, MinStallTimeout, langevinv1.EventEvery)
	r := s.retry
	require(r.Attempts >= 1 && r.BaseDelay > 0 && r.MaxDelay >= r.BaseDelay,
		"WithRetry is %+v: want at least 1 attempt, and delays above 0, the largest last", r)
	require(r.Outage >= 0, "WithRetry has an outage of %s: want 0 or more", r.Outage)
	return errors.Join(append(errs, s.checkToken(target))...)
}

func (s settings) dialOptions(target string, known *connections) []grpc.DialOption {
	reconnect := backoff.DefaultConfig
	reconnect.MaxDelay = maxReconnectDelay
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(observed{s.credentials, known}),
		grpc.WithDefaultServiceConfig(serviceConfig),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: reconnect, MinConnectTimeout: connectTimeout}),
		// Only for the client's own calls: gRPC's health check would wait forever for a token that cannot be obtained.
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(s.maxMessageSize),
			grpc.PerRPCCredentials(placing{s.bearer(target)})),
	}
	if s.keepalive > 0 {
		options = append(options, grpc.WithKeepaliveParams(keepalive.ClientParameters{
			Time: s.keepalive, Timeout: keepaliveTimeout,
		}))
	}
	return append(options, s.dial...)
}

// WithTLS encrypts the connection. A nil config trusts the system's certificate authorities. For mutual TLS, put the
// client's certificate into config.
func WithTLS(config *tls.Config) Option {
	return WithTransportCredentials(credentials.NewTLS(config))
}

// WithTransportCredentials secures the connection with any credentials of gRPC.
func WithTransportCredentials(c credentials.TransportCredentials) Option {
	return func(s *settings) { s.credentials = c }
}

// WithMaxMessageSize bounds the size of one received message in bytes. The default of 16 MiB is far above what sampling
// needs, because servers send results in chunks of at most 1 MiB. The answer to a large Score may need more.
func WithMaxMessageSize(bytes int) Option {
	return func(s *settings) { s.maxMessageSize = bytes }
}

// WithRetry changes how calls that fail before their first answer are retried. Zero fields keep their defaults.
func WithRetry(p RetryPolicy) Option {
	return func(s *settings) { s.retry = p }
}

// WithResume lets a Sample call survive its server. If the connection breaks after the first event, the client makes
// another call, to any server that answers, and continues. It keeps the chains that were delivered: a server sends what
// has finished several times a second. It resumes the others from the last preview if that showed the state of every
// chain (PreviewOptions.Chains equal to N, and for a model of a table also Unfinished), and otherwise draws them from
// the start. If previews of chains that were delivered are still to come, those chains are drawn again too. Nothing is
// delivered twice. A server that is silent counts as broken, see [WithStallTimeout].
//
// The samples are bit for bit the samples of an unbroken call. Servers that have another model file or engine, such as
// the new ones of a rolling update, are passed over. If no other is found, the call fails with [ErrChanged]. An event
// [Resumed] reports the break. [WithRetry] decides how long to try: a server that restarts may need more than the
// default of about a second. Previews by Frames may come a step earlier or later than in an unbroken call.
func WithResume() Option {
	return func(s *settings) { s.resume = true }
}

// WithSplit draws every request for many chains in the given number of parts at once. The parts go in turn to the
// addresses behind the target: with three servers, WithSplit(3) lets all of them work on one request. The samples and
// events are bit for bit those of one call, except that chunks wait in memory for earlier chunks. A part has at least
// 16 chains, and the first part has all chains that previews show. All parts have the model and the engine of the part
// that begins first; servers with others are passed over, and if none is left the request fails with [ErrChanged].
//
// A Score, Encode, Decode or LogLikelihood with more rows than one call takes uses as many concurrent calls, and at
// least two. They have one model in the same way.
func WithSplit(parts int) Option {
	return func(s *settings) { s.parts = parts }
}

// WithStallTimeout changes how long a Sample call waits for a sign of its server. The default is 10 s. Servers send an
// event every 200 ms, also while a call waits in a queue or its model loads, so a call that hears nothing for this long
// is broken: its server is frozen, or the network is cut. It then fails with [ErrUnreachable], and goes on with another
// server if [WithResume] is set. A call that has not begun is made again in any case, as [WithRetry] says, and never
// waits for more than half of the time to its deadline.
//
// Signs are the call's own events and, because a large chunk can take long on a slow network, everything else that
// comes over its connection; the latter for at most six times as long. A connection without any sign is closed, so
// other calls notice too. The time in which the reader of events is busy does not count. The client cannot tell a
// server of version 0.1 that loads a model during a call from a frozen one; its calls are repeated, and succeed if one
// of the tries meets the loaded model.
//
// The time is at least [MinStallTimeout]; 0 stands for the default. With less than 0, calls wait forever.
func WithStallTimeout(after time.Duration) Option {
	return func(s *settings) { s.stall = after }
}

// WithKeepalive changes after what time without a message a server is pinged while a call runs; at least 35 s, which is
// the default and what 0 stands for. A connection is closed if a ping is not answered within 10 s, so a call that sends
// no events, such as Score, notices within 45 s that its server is frozen. With less than 0 there are no pings, and a
// broken connection is noticed when the operating system notices it.
func WithKeepalive(after time.Duration) Option {
	return func(s *settings) { s.keepalive = after }
}

// WithLogger logs calls that are retried and calls that broke and were resumed. By default nothing is logged.
func WithLogger(log *slog.Logger) Option {
	return func(s *settings) { s.log = log }
}

// WithStatsHandler passes every event of the transport to h, such as OpenTelemetry's otelgrpc.NewClientHandler, which
// turns them into traces and metrics.
func WithStatsHandler(h stats.Handler) Option {
	return WithDialOptions(grpc.WithStatsHandler(h))
}

// WithDialOptions passes options to gRPC unchanged: interceptors, a dialer, a service config. They are applied last and
// override the client's own.
func WithDialOptions(opts ...grpc.DialOption) Option {
	return func(s *settings) { s.dial = append(s.dial, opts...) }
}
