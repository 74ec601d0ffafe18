package client

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"google.golang.org/grpc/credentials"
)

// TokenFunc returns the bearer token of one call. It may be called concurrently and should return quickly.
type TokenFunc func(context.Context) (string, error)

// WithToken sends a bearer token with every call, streams included. [New] refuses it on a plaintext connection, because
// anybody on the network could read it, except over a Unix socket; see [WithPlaintextToken].
func WithToken(token string) Option {
	return WithTokenFunc(func(context.Context) (string, error) { return token, nil })
}

// WithTokenFunc is [WithToken] for tokens that change: f is called before every call.
func WithTokenFunc(f TokenFunc) Option {
	return func(s *settings) { s.token = f }
}

// WithPlaintextToken allows [WithToken] to send its token over a connection without encryption: to a loopback address
// or through a network that is private all the way.
func WithPlaintextToken() Option {
	return func(s *settings) { s.plaintextToken = true }
}

// bearer is per-call credentials. gRPC asks it for a token for every unary call and stream.
type bearer struct {
	token  TokenFunc
	secure bool // whether the connection must be encrypted
}

func (b bearer) RequireTransportSecurity() bool { return b.secure }

func (b bearer) GetRequestMetadata(ctx context.Context, _ ...string) (map[string]string, error) {
	token, err := b.token(ctx)
	if err != nil {
		return nil, fmt.Errorf("token: %w", err)
	}
	if token == "" || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, errors.New("token: want visible ASCII characters without spaces")
	}
	return map[string]string{"authorization": "Bearer " + token}, nil
}

// checkToken returns an error for a token that others could read on its way.
func (s settings) checkToken(target string) error {
	if s.token == nil || s.plaintextToken || s.encrypted() || strings.HasPrefix(target, "unix:") {
		return nil
	}
	return errors.New("a token over plaintext can be read by others: use WithTLS, " +
		"or WithPlaintextToken if the network is private")
}

func (s settings) encrypted() bool { return s.credentials.Info().SecurityProtocol != "insecure" }

// bearer returns the credentials of calls; nil without a token.
func (s settings) bearer(target string) credentials.PerRPCCredentials {
	if s.token == nil {
		return nil
	}
	return bearer{s.token, !s.plaintextToken && !strings.HasPrefix(target, "unix:")}
}
