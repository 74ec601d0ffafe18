package data

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"os"
	"path/filepath"
	"slices"
)

// Digest returns the SHA-256, in hexadecimal digits, of what sources were read from, so that a change can be noticed:
// of the numbers of rows and of pictures in one file, and of a folder of pictures only the names and the sizes of its
// files. It is empty for known distributions. The seed does not change it.
func Digest(sources ...Source) string {
	sum, read := sha256.New(), false
	for _, s := range sources {
		if s, ok := s.(stored); ok {
			s.digest(sum)
			read = true
		}
	}
	if !read {
		return ""
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// Digest is the [Digest] of both parts of a dataset, which it reads. It decodes no picture of a folder.
func (c Config) Digest() (string, error) {
	if err := c.Validate(); err != nil {
		return "", err
	}
	var sources []Source
	for _, split := range []Split{Train, Test} {
		s, err := c.kind().open(Reader{}, c, split, 0)
		if err != nil {
			return "", err
		}
		sources = append(sources, s)
	}
	return Digest(sources...), nil
}

// stored is a source of a file or a folder.
type stored interface {
	digest(sum hash.Hash)
}

// A row has the indices of words, so the words are a part of what was read.
func (s *tableRows) digest(sum hash.Hash) {
	for _, c := range s.columns {
		fmt.Fprintf(sum, "%q %q\n", c.Name, c.Words)
	}
	digestNumbers(sum, s.rows)
}

func (t *table) digest(sum hash.Hash) {
	fmt.Fprintln(sum, t.Array.Shape)
	digestNumbers(sum, t.Values)
}

func (p *pictures) digest(sum hash.Hash) { p.album.digest(sum) }

func (m *Images) digest(sum hash.Hash) {
	fmt.Fprintln(sum, m.Channels, m.Height, m.Width, m.Len())
	sum.Write(m.Pixels)
	sum.Write(m.Labels)
}

// A file that cannot be looked at has no size. Reading it says why.
func (f *files) digest(sum hash.Hash) {
	for _, path := range f.listed {
		size := int64(-1)
		if info, err := os.Stat(path); err == nil {
			size = info.Size()
		}
		if name, err := filepath.Rel(f.dir, path); err == nil {
			path = filepath.ToSlash(name)
		}
		fmt.Fprintf(sum, "%q %d\n", path, size)
	}
}

// digestNumbers adds numbers in parts, so that they are not in memory twice.
func digestNumbers(sum hash.Hash, x []float32) {
	for part := range slices.Chunk(x, 1<<14) {
		if err := binary.Write(sum, binary.LittleEndian, part); err != nil {
			panic(err) // cannot happen: a hash takes everything
		}
	}
}
