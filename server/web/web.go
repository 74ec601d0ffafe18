// Package web serves HTTP in front of a gRPC server: a page that shows chains, JSON for curl, the REST form of the Open
// Inference Protocol, and the Connect and gRPC-Web protocols for programs in a browser. Every request becomes a call of
// the gRPC server and passes its interceptors, so request ids, limits and errors are the same as with gRPC.
package web

import (
	"cmp"
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
	// Admit reports whether the headers of a request allow it to call a method, named /package.Service/Method, and
	// charges the call to its caller. The call is made with the request that it returns. If it is not allowed, it is
	// made without the body, to get its error. nil allows every request.
	Admit func(r *http.Request, method string) (*http.Request, bool)
	// Arrive begins the visit of each request. Without it, requests that are refused before they become a call have no
	// id and are neither logged nor counted.
	Arrive Arrive
	// MaxBodyBytes bounds the body of one request, compressed and decompressed; at least 1.
	MaxBodyBytes int64
	// MaxOpenBodyBytes bounds the bodies that are being read at any time, all together, except for the first 64 KiB of
	// each; at least 1.
	MaxOpenBodyBytes int64
	// Stalled is the longest time for which a client may leave an answer unread; one minute if 0.
	Stalled time.Duration
	// MaxMessageBytes bounds one decompressed message of a call in a protocol other than plain JSON; at least 1.
	MaxMessageBytes int
	// Origins are the pages, as https://example.com, that may ask besides the server's own. None is the default.
	Origins []string
	// Loopback means that only this machine can reach the server. Requests must then name it by an address or as
	// localhost. This refuses a page that points a name at this machine.
	Loopback bool
}

// Handler returns a handler in front of g, on which all services are registered. It is safe for concurrent use. To
// stop, shut down the HTTP server first and g afterwards: a gRPC server that stops cuts off running calls.
func Handler(g *grpc.Server, c Config) (http.Handler, error) {
	if c.Admit == nil {
		c.Admit = func(r *http.Request, _ string) (*http.Request, bool) { return r, true }
	}
	c.Stalled = cmp.Or(c.Stalled, time.Minute)
	packed, err := gzhttp.NewWrapper(
		gzhttp.EnableZstd(false), gzhttp.CompressionLevel(gzip.BestSpeed), gzhttp.ContentTypeFilter(worthPacking))
	if err != nil {
		return nil, fmt.Errorf("web: pack answers: %w", err)
	}
	calls := caller{server: g, admit: c.Admit, maxMessageBytes: c.MaxMessageBytes}
	room := &room{most: c.MaxOpenBodyBytes}
	procedures, err := newProcedures(g, calls, c, room, packed)
	if err != nil {
		return nil, fmt.Errorf("web: transcode for gRPC: %w", err)
	}
	files, err := newPage()
	if err != nil {
		return nil, fmt.Errorf("web: the page: %w", err)
	}
	rest := &rest{calls: calls, room: room, maxBodyBytes: c.MaxBodyBytes}
	mux := http.NewServeMux()
	for pattern, methods := range rest.routes(files) {
		mux.Handle(pattern, packed(methods))
	}
	for service := range g.GetServiceInfo() {
		mux.Handle("/"+service+"/", procedures)
	}
	handler, err := guard(mux, c)
	if err != nil || c.Arrive == nil {
		return handler, err
	}
	return Recorded(handler, c.Arrive), nil
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
