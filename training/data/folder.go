package data

import (
	"bufio"
	"bytes"
	"fmt"
	"image"
	_ "image/jpeg" // registers the decoder
	_ "image/png"  // registers the decoder
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/image/draw"
)

// cifarRecord is a label and a picture of 3 x 32 x 32.
const cifarRecord = 1 + 3*32*32

// loadCIFAR10 reads the binary version of CIFAR-10.
func loadCIFAR10(dir string, split Split) (*Images, error) {
	names := []string{"test_batch.bin"}
	if split == Train {
		names = nil
		for i := range 5 {
			names = append(names, fmt.Sprintf("data_batch_%d.bin", i+1))
		}
	}
	m := &Images{Channels: 3, Height: 32, Width: 32}
	for _, name := range names {
		path := filepath.Join(dir, name)
		text, err := os.ReadFile(path)
		if err == nil && (len(text) == 0 || len(text)%cifarRecord != 0) {
			err = fmt.Errorf("it has %d bytes: want a multiple of %d, above 0", len(text), cifarRecord)
		}
		for i := 0; err == nil && i < len(text); i += cifarRecord {
			if text[i] > 9 {
				err = fmt.Errorf("picture %d has label %d: want 0 to 9", i/cifarRecord, text[i])
			}
			m.Labels = append(m.Labels, text[i])
			m.Pixels = append(m.Pixels, text[i+1:i+cifarRecord]...)
		}
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", path, withoutPath(err))
		}
	}
	return m, nil
}

// celebaCrop is the part of CelebA's pictures, 178 x 218, that has the face: NCSN's.
const celebaCrop = 140

// listCelebA finds the part of CelebA that its official partition names: 0 for training, 2 for the test.
func listCelebA(c Config, split Split) (paths []string, err error) {
	partition := filepath.Join(c.Dir, "list_eval_partition.txt")
	text, err := os.ReadFile(partition)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", partition, withoutPath(err))
	}
	wanted := map[Split]string{Train: "0", Test: "2"}[split]
	lines := bufio.NewScanner(bytes.NewReader(text))
	for n := 1; lines.Scan(); n++ {
		fields := strings.Fields(lines.Text())
		if len(fields) == 0 {
			continue
		}
		if len(fields) != 2 || !filepath.IsLocal(fields[0]) || !slices.Contains([]string{"0", "1", "2"}, fields[1]) {
			return nil, fmt.Errorf("read %s: line %d is %q: want a file and 0, 1 or 2", partition, n, lines.Text())
		}
		if fields[1] == wanted {
			paths = append(paths, filepath.Join(c.Dir, "img_align_celeba", fields[0]))
		}
	}
	if len(paths) == 0 {
		return nil, fmt.Errorf("read %s: no picture is marked %s", partition, wanted)
	}
	return paths, nil
}

// listFolder finds all pictures below a folder, in the order of their paths. The test part is what lies below its
// folder test, and training has the rest; without such a folder, it is every tenth picture.
func listFolder(c Config, split Split) ([]string, error) {
	var train, test, all []string
	err := filepath.WalkDir(c.Dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !slices.Contains([]string{".png", ".jpg", ".jpeg"}, strings.ToLower(filepath.Ext(path))) {
			return err
		}
		all = append(all, path)
		if relative, _ := filepath.Rel(c.Dir, path); strings.HasPrefix(relative, "test"+string(filepath.Separator)) {
			test = append(test, path)
		} else {
			train = append(train, path)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", c.Dir, withoutPath(err))
	}
	if len(test) == 0 {
		train = nil
		for i, path := range all {
			if i%10 == 9 {
				test = append(test, path)
			} else {
				train = append(train, path)
			}
		}
	}
	if split == Test {
		train = test
	}
	if len(train) == 0 {
		return nil, fmt.Errorf("read %s: no PNG or JPEG file for the %s part, of %d in all", c.Dir, split, len(all))
	}
	return train, nil
}

// readPicture writes the pixels of a file, [channels, height, width], to dst.
func readPicture(dst []byte, m *Images, path string, crop int) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := checkPicture(bytes.NewReader(text), crop); err != nil {
		return err
	}
	from, _, err := image.Decode(bytes.NewReader(text))
	if err != nil {
		return err
	}
	middle, err := square(from.Bounds(), crop)
	if err != nil {
		return err
	}
	scaled := image.NewRGBA(image.Rect(0, 0, m.Width, m.Height))
	draw.BiLinear.Scale(scaled, scaled.Rect, from, middle, draw.Src, nil)
	m.split(dst, scaled)
	return nil
}

// checkPicture reads the head of a file, which says what it is and how large.
func checkPicture(head io.Reader, crop int) error {
	const most = 1 << 26 // pixels: a small file can claim to hold more than memory does
	size, _, err := image.DecodeConfig(head)
	if err != nil {
		return err
	}
	if size.Width > most/max(size.Height, 1) {
		return fmt.Errorf("it has %d x %d pixels: want at most %d in all", size.Width, size.Height, most)
	}
	_, err = square(image.Rect(0, 0, size.Width, size.Height), crop)
	return err
}

// square is the middle of a picture.
func square(bounds image.Rectangle, side int) (image.Rectangle, error) {
	if side == 0 {
		side = min(bounds.Dx(), bounds.Dy())
	}
	if side < 1 || side > bounds.Dx() || side > bounds.Dy() {
		return image.Rectangle{}, fmt.Errorf("it has %d x %d pixels: want at least %d each way", bounds.Dx(), bounds.Dy(), max(side, 1))
	}
	corner := bounds.Min.Add(image.Pt((bounds.Dx()-side)/2, (bounds.Dy()-side)/2))
	return image.Rectangle{corner, corner.Add(image.Pt(side, side))}, nil
}
