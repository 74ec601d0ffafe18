package data

import (
	"compress/gzip"
	"io"
)

// gzipMagic is how a compressed file begins.
var gzipMagic = []byte{0x1f, 0x8b}

// mostBytes is how long a compressed file may be once it is not.
const mostBytes = 1 << 33

// gunzip reads what a compressed file holds, up to mostBytes.
func gunzip(r io.Reader) (io.Reader, error) {
	unzipped, err := gzip.NewReader(r)
	if err != nil {
		return nil, err
	}
	return io.LimitReader(unzipped, mostBytes), nil
}
