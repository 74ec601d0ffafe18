package modelstore

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// stamp is the digest of a file, and what shows without reading it that it was written since.
type stamp struct {
	size     int64
	modified time.Time
	digest   string
}

// sound returns what the mirror has. Every file is read once in a process, and again if it was written since. What is
// not the content that came, or that the reference pins, is removed, because the folder is served.
func (m *Mirror) sound() (map[string]copied, error) {
	all, there := m.known(), map[string]copied{}
	err := filepath.WalkDir(m.Folder(), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		below, err := filepath.Rel(m.Folder(), path)
		if err != nil || strings.HasPrefix(entry.Name(), ".") { // which servers pass over
			return err
		}
		place := filepath.ToSlash(below)
		c, came := all[place]
		ours := false
		if came && entry.Type().IsRegular() {
			if ours, err = m.has(place, c); err != nil {
				return err
			}
		}
		if ours {
			there[place] = c
			return nil
		}
		m.log.Warn("the cache of models.source has a file that did not come from there: removing it", "file", path)
		return m.remove(place)
	})
	if errors.Is(err, fs.ErrNotExist) { // no file has come yet
		err = nil
	}
	return there, err
}

// has reports whether a file has the content that came, and that the reference pins.
func (m *Mirror) has(place string, c copied) (bool, error) {
	digest, err := m.digestOf(place)
	return err == nil && digest == c.Digest && m.from.admits(object{}, digest), err
}

// digestOf returns the digest of a file of the mirror. It reads the file only if it was written since it was read.
func (m *Mirror) digestOf(place string) (string, error) {
	f, err := os.Open(m.at(place))
	if err != nil {
		return "", err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	if s, read := m.read[place]; read && s.size == info.Size() && s.modified.Equal(info.ModTime()) {
		return s.digest, nil
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return "", err
	}
	s := stamp{info.Size(), info.ModTime(), hex.EncodeToString(sum.Sum(nil))}
	m.read[place] = s
	return s.digest, nil
}

// note keeps the digest of a file that has just come, so that it is not read again.
func (m *Mirror) note(place, digest string) {
	if info, err := os.Stat(m.at(place)); err == nil {
		m.read[place] = stamp{info.Size(), info.ModTime(), digest}
	}
}
