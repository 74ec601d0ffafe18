package web

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	"connectrpc.com/connect"
	"connectrpc.com/vanguard"
	"connectrpc.com/vanguard/vanguardgrpc"
	"google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/grpc"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// procedures answers calls of the API in the protocols Connect, gRPC-Web and gRPC.
type procedures struct {
	calls   caller
	room    *room
	body    int64 // bytes of a body
	json    *codec
	methods map[string]method // by path
	unary   http.Handler      // Connect's calls with one message each way
	streams http.Handler      // the gRPC server behind a transcoder
	failure *connect.ErrorWriter
}

// method is a method of a service.
type method struct {
	request, response protoreflect.MessageType
	asks, answers     bool // the requests, or the answers, are a stream
}

func newProcedures(
	g *grpc.Server, calls caller, c Config, room *room, packed func(http.Handler) http.HandlerFunc,
) (*procedures, error) {
	json := newCodec(room, c.MaxMessageBytes, protoregistry.GlobalTypes)
	options := append(messagePackings(c.MaxMessageBytes),
		vanguard.WithCodec(func(types vanguard.TypeResolver) vanguard.Codec {
			return newCodec(room, c.MaxMessageBytes, types)
		}),
		vanguard.WithDefaultServiceOptions(
			vanguard.WithMaxMessageBufferBytes(uint32(c.MaxMessageBytes)),
			vanguard.WithTargetCompression(packingNames()...)))
	transcoder, err := vanguardgrpc.NewTranscoder(g, options...)
	if err != nil {
		return nil, err
	}
	p := &procedures{
		calls: calls, room: room, body: c.MaxBodyBytes, json: json, streams: transcoder,
		failure: connect.NewErrorWriter(),
	}
	p.unary = packed(http.HandlerFunc(p.answer))
	p.methods, err = methodsOf(g)
	return p, err
}

// methodsOf describes every method of a server by its path, /package.Service/Method.
func methodsOf(g *grpc.Server) (map[string]method, error) {
	all := make(map[string]method)
	for service, info := range g.GetServiceInfo() {
		d, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(service))
		if err != nil {
			return nil, fmt.Errorf("describe %s: %w", service, err)
		}
		described, ok := d.(protoreflect.ServiceDescriptor)
		if !ok {
			return nil, fmt.Errorf("describe %s: it is a %T", service, d)
		}
		for _, m := range info.Methods {
			one := described.Methods().ByName(protoreflect.Name(m.Name))
			request, err := protoregistry.GlobalTypes.FindMessageByName(one.Input().FullName())
			response, err2 := protoregistry.GlobalTypes.FindMessageByName(one.Output().FullName())
			if err := errors.Join(err, err2); err != nil {
				return nil, fmt.Errorf("describe %s of %s: %w", m.Name, service, err)
			}
			all["/"+service+"/"+m.Name] = method{request, response, m.IsClientStream, m.IsServerStream}
		}
	}
	return all, nil
}

// unaryMedia are the media types of Connect's calls with one message each way; streamMedia those of the other calls.
// Every type of a stream may have a codec: +proto, the default of gRPC, or +json.
func unaryMedia() []string { return []string{"application/json", "application/proto"} }

func streamMedia() []string {
	return []string{
		"application/connect+json", "application/connect+proto",
		"application/grpc-web", "application/grpc-web+json", "application/grpc-web+proto",
		"application/grpc", "application/grpc+json", "application/grpc+proto",
	}
}

// ServeHTTP treats plain JSON posted to a method as a call in the Connect protocol, even without the protocol's header.
// It does not read the body of a call that will be refused.
func (p *procedures) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// An unreadable media type is none of those below.
	media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if slices.Contains(unaryMedia(), media) {
		r.Header.Set("Connect-Protocol-Version", "1")
	}
	r, allowed := p.calls.enter(r, r.URL.Path)
	if _, known := p.methods[r.URL.Path]; !known {
		noteOf(r).method = ""
	}
	if !allowed {
		p.fail(w, r, p.calls.turnAway(r, r.URL.Path, w.Header()))
		return
	}
	if err := p.check(r, media); err != nil {
		writeProblem(w, r, err)
		return
	}
	if slices.Contains(unaryMedia(), media) {
		p.unary.ServeHTTP(w, r)
		return
	}
	p.stream(w, r)
}

