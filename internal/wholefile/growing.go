package wholefile

import (
	"errors"
	"io"
)

// Growing is a file that is read while it grows, such as a log. It takes its name with the first write. An older file
// of that name is replaced at once, by all of that write.
type Growing struct {
	*Pending
	size  int64 // of the writes that succeeded
	named bool
}

// Grow begins a file, like [Create]. The caller has to call Discard when it is done.
func Grow(path string) (*Growing, error) {
	pending, err := Create(path)
	if err != nil {
		return nil, err
	}
	return &Growing{Pending: pending}, nil
}

// Write appends b to the file, without a buffer. After an error the file has what the writes before brought.
func (g *Growing) Write(b []byte) (int, error) {
	n, err := g.file.Write(b)
	if err == nil && !g.named {
		err = g.name()
	}
	if err != nil {
		_, unmoved := g.file.Seek(g.size, io.SeekStart)
		return n, g.failed(errors.Join(err, unmoved, g.file.Truncate(g.size)))
	}
	g.size, g.named = g.size+int64(n), true
	return n, nil
}
