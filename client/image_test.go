package client_test

import (
	"errors"
	"image"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/langevin-ml/langevin/client"
	"github.com/langevin-ml/langevin/client/fake"
)

// pixels are the red, green and blue of a picture, row by row, from 0 to 255.
func pixels(picture image.Image) []uint32 {
	var all []uint32
	bounds := picture.Bounds()
	for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
		for x := bounds.Min.X; x < bounds.Max.X; x++ {
			r, g, b, _ := picture.At(x, y).RGBA()
			all = append(all, r>>8, g>>8, b>>8)
		}
	}
	return all
}

func TestImages(t *testing.T) {
	for name, tt := range map[string]struct {
		batch client.Batch
		want  []uint32
	}{
		"grey": {client.Batch{X: []float32{-1, 0, 1, 9}, Shape: []int{1, 2, 2}, N: 1},
			[]uint32{0, 0, 0, 128, 128, 128, 255, 255, 255, 255, 255, 255}},
		"without channels": {client.Batch{X: []float32{-7, 1}, Shape: []int{1, 2}, N: 1},
			[]uint32{0, 0, 0, 255, 255, 255}},
		"colour": {client.Batch{X: []float32{1, -1, -1, 1, 0, 0}, Shape: []int{3, 1, 2}, N: 1},
			[]uint32{255, 0, 128, 0, 255, 128}},
	} {
		pictures, err := tt.batch.Images(-1, 1)
		if err != nil || len(pictures) != 1 {
			t.Errorf("%s: %d pictures, %v", name, len(pictures), err)
			continue
		}
		if diff := cmp.Diff(tt.want, pixels(pictures[0])); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	for name, b := range map[string]client.Batch{
		"points":       {X: []float32{1, 2}, Shape: []int{2}, N: 1},
		"two channels": {X: []float32{1, 2}, Shape: []int{2, 1, 1}, N: 1},
		"not a PNG":    {PNG: [][]byte{[]byte("GIF89a")}, Shape: []int{1, 1, 1}, N: 1},
	} {
		if _, err := b.Images(0, 1); err == nil {
			t.Errorf("%s: drawn", name)
		}
	}
	if _, err := row(1).Images(1, 1); err == nil {
		t.Error("an empty range: drawn")
	}
}

// TestPictures requests PNG instead of numbers: previews and result come as pictures, which are decoded on demand.
func TestPictures(t *testing.T) {
	c := serve(t, fake.Script{Sample: fake.Samples([]int{1, 1, 2},
		func(chain uint64) []float32 { return []float32{float32(chain), 0.2} })})
	res, err := c.Sample(t.Context(), client.SampleRequest{N: 2, PNG: true, Preview: &client.PreviewOptions{Frames: 2}})
	if err != nil {
		t.Fatal(err)
	}
	if res.N != 2 || res.X != nil || res.Row(1) != nil || len(res.PNG) != 2 {
		t.Errorf("result %+v", res)
	}
	for _, b := range []client.Batch{res.Batch, res.Previews[0].Batch} {
		pictures, err := b.Images(0, 0)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]uint32{255, 255, 255, 51, 51, 51}, pixels(pictures[1])); diff != "" {
			t.Errorf("picture 1 (-want +got):\n%s", diff)
		}
	}
	c = serve(t, fake.Script{Sample: fake.Samples([]int{2}, points)})
	if _, err := c.Sample(t.Context(), client.SampleRequest{PNG: true}); !errors.Is(err, client.ErrInvalid) {
		t.Errorf("pictures of points: %v, want ErrInvalid", err)
	}
}