// check refuses a request that is not a call in any protocol.
func (p *procedures) check(r *http.Request, media string) error {
	if r.Method != http.MethodPost {
		return otherMethod(r, http.MethodPost)
	}
	if err := onlyKeys(r); err != nil {
		return err
	}
	m, known := p.methods[r.URL.Path]
	allowed := streamMedia()
	if !m.asks && !m.answers {
		allowed = append(unaryMedia(), allowed...)
	}
	if !known || slices.Contains(allowed, media) {
		return nil // a path without a method gets its error from the server, which may know its caller
	}
	return &problem{
		Code: code.Code_INVALID_ARGUMENT.String(), status: http.StatusUnsupportedMediaType,
		Message: fmt.Sprintf("Content-Type is %s: want one of %s", clipped(r.Header.Get("Content-Type")),
			strings.Join(allowed, ", ")),
	}
}

// fail answers with an error in the protocol of a request.
func (p *procedures) fail(w http.ResponseWriter, r *http.Request, err error) {
	failed(r, err)
	// The write fails only if the client has left.
	_ = p.failure.Write(w, r, connectError(err))
}

// stream answers a call whose messages have envelopes.
func (p *procedures) stream(w http.ResponseWriter, r *http.Request) {
	m, known := p.methods[r.URL.Path]
	if !known {
		p.fail(w, r, p.calls.turnAway(r, r.URL.Path, w.Header()))
		return
	}
	part := p.room.open()
	defer part.release()
	w = &releasing{w, part}
	body := &source{from: r.Body, portion: part, ctx: r.Context()}
	from := io.Reader(body)
	if m.asks {
		// The client may wait for as long as it likes before the next message: limits.max_call_time bounds the call.
		// A connection without deadlines, as in tests, has none to remove.
		_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
	} else {
		first, err := envelope(body, p.calls.maxMessageBytes)
		if err != nil {
			p.fail(w, r, err)
			return
		}
		from = io.MultiReader(bytes.NewReader(first), body)
	}
	r.Body = struct {
		io.Reader
		io.Closer
	}{from, r.Body}
	failed(r, invalid("", "the request is no call in its protocol")) // unless the server sees a call
	p.streams.ServeHTTP(w, r)
}

// envelope reads one message with the 5 bytes before it: a flag that is 1 if the message is compressed, and its length.
func envelope(body io.Reader, most int) ([]byte, error) {
	e := make([]byte, 5)
	if n, err := io.ReadFull(body, e); err != nil {
		return nil, cutShort(err, "the request has %d bytes: want an envelope, which is a flag, 4 bytes of length, "+
			"and the message", n)
	}
	size := int64(binary.BigEndian.Uint32(e[1:]))
	switch {
	case e[0] > 1:
		return nil, invalid("", "the flag of the request's envelope is %d: want 0, or 1 for a compressed message", e[0])
	case size > int64(most):
		return nil, tooLarge(int64(most))
	}
	message := bytes.NewBuffer(e)
	if n, err := io.CopyN(message, body, size); err != nil {
		return nil, cutShort(err, "the request ends after %d of the %d bytes of its message", n, size)
	}
	return message.Bytes(), nil
}

// cutShort returns the problem of a request that ends too early, or the one that made it end.
func cutShort(err error, format string, args ...any) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return invalid("", format, args...)
	}
	return err
}

// releasing gives back a portion of the room when an answer begins, because the request has been read then.
type releasing struct {
	http.ResponseWriter
	portion *portion
}

func (w *releasing) WriteHeader(status int) {
	w.portion.release()
	w.ResponseWriter.WriteHeader(status)
}

func (w *releasing) Write(p []byte) (int, error) {
	w.portion.release()
	return w.ResponseWriter.Write(p)
}

func (w *releasing) Flush() {
	w.portion.release()
	// The next write reports the error.
	_ = http.NewResponseController(w.ResponseWriter).Flush()
}

func (w *releasing) Unwrap() http.ResponseWriter { return w.ResponseWriter }

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
