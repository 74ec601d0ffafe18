package web

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// guard refuses requests that other web pages make a browser send, bounds requests, and sets security headers.
func guard(next http.Handler, c Config) (http.Handler, error) {
	foreign := http.NewCrossOriginProtection()
	for _, origin := range c.Origins {
		if err := foreign.AddTrustedOrigin(origin); err != nil {
			return nil, fmt.Errorf("web: origin %q: want scheme://host, such as https://example.com: %w", origin, err)
		}
	}
	foreign.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		writeProblem(w, r, refused("a page of %s asked: this server answers its own page, and those of http.origins",
			r.Header.Get("Origin")))
	}))
	protected := foreign.Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		SecurityHeaders(w.Header())
		if c.Loopback && !namedWithoutDNS(r.Host) &&
			!slices.ContainsFunc(c.Origins, func(o string) bool { return hostOf(o) == r.Host }) {
			writeProblem(w, r, refused("asked for as %q: this server is for its own machine, as localhost or by "+
				"address", r.Host))
			return
		}
		if origin := r.Header.Get("Origin"); origin != "" && slices.Contains(c.Origins, origin) {
			share(w.Header(), origin)
			if r.Method == http.MethodOptions {
				w.WriteHeader(http.StatusNoContent)
				return
			}
		}
		r.Body = http.MaxBytesReader(w, r.Body, c.MaxBodyBytes)
		if r.ContentLength > c.MaxBodyBytes {
			r.Body = overlong{c.MaxBodyBytes}
		}
		protected.ServeHTTP(&patientWriter{w, c.Stalled}, r)
	}), nil
}

// SecurityHeaders prevents a page from loading anything from other servers, and other pages from framing it.
func SecurityHeaders(h http.Header) {
	h.Set("Content-Security-Policy",
		"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "+
			"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
}

// share tells a browser that pages of origin may call and read the answers.
func share(h http.Header, origin string) {
	h.Add("Vary", "Origin")
	h.Set("Access-Control-Allow-Origin", origin)
	h.Set("Access-Control-Allow-Methods", "GET, POST")
	h.Set("Access-Control-Allow-Headers",
		"Accept, Authorization, Content-Encoding, Content-Type, Connect-Protocol-Version, Connect-Timeout-Ms, "+
			"Grpc-Timeout, X-Grpc-Web, X-User-Agent, X-Request-Id")
	h.Set("Access-Control-Expose-Headers",
		"Grpc-Status, Grpc-Message, Grpc-Status-Details-Bin, Retry-After, X-Request-Id, "+
			"X-Approximate, X-Effective-Size, X-Log-Evidence, X-Collapsed")
	h.Set("Access-Control-Max-Age", "7200")
}

// namedWithoutDNS reports whether a Host header is an address or localhost. No name server of somebody else can claim
// those.
func namedWithoutDNS(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	_, err := netip.ParseAddr(strings.Trim(name, "[]"))
	return err == nil || name == "localhost" || strings.HasSuffix(name, ".localhost")
}

func hostOf(origin string) string {
	_, host, _ := strings.Cut(origin, "://")
	return host
}

// patientWriter renews the deadline of the connection whenever the client has read a little. So a slow client gets an
// answer of any size, and a stream may last for hours, but a client that stops reading cannot keep it open.
type patientWriter struct {
	http.ResponseWriter
	stalled time.Duration
}

// piece is the number of bytes that a client must read in time.
const piece = 16 << 10

func (w *patientWriter) Write(p []byte) (int, error) {
	written := 0
	for {
		w.extend()
		n, err := w.ResponseWriter.Write(p[written:min(len(p), written+piece)])
		if written += n; err != nil || written == len(p) {
			return written, err
		}
	}
}

func (w *patientWriter) WriteHeader(status int) {
	if status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer realm="langevin"`)
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *patientWriter) Flush() {
	w.extend()
	// The next write reports the error.
	_ = http.NewResponseController(w.ResponseWriter).Flush()
}

func (w *patientWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// extend sets the deadline of the next write. A connection without deadlines, as in tests, has none.
func (w *patientWriter) extend() {
	_ = http.NewResponseController(w.ResponseWriter).SetWriteDeadline(time.Now().Add(w.stalled))
}
