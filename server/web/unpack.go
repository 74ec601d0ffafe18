package web

import (
	"compress/gzip"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"connectrpc.com/connect"
	"connectrpc.com/vanguard"
	"google.golang.org/genproto/googleapis/rpc/code"
)

// packing is a method of compression. deflate is zlib's format, RFC 1950, as in HTTP and in gRPC.
type packing struct {
	name   string
	unpack func(io.Reader) (io.Reader, error)
	pack   func() connect.Compressor
}

func packings() []packing {
	return []packing{
		{
			name:   "gzip",
			unpack: func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) },
			pack:   func() connect.Compressor { return gzip.NewWriter(io.Discard) },
		},
		{
			name:   "deflate",
			unpack: func(r io.Reader) (io.Reader, error) { return zlib.NewReader(r) },
			pack:   func() connect.Compressor { return zlib.NewWriter(io.Discard) },
		},
	}
}

func packingNames() []string {
	var names []string
	for _, p := range packings() {
		names = append(names, p.name)
	}
	return names
}

// unpacker decompresses another reader and fails after the given number of bytes. Reset makes it ready. Its errors are
// problems.
type unpacker struct {
	packing
	most int64

	inner io.Reader
	left  int64
}

func (u *unpacker) Reset(r io.Reader) error {
	inner, err := u.unpack(r)
	if err != nil {
		return u.damaged(err)
	}
	u.inner, u.left = inner, u.most
	return nil
}

func (u *unpacker) Read(p []byte) (int, error) {
	n, err := u.inner.Read(p)
	if u.left -= int64(n); u.left < 0 {
		return 0, tooLarge(u.most)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		err = u.damaged(err)
	}
	return n, err
}

// limited fails after the given number of bytes, with a problem.
type limited struct {
	inner      io.Reader
	left, most int64
}

func (l *limited) Read(p []byte) (int, error) {
	n, err := l.inner.Read(p)
	if l.left -= int64(n); l.left < 0 {
		return 0, tooLarge(l.most)
	}
	return n, err
}

// damaged returns the problem of compressed bytes that end too early or are invalid.
func (u *unpacker) damaged(err error) error {
	if most := (*http.MaxBytesError)(nil); errors.As(err, &most) {
		return tooLarge(most.Limit)
	}
	return invalid("", "the request is not %s: %v", u.name, err)
}

// tooLarge returns the problem of a body that is too large.
func tooLarge(most int64) *problem {
	return exhausted("the request is too large: want at most %d bytes, unpacked", most)
}

// tooMuch returns the problem of a body whose message would be too large.
func tooMuch(most int) *problem {
	return exhausted("the request is too large: want a message of at most %d bytes (grpc.max_receive_bytes)", most)
}

func exhausted(format string, args ...any) *problem {
	return &problem{
		Code: code.Code_RESOURCE_EXHAUSTED.String(), status: http.StatusRequestEntityTooLarge,
		Message: fmt.Sprintf(format, args...),
	}
}

// unpacked returns the body of a request without its Content-Encoding. It has at most the given number of bytes.
func unpacked(r *http.Request, most int64) (io.Reader, error) {
	given := strings.TrimSpace(strings.Join(r.Header.Values("Content-Encoding"), ", "))
	coding := strings.TrimPrefix(strings.ToLower(given), "x-") // x-gzip is an older name of gzip
	if coding == "" || coding == "identity" {
		return r.Body, nil
	}
	for _, p := range packings() {
		if p.name == coding {
			u := &unpacker{packing: p, most: most}
			return u, u.Reset(r.Body)
		}
	}
	return nil, &problem{
		Code: code.Code_UNIMPLEMENTED.String(), status: http.StatusUnsupportedMediaType,
		Message: fmt.Sprintf("Content-Encoding is %.80q: want %s, or none", given, strings.Join(packingNames(), ", ")),
	}
}

// messageUnpacker is an unpacker of single messages. Its errors are errors of the Connect protocol.
type messageUnpacker struct{ unpacker }

func (u *messageUnpacker) Reset(r io.Reader) error { return connectProblem(u.unpacker.Reset(r)) }

func (u *messageUnpacker) Read(p []byte) (int, error) {
	n, err := u.unpacker.Read(p)
	return n, connectProblem(err)
}

func (u *messageUnpacker) Close() error { return nil }

// connectProblem returns a problem as an error of the Connect protocol, with its details. It leaves other errors alone.
func connectProblem(err error) error {
	if p := (*problem)(nil); errors.As(err, &p) {
		return connectError(p)
	}
	return err
}

// messagePackings make a transcoder decompress messages up to the given number of bytes.
func messagePackings(most int) []vanguard.TranscoderOption {
	var options []vanguard.TranscoderOption
	for _, p := range packings() {
		unpack := func() connect.Decompressor { return &messageUnpacker{unpacker{packing: p, most: int64(most)}} }
		options = append(options, vanguard.WithCompression(p.name, p.pack, unpack))
	}
	return options
}
