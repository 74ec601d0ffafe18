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

// Files that are read when they are drawn give what they give from memory, however few of them are kept.
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
		f, err := c.pictureFiles(Train)
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
			t.Errorf("%d files kept: the samples are others than those of images in memory", kept)
		}
		if len(f.kept) != kept {
			t.Errorf("%d files are kept, want %d", len(f.kept), kept)
		}
	}
}

// A file that is no picture is named when the folder is opened, and one that breaks off later when it is drawn.
func TestBrokenFilesAreNamed(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.png")
	writePicture(t, path, flat(12, 12, 0, color.Gray{8}, color.Gray{200}))
	writePicture(t, filepath.Join(dir, "test", "b.png"), flat(12, 12, 0, color.White, color.White))
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	c := Config{Name: Pictures, Dir: dir, ImageSize: 4}
	source, err := c.Open(Train, 1)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, path, whole[:len(whole)-20]) // the head is fine
	if err := source.Read(make([]float32, 48), 0); err == nil || !strings.Contains(err.Error(), "read "+path+": ") {
		t.Errorf("a file without its end: error %v, want one that names %s", err, path)
	}
	writeFile(t, path, whole[:20])
	if _, err := c.Open(Train, 1); err == nil || !strings.Contains(err.Error(), "data.dir: read "+path+": ") {
		t.Errorf("a file that is no picture: error %v, want one that names %s", err, path)
	}
}
