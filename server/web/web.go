// Package web puts HTTP in front of a gRPC server: a page to watch chains in, JSON for curl, and the Connect and gRPC-Web
// protocols for programs in a browser. Every request becomes a call of the gRPC server and passes its interceptors, so
// that request ids, limits and errors are those of gRPC.
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

// Config says what a [Handler] lets in.
type Config struct {
	// Admits reports whether a request may call a method, named /package.Service/Method, by what its headers say. What
	// is not admitted is called without its body, for the error that comes of it. nil admits everything.
	Admits func(r *http.Request, method string) bool
	// MaxBodyBytes bounds the body of one request, as it is sent and as it is when unpacked; at least 1.
	MaxBodyBytes int64
	// MaxMessageBytes bounds one message of a call in another protocol than plain JSON, unpacked; at least 1.
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

// worthPacking reports whether answers of a media type get smaller. Events that are sent one by one stay as they are,
// and pictures are packed already.
func worthPacking(contentType string) bool {
	media, _, err := mime.ParseMediaType(contentType)
	return err == nil && slices.Contains([]string{
		"application/json", "application/proto", "text/csv", "text/html", "text/css", "text/javascript", "image/svg+xml",
	}, media)
}
