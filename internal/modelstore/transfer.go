package modelstore

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/langevin-ml/langevin/internal/wholefile"
	"github.com/langevin-ml/langevin/models"
)

// mostFiles bounds the model files of one reference.
const mostFiles = 10_000

// place returns the path of the file in a store.
func (f File) place() string { return path.Join(f.Name, strconv.Itoa(f.Version), models.FileName) }

// Push puts model files into the place of a reference and returns a reference that pins them where the place can.
func Push(ctx context.Context, to Reference, files []File) (string, error) {
	if to.digest != "" {
		return "", fmt.Errorf("push to %s: want a place without a digest", to)
	}
	s, err := to.open()
	if err != nil {
		return "", fmt.Errorf("push to %s: %w", to, err)
	}
	pin, err := s.write(ctx, files)
	if err != nil {
		return "", fmt.Errorf("push to %s: %w", to, err)
	}
	return to.text + pin, nil
}

// source is an open store with its files.
type source struct {
	Reference
	store store
	files []object
	most  int64 // bytes of a file
}

// look opens the place of a reference and lists its files, of which none may have more bytes than given.
func look(ctx context.Context, r Reference, most int64) (source, error) {
	s := source{Reference: r, most: most}
	var err error
	if s.store, err = r.open(); err == nil {
		s.files, err = s.store.list(ctx)
	}
	switch {
	case err != nil:
	case len(s.files) == 0:
		err = fmt.Errorf("it has no NAME/VERSION/%s", models.FileName)
	case len(s.files) > mostFiles:
		err = fmt.Errorf("it has %d models: want at most %d", len(s.files), mostFiles)
	}
	for _, o := range s.files {
		if o.size > most {
			err = errors.Join(err, fmt.Errorf("%s has %d bytes: want at most %d", o.path, o.size, most))
		}
	}
	slices.SortFunc(s.files, func(a, b object) int { return strings.Compare(a.path, b.path) })
	return s, err
}

// fetch writes a file to a path, whose folder is there, and returns its digest. It refuses another content than the
// reference or the store says.
func (s source) fetch(ctx context.Context, o object, to string) (digest string, err error) {
	from, err := s.store.read(ctx, o)
	if err != nil {
		return "", fmt.Errorf("%s: %w", o.path, err)
	}
	defer from.Close()
	file, err := wholefile.Create(to)
	if err != nil {
		return "", err
	}
	defer file.Discard()
	var refused error
	err = file.Commit(func(w io.Writer) error {
		sum := sha256.New()
		n, err := io.Copy(io.MultiWriter(w, sum), io.LimitReader(from, s.most+1))
		digest = hex.EncodeToString(sum.Sum(nil))
		if err == nil {
			refused = s.verify(o, digest, n)
		}
		return errors.Join(err, refused)
	})
	if err = cmp.Or(refused, err); err != nil {
		return "", fmt.Errorf("%s: %w", o.path, err)
	}
	return digest, nil
}

// verify compares the digest and the size of what came with what was promised.
func (s source) verify(o object, digest string, n int64) error {
	switch {
	case n != o.size:
		return fmt.Errorf("%d of %d bytes came", n, o.size)
	case !s.admits(o, digest):
		return fmt.Errorf("refused: its SHA-256 is %s, and %s was asked for", digest, cmp.Or(s.file, o.digest))
	}
	return nil
}

// admits reports whether a file of a store may have a digest, by what the reference pins and the store says.
func (r Reference) admits(o object, digest string) bool {
	want := cmp.Or(r.file, o.digest)
	return want == "" || digest == want
}

// Pulled is a model file that [Pull] has brought.
type Pulled struct {
	Path   string // of the new file
	Place  string // NAME/VERSION/model.onnx
	Digest string
}

// Pull writes the model files of a reference to a folder, which must be there, with names of their own. No file may
// have more bytes than given. The caller checks them and moves them to their places.
func Pull(ctx context.Context, r Reference, folder string, most int64) ([]Pulled, error) {
	s, err := look(ctx, r, most)
	var all []Pulled
	for i, o := range s.files {
		if err != nil {
			break
		}
		p := Pulled{Path: filepath.Join(folder, strconv.Itoa(i)+".onnx"), Place: o.path}
		p.Digest, err = s.fetch(ctx, o, p.Path)
		all = append(all, p)
	}
	if err != nil {
		return nil, fmt.Errorf("pull %s: %w", r, err)
	}
	return all, nil
}
