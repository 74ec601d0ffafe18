package client

import (
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/credentials"
)

const (
	// silenceTicks is how many ticks make up the stall timeout. Silence is counted in ticks and not by the clock, so
	// that a client that was itself stopped for a minute has not heard a minute of silence.
	silenceTicks = 20

	// wordlessTicks is how long a call may go without an event while its connection transfers something: a large chunk
	// on a slow network, or the events of other calls.
	wordlessTicks = 6 * silenceTicks
)

// connections are the open connections of a client. They are safe for concurrent use.
type connections struct {
	timeout time.Duration // for silence; 0: silence is not counted

	mu   sync.Mutex
	open map[*connection]bool
}

func newConnections(timeout time.Duration) *connections {
	return &connections{timeout: timeout, open: map[*connection]bool{}}
}

// without returns the number of open connections that are not in the given set.
func (all *connections) without(some map[*connection]bool) int {
	all.mu.Lock()
	defer all.mu.Unlock()
	n := 0
	for c := range all.open {
		if !some[c] {
			n++
		}
	}
	return n
}

// add makes a connection of conn. The caller has to close it.
func (all *connections) add(conn net.Conn) *connection {
	c := &connection{Conn: conn, all: all, calls: map[*attempt]bool{}}
	all.mu.Lock()
	defer all.mu.Unlock()
	all.open[c] = true
	return c
}

// connection is a connection to a server, which closes itself if calls wait and nothing comes for the stall timeout.
// gRPC then makes a new one as soon as the server answers, and until then sends calls to the other servers.
type connection struct {
	net.Conn // nil if a transport of the user's own hides which connection a call has
	all      *connections
	heard    atomic.Int64 // how often something came
	broken   atomic.Bool  // closed because of silence

	mu     sync.Mutex
	calls  map[*attempt]bool // the ones that wait for events
	timer  *time.Timer       // of the next tick; nil without calls
	before int64             // heard at the last tick
	silent int               // ticks without a sign of the server while a call waited
}

// Read implements [net.Conn].
func (c *connection) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 {
		c.heard.Add(1)
	}
	return n, c.cause(err)
}

// Write implements [net.Conn].
func (c *connection) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	return n, c.cause(err)
}

// cause returns why the connection has an error: it may have been closed on this side.
func (c *connection) cause(err error) error {
	if err != nil && c.broken.Load() {
		return silentError(c.all.timeout)
	}
	return err
}

// Close implements [net.Conn].
func (c *connection) Close() error {
	c.all.mu.Lock()
	delete(c.all.open, c)
	c.all.mu.Unlock()
	return c.Conn.Close()
}

// LocalAddr implements [net.Conn]. gRPC shows this address to the call that gets the connection.
func (c *connection) LocalAddr() net.Addr { return localAddress{c.Conn.LocalAddr(), c} }

// localAddress is the address of this end of a connection.
type localAddress struct {
	net.Addr
	of *connection
}

// silentError is what ends calls: the time for which nothing came.
type silentError time.Duration

func (e silentError) Error() string {
	return fmt.Sprintf("nothing came for %s, so the server hangs or the network is cut",
		time.Duration(e))
}

// join begins to count the silence that a call hears.
func (c *connection) join(a *attempt) {
	if c.all.timeout <= 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls[a] = true
	if c.timer == nil {
		c.timer = time.AfterFunc(c.all.timeout/silenceTicks, c.tick)
	}
}

func (c *connection) leave(a *attempt) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.calls, a)
	if len(c.calls) == 0 && c.timer != nil {
		c.timer.Stop()
		c.timer = nil
	}
}

// tick counts silence, and ends what has heard too much of it.
func (c *connection) tick() {
	c.mu.Lock()
	defer c.mu.Unlock()
	waiting := false
	for a := range c.calls {
		waiting = a.tick() || waiting
	}
	switch heard := c.heard.Load(); {
	case heard != c.before:
		c.before, c.silent = heard, 0
	case waiting:
		c.silent++
	}
	for a := range c.calls {
		quiet := int(a.quiet.Load())
		if silent := min(quiet, c.silent); silent >= a.patience() {
			a.cancel(c.silence(silent))
		} else if quiet >= wordlessTicks {
			a.cancel(c.silence(quiet))
		}
	}
	if c.silent >= silenceTicks && c.Conn != nil && c.broken.CompareAndSwap(false, true) {
		_ = c.Close() // ends the calls that began later, too
	}
	if c.timer != nil {
		c.timer.Reset(c.all.timeout / silenceTicks)
	}
}

// silence returns the error for a number of ticks.
func (c *connection) silence(ticks int) silentError {
	return silentError(c.all.timeout * time.Duration(ticks) / silenceTicks)
}

// observed is credentials whose connections are known to the client.
type observed struct {
	credentials.TransportCredentials
	connections *connections
}

// ClientHandshake implements [credentials.TransportCredentials].
func (o observed) ClientHandshake(ctx context.Context, authority string, conn net.Conn) (net.Conn,
	credentials.AuthInfo, error) {
	c := o.connections.add(conn)
	secured, info, err := o.TransportCredentials.ClientHandshake(ctx, authority, c)
	if err != nil {
		_ = c.Close()
	}
	return secured, info, err
}

// Clone implements [credentials.TransportCredentials].
func (o observed) Clone() credentials.TransportCredentials {
	return observed{o.TransportCredentials.Clone(), o.connections}
}
