package modelstore

import (
	"context"
	"io"
	"os"
)

// object is a model file in a store.
type object struct {
	path   string // NAME/VERSION/model.onnx
	size   int64
	tag    string // changes when the content does
	digest string // the SHA-256 that the store says it has, in hexadecimal; empty: it does not say
	key    string // the store's own name for it
}

// store is a place with model files.
type store interface {
	// list returns the model files.
	list(ctx context.Context) ([]object, error)
	// read opens a file that list has returned. The caller closes it.
	read(ctx context.Context, o object) (io.ReadCloser, error)
	// write puts files into the store and returns what pins them, such as @sha256:DIGEST; empty if nothing does.
	write(ctx context.Context, files []File) (pin string, err error)
}

// File is a model file on this machine.
type File struct {
	Path    string // on this machine
	Name    string // of the model
	Version int
	Digest  string // SHA-256, in hexadecimal
	Size    int64
}

func (f File) open() (*os.File, error) { return os.Open(f.Path) }
