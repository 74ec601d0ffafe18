package client

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math"
)

// Images returns the rows as pictures, for shapes [height, width], [1, height, width] and [3, height, width]. Low is
// drawn black and high white, values beyond them too: the range of the model, [Model.Low] and [Model.High].
//
// Rows that came as PNG (SampleRequest.PNG) are decoded only now, and low and high have no influence.
func (b Batch) Images(low, high float64) ([]image.Image, error) {
	pictures := make([]image.Image, b.N)
	for i := range pictures {
		picture, err := b.image(i, low, high)
		if err != nil {
			return nil, fmt.Errorf("image %d: %w", i, err)
		}
		pictures[i] = picture
	}
	return pictures, nil
}

func (b Batch) image(i int, low, high float64) (image.Image, error) {
	if b.PNG != nil {
		return png.Decode(bytes.NewReader(b.PNG[i]))
	}
	if !(high > low) || math.IsInf(high-low, 0) {
		return nil, fmt.Errorf("range is %g to %g: want finite numbers, the smaller first", low, high)
	}
	channels := 1
	var height, width int
	switch {
	case len(b.Shape) == 2:
		height, width = b.Shape[0], b.Shape[1]
	case len(b.Shape) == 3 && (b.Shape[0] == 1 || b.Shape[0] == 3):
		channels, height, width = b.Shape[0], b.Shape[1], b.Shape[2]
	default:
		return nil, fmt.Errorf("shape is %v: want [height width], [1 height width] or [3 height width]", b.Shape)
	}
	row, area := b.Row(i), height*width
	level := func(v float32) uint8 {
		return uint8(math.Round(255 * min(max((float64(v)-low)/(high-low), 0), 1)))
	}
	if channels == 1 {
		grey := image.NewGray(image.Rect(0, 0, width, height))
		for j, v := range row {
			grey.Pix[j] = level(v)
		}
		return grey, nil
	}
	rgb := image.NewNRGBA(image.Rect(0, 0, width, height))
	for j := range area {
		rgb.SetNRGBA(j%width, j/width, color.NRGBA{level(row[j]), level(row[area+j]), level(row[2*area+j]), 255})
	}
	return rgb, nil
}
