package modelstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"crypto/sha256"
	"encoding/hex"

	"github.com/langevin-ml/langevin/internal/wholefile"
)

// Mirror is a folder that has the model files of a reference, so that a server can start without the place and notices
// what changes there. It is safe for concurrent use.
type Mirror struct {
	from   Reference
	folder string
	most   int64

	mu sync.Mutex // one Sync at a time
}

// copied is what a mirror knows about a file of its own.
type copied struct {
	Tag    string `json:"tag"`
	Digest string `json:"digest"`
}

// NewMirror returns the mirror of a reference in a folder below cache. No file may have more bytes than given.
func NewMirror(from Reference, cache string, most int64) (*Mirror, error) {
	sum := sha256.Sum256([]byte(from.text))
	m := &Mirror{from: from, folder: filepath.Join(cache, hex.EncodeToString(sum[:8])), most: most}
	if err := os.MkdirAll(m.Folder(), 0o755); err != nil {
		return nil, fmt.Errorf("mirror %s: %w", from, wholefile.Cause(err))
	}
	return m, nil
}

// Folder returns the folder with the models.
func (m *Mirror) Folder() string { return filepath.Join(m.folder, "models") }

// Complete reports whether the mirror has once had all files of its reference.
func (m *Mirror) Complete() bool {
	_, err := os.Stat(m.index())
	return err == nil
}

func (m *Mirror) index() string { return filepath.Join(m.folder, "source.json") }

// Sync brings what is new or changed, and removes what is gone. It reports whether anything did change. After an error
// the files that came before it are there, and a file is never half there.
func (m *Mirror) Sync(ctx context.Context) (changed bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, err := look(ctx, m.from, m.most)
	if err != nil {
		return false, fmt.Errorf("mirror %s: %w", m.from, err)
	}
	before, now := m.known(), map[string]copied{}
	for _, o := range s.files {
		old, known := before[o.path]
		now[o.path] = old
		if known && old.Tag == o.tag && m.has(o) {
			continue
		}
		changed = true
		if now[o.path], err = m.bring(ctx, s, o); err != nil {
			return changed, fmt.Errorf("mirror %s: %w", m.from, err)
		}
	}
	for place := range before {
		if _, stays := now[place]; !stays {
			changed = true
			err = errors.Join(err, m.remove(place))
		}
	}
	return changed, errors.Join(err, m.remember(now))
}

// has reports whether a file is in the folder, whole as far as its size says.
func (m *Mirror) has(o object) bool {
	info, err := os.Stat(m.at(o.path))
	return err == nil && info.Size() == o.size
}

func (m *Mirror) at(place string) string { return filepath.Join(m.Folder(), filepath.FromSlash(place)) }

func (m *Mirror) bring(ctx context.Context, s source, o object) (copied, error) {
	to := m.at(o.path)
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return copied{}, err
	}
	digest, err := s.fetch(ctx, o, to)
	return copied{Tag: o.tag, Digest: digest}, err
}

// remove removes a file, and the folders of its version and name if they are empty then.
func (m *Mirror) remove(place string) error {
	path := m.at(place)
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	version := filepath.Dir(path)
	_, _ = os.Remove(version), os.Remove(filepath.Dir(version)) // fails for those that have more in them
	return nil
}

// known returns what the mirror had. A file that cannot be read is as good as none: everything comes again.
func (m *Mirror) known() map[string]copied {
	all := map[string]copied{}
	text, err := os.ReadFile(m.index())
	if err == nil && json.Unmarshal(text, &all) != nil {
		return map[string]copied{}
	}
	return all
}

func (m *Mirror) remember(all map[string]copied) error {
	text, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return err
	}
	file, err := wholefile.Create(m.index())
	if err != nil {
		return err
	}
	defer file.Discard()
	return file.CommitBytes(text)
}
