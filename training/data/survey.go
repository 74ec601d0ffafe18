package data

import (
	"context"
	"fmt"
	"image/color"
	"path/filepath"
	"slices"
	"strings"
)

// Survey is what a folder of pictures has.
type Survey struct {
	Pictures int
	Least    int      // the shortest side of the smallest picture that was looked at
	Middle   int      // the median of the shortest sides
	Grey     bool     // whether all that were looked at are grey
	Clear    bool     // whether one of them has transparent pixels
	Classes  []string // the names of the folders, if each picture is in one of at least two
}

// Survey looks at a folder: at its names, and at some of its pictures, evenly spread. It passes over pictures that it
// cannot read: [Reader.Parts] names all of them. It returns an error for a folder without pictures.
func (r Reader) Survey(ctx context.Context, c Config) (Survey, error) {
	const most = 200
	all, err := Reader{}.List(c.Dir)
	if err != nil {
		return Survey{}, err
	}
	s := Survey{Pictures: len(all), Grey: true, Classes: classNames(c.Dir, all)}
	var sides []int
	var first error // of a picture
	for i := range min(most, len(all)) {
		if ctx.Err() != nil {
			return s, ctx.Err()
		}
		path := all[i*len(all)/min(most, len(all))]
		side, err := s.look(path)
		if err == nil {
			sides = append(sides, side)
		} else if first == nil {
			first = fmt.Errorf("read %s: %w", path, withoutPath(err))
		}
	}
	if len(sides) == 0 {
		return s, fmt.Errorf("none of its pictures can be read: %w", first)
	}
	slices.Sort(sides)
	s.Least, s.Middle = sides[0], sides[len(sides)/2]
	return s, nil
}

// look notes the colours of a picture, and returns its shortest side.
func (s *Survey) look(path string) (side int, err error) {
	text, err := readPictureFile(path)
	if err != nil {
		return 0, err
	}
	m, err := decodePicture(text, 0)
	if err != nil {
		return 0, err
	}
	const places = 16 // each way
	b := m.Bounds()
	for i := range places {
		for j := range places {
			c := color.NRGBAModel.Convert(m.At(b.Min.X+i*b.Dx()/places, b.Min.Y+j*b.Dy()/places)).(color.NRGBA)
			s.Clear = s.Clear || c.A < 255
			s.Grey = s.Grey && max(c.R, c.G, c.B)-min(c.R, c.G, c.B) <= 8
		}
	}
	return min(b.Dx(), b.Dy()), nil
}

// classNames returns the names of the folders in dir, or in dir/test, that have pictures in or below them, sorted; nil
// if there are fewer than two, or a picture is in none.
func classNames(dir string, pictures []string) []string {
	seen := map[string]bool{}
	for _, path := range pictures {
		name := classOf(dir, path)
		if name == "" {
			return nil
		}
		seen[name] = true
	}
	if len(seen) < 2 {
		return nil
	}
	names := make([]string, 0, len(seen))
	for name := range seen {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// classOf returns the name of the folder in dir, or in dir/test, that a picture is in; empty if it is in none.
func classOf(dir, path string) string {
	relative, err := filepath.Rel(dir, path)
	if err != nil {
		return ""
	}
	parts := strings.Split(filepath.ToSlash(relative), "/")
	if parts[0] == "test" {
		parts = parts[1:]
	}
	if len(parts) < 2 {
		return ""
	}
	return parts[0]
}

// IDX reports whether a folder has the pictures of a dataset in LeCun's format.
func IDX(dir string) bool {
	_, err := idxFile(filepath.Join(dir, idxFiles[Train].pictures))
	return err == nil
}
