package client

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"
)

// channel makes calls over a gRPC channel that can be replaced by a new one, with new connections. Calls that run stay
// on the one where they began, and the last of them closes it. A channel is safe for concurrent use.
type channel struct {
	dial func() (*grpc.ClientConn, error)

	mu     sync.Mutex
	now    *grpc.ClientConn
	calls  map[*grpc.ClientConn]int // that run, of now and of those that were replaced and have some
	closed bool
}

func newChannel(dial func() (*grpc.ClientConn, error)) (*channel, error) {
	now, err := dial()
	if err != nil {
		return nil, err
	}
	return &channel{dial: dial, now: now, calls: map[*grpc.ClientConn]int{now: 0}}, nil
}

// begin returns what to make a call on. The caller has to call end when the call is over.
func (c *channel) begin() *grpc.ClientConn {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls[c.now]++
	return c.now
}

func (c *channel) end(conn *grpc.ClientConn) {
	c.mu.Lock()
	c.calls[conn]--
	unused := c.forget(conn)
	c.mu.Unlock()
	if unused {
		_ = conn.Close() // fails only if it is closed already
	}
}

// forget reports whether a channel was replaced and has no call left, so that the caller has to close it. The mutex is
// not held during that, because closing takes its time.
func (c *channel) forget(conn *grpc.ClientConn) bool {
	if conn == c.now || c.calls[conn] > 0 {
		return false
	}
	delete(c.calls, conn)
	return true
}

// renew replaces the gRPC channel if none of its connections leads to a server that is ready.
func (c *channel) renew() error {
	old, unused, err := c.replace()
	if unused {
		_ = old.Close()
	}
	return err
}

// replace is renew. It returns the channel that was replaced, if any, and whether to close it.
func (c *channel) replace() (old *grpc.ClientConn, unused bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || c.now.GetState() != connectivity.TransientFailure {
		return nil, false, nil
	}
	next, err := c.dial()
	if err != nil {
		return nil, false, err
	}
	old, c.now, c.calls[next] = c.now, next, 0
	return old, c.forget(old), nil
}

// close ends all calls.
func (c *channel) close() error {
	c.mu.Lock()
	c.closed = true
	open := slices.Collect(maps.Keys(c.calls))
	c.mu.Unlock()
	var errs []error
	for _, conn := range open {
		errs = append(errs, conn.Close())
	}
	return errors.Join(errs...)
}

// Invoke implements [grpc.ClientConnInterface].
func (c *channel) Invoke(ctx context.Context, method string, args, reply any, opts ...grpc.CallOption) error {
	conn := c.begin()
	defer c.end(conn)
	return conn.Invoke(ctx, method, args, reply, opts...)
}

// NewStream implements [grpc.ClientConnInterface]. The call is over when the context ends.
func (c *channel) NewStream(
	ctx context.Context, desc *grpc.StreamDesc, method string, opts ...grpc.CallOption,
) (grpc.ClientStream, error) {
	conn := c.begin()
	context.AfterFunc(ctx, func() { c.end(conn) })
	return conn.NewStream(ctx, desc, method, opts...)
}
