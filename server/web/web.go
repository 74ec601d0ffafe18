// Package web puts HTTP in front of a gRPC server: a page to watch chains in, JSON for curl, and the Connect and gRPC-Web
// protocols for programs in a browser. Every request becomes a call of the gRPC server and passes its interceptors, so
// that request ids, limits and errors are those of gRPC.
package web

import (
	"fmt"
	"mime"
	"net/http"
	"time"

	"connectrpc.com/vanguard"
	"connectrpc.com/vanguard/vanguardgrpc"
	"google.golang.org/grpc"
)

// Config says what a [Handler] lets in.
type Config struct {
	// MaxBodyBytes bounds the body of one request; at least 1.
	MaxBodyBytes int64
	// MaxMessageBytes bounds one message inside of it, decompressed; at least 1.
	MaxMessageBytes int
	// Origins are the pages, as https://example.com, that may ask besides the server's own. None is the default.
	Origins []string
	// Loopback says that the server listens for this machine alone. Requests must then name it by an address or as
	// localhost: a page that points a name of its own at this machine is turned away.
	Loopback bool
}

// stalled is how long one write to a client may take.
const stalled = time.Minute

// Handler returns a handler in front of g, which has all its services registered. It is safe for concurrent use.
// To stop, shut down the HTTP server first and g afterwards: a gRPC server that stops cuts off what still runs.
func Handler(g *grpc.Server, c Config) (http.Handler, error) {
	transcoder, err := vanguardgrpc.NewTranscoder(g,
		vanguard.WithDefaultServiceOptions(vanguard.WithMaxMessageBufferBytes(uint32(c.MaxMessageBytes))))
	if err != nil {
		return nil, fmt.Errorf("web: transcode for gRPC: %w", err)
	}
	files, err := newPage()
	if err != nil {
		return nil, fmt.Errorf("web: the page: %w", err)
	}
	rest := &rest{calls: caller{server: g, maxMessageBytes: c.MaxMessageBytes}}
	mux := http.NewServeMux()
	mux.Handle("/", files)
	mux.HandleFunc("GET /healthz", rest.health)
	mux.HandleFunc("GET /v1/models", rest.listModels)
	mux.HandleFunc("GET /v1/models/{name}", rest.getModel)
	mux.HandleFunc("GET /v1/models/{name}/versions/{version}", rest.getModel)
	mux.HandleFunc("POST /v1/models/{target}", rest.act)
	mux.HandleFunc("POST /v1/models/{name}/versions/{target}", rest.act)
	mux.HandleFunc("/v1/", rest.unknown)
	for service := range g.GetServiceInfo() {
		mux.Handle("/"+service+"/", unary(transcoder))
	}
	return guard(mux, c)
}

// unary takes plain JSON posted to a method as a call in the Connect protocol, also without the header that says so.
func unary(transcoder http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err == nil && media == "application/json" {
			r.Header.Set("Connect-Protocol-Version", "1")
		}
		transcoder.ServeHTTP(w, r)
	})
}
