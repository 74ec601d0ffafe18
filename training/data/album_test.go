package data

import (
	"fmt"
	"image/color"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestFilesAreReadWhenDrawn: files that are read when they are drawn give the same samples as files in memory, however
// few of them are kept.
func TestFilesAreReadWhenDrawn(t *testing.T) {
	dir := t.TempDir()
	for i := range 30 {
		grey := color.Gray{byte(8 * i)}
		writePicture(t, filepath.Join(dir, fmt.Sprintf("a%02d.png", i)), flat(12, 12, 0, grey, grey))
	}
	c := Config{Name: Pictures, Dir: dir, ImageSize: 4, RandomFlip: true, Dequantize: DequantizeUniform}
	images, err := c.Images(Train)
	if err != nil {
		t.Fatal(err)
	}
	want := make([]float32, 60*3*4*4) // two epochs and more
	if err := newPictures(images, c, 3).Read(want, 5); err != nil {
		t.Fatal(err)
	}
	for _, kept := range []int{0, 10, 27} {
		f, err := Reader{}.pictureFiles(c, Train)
		if err != nil {
			t.Fatal(err)
		}
		f.room = kept*f.size() + 1
		got := make([]float32, len(want))
		source := newPictures(f, c, 3)
		for at := 0; at < len(got); at += len(got) / 4 { // in batches
			if err := source.Read(got[at:at+len(got)/4], 5+uint64(at/f.size())); err != nil {
				t.Fatal(err)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%d files kept: the samples differ from the samples of images in memory", kept)
		}
		if all, err := source.Images(); err != nil || !slices.Equal(all.Pixels, images.Pixels) {
			t.Errorf("%d files kept: the pictures of the source differ, %v", kept, err)
		}
		if len(f.kept) != kept {
			t.Errorf("%d files are kept, want %d", len(f.kept), kept)
		}
	}
}

// TestFilesThatGo: a picture in memory needs no file. For any other picture, the error names the missing file.
func TestFilesThatGo(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.png")
	writePicture(t, path, flat(12, 12, 0, color.Gray{8}, color.Gray{200}))
	writePicture(t, filepath.Join(dir, "test", "b.png"), flat(12, 12, 0, color.White, color.White))
	f, err := Reader{}.pictureFiles(Config{Name: Pictures, Dir: dir, ImageSize: 4}, Train)
	if err != nil {
		t.Fatal(err)
	}
	if err := (Reader{}).check(t.Context(), []*files{f}); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, err := f.fetch([]int{0}); err != nil {
		t.Errorf("a picture that is kept: %v", err)
	}
	clear(f.kept)
	if _, err := f.fetch([]int{0}); err == nil || !strings.Contains(err.Error(), "read "+path+": no such file") {
		t.Errorf("a picture that is not kept: error %v, want one that names %s", err, path)
	}
}
