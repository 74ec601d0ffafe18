package figure

import (
	"fmt"
	"io"
	"strings"
)

// Still writes samples as a PNG. The shape of one sample decides the kind of picture. Points, shape [2], are a scatter
// plot over the square r. Images, shape [1,H,W] (grey) or [3,H,W] (colour), are a grid with their values clamped to r.
// x has whole samples, row-major, at least one. For another shape the error names it and the shapes that can be drawn.
func Still(w io.Writer, shape []int, r Range, x []float32, title string) error {
	kind, err := drawable(shape, r, x)
	if err != nil {
		return err
	}
	if kind == images {
		img, err := imageGrid{shape: shape, values: r, scale: 2, side: 320}.render(x, title, "")
		if err != nil {
			return err
		}
		return encodePNG(w, img)
	}
	p, err := samplesPanel(title, r, x)
	if err != nil {
		return err
	}
	return Figure{Bounds: r, Panels: []Panel{p}}.PNG(w)
}

// shapeKind says how a sample can be drawn.
type shapeKind int

const (
	points shapeKind = iota
	images
)

// drawable checks that x holds samples of a shape that can be drawn in r.
func drawable(shape []int, r Range, x []float32) (shapeKind, error) {
	kind, dim := points, 2
	switch {
	case len(shape) == 1 && shape[0] == 2:
	case len(shape) == 3 && (shape[0] == 1 || shape[0] == 3) && shape[1] > 0 && shape[2] > 0:
		kind, dim = images, shape[0]*shape[1]*shape[2]
	default:
		return 0, fmt.Errorf("samples of shape %s cannot be drawn: want [2] (points), [1,H,W] or [3,H,W] (images)",
			shapeText(shape))
	}
	if len(x) == 0 || len(x)%dim != 0 {
		return 0, fmt.Errorf("samples of shape %s: %d numbers: want %d for each sample, at least one sample",
			shapeText(shape), len(x), dim)
	}
	return kind, r.validate("range")
}

func shapeText(shape []int) string {
	return strings.ReplaceAll(fmt.Sprint(shape), " ", ",")
}
