// Package web serves HTTP in front of a gRPC server: a page that shows chains, JSON for curl, and the Connect and
// gRPC-Web protocols for programs in a browser. Every request becomes a call of the gRPC server and passes its
// interceptors, so request ids, limits and errors are the same as with gRPC.
package web

import (
	"fmt"
	"mime"
	"net/http"
	"slices"
	"time"

	"github.com/klauspost/compress/gzhttp"
	"github.com/klauspost/compress/gzip"
	"google.golang.org/grpc"
)

// Config configures a [Handler].
type Config struct {
	// Admits reports whether the headers of a request allow it to call a method, named /package.Service/Method.
	// Otherwise the method is called without the body, to get its error. nil allows every request.
	Admits func(r *http.Request, method string) bool
	// MaxBodyBytes bounds the body of one request, compressed and decompressed; at least 1.
	MaxBodyBytes int64
	// MaxMessageBytes bounds one decompressed message of a call in a protocol other than plain JSON; at least 1.
	MaxMessageBytes int
	// Origins are the pages, as https://example.com, that may ask besides the server's own. None is the default.
	Origins []string
	// Loopback means that only this machine can reach the server. Requests must then name it by an address or as
	// localhost. This refuses a page that points a name at this machine.
	Loopback bool
}

// stalled is the longest time for one write to a client.
const stalled = time.Minute

// Handler returns a handler in front of g, on which all services are registered. It is safe for concurrent use. To
// stop, shut down the HTTP server first and g afterwards: a gRPC server that stops cuts off running calls.
func Handler(g *grpc.Server, c Config) (http.Handler, error) {
	if c.Admits == nil {
		c.Admits = func(*http.Request, string) bool { return true }
	}
	packed, err := gzhttp.NewWrapper(
		gzhttp.EnableZstd(false), gzhttp.CompressionLevel(gzip.BestSpeed), gzhttp.ContentTypeFilter(worthPacking))
	if err != nil {
		return nil, fmt.Errorf("web: pack answers: %w", err)
	}
	calls := caller{server: g, maxMessageBytes: c.MaxMessageBytes}
	procedures, err := newProcedures(g, calls, c, packed)
	if err != nil {
		return nil, fmt.Errorf("web: transcode for gRPC: %w", err)
	}
	files, err := newPage()
	if err != nil {
		return nil, fmt.Errorf("web: the page: %w", err)
	}
	rest := &rest{calls: calls, admits: c.Admits, maxBodyBytes: c.MaxBodyBytes}
	mux := http.NewServeMux()
	mux.Handle("/", packed(files))
	for pattern, handle := range map[string]http.HandlerFunc{
		"GET " + samplersPath:                      files.ServeHTTP,
		"GET /healthz":                             rest.health,
		"GET /v1/models":                           rest.listModels,
		"GET /v1/models/{name}":                    rest.getModel,
		"GET /v1/models/{name}/versions/{version}": rest.getModel,
		"POST /v1/models/{target}":                 rest.act,
		"POST /v1/models/{name}/versions/{target}": rest.act,
		"/v1/": rest.unknown,
	} {
		mux.Handle(pattern, packed(handle))
	}
	for service := range g.GetServiceInfo() {
		mux.Handle("/"+service+"/", procedures)
	}
	return guard(mux, c)
}

// worthPacking reports whether answers of a media type get smaller. Events are sent one by one and stay as they are,
// and pictures are compressed already.
func worthPacking(contentType string) bool {
	media, _, err := mime.ParseMediaType(contentType)
	return err == nil && slices.Contains([]string{
		"application/json", "application/proto", "text/csv", "text/html",
		"text/css", "text/javascript", "image/svg+xml",
	}, media)
}
