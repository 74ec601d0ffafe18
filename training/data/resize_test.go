package data

import (
	"bytes"
	"path/filepath"
	"slices"
	"testing"
)

// TestImageSize: a picture becomes its middle square. Pixels are averaged if it gets smaller. Labels stay.
func TestImageSize(t *testing.T) {
	c := digits(t)
	for size, want := range map[int][]byte{1: {22}, 2: {20, 21, 23, 24}} { // of 20 21 22 above 23 24 25
		c.ImageSize = size
		m, err := c.Images(Train)
		if err != nil {
			t.Fatal(err)
		}
		if m.Len() != 5 || !slices.Equal(m.At(2), want) || m.Labels[2] != 2 {
			t.Errorf("picture 2 of %d at size %d is %v of label %d, want %v", m.Len(), size, m.At(2), m.Labels[2], want)
		}
		if x := readAll(t, c, Test, 0, 1); len(x) != size*size {
			t.Errorf("a sample at size %d has %d elements", size, len(x))
		}
	}
}

// TestImageSizeOfColours: the colours do not mix.
func TestImageSizeOfColours(t *testing.T) {
	dir := t.TempDir()
	record := []byte{7}
	for _, level := range []byte{10, 100, 200} {
		record = append(record, bytes.Repeat([]byte{level}, 32*32)...)
	}
	writeFile(t, filepath.Join(dir, "test_batch.bin"), record)
	m, err := Config{Name: CIFAR10, Dir: dir, ImageSize: 2}.Images(Test)
	if err != nil {
		t.Fatal(err)
	}
	want := slices.Concat(bytes.Repeat([]byte{10}, 4), bytes.Repeat([]byte{100}, 4), bytes.Repeat([]byte{200}, 4))
	if !slices.Equal(m.At(0), want) {
		t.Errorf("pixels %v, want %v", m.At(0), want)
	}
}
