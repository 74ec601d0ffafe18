package server

import (
	"compress/zlib"
	"io"
	"sync"

	"google.golang.org/grpc/encoding"
)

// AddCompression lets clients of gRPC in this process and of its servers use deflate, in addition to gzip, which gRPC
// has. Call it once, before anything of gRPC is used: gRPC's list of compressors has no lock.
func AddCompression() { encoding.RegisterCompressor(newDeflate()) }

// deflate compresses messages in the way of zlib, RFC 1950, which is what gRPC calls deflate. Whoever unpacks a message
// bounds what it reads, as gRPC does.
type deflate struct{ writers, readers sync.Pool }

func newDeflate() *deflate {
	d := &deflate{}
	d.writers.New = func() any { return &deflateWriter{zlib.NewWriter(io.Discard), &d.writers} }
	return d
}

// Name is what clients call it.
func (d *deflate) Name() string { return "deflate" }

// Compress implements [encoding.Compressor].
func (d *deflate) Compress(w io.Writer) (io.WriteCloser, error) {
	z, _ := d.writers.Get().(*deflateWriter) // the pool has no others
	z.Reset(w)
	return z, nil
}

// Decompress implements [encoding.Compressor].
func (d *deflate) Decompress(r io.Reader) (io.Reader, error) {
	z, used := d.readers.Get().(*deflateReader)
	if !used {
		inner, err := zlib.NewReader(r)
		return &deflateReader{inner, &d.readers}, err
	}
	return z, z.reset(r)
}

// deflateWriter goes back to its pool when it is closed.
type deflateWriter struct {
	*zlib.Writer
	pool *sync.Pool
}

func (w *deflateWriter) Close() error {
	defer w.pool.Put(w)
	return w.Writer.Close()
}

// deflateReader goes back to its pool when it is closed.
type deflateReader struct {
	io.ReadCloser
	pool *sync.Pool
}

func (r *deflateReader) reset(from io.Reader) error {
	resetter, _ := r.ReadCloser.(zlib.Resetter) // every reader of zlib is one
	return resetter.Reset(from, nil)
}

func (r *deflateReader) Close() error {
	defer r.pool.Put(r)
	return r.ReadCloser.Close()
}
