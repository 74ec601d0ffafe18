package client

import (
	"errors"
	"fmt"
	"log/slog"

	"google.golang.org/grpc"

	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
)

// Client talks to Langevin servers over one gRPC channel. It is safe for concurrent use; one is enough for a program.
type Client struct {
	target   string
	conn     *channel
	sampling langevinv1.SamplingServiceClient
	models   langevinv1.ModelServiceClient

	connections *connections

	retry  RetryPolicy
	resume bool
	parts  int // of a large request, see [WithSplit]
	log    *slog.Logger
}

// New returns a client of the server at target. A target is host:port, a list of addresses such as "a:50051,b:50051",
// or any other name that gRPC knows, such as "dns:///langevin.example:50051" or "unix:///run/langevin.sock". Calls are
// spread over all addresses behind the name whose servers report that they serve. If target is empty, it is the value
// of the environment variable LANGEVIN_SERVER, or else localhost:50051.
//
// New does no I/O: the first call shows whether the server answers. Without [WithTLS] or [WithTransportCredentials] the
// connection is plaintext, which is only suitable for one machine or a private network.
func New(target string, opts ...Option) (*Client, error) {
	target = DefaultTarget(target)
	c, err := newClient(target, newSettings(opts))
	if err != nil {
		return nil, fmt.Errorf("client of %q: %w", target, err)
	}
	return c, nil
}

func newClient(target string, s settings) (*Client, error) {
	name, resolve, err := targetOptions(target)
	if err := errors.Join(err, s.check(target)); err != nil {
		return nil, err
	}
	connections := newConnections(max(0, s.stall))
	options := append(resolve, s.dialOptions(target, connections)...)
	conn, err := newChannel(func() (*grpc.ClientConn, error) { return grpc.NewClient(name, options...) })
	if err != nil {
		return nil, err
	}
	return &Client{
		target:   target,
		conn:     conn,
		sampling: langevinv1.NewSamplingServiceClient(conn),
		models:   langevinv1.NewModelServiceClient(conn),

		connections: connections,
		retry:       s.retry, resume: s.resume, parts: s.parts, log: s.log,
	}, nil
}

// Target returns the name of the server, with defaults filled in.
func (c *Client) Target() string { return c.target }

// Close ends the calls that are still running and closes the connection.
func (c *Client) Close() error { return c.conn.close() }
