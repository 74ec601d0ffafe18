package modelstore

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"sync"

	"github.com/langevin-ml/langevin/internal/wholefile"
)

// Mirror is a folder that has the model files of a reference, so that a server can start without the place and notices
// what changes there. It is safe for concurrent use.
type Mirror struct {
	from   Reference
	folder string
	most   int64
	log    *slog.Logger

	mu     sync.Mutex       // one Sync at a time
	read   map[string]stamp // the files whose digest this process knows, by their places; of mu
	unsafe bool             // whether a file has another content and could not be removed; of mu
}

// copied is what a mirror knows about a file of its own.
type copied struct {
	Tag    string `json:"tag"`
	Digest string `json:"digest"`
}

// NewMirror returns the mirror of a reference in a folder below cache, which the first file makes. No file may have
// more bytes than given. The log has a warning for each file of the mirror that somebody else has changed.
func NewMirror(from Reference, cache string, most int64, log *slog.Logger) *Mirror {
	sum := sha256.Sum256([]byte(from.text))
	return &Mirror{from: from, folder: filepath.Join(cache, hex.EncodeToString(sum[:8])), most: most, log: log,
		read: map[string]stamp{}}
}

// Folder returns the folder with the models. It is there after a Sync without an error, and if the mirror is complete.
func (m *Mirror) Folder() string { return filepath.Join(m.folder, "models") }

// Complete reports whether the mirror has once had all files of its reference, and after the first Sync also that no
// file has another content than the one that came.
func (m *Mirror) Complete() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.complete() && !m.unsafe
}

func (m *Mirror) complete() bool {
	_, index := os.Stat(m.index())
	_, folder := os.Stat(m.Folder())
	return index == nil && folder == nil
}

func (m *Mirror) index() string { return filepath.Join(m.folder, "source.json") }

// Sync brings what is new or changed, and removes what is gone. It reports whether anything did change. After an error
// the files that came before it are there, and a file is never half there. A file whose content is not the one that
// came is removed first, whether the place can be reached or not.
func (m *Mirror) Sync(ctx context.Context) (changed bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	before, err := m.sound()
	if m.unsafe = err != nil; m.unsafe {
		return false, m.failed(err)
	}
	s, err := look(ctx, m.from, m.most)
	if err != nil {
		return false, fmt.Errorf("mirror %s: %w", m.from, err)
	}
	now, changed, err := m.update(ctx, s, before)
	if err != nil && !m.complete() {
		return changed, err
	}
	return changed, errors.Join(err, m.failed(m.remember(now)))
}

// update makes the folder what a source has, and returns what is in it then. before is what was in it.
func (m *Mirror) update(ctx context.Context, s source, before map[string]copied) (
	now map[string]copied, changed bool, err error,
) {
	now = map[string]copied{}
	for _, o := range s.files {
		if old, known := before[o.path]; known && old.Tag == o.tag && s.admits(o, old.Digest) {
			now[o.path] = old
			continue
		}
		changed = true
		c, err := m.bring(ctx, s, o)
		if err != nil {
			all := maps.Clone(before)
			maps.Copy(all, now)
			return all, changed, err
		}
		now[o.path] = c
	}
	for place, old := range before {
		if _, stays := now[place]; stays {
			continue
		}
		changed = true
		if failed := m.remove(place); failed != nil {
			now[place], err = old, errors.Join(err, m.failed(failed))
		}
	}
	return now, changed, err
}

// failed returns an error of the mirror's own folder, for which the place is not to blame; nil for nil.
func (m *Mirror) failed(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("keep the models of %s in the cache: %w", m.from, err)
}

func (m *Mirror) at(place string) string { return filepath.Join(m.Folder(), filepath.FromSlash(place)) }

func (m *Mirror) bring(ctx context.Context, s source, o object) (copied, error) {
	to := m.at(o.path)
	undo, err := wholefile.MakeFolderUndoably(filepath.Dir(to))
	if err != nil {
		return copied{}, m.failed(err)
	}
	digest, err := s.fetch(ctx, o, to)
	if err != nil {
		undo()
		return copied{}, fmt.Errorf("mirror %s: %w", m.from, err)
	}
	m.note(o.path, digest)
	return copied{Tag: o.tag, Digest: digest}, nil
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
