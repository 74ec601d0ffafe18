package data

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"sync"

	"golang.org/x/sync/errgroup"
)

// album is a set of pictures of one size that may be too large for memory.
type album interface {
	Len() int

	// frame is their size, without pixels.
	frame() Images

	// fetch returns pictures, [Channels, Height, Width] each, which the caller must not change.
	fetch(indices []int) ([][]byte, error)
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

// keptBytes is how much of a folder stays in memory once it was read. What is beyond that is read each time anew.
const keptBytes = 1 << 30

// files is an album of PNG and JPEG files: the middle square of each, of crop pixels or, for 0, as large as it can be,
// resized. It is safe for concurrent use.
type files struct {
	Images // their size; no pixels
	paths  []string
	crop   int

	mu   sync.Mutex
	kept map[int][]byte
	room int // bytes that may still be kept
}

// pictureFiles lists the files of a part of a dataset that is one picture a file.
func (c Config) pictureFiles(split Split) (*files, error) {
	f := &files{Images: Images{Channels: 3, Height: c.ImageSize, Width: c.ImageSize}, kept: map[int][]byte{}, room: keptBytes}
	if c.Grey {
		f.Channels = 1
	}
	var err error
	if c.Name == CelebA {
		f.crop = celebaCrop
		f.paths, err = listCelebA(c, split)
	} else {
		f.paths, err = listFolder(c, split)
	}
	return f, err
}

func (f *files) Len() int { return len(f.paths) }

// check looks at the head of every file, so that a training does not stop at a strange one after hours.
func (f *files) check() error {
	return f.each(len(f.paths), func(i int) (string, error) {
		file, err := os.Open(f.paths[i])
		if err != nil {
			return f.paths[i], err
		}
		defer file.Close()
		return f.paths[i], checkPicture(bufio.NewReader(file), f.crop)
	})
}

// all reads every file.
func (f *files) all() (*Images, error) {
	m := f.Images
	m.Pixels = make([]byte, len(f.paths)*m.size())
	err := f.each(len(f.paths), func(i int) (string, error) { return f.paths[i], readPicture(m.At(i), &m, f.paths[i], f.crop) })
	return &m, err
}

func (f *files) fetch(indices []int) ([][]byte, error) {
	pictures := make([][]byte, len(indices))
	err := f.each(len(indices), func(k int) (path string, err error) {
		pictures[k], err = f.picture(indices[k])
		return f.paths[indices[k]], err
	})
	return pictures, err
}

// picture is one that was kept, or read.
func (f *files) picture(i int) ([]byte, error) {
	f.mu.Lock()
	pixels := f.kept[i]
	f.mu.Unlock()
	if pixels != nil {
		return pixels, nil
	}
	pixels = make([]byte, f.size())
	if err := readPicture(pixels, &f.Images, f.paths[i], f.crop); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, there := f.kept[i]; !there && f.room >= len(pixels) {
		f.kept[i] = pixels
		f.room -= len(pixels)
	}
	return pixels, nil
}

// each does n things, as many at once as there are processors, and names the file of one that fails.
func (f *files) each(n int, do func(i int) (path string, err error)) error {
	var work errgroup.Group
	work.SetLimit(runtime.GOMAXPROCS(0))
	for i := range n {
		work.Go(func() error {
			if path, err := do(i); err != nil {
				return fmt.Errorf("read %s: %w", path, withoutPath(err))
			}
			return nil
		})
	}
	return work.Wait()
}
