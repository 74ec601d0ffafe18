// Package proxy forwards TCP connections for tests and spoils them. It delays what passes, cuts connections, and holds
// everything back while connections stay open, as a network does that loses every packet. It counts what each fault has
// hit, so that a test can prove that the fault happened.
package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Proxy forwards connections to a target. Its methods are safe for concurrent use.
type Proxy struct {
	listener net.Listener
	ctx      context.Context
	stop     context.CancelFunc
	running  sync.WaitGroup

	mu     sync.Mutex
	target string
	delay  time.Duration
	held   chan struct{}  // closed when what is held may pass; nil while nothing is held
	open   map[*pair]bool // connections that are forwarded
	hits   [kinds]atomic.Int64
}

// Hits counts what the faults have hit.
type Hits struct {
	Delayed int64 // pieces of data that were delayed
	Held    int64 // pieces of data that were held back, and connections that came meanwhile
	Cut     int64 // connections that were cut
}

const (
	delayed = iota
	held
	cut
	kinds
)

// New starts a proxy on a free port of this machine. The caller must close it.
func New(target string) (*Proxy, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("proxy of %s: %w", target, err)
	}
	ctx, stop := context.WithCancel(context.Background())
	p := &Proxy{listener: listener, ctx: ctx, stop: stop, target: target, open: map[*pair]bool{}}
	p.running.Go(p.accept)
	return p, nil
}

// Address returns host:port, where the proxy accepts connections.
func (p *Proxy) Address() string { return p.listener.Addr().String() }

// Retarget sends later connections to another target.
func (p *Proxy) Retarget(target string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.target = target
}

// Delay holds back every later piece of data for d. Zero ends it.
func (p *Proxy) Delay(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delay = d
}

// Blackhole holds back everything until restore is called. Connections stay open, and new ones are accepted and get no
// answer. Nothing is lost: what was held passes afterwards, as TCP sends again what the network lost.
func (p *Proxy) Blackhole() (restore func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.held == nil {
		p.held = make(chan struct{})
	}
	hole := p.held
	return sync.OnceFunc(func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.held == hole {
			close(hole)
			p.held = nil
		}
	})
}

// Cut resets all connections. It returns their number.
func (p *Proxy) Cut() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.open {
		c.reset()
		p.hits[cut].Add(1)
	}
	return len(p.open)
}

// Hits returns what the faults have hit so far.
func (p *Proxy) Hits() Hits {
	return Hits{Delayed: p.hits[delayed].Load(), Held: p.hits[held].Load(), Cut: p.hits[cut].Load()}
}

// Close ends all connections and waits for the proxy's goroutines.
func (p *Proxy) Close() error {
	p.stop()
	err := p.listener.Close()
	p.mu.Lock()
	for c := range p.open {
		c.reset()
	}
	p.mu.Unlock()
	p.running.Wait()
	return err
}

func (p *Proxy) accept() {
	for {
		conn, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.running.Go(func() { p.forward(conn) })
	}
}

// forward connects a client with the target, until one of them hangs up.
func (p *Proxy) forward(client net.Conn) {
	defer client.Close()
	ctx, cancel := context.WithCancel(p.ctx)
	defer cancel()
	c := &pair{client: client, cancel: cancel}
	p.mu.Lock()
	p.open[c] = true
	target := p.target
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.open, c)
	}()
	if !p.pass(ctx, false) {
		return
	}
	server, err := (&net.Dialer{}).DialContext(ctx, "tcp", target)
	if err != nil {
		return
	}
	defer server.Close()
	context.AfterFunc(ctx, func() { server.Close() })
	var both sync.WaitGroup
	both.Go(func() { p.copy(ctx, server, client) })
	both.Go(func() { p.copy(ctx, client, server) })
	both.Wait()
}

// pair is a forwarded connection.
type pair struct {
	client net.Conn
	cancel context.CancelFunc
}

// reset ends a connection as a crashed peer does, without a farewell.
func (c *pair) reset() {
	if tcp, ok := c.client.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // else it ends with a farewell, which is a fault too
	}
	c.client.Close()
	c.cancel()
}

// copy forwards one direction, and tells the receiver when the sender has ended.
func (p *Proxy) copy(ctx context.Context, to, from net.Conn) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			if !p.pass(ctx, true) {
				return
			}
			if _, err := to.Write(buffer[:n]); err != nil {
				from.Close()
				return
			}
		}
		if errors.Is(err, io.EOF) {
			if half, ok := to.(*net.TCPConn); ok {
				_ = half.CloseWrite() // it may be closed already
			}
			return
		}
		if err != nil {
			to.Close()
			return
		}
	}
}

// pass waits for as long as the faults want. It reports whether the connection is still there. Only data is delayed.
func (p *Proxy) pass(ctx context.Context, data bool) bool {
	p.mu.Lock()
	delay, hole := p.delay, p.held
	p.mu.Unlock()
	if data && delay > 0 {
		p.hits[delayed].Add(1)
		timer := time.NewTimer(delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return false
		}
	}
	if hole != nil {
		p.hits[held].Add(1)
		select {
		case <-hole:
		case <-ctx.Done():
		}
	}
	return ctx.Err() == nil
}
