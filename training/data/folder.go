package data

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
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

// celebaCrop is the size of the part of CelebA's pictures, 178 x 218, that shows the face. It is the size in NCSN.
const celebaCrop = 140

// listCelebA lists a part of CelebA according to its official partition: 0 is training, 2 is the test.
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

// listFolder lists all pictures below a folder, sorted by path. The test part is everything below the subfolder test,
// and training has the rest. Without this subfolder, the test part is every tenth picture. With ClassFolders, it also
// returns the names of the classes in both parts.
func (r Reader) listFolder(c Config, split Split) (part, classes []string, err error) {
	pictures, err := r.List(c.Dir)
	if err != nil {
		return nil, nil, err
	}
	isTest := func(i int) bool { return below(c.Dir, "test", pictures[i]) }
	if !slices.ContainsFunc(pictures, func(path string) bool { return below(c.Dir, "test", path) }) {
		isTest = func(i int) bool { return i%10 == 9 }
	}
	for i, path := range pictures {
		if isTest(i) == (split == Test) {
			part = append(part, path)
		}
	}
	switch all := len(pictures); {
	case len(part) == 0 && split == Test:
		return nil, nil, fmt.Errorf("read %s: it has %d pictures, and every tenth is of the test part: "+
			"want at least 10, or a folder test in it with the pictures of that part", c.Dir, all)
	case len(part) == 0:
		return nil, nil, fmt.Errorf("read %s: all its %d pictures are in its folder test: want others for training",
			c.Dir, all)
	}
	if c.ClassFolders {
		if classes = classNames(c.Dir, pictures); classes == nil {
			return nil, nil, fmt.Errorf("read %s: data.class_folders is true: want each picture in one of at least "+
				"two folders in it", c.Dir)
		}
	}
	return part, classes, nil
}
