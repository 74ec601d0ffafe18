package web

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"

	"connectrpc.com/connect"
	"connectrpc.com/vanguard"
	"connectrpc.com/vanguard/vanguardgrpc"
	"google.golang.org/grpc"
	"google.golang.org/grpc/status"
)

// procedures answers calls of the API in the protocols Connect, gRPC-Web and gRPC.
type procedures struct {
	calls   caller
	admits  func(r *http.Request, method string) bool
	any     http.Handler // the gRPC server behind a transcoder
	unary   http.Handler // the same, for answers of one message
	failure *connect.ErrorWriter
}

func newProcedures(
	g *grpc.Server, calls caller, c Config, packed func(http.Handler) http.HandlerFunc,
) (*procedures, error) {
	options := append(messagePackings(c.MaxMessageBytes), vanguard.WithDefaultServiceOptions(
		vanguard.WithMaxMessageBufferBytes(uint32(c.MaxMessageBytes)),
		vanguard.WithTargetCompression(packingNames()...)))
	transcoder, err := vanguardgrpc.NewTranscoder(g, options...)
	if err != nil {
		return nil, err
	}
	return &procedures{calls, c.Admits, transcoder, packed(transcoder), connect.NewErrorWriter()}, nil
}

// ServeHTTP treats plain JSON posted to a method as a call in the Connect protocol, even without the protocol's header.
// It does not read the body of a call that will be refused.
func (p *procedures) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// The transcoder reports a broken header.
	media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if media == "application/json" {
		r.Header.Set("Connect-Protocol-Version", "1")
	}
	if !p.admits(r, r.URL.Path) {
		err := p.calls.turnAway(r, r.URL.Path, w.Header())
		// The write fails only if the client has left.
		_ = p.failure.Write(w, r, connectError(err))
		return
	}
	if media == "application/json" || media == "application/proto" {
		if err := p.unpack(r); err != nil {
			_ = p.failure.Write(w, r, err) // as above
			return
		}
		p.unary.ServeHTTP(w, r)
		return
	}
	p.any.ServeHTTP(w, r)
}

// unpack decompresses the body of a call with one message. The answer is then compressed as the client accepts it and
// not as the request was. The transcoder refuses an unknown coding.
func (p *procedures) unpack(r *http.Request) error {
	given := r.Header.Get("Content-Encoding")
	known := slices.IndexFunc(packings(), func(k packing) bool { return k.name == given })
	if known < 0 {
		return nil
	}
	u := &messageUnpacker{unpacker{packing: packings()[known], most: int64(p.calls.maxMessageBytes)}}
	if err := u.Reset(r.Body); err != nil {
		return err
	}
	message, err := io.ReadAll(u)
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(message)), int64(len(message))
	r.Header.Del("Content-Encoding")
	r.Header.Del("Content-Length")
	return err
}

// connectError returns a status as an error of the Connect protocol, with its details.
func connectError(err error) *connect.Error {
	s := status.Convert(err)
	failed := connect.NewError(connect.Code(s.Code()), errors.New(s.Message()))
	for _, packed := range s.Proto().GetDetails() {
		if detail, err := connect.NewErrorDetail(packed); err == nil {
			failed.AddDetail(detail)
		}
	}
	return failed
}
