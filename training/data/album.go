package data

import (
	"context"
	"errors"
	"fmt"
	"hash"
	"image/color"
	"math"
	"runtime"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"
)

// album is a set of pictures of one size that may be too large for memory.
type album interface {
	Len() int

	// frame returns their size, without pixels.
	frame() Images

	// fetch returns the pictures with the given indices, [Channels, Height, Width] each. The caller must not change
	// them.
	fetch(indices []int) ([][]byte, error)

	// classes returns the number of classes of the pictures; 0 if they have none. label returns the class of one.
	classes() int
	label(i int) int

	digest(sum hash.Hash)
}

func (m *Images) classes() int {
	if len(m.Labels) == 0 {
		return 0
	}
	return 1 + int(slices.Max(m.Labels))
}

func (m *Images) label(i int) int { return int(m.Labels[i]) }

func (f *files) classes() int { return len(f.names) }

func (f *files) label(i int) int {
	at, _ := slices.BinarySearch(f.names, classOf(f.dir, f.paths[i]))
	return at
}

func (m *Images) frame() Images {
	return Images{Channels: m.Channels, Height: m.Height, Width: m.Width}
}

func (m *Images) fetch(indices []int) ([][]byte, error) {
	pictures := make([][]byte, len(indices))
	for k, i := range indices {
		pictures[k] = m.At(i)
	}
	return pictures, nil
}

// keptBytes is the size of the part of a folder that stays in memory. The rest is read again each time.
const keptBytes = 1 << 30

// files is an album of picture files. It has the middle square of each picture, resized. The square has crop pixels, or
// is as large as possible if crop is 0. files is safe for concurrent use after check.
type files struct {
	Images     // their size; no pixels
	dir        string
	split      Split
	listed     []string // all files
	paths      []string // of those that can be read
	crop       int
	background color.RGBA
	skip       bool     // skip broken files
	names      []string // of the classes, sorted; nil for none

	mu   sync.Mutex
	kept map[string][]byte // by path
	room int               // number of bytes that may still be kept
}

// newFiles returns an album without files, which reads them as c says.
func newFiles(c Config, split Split) *files {
	f := &files{
		Images: Images{Channels: 3, Height: c.ImageSize, Width: c.ImageSize},
		dir:    c.Dir, split: split, skip: c.SkipBroken, kept: map[string][]byte{}, room: keptBytes,
	}
	f.background, _ = colour(c.Background)
	if c.Grey {
		f.Channels = 1
	}
	if c.Name == CelebA {
		f.crop = celebaCrop
	}
	return f
}

// pictureFiles lists the files of a part of a dataset with one picture per file.
func (r Reader) pictureFiles(c Config, split Split) (_ *files, err error) {
	f := newFiles(c, split)
	if c.Name == CelebA {
		f.listed, err = listCelebA(c, split)
	} else {
		f.listed, f.names, err = r.listFolder(c, split)
	}
	f.paths = f.listed
	return f, err
}

func (f *files) Len() int { return len(f.paths) }

// check decodes every file of the parts of a folder, so that a training does not stop at a broken one after hours. The
// first files of each part stay in memory.
func (r Reader) check(ctx context.Context, parts []*files) error {
	var owners []*files // by path
	var paths []string
	for _, f := range parts {
		owners = append(owners, slices.Repeat([]*files{f}, len(f.paths))...)
		paths = append(paths, f.paths...)
	}
	bad, err := r.each(ctx, paths, func(i int) error { _, err := owners[i].picture(paths[i]); return err })
	if err != nil {
		return err
	}
	return r.settle(parts, bad)
}

// Files reads the pictures in files, in their order, as a dataset with the settings c reads those of its folder: the
// middle square, resized, in grey or in colours, over its background. The error names a file that cannot be read.
func (r Reader) Files(ctx context.Context, c Config, paths []string) (*Images, error) {
	f := newFiles(c, Test)
	m := f.Images
	m.Pixels = make([]byte, len(paths)*m.size())
	bad, err := r.each(ctx, paths, func(i int) error { return f.read(m.At(i), paths[i]) })
	for _, path := range paths {
		if cause := bad[path]; cause != nil && err == nil {
			err = fmt.Errorf("read %s: %w", path, withoutPath(cause))
		}
	}
	return &m, err
}

// all reads every file.
func (f *files) all(ctx context.Context, r Reader) (*Images, error) {
	m := f.Images
	m.Pixels = make([]byte, len(f.paths)*m.size())
	bad, err := r.each(ctx, f.paths, func(i int) error { return f.read(m.At(i), f.paths[i]) })
	if err != nil {
		return nil, err
	}
	n := 0
	for i, path := range f.paths {
		if bad[path] == nil {
			copy(m.At(n), m.At(i))
			n++
		}
	}
	m.Pixels = m.Pixels[:n*m.size()]
	err = r.settle([]*files{f}, bad)
	m.Labels = labels(f)
	return &m, err
}

// labels returns the labels of [Images] with the pictures of an album.
func labels(a album) (all []byte) {
	if n := a.classes(); n == 0 || n > math.MaxUint8+1 {
		return nil
	}
	for i := range a.Len() {
		all = append(all, byte(a.label(i)))
	}
	return all
}

func (f *files) fetch(indices []int) ([][]byte, error) {
	pictures := make([][]byte, len(indices))
	var work errgroup.Group
	work.SetLimit(runtime.GOMAXPROCS(0))
	for k, i := range indices {
		work.Go(func() (err error) {
			if pictures[k], err = f.picture(f.paths[i]); err != nil {
				return fmt.Errorf("read %s: %w", f.paths[i], withoutPath(err))
			}
			return nil
		})
	}
	return pictures, work.Wait()
}

// picture returns a picture from memory, or reads it.
func (f *files) picture(path string) ([]byte, error) {
	f.mu.Lock()
	pixels := f.kept[path]
	f.mu.Unlock()
	if pixels != nil {
		return pixels, nil
	}
	pixels = make([]byte, f.size())
	if err := f.read(pixels, path); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, there := f.kept[path]; !there && f.room >= len(pixels) {
		f.kept[path] = pixels
		f.room -= len(pixels)
	}
	return pixels, nil
}

func (f *files) read(dst []byte, path string) error {
	return readPicture(dst, &f.Images, path, f.crop, f.background)
}

// each calls do for every picture, on all processors, and collects the pictures for which do fails. It stops when ctx
// is done.
func (r Reader) each(ctx context.Context, paths []string, do func(i int) error) (broken, error) {
	var work errgroup.Group
	work.SetLimit(runtime.GOMAXPROCS(0))
	var mu sync.Mutex
	bad, done := broken{}, 0
	for i, path := range paths {
		if ctx.Err() != nil {
			break
		}
		work.Go(func() error {
			err := do(i)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				bad[path] = err
			}
			if done++; r.Progress != nil {
				r.Progress(done, len(paths))
			}
			return nil
		})
	}
	return bad, errors.Join(work.Wait(), context.Cause(ctx))
}
