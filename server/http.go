package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"syscall"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"

	"github.com/langevin-ml/langevin/internal/loopback"
	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
	"github.com/langevin-ml/langevin/server/rpc"
	"github.com/langevin-ml/langevin/server/web"
)

// HTTPConfig configures the HTTP listener: the page, JSON, Connect and gRPC-Web.
type HTTPConfig struct {
	Listen       string `mapstructure:"listen" help:"host:port for the page and JSON; empty means none"`
	Origins      string `mapstructure:"origins" help:"web pages that may call, as https://example.com, separated by spaces"`
	MaxBodyBytes int64  `mapstructure:"max_body_bytes" help:"size of the body of an HTTP request"`

	MaxOpenBodyBytes int64 `mapstructure:"max_open_body_bytes" help:"bytes of all bodies that are being read at any time, without the first 64 KiB of each; more requests are refused"`
}

// httpFrontend is the HTTP side of a server. Its gRPC server has the same services as the one on the gRPC listener. It
// is a separate server, because a graceful stop of a gRPC server cuts off calls that came in over HTTP.
type httpFrontend struct {
	listener net.Listener
	secure   bool
	http     *http.Server
	grpc     *grpc.Server
}

// ListenHTTP binds the address of http.listen, if it is set, and Serve then also answers HTTP. It must be called before
// Serve, if at all.
func (s *Server) ListenHTTP() error {
	address := s.config.HTTP.Listen
	if address == "" {
		return nil
	}
	lis, err := net.Listen("tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("listen for HTTP on %s: the port is in use: stop what uses it, "+
			"choose another with --http-listen, or serve no HTTP with --http-listen ''", address)
	}
	if err != nil {
		return fmt.Errorf("listen for HTTP on %s: %w", address, err)
	}
	if s.frontend, err = s.newHTTPFrontend(s.bound(unhurried{lis}, "http", true)); err != nil {
		return errors.Join(err, lis.Close())
	}
	return nil
}

// unhurried is a listener whose connections show the progress of slow clients soon: see [web.Config].Stalled.
type unhurried struct{ net.Listener }

// Accept implements [net.Listener].
func (l unhurried) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if tcp, ok := conn.(*net.TCPConn); ok {
		if raw, err := tcp.SyscallConn(); err == nil {
			keepLittleUnsent(raw)
		}
	}
	return conn, err
}

// HTTPAddress returns the address of the HTTP listener; nil without HTTP.
func (s *Server) HTTPAddress() net.Addr {
	if s.frontend == nil {
		return nil
	}
	return s.frontend.listener.Addr()
}

func (s *Server) newHTTPFrontend(lis net.Listener) (*httpFrontend, error) {
	c := s.config
	inner, err := s.newGRPC(nil)
	if err != nil {
		return nil, err
	}
	secure, err := s.secure("h2", "http/1.1")
	if err != nil {
		return nil, err
	}
	handler, err := web.Handler(inner, web.Config{
		Admit: s.admit, Arrive: s.arrive,
		MaxBodyBytes: c.HTTP.MaxBodyBytes, MaxOpenBodyBytes: c.HTTP.MaxOpenBodyBytes,
		Stalled: c.Limits.SlowReaderTimeout, MaxMessageBytes: c.GRPC.MaxReceiveBytes,
		Origins: strings.Fields(c.HTTP.Origins), Loopback: loopback.Only(lis.Addr().String()),
	})
	if err != nil {
		return nil, err
	}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(true) // for gRPC clients
	server := s.newHTTPServer(handler, protocols)
	server.TLSConfig = secure
	return &httpFrontend{lis, secure != nil, server, inner}, nil
}

// admit asks the guard whether a request over HTTP may call a method. The guard does not decide again about the call
// that is made with the request that is returned.
func (s *Server) admit(r *http.Request, method string) (*http.Request, bool) {
	caller := &peer.Peer{Addr: remote(r.RemoteAddr)}
	if r.TLS != nil {
		caller.AuthInfo = credentials.TLSInfo{State: *r.TLS}
	}
	headers := metadata.MD{"authorization": r.Header.Values("Authorization")}
	a := s.guard.Admit(metadata.NewIncomingContext(peer.NewContext(r.Context(), caller), headers), method)
	return r.WithContext(a.In(r.Context())), a.Err() == nil
}

// remote is the address of a client, as an HTTP server writes it.
type remote string

// Network implements [net.Addr].
func (remote) Network() string { return "tcp" }

func (a remote) String() string { return string(a) }

// arrive begins the visit of a request over HTTP.
func (s *Server) arrive(r *http.Request) (context.Context, web.Visit) {
	return rpc.Arrive(r.Context(), r.Header.Values(langevinv1.RequestIDHeader), s.log, s.metrics)
}

// url returns the address to open in a browser.
func (f *httpFrontend) url() string {
	scheme := "http"
	if f.secure {
		scheme = "https"
	}
	return scheme + "://" + f.listener.Addr().String()
}

// serve answers until shut down or stopped.
func (f *httpFrontend) serve() error {
	serve := f.http.Serve
	if f.secure {
		serve = func(lis net.Listener) error { return f.http.ServeTLS(lis, "", "") }
	}
	if err := serve(f.listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve HTTP on %s: %w", f.listener.Addr(), err)
	}
	return nil
}

// shutdown accepts no new requests and waits for the running ones. It may be called on nil.
func (f *httpFrontend) shutdown() {
	if f == nil {
		return
	}
	// Shutdown returns the listener's error, which Serve has already.
	_ = f.http.Shutdown(context.Background())
	f.grpc.Stop()
}

// stop ends the requests that are still running. It may be called on nil.
func (f *httpFrontend) stop() {
	if f == nil {
		return
	}
	_ = f.http.Close() // as in shutdown
	f.grpc.Stop()
}
