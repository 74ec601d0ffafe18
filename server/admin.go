package server

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"net/url"
	"strings"
	"time"

	healthv1 "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/langevin-ml/langevin/internal/loopback"
	"github.com/langevin-ml/langevin/server/metrics"
	"github.com/langevin-ml/langevin/server/web"
)

// adminHandler routes gRPC to the admin services and other requests to the pages.
func (s *Server) adminHandler() http.Handler {
	services := s.adminServices()
	mux := http.NewServeMux()
	mux.Handle("POST /langevin.v1.AdminService/", services)
	mux.Handle("POST /langevin.v1.ModelService/", services)
	mux.Handle("POST /grpc.health.v1.Health/", services)
	mux.Handle("POST /grpc.reflection.v1.ServerReflection/", services)
	mux.Handle("POST /grpc.reflection.v1alpha.ServerReflection/", services)
	s.handleProbes(mux)
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	return s.guardAdmin(known(mux, "/metrics, /healthz, /readyz and /debug/pprof/, and for gRPC "+
		"langevin.v1.AdminService, langevin.v1.ModelService and grpc.health.v1.Health"))
}

// adminServices answers gRPC. The client of a stream may wait for as long as it likes before its next message.
func (s *Server) adminServices() http.Handler {
	services := s.newAdminGRPC()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// A connection without deadlines has none to remove.
		_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
		services.ServeHTTP(w, r)
	})
}

// known answers requests for which mux has nothing: with the method that a path has, or with the paths that there are.
func known(mux *http.ServeMux, paths string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, pattern := mux.Handler(r); pattern != "" {
			mux.ServeHTTP(w, r)
			return
		}
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			if _, pattern := mux.Handler(&http.Request{Method: method, URL: r.URL, Host: r.Host}); pattern != "" {
				w.Header().Set("Allow", method)
				text := fmt.Sprintf("%.20s %.80q: want %s", r.Method, r.URL.Path, method)
				http.Error(w, text, http.StatusMethodNotAllowed)
				return
			}
		}
		http.Error(w, fmt.Sprintf("%.80q is not here: there are %s", r.URL.Path, paths), http.StatusNotFound)
	})
}

// guardAdmin refuses requests of web pages, and requests for other hosts unless they are allowed. Otherwise a page in a
// browser could start profiles, or give its own name this machine's address and read the answers.
func (s *Server) guardAdmin(next http.Handler) http.Handler {
	return guardPages(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := (&url.URL{Host: r.Host}).Hostname()
		if !s.config.Admin.AllowRemote && !loopback.Only(net.JoinHostPort(host, "0")) {
			http.Error(w, "this listener answers for localhost only", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	}))
}

// guardPages refuses requests of web pages of other origins.
func guardPages(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		web.SecurityHeaders(w.Header())
		if err := http.NewCrossOriginProtection().Check(asUnsafe(r)); err != nil {
			http.Error(w, "this listener does not answer pages of other origins", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// asUnsafe returns a request with the headers of r and a method that changes something. The protection against other
// origins lets all others pass.
func asUnsafe(r *http.Request) *http.Request {
	return &http.Request{Method: http.MethodPost, Header: r.Header, Host: r.Host, URL: r.URL}
}

// answerHealth answers with the health of a service in one word, and status 200 or 503.
func (s *Server) answerHealth(service string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		resp, err := s.health.Check(r.Context(), &healthv1.HealthCheckRequest{Service: service})
		if err != nil || resp.GetStatus() != healthv1.HealthCheckResponse_SERVING {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		fmt.Fprintln(w, strings.ToLower(resp.GetStatus().String()))
	}
}

// states describes the loaded models for a scrape.
func (s *Server) states() []metrics.State {
	var states []metrics.State
	for _, loaded := range s.host.Ready() {
		e, engine := loaded.Entry, loaded.Value
		stats := engine.Scheduler.Stats()
		states = append(states, metrics.State{
			Model: e.Name, Version: e.Version, Digest: e.Digest, Device: engine.Device, Requested: s.config.Device,
			Runtime: s.runtime.Version(), Load: engine.LoadTime, Warm: engine.WarmTime,
			Waiting: stats.Waiting, Running: stats.Running, Open: stats.Jobs,
		})
		loaded.Release()
	}
	return states
}

// heartbeat updates the health of "liveness" until ctx ends. It is not serving while a worker does not return from the
// network's runtime.
func (s *Server) heartbeat(ctx context.Context) {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		ok := true
		for _, loaded := range s.host.Ready() {
			if stuck := loaded.Value.Scheduler.LongestTick(); stuck > maxTick {
				ok = false
				s.log.Error("a tick does not end", "model", loaded.Entry.Name, "version", loaded.Entry.Version,
					"running_for", stuck)
			}
			loaded.Release()
		}
		s.health.live(ok)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

const (
	livenessService = "liveness"

	// maxTick is the time after which a tick counts as stuck. The papers' largest network takes a second or two on a
	// CPU.
	maxTick = time.Minute
)
