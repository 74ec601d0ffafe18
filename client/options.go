package client

import (
	"cmp"
	"crypto/tls"
	"os"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
)

const (
	serverVariable        = "LANGEVIN_SERVER"
	defaultTarget         = "localhost:50051"
	defaultMaxMessageSize = 16 << 20
	serviceConfig         = `{"loadBalancingConfig":[{"round_robin":{}}]}`
)

func orDefault(target string) string {
	return cmp.Or(target, os.Getenv(serverVariable), defaultTarget)
}

// Option changes how [New] connects.
type Option func(*settings)

type settings struct {
	credentials    credentials.TransportCredentials
	maxMessageSize int
	dial           []grpc.DialOption
}

func newSettings(opts []Option) settings {
	s := settings{credentials: insecure.NewCredentials(), maxMessageSize: defaultMaxMessageSize}
	for _, o := range opts {
		o(&s)
	}
	return s
}

func (s settings) dialOptions() []grpc.DialOption {
	return append([]grpc.DialOption{
		grpc.WithTransportCredentials(s.credentials),
		grpc.WithDefaultServiceConfig(serviceConfig),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(s.maxMessageSize)),
	}, s.dial...)
}

// WithTLS encrypts the connection. A nil config trusts the system's certificate authorities.
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

// WithDialOptions passes options to gRPC as they are: interceptors, statistics, keepalive, per-call credentials, a
// dialer. They are applied last and win over the client's own.
func WithDialOptions(opts ...grpc.DialOption) Option {
	return func(s *settings) { s.dial = append(s.dial, opts...) }
}
