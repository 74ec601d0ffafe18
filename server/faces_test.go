package server_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	connectproto "connectrpc.com/connect"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// A face is a way to make a call: it sends one message to a method with the given headers, in pairs, and returns the
// code with which the call ends, or OK at the first message of the answer.
type face struct {
	name string
	// suits reports whether the face can make a call of the method. If not, only refusals are defined.
	suits func(protoreflect.MethodDescriptor) bool
	call  func(ctx context.Context, method string, request proto.Message, headers, query string) (codes.Code, error)
}

// headersOf returns the pairs of a text with a header per line, and fails on none: a test writes them.
func headersOf(text string) [][2]string {
	var all [][2]string
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimRight(line, "\n"), ": ")
		all = append(all, [2]string{name, value})
	}
	return all
}

// overGRPC returns the face of a gRPC connection.
func overGRPC(name string, conn *grpc.ClientConn) face {
	call := func(ctx context.Context, method string, request proto.Message, headers, _ string) (codes.Code, error) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		sent := metadata.MD{}
		for _, h := range headersOf(headers) {
			sent.Append(h[0], h[1])
		}
		ctx = metadata.NewOutgoingContext(ctx, sent)
		stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, method,
			grpc.ForceCodec(rawCodec{}))
		if err == nil {
			_ = stream.SendMsg(request) // RecvMsg has the reason
			_ = stream.CloseSend()
			if err = stream.RecvMsg(nil); errors.Is(err, io.EOF) {
				err = nil
			}
		}
		return status.Code(err), err
	}
	return face{name, func(protoreflect.MethodDescriptor) bool { return true }, call}
}

// rawCodec writes messages of every type and does not read answers, so that one function calls every method.
type rawCodec struct{}

func (rawCodec) Name() string { return "proto" }

func (rawCodec) Marshal(v any) ([]byte, error) { return proto.Marshal(v.(proto.Message)) }

func (rawCodec) Unmarshal([]byte, any) error { return nil }

// webForm is a protocol for browsers: its media type and how its messages and answers look.
type webForm struct {
	media  string
	json   bool
	framed bool // messages have a prefix of five bytes
}

func webForms() []webForm {
	return []webForm{
		{"application/json", true, false}, {"application/proto", false, false},
		{"application/connect+json", true, true}, {"application/connect+proto", false, true},
		{"application/grpc-web+proto", false, true}, {"application/grpc-web+json", true, true},
		{"application/grpc-web-text+proto", false, true},
	}
}

// suits reports whether a protocol has calls of a method. Connect has different forms for streams. This server's
// gRPC-Web has no form in text.
func (f webForm) suits(d protoreflect.MethodDescriptor) bool {
	streams := d.IsStreamingClient() || d.IsStreamingServer()
	switch {
	case strings.HasPrefix(f.media, "application/grpc-web-text"):
		return false
	case strings.HasPrefix(f.media, "application/grpc-web"):
		return !d.IsStreamingClient()
	}
	return streams == f.framed
}

// overWeb returns the face of a protocol at a URL.
func overWeb(name, url string, client *http.Client, f webForm) face {
	call := func(ctx context.Context, method string, request proto.Message, headers, query string) (codes.Code, error) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		body, err := f.body(request)
		if err != nil {
			return 0, err
		}
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, url+method+query, bytes.NewReader(body))
		if err != nil {
			return 0, err
		}
		r.Header.Set("Content-Type", f.media)
		if !f.framed {
			r.Header.Set("Connect-Protocol-Version", "1")
		}
		for _, h := range headersOf(headers) {
			if strings.HasSuffix(h[0], "-bin") {
				h[1] = base64.StdEncoding.EncodeToString([]byte(h[1]))
			}
			r.Header.Add(h[0], h[1])
		}
		resp, err := client.Do(r)
		if err != nil {
			return 0, err
		}
		defer resp.Body.Close()
		return f.code(resp)
	}
	return face{name + " " + f.media, f.suits, call}
}

func (f webForm) body(request proto.Message) ([]byte, error) {
	encode := proto.Marshal
	if f.json {
		encode = protojson.Marshal
	}
	message, err := encode(request)
	if err != nil || !f.framed {
		return message, err
	}
	framed := append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message))), message...)
	if strings.Contains(f.media, "-text") {
		return []byte(base64.StdEncoding.EncodeToString(framed)), nil
	}
	return framed, nil
}

// code returns how a call ended, by the rules of its protocol.
func (f webForm) code(resp *http.Response) (codes.Code, error) {
	if text := resp.Header.Get("Grpc-Status"); text != "" {
		number, err := strconv.Atoi(text)
		return codes.Code(number), err
	}
	if resp.StatusCode != http.StatusOK {
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			return 0, err
		}
		return connectCode(body, resp.StatusCode)
	}
	if !f.framed {
		_, err := io.Copy(io.Discard, resp.Body)
		return codes.OK, err
	}
	var prefix [5]byte
	if _, err := io.ReadFull(resp.Body, prefix[:]); err != nil {
		return 0, fmt.Errorf("an answer without a frame: %w", err)
	}
	frame := make([]byte, binary.BigEndian.Uint32(prefix[1:]))
	if _, err := io.ReadFull(resp.Body, frame); err != nil {
		return 0, err
	}
	switch {
	case prefix[0]&0x80 != 0: // trailers of gRPC-Web
		for _, h := range headersOf(strings.ReplaceAll(strings.ToLower(string(frame)), "\r", "")) {
			if strings.TrimSuffix(h[0], ":") == "grpc-status" {
				number, err := strconv.Atoi(strings.TrimSpace(h[1]))
				return codes.Code(number), err
			}
		}
		return 0, fmt.Errorf("trailers without a status: %q", frame)
	case prefix[0]&0x02 != 0: // the end of a Connect stream
		var end struct{ Error json.RawMessage }
		if err := json.Unmarshal(frame, &end); err != nil || end.Error == nil {
			return codes.OK, err
		}
		return connectCode(end.Error, resp.StatusCode)
	}
	return codes.OK, nil
}

// connectCode returns the code of an error of the Connect protocol, or the one that gRPC gives an HTTP status.
func connectCode(body []byte, httpStatus int) (codes.Code, error) {
	var failed struct{ Code connectproto.Code }
	if err := json.Unmarshal(body, &failed); err == nil && failed.Code != 0 {
		return codes.Code(failed.Code), nil
	}
	if httpStatus == http.StatusNotFound || httpStatus == http.StatusMethodNotAllowed ||
		httpStatus == http.StatusUnsupportedMediaType {
		return codes.Unimplemented, nil
	}
	return 0, fmt.Errorf("HTTP status %d with %.200q", httpStatus, body)
}

// webClients returns clients that speak only HTTP/1.1 and only HTTP/2, encrypted if config is not nil. They follow no
// redirections.
func webClients(config *tls.Config) map[string]*http.Client {
	one, two := new(http.Protocols), new(http.Protocols)
	one.SetHTTP1(true)
	two.SetHTTP2(config != nil)
	two.SetUnencryptedHTTP2(config == nil)
	clients := make(map[string]*http.Client)
	for name, protocols := range map[string]*http.Protocols{"HTTP/1.1": one, "HTTP/2": two} {
		clients[name] = &http.Client{
			Transport:     &http.Transport{Protocols: protocols, TLSClientConfig: config.Clone()},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
	}
	return clients
}
