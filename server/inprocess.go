package server

import (
	"context"
	"log/slog"
	"net"

	"google.golang.org/grpc/test/bufconn"
)

// InProcess starts a server in this process and returns a function that connects to it in memory. The server gives the
// same samples as any other. Calls wait for models that load. stop stops it and returns Serve's error.
func InProcess(c Config, log *slog.Logger) (dial func(context.Context, string) (net.Conn, error), stop func() error,
	err error) {
	s, err := newServer(context.Background(), c, log, 0)
	if err != nil {
		return nil, nil, err
	}
	lis := bufconn.Listen(1 << 20)
	dial = func(ctx context.Context, _ string) (net.Conn, error) { return lis.DialContext(ctx) }
	return dial, s.start(lis), nil
}

// OnFreePort starts a server inside this process on a free port of this machine and returns its address. The address of
// c does not count. stop stops the server and returns Serve's error.
func OnFreePort(c Config, log *slog.Logger) (address string, stop func() error, err error) {
	c.Listen = "127.0.0.1:0"
	s, err := newServer(context.Background(), c, log, 0)
	if err != nil {
		return "", nil, err
	}
	lis, err := s.Listen()
	if err != nil {
		return "", nil, err
	}
	return lis.Addr().String(), s.start(lis), nil
}

// start serves on lis until stop is called, which returns Serve's error.
func (s *Server) start(lis net.Listener) (stop func() error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, lis) }()
	return func() error {
		cancel()
		return <-done
	}
}
