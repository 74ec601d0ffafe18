package server

import (
	"container/list"
	"errors"
	"log/slog"
	"math"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/time/rate"

	"github.com/langevin-ml/langevin/server/metrics"
)

// boundedListener bounds the open connections of a listener, all together and for each host. It closes what is beyond
// the bounds at once, so that nobody waits in the dark, and never runs out of descriptors. A new connection takes the
// place of the one that has been silent for longest, so that those who only connect do not keep others out.
type boundedListener struct {
	net.Listener
	most, perHost int           // perHost is 0 for no bound
	unread        time.Duration // how long the network may leave sent bytes unconfirmed
	byRequest     bool          // an HTTP server says when a connection is silent, see [boundedConn.change]
	log           *slog.Logger
	count         *metrics.Connections
	closed        chan struct{}
	close         sync.Once

	mu     sync.Mutex
	open   int
	turned int // connections refused, or closed to make room
	told   rate.Sometimes
	hosts  map[netip.Prefix]int
	silent list.List // of *boundedConn that owe the server something, the one that has been silent for longest first
}

// bound returns a listener with the configured bounds. name identifies it in the log and in metrics. A connection is
// silent until it has sent something; with byRequest, whenever the server waits for a request or its body.
func (s *Server) bound(lis net.Listener, name string, byRequest bool) net.Listener {
	limits := s.config.Limits
	most := limits.MaxConnections
	if most == 0 {
		most = min(mostConnections(), usualConnections)
	}
	return &boundedListener{
		Listener: lis, most: most, perHost: limits.MaxConnectionsPerHost, unread: s.config.GRPC.KeepaliveTimeout,
		byRequest: byRequest,
		log:       s.log.With("listener", name, "address", lis.Addr().String()),
		count:     s.metrics.Connections(name), closed: make(chan struct{}),
		told: rate.Sometimes{First: 1, Interval: 10 * time.Second}, hosts: make(map[netip.Prefix]int),
	}
}

// usualConnections is the default bound where the process may open enough files. An idle gRPC connection takes some
// 20 kB, so a listener that is full of them takes some 80 MB.
const usualConnections = 4096

// mostConnections returns the largest bound of a listener. There are three of them, and a quarter of the files that the
// process may open is left for models and everything else. Go has raised the soft limit to the hard one at the start.
func mostConnections() int {
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil {
		return usualConnections
	}
	return int(min(files.Cur, math.MaxInt32) / 4)
}

// Accept returns the next connection within the bounds. If the machine or the process has no room for a connection, it
// says so and tries again later: the connections that are open still work.
func (l *boundedListener) Accept() (net.Conn, error) {
	var wait time.Duration
	for {
		conn, err := l.Listener.Accept()
		switch {
		case err == nil:
			wait = 0
			if c := l.admit(conn); c != nil {
				return c, nil
			}
		case !exhausted(err):
			return nil, err
		default:
			wait = min(max(2*wait, 5*time.Millisecond), time.Second)
			l.starved(err)
			select {
			case <-l.closed: // Accept says so
			case <-time.After(wait):
			}
		}
	}
}

// exhausted reports whether a connection could not be accepted for want of descriptors or memory.
func exhausted(err error) bool {
	for _, want := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM} {
		if errors.Is(err, want) {
			return true
		}
	}
	return false
}

func (l *boundedListener) starved(err error) {
	l.count.Failed()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.told.Do(func() {
		l.log.Error("connections wait: the process can open no more files", "open", l.open, "error", err)
	})
}

// Close closes the listener and not its connections.
func (l *boundedListener) Close() error {
	l.close.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// admit returns the connection if it is within the bounds. Otherwise it closes it and returns nil.
func (l *boundedListener) admit(conn net.Conn) net.Conn {
	setUserTimeout(conn, l.unread)
	c := &boundedConn{Conn: conn, owner: l, host: networkOf(conn.RemoteAddr())}
	surplus, setting := l.enter(c)
	if surplus != nil {
		l.turnAway(surplus, setting)
	}
	if surplus == c {
		return nil
	}
	return c
}

// enter counts a connection. If there is one too many, it returns the one to close, and the setting that says so. That
// is the new one unless another has been silent.
func (l *boundedListener) enter(c *boundedConn) (surplus *boundedConn, setting string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.perHost > 0 && c.host.IsValid() && l.hosts[c.host] >= l.perHost {
		return c, "limits.max_connections_per_host"
	}
	if l.open >= l.most {
		surplus, setting = c, "limits.max_connections"
		if oldest := l.silent.Front(); oldest != nil {
			surplus = oldest.Value.(*boundedConn)
			l.forget(surplus)
		} else {
			return surplus, setting
		}
	}
	l.open++
	l.hosts[c.host]++
	c.silent = l.silent.PushBack(c)
	l.count.Open(l.open)
	return surplus, setting
}

// turnAway closes a connection that is one too many. A flood of them gives a line every ten seconds.
func (l *boundedListener) turnAway(c *boundedConn, setting string) {
	_ = c.Conn.Close() // nobody can mend what it reports
	l.count.Refused(setting)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.turned++
	l.told.Do(func() {
		l.log.Warn("too many connections: closed one", "of", c.RemoteAddr().String(), "bound", setting,
			"open", l.open, "closed_since_start", l.turned)
	})
}

// heard notes that a connection has sent something.
func (l *boundedListener) heard(c *boundedConn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.spoke(c)
}

// spoke takes a connection from the silent ones. The caller holds mu.
func (l *boundedListener) spoke(c *boundedConn) {
	if c.silent != nil {
		l.silent.Remove(c.silent)
		c.silent = nil
	}
}

// leave takes a connection out of the count.
func (l *boundedListener) leave(c *boundedConn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.forget(c)
	l.count.Open(l.open)
}

// forget takes a connection out of the count, once. The caller holds mu.
func (l *boundedListener) forget(c *boundedConn) {
	if c.left {
		return
	}
	c.left = true
	l.spoke(c)
	l.open--
	if l.hosts[c.host]--; l.hosts[c.host] == 0 {
		delete(l.hosts, c.host)
	}
}

// boundedConn is a connection that its listener counts.
type boundedConn struct {
	net.Conn
	owner *boundedListener
	host  netip.Prefix
	spoke atomic.Bool

	// owner.mu guards the rest.
	silent   *list.Element // its place among the silent ones
	left     bool
	active   bool // an HTTP server has a request of it
	requests int  // that are being answered
	awaited  int  // of those, how many wait for their bodies
}

func (c *boundedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 && !c.owner.byRequest && c.spoke.CompareAndSwap(false, true) {
		c.owner.heard(c)
	}
	return n, err
}

// Close may be called more than once.
func (c *boundedConn) Close() error {
	c.owner.leave(c)
	return c.Conn.Close()
}

// networkOf returns the host of an address as bounds see it: an IPv4 address, or the /64 network of an IPv6 address,
// of which one host usually has all. It is invalid for an address of no network, as that of a Unix socket.
func networkOf(address net.Addr) netip.Prefix {
	tcp, ok := address.(*net.TCPAddr)
	if !ok {
		return netip.Prefix{}
	}
	ip := tcp.AddrPort().Addr().Unmap().WithZone("")
	bits := ip.BitLen()
	if ip.Is6() {
		bits = 64
	}
	network, err := ip.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return network
}
