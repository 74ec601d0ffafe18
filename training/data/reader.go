package data

import (
	"context"
	"errors"
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
	sources, err := r.open(ctx, c, seed, split)
	if err != nil {
		return nil, err
	}
	return sources[0], nil
}

// Parts opens both parts of a dataset, like [Reader.Open]. It decodes the pictures of both in one pass, and reports all
// broken ones at once.
func (r Reader) Parts(ctx context.Context, c Config, seed uint64) (train, test Source, err error) {
	sources, err := r.open(ctx, c, seed, Train, Test)
	if err != nil {
		return nil, nil, err
	}
	return sources[0], sources[1], nil
}

func (r Reader) open(ctx context.Context, c Config, seed uint64, splits ...Split) ([]Source, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	var sources []Source
	var folders []*files
	for _, split := range splits {
		source, err := c.kind().open(r, c, split, seed)
		if err != nil {
			return nil, err
		}
		sources = append(sources, source)
		if p, ok := source.(*pictures); ok {
			if f, ok := p.album.(*files); ok {
				folders = append(folders, f)
			}
		}
	}
	if len(folders) == 0 {
		return sources, nil
	}
	if err := r.check(ctx, folders); err != nil {
		return nil, atDir(err)
	}
	return sources, nil
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
		return nil, atDir(err)
	}
	return all.(*Images), nil
}

// dirError is an error about the files at data.dir.
type dirError struct{ error }

func atDir(err error) error { return dirError{fmt.Errorf("data.dir: %w", err)} }

func (e dirError) Unwrap() error { return errors.Unwrap(e.error) }

// WithoutKey returns an error of [Reader.Open] without the name of the setting data.dir in front, for users who gave
// the path and no setting.
func WithoutKey(err error) error {
	var e dirError
	if errors.As(err, &e) {
		return e.Unwrap()
	}
	return err
}

func (r Reader) notice(path, text string) {
	if r.Notice != nil && text != "" {
		r.Notice(path + ": " + text)
	}
}

// broken has the errors of the pictures that could not be read, by path.
type broken map[string]error

// list names the first few files and their errors: "a.png (the file is cut short), b.png (...)".
func (b broken) list(paths []string) string {
	const most = 10
	var names []string
	for _, path := range paths {
		if err := b[path]; err != nil && len(names) < most {
			names = append(names, fmt.Sprintf("%s (%v)", path, withoutPath(err)))
		}
	}
	if len(b) > most {
		names = append(names, fmt.Sprintf("%d more", len(b)-most))
	}
	return strings.Join(names, ", ")
}

// settle returns an error for broken pictures, or, if they may be skipped, removes them from the parts of the folder
// and sends a notice.
func (r Reader) settle(parts []*files, b broken) error {
	if len(b) == 0 {
		return nil
	}
	var paths []string
	for _, f := range parts {
		paths = append(paths, f.paths...)
	}
	first := parts[0]
	if !first.skip {
		if len(b) == 1 {
			for path, err := range b {
				return fmt.Errorf("read %s: %w; --set data.skip_broken=true leaves it out", path, withoutPath(err))
			}
		}
		return fmt.Errorf("%d of %d pictures cannot be read; --set data.skip_broken=true leaves them out: %s",
			len(b), len(paths), b.list(paths))
	}
	for _, f := range parts {
		all := len(f.paths)
		f.paths = slices.DeleteFunc(slices.Clone(f.paths), func(path string) bool { return b[path] != nil })
		if len(f.paths) == 0 {
			return fmt.Errorf("none of %d pictures of the %s part can be read: %s", all, f.split, b.list(paths))
		}
	}
	r.notice(first.dir, fmt.Sprintf("left out %d of %d pictures, which cannot be read: %s",
		len(b), len(paths), b.list(paths)))
	return nil
}
