package server

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	_ "google.golang.org/grpc/encoding/gzip" // lets clients compress
	"google.golang.org/grpc/keepalive"

	"github.com/langevin-ml/langevin/internal/loopback"
	"github.com/langevin-ml/langevin/server/auth"
)

// transport returns the options of connections. They set what grpc-go leaves unbounded by default.
func (s *Server) transport() ([]grpc.ServerOption, error) {
	c := s.config
	options := []grpc.ServerOption{
		grpc.MaxRecvMsgSize(c.GRPC.MaxReceiveBytes),
		grpc.MaxSendMsgSize(c.GRPC.MaxSendBytes),
		grpc.MaxConcurrentStreams(uint32(c.Limits.MaxStreams)),
		grpc.MaxHeaderListSize(uint32(c.Limits.MaxHeaderBytes)),
		grpc.ConnectionTimeout(c.GRPC.HandshakeTimeout),
		grpc.KeepaliveParams(keepalive.ServerParameters{
			Time:                  c.GRPC.KeepaliveTime,
			Timeout:               c.GRPC.KeepaliveTimeout,
			MaxConnectionAge:      c.GRPC.MaxConnectionAge, // grpc-go changes it by up to 10 %
			MaxConnectionAgeGrace: c.Limits.MaxCallTime,
		}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: c.GRPC.KeepaliveMinTime,
			PermitWithoutStream: true}),
		grpc.WaitForHandlers(true),
	}
	secure, err := s.secure("h2")
	if secure == nil {
		return options, err
	}
	return append(options, grpc.Creds(credentials.NewTLS(secure))), nil
}

// secure returns the TLS configuration of a listener for the given protocols; nil if connections are plaintext.
func (s *Server) secure(protocols ...string) (*tls.Config, error) {
	if s.config.TLS.Cert == "" {
		return nil, nil
	}
	return auth.TLS(auth.TLSFiles(s.config.TLS), s.log, protocols...)
}

// newGuard returns the guard of the configured tokens and quotas.
func newGuard(c Config, log *slog.Logger) (*auth.Guard, error) {
	quotas := auth.Quotas(c.Quota)
	if c.Auth.Tokens == "" {
		return auth.NewGuard(nil, quotas), nil
	}
	tokens, err := auth.OpenTokens(c.Auth.Tokens, log)
	if err != nil {
		return nil, err
	}
	return auth.NewGuard(tokens, quotas), nil
}

// socketScheme is the prefix of a Unix socket's address, as clients write it: unix:///run/langevin.sock.
const socketScheme = "unix://"

// Listen binds the configured address. It replaces a socket that a killed server left behind. A socket on which a
// server still answers is in use.
func (s *Server) Listen() (net.Listener, error) {
	network, address := "tcp", s.config.Listen
	if path, ok := strings.CutPrefix(s.config.Listen, socketScheme); ok {
		network, address = "unix", path
		if err := removeStaleSocket(path); err != nil {
			return nil, fmt.Errorf("listen on %s: %w", s.config.Listen, err)
		}
	}
	lis, err := net.Listen(network, address)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", s.config.Listen, err)
	}
	return s.bound(lis, "grpc", false), nil
}

// removeStaleSocket removes a socket on which nobody listens, and nothing else.
func removeStaleSocket(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("%s exists and is not a socket", path)
	}
	conn, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		return errors.Join(fmt.Errorf("%s: %w", path, syscall.EADDRINUSE), conn.Close())
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return err
	}
	return os.Remove(path)
}

func validListen(address string) bool {
	if path, ok := strings.CutPrefix(address, socketScheme); ok {
		return strings.HasPrefix(path, "/")
	}
	_, _, err := net.SplitHostPort(address)
	return err == nil
}

// local reports whether only this machine can reach an address.
func local(address string) bool {
	return strings.HasPrefix(address, socketScheme) || loopback.Only(address)
}

// validateSecurity reports mistakes in TLS, tokens and connections.
func (c Config) validateSecurity(require func(ok bool, key string, given any, want string)) {
	require((c.TLS.Cert == "") == (c.TLS.Key == ""), "tls.key", fmt.Sprintf("%q", c.TLS.Key),
		"a file if tls.cert names one, and none without")
	require(c.TLS.ClientCA == "" || c.TLS.Cert != "", "tls.client_ca", fmt.Sprintf("%q", c.TLS.ClientCA),
		"none without tls.cert")
	for _, f := range []struct{ key, file string }{
		{"tls.cert", c.TLS.Cert}, {"tls.key", c.TLS.Key},
		{"tls.client_ca", c.TLS.ClientCA}, {"auth.tokens", c.Auth.Tokens},
	} {
		info, err := os.Stat(f.file)
		require(f.file == "" || err == nil && !info.IsDir(), f.key, fmt.Sprintf("%q", f.file), "an existing file")
	}
	for _, address := range []string{c.Listen, c.HTTP.Listen} {
		private := c.TLS.Cert != "" || address == "" || local(address) || c.Auth.AllowPlaintext
		require(c.Auth.Tokens == "" || private, "auth.tokens", fmt.Sprintf("%q", c.Auth.Tokens),
			fmt.Sprintf("tls.cert and tls.key too, so that tokens do not cross the network of %s in the clear; "+
				"auth.allow_plaintext if a proxy encrypts", address))
	}
	most := mostConnections()
	require(c.Limits.MaxConnections >= 0 && c.Limits.MaxConnections <= most, "limits.max_connections",
		c.Limits.MaxConnections, fmt.Sprintf("0 to %d, a quarter of the files that this process may open (ulimit -n)",
			most))
}
