package server

import (
	"context"
	"log/slog"
	"net"

	"google.golang.org/grpc/test/bufconn"
)

// InProcess starts a server in this process and returns a function that connects to it in memory. The server gives the
// same samples as any other. stop stops it and returns Serve's error.
func InProcess(c Config, log *slog.Logger) (dial func(context.Context, string) (net.Conn, error), stop func() error,
	err error) {
	s, err := New(c, log)
	if err != nil {
		return nil, nil, err
	}
	lis := bufconn.Listen(1 << 20)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, lis) }()
	dial = func(ctx context.Context, _ string) (net.Conn, error) { return lis.DialContext(ctx) }
	stop = func() error {
		cancel()
		return <-done
	}
	return dial, stop, nil
}
