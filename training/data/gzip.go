package data

import (
	"compress/gzip"
	"io"
)

// gzipMagic is the beginning of a compressed file.
var gzipMagic = []byte{0x1f, 0x8b}

// mostBytes is the largest length of a decompressed file.
const mostBytes = 1 << 33

// gunzip reads the content of a compressed file, up to mostBytes.
func gunzip(r io.Reader) (io.Reader, error) {
	unzipped, err := gzip.NewReader(r)
	if err != nil {
		return nil, err
	}
	return io.LimitReader(unzipped, mostBytes), nil
}
