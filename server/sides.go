package server

import (
	"errors"
	"fmt"
	"net"
	"net/http"

	"github.com/langevin-ml/langevin/server/web"
)

// side is a listener next to those for calls.
type side struct {
	server *http.Server
	ended  chan error
}

// sides is the listener of admin.listen, for metrics, profiles, health and AdminService, and that of metrics.listen,
// for metrics and health alone, as far as they have an address.
type sides []*side

// listenSides opens the side listeners.
func (s *Server) listenSides() (opened sides, err error) {
	for _, l := range []struct {
		name, address string
		handler       func() http.Handler
		grpc          bool
	}{
		{"admin", s.config.Admin.Listen, s.adminHandler, true},
		{"metrics", s.config.Metrics.Listen, s.metricsHandler, false},
	} {
		if l.address == "" {
			continue
		}
		lis, err := net.Listen("tcp", l.address)
		if err != nil {
			err = fmt.Errorf("%s.listen: %w: choose another address, or an empty one for none", l.name, err)
			return nil, errors.Join(err, opened.close())
		}
		protocols := new(http.Protocols)
		protocols.SetHTTP1(true)
		protocols.SetUnencryptedHTTP2(l.grpc)
		lis = s.bound(lis, l.name, true)
		o := &side{s.newHTTPServer(web.Recorded(l.handler(), s.arrive), protocols), make(chan error, 1)}
		go func() { o.ended <- o.server.Serve(lis) }()
		s.log.Info(l.name+" listener", "address", lis.Addr().String())
		opened = append(opened, o)
	}
	return opened, nil
}

// close closes the listeners at once, because their answers have no value without the server.
func (all sides) close() error {
	var errs []error
	for _, o := range all {
		errs = append(errs, o.server.Close())
		if ended := <-o.ended; !errors.Is(ended, http.ErrServerClosed) {
			errs = append(errs, ended)
		}
	}
	return errors.Join(errs...)
}

// metricsHandler answers probes and scrapes of other machines.
func (s *Server) metricsHandler() http.Handler {
	mux := http.NewServeMux()
	s.handleProbes(mux)
	return guardPages(known(mux, "/metrics, /healthz and /readyz"))
}

// handleProbes answers for metrics and health.
func (s *Server) handleProbes(mux *http.ServeMux) {
	mux.Handle("GET /metrics", s.metrics.Handler())
	mux.HandleFunc("GET /healthz", s.answerHealth(livenessService))
	mux.HandleFunc("GET /readyz", s.answerHealth(""))
}
