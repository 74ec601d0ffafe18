package data

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// Reader opens datasets and reports what it meets. The zero value reports nothing.
type Reader struct {
	// Progress is called after each of total pictures is decoded, from one goroutine at a time; may be nil.
	Progress func(done, total int)

	// Notice is called with one line for each thing that was skipped or interpreted; may be nil.
	Notice func(text string)
}

// Open is [Config.Open] with a context: it stops when ctx is done. It decodes every picture of a folder, and reports
// all broken pictures at once.
func (r Reader) Open(ctx context.Context, c Config, split Split, seed uint64) (Source, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	return c.kind().open(ctx, r, c, split, seed)
}

// Images is [Config.Images] with a context: it stops when ctx is done.
func (r Reader) Images(ctx context.Context, c Config, split Split) (*Images, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if _, ok := c.kind().(pictureKind); !ok {
		return nil, fmt.Errorf("data.name is %q: want pictures", c.Name)
	}
	all, err := r.album(c, split)
	if err == nil {
		if f, ok := all.(*files); ok {
			all, err = f.all(ctx, r)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("data.dir: %w", err)
	}
	return all.(*Images), nil
}

func (r Reader) notice(path, text string) {
	if r.Notice != nil && text != "" {
		r.Notice(path + ": " + text)
	}
}

// broken has the errors of the pictures that could not be read, by index.
type broken map[int]error

// list names the first few files and their errors: "a.png (the file is cut short), b.png (...)".
func (b broken) list(paths []string) string {
	const most = 10
	var names []string
	for i, path := range paths {
		if err := b[i]; err != nil && len(names) < most {
			names = append(names, fmt.Sprintf("%s (%v)", path, withoutPath(err)))
		}
	}
	if len(b) > most {
		names = append(names, fmt.Sprintf("%d more", len(b)-most))
	}
	return strings.Join(names, ", ")
}

// settle returns an error for broken pictures, or, if they may be skipped, removes them and sends a notice.
func (f *files) settle(r Reader, b broken) error {
	switch {
	case len(b) == 0:
		return nil
	case !f.skip && len(b) == 1:
		for i, err := range b {
			return fmt.Errorf("read %s: %w; data.skip_broken: true leaves it out", f.paths[i], withoutPath(err))
		}
	case !f.skip:
		return fmt.Errorf("%d of %d pictures cannot be read; data.skip_broken: true leaves them out: %s",
			len(b), len(f.paths), b.list(f.paths))
	case len(b) == len(f.paths):
		return fmt.Errorf("none of %d pictures can be read: %s", len(b), b.list(f.paths))
	}
	r.notice(f.dir, fmt.Sprintf("left out %d of %d pictures, which cannot be read: %s",
		len(b), len(f.paths), b.list(f.paths)))
	var kept []string
	for i, path := range f.paths {
		if b[i] == nil {
			kept = append(kept, path)
		}
	}
	f.paths = slices.Clip(kept)
	return nil
}
