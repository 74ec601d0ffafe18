package figure

import (
	"fmt"
	"image"
	"io"
	"math"
)

// imageGrid draws images of one shape in rows.
type imageGrid struct {
	shape  []int // channels, height, width
	values Range // values of black and white
	scale  float64
	side   float64 // of the whole grid in points, approximately
	rows   int     // 0 makes the grid as square as possible
}

const (
	imageGap  = 2        // pixels between images
	maxPixels = 64 << 20 // of a grid
)

// render draws the images of x, row-major.
func (g imageGrid) render(x []float32, title, note string) (*image.RGBA, error) {
	dim := g.shape[0] * g.shape[1] * g.shape[2]
	n := len(x) / dim
	columns := int(math.Ceil(math.Sqrt(float64(n))))
	if g.rows > 0 {
		columns = n / g.rows
	}
	rows := (n + columns - 1) / columns
	zoom := max(1, int(g.side*g.scale)/(columns*g.shape[2]))
	w, h := columns*(g.shape[2]*zoom+imageGap)-imageGap, rows*(g.shape[1]*zoom+imageGap)-imageGap
	if w*h > maxPixels {
		return nil, fmt.Errorf("%d images of shape %s: a grid of %dx%d pixels: want at most %d pixels",
			n, shapeText(g.shape), w, h, maxPixels)
	}
	const top = titleRow + 2
	c, err := newCanvas(float64(w)/g.scale+2*marginEdge, float64(h)/g.scale+top+marginEdge, g.scale)
	if err != nil {
		return nil, err
	}
	corner := image.Pt(c.floor(marginEdge), c.floor(top))
	lost := 0
	for i := range n {
		at := corner.Add(image.Pt(i%columns*(g.shape[2]*zoom+imageGap), i/columns*(g.shape[1]*zoom+imageGap)))
		if !g.drawImage(c, at, zoom, x[i*dim:(i+1)*dim]) {
			lost++
		}
	}
	noteInk := caption
	if lost > 0 {
		note, noteInk = fmt.Sprintf("%d of %d not finite", lost, n), warning
	}
	return c.img, c.header(title, note, noteInk, box{marginEdge, top, float64(w) / g.scale, float64(h) / g.scale})
}

// drawImage draws one image and reports whether all its values are finite. Values that are not have the warning colour.
func (g imageGrid) drawImage(c *canvas, at image.Point, zoom int, x []float32) bool {
	sound := true
	height, width := g.shape[1], g.shape[2]
	for i := range height * width {
		v, ok := g.pixel(x, i)
		sound = sound && ok
		for j := range zoom * zoom {
			c.set(at.X+i%width*zoom+j%zoom, at.Y+i/width*zoom+j/zoom, v)
		}
	}
	return sound
}

// pixel returns the colour of pixel i of the image x. The planes of x are one after the other.
func (g imageGrid) pixel(x []float32, i int) (colour rgb, ok bool) {
	plane := g.shape[1] * g.shape[2]
	for channel := range 3 {
		v := float64(x[min(channel, g.shape[0]-1)*plane+i])
		if !finite(v) {
			return warning, false
		}
		share := (v - g.values.Low) / (g.values.High - g.values.Low)
		colour = colour<<8 | rgb(math.Round(255*min(1, max(0, share))))
	}
	return colour, true
}

// ImageRows writes images in rows of equal length. x has rows·k images, row-major, and the shape of an image is [1,H,W]
// or [3,H,W]. Values are clamped to r.
func ImageRows(w io.Writer, shape []int, r Range, x []float32, rows int, title string) error {
	kind, err := drawable(shape, r, x)
	if err != nil {
		return err
	}
	if kind != images {
		return fmt.Errorf("image rows: samples of shape %s: want images", shapeText(shape))
	}
	if n := len(x) / (shape[0] * shape[1] * shape[2]); rows < 1 || n%rows != 0 {
		return fmt.Errorf("image rows: %d images in %d rows: want an equal number in each", n, rows)
	}
	img, err := imageGrid{shape: shape, values: r, scale: 2, side: 320, rows: rows}.render(x, title, "")
	if err != nil {
		return err
	}
	return encodePNG(w, img)
}
