package client

import (
	"fmt"

	"google.golang.org/grpc"

	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
)

// Client talks to a Langevin server over one gRPC channel. It is safe for concurrent use; one is enough for a program.
type Client struct {
	conn     *grpc.ClientConn
	sampling langevinv1.SamplingServiceClient
	models   langevinv1.ModelServiceClient
}

// New returns a client of the server at target: host:port, or any other name that gRPC knows, such as
// "dns:///langevin.example:50051" or "unix:///run/langevin.sock". Calls are spread over all addresses behind the name.
// If target is empty, it is the value of the environment variable LANGEVIN_SERVER, or else localhost:50051.
//
// New does no I/O: whether the server answers shows in the first call. Without [WithTLS] or
// [WithTransportCredentials] the connection is plaintext, which is fit for one machine or a private network only.
func New(target string, opts ...Option) (*Client, error) {
	s := newSettings(opts)
	target = orDefault(target)
	conn, err := grpc.NewClient(target, s.dialOptions()...)
	if err != nil {
		return nil, fmt.Errorf("client of %q: %w", target, err)
	}
	return &Client{
		conn:     conn,
		sampling: langevinv1.NewSamplingServiceClient(conn),
		models:   langevinv1.NewModelServiceClient(conn),
	}, nil
}

// Target is the name of the server, defaults filled in.
func (c *Client) Target() string { return c.conn.Target() }

// Close ends the calls that are still running and closes the connection.
func (c *Client) Close() error { return c.conn.Close() }
