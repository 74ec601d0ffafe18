package figure

import (
	"image"
	"image/draw"
	"math"

	"golang.org/x/image/vector"
)

// point is a place on the canvas in points, from the top left corner.
type point struct{ x, y float64 }

// box is a rectangle on the canvas in points.
type box struct{ x, y, w, h float64 }

// canvas is a white picture to draw on. Its unit is the point, which has scale pixels.
type canvas struct {
	img    *image.RGBA
	scale  float64
	clip   image.Rectangle // in pixels; nothing is drawn outside
	raster vector.Rasterizer
	text   typeface
}

func newCanvas(w, h, scale float64) (*canvas, error) {
	text, err := newTypeface(scale)
	if err != nil {
		return nil, err
	}
	img := image.NewRGBA(image.Rect(0, 0, int(math.Round(w*scale)), int(math.Round(h*scale))))
	draw.Draw(img, img.Rect, image.White, image.Point{}, draw.Src)
	return &canvas{img: img, scale: scale, clip: img.Rect, text: text}, nil
}

// within draws with the clip narrowed to b.
func (c *canvas) within(b box, draw func() error) error {
	outer := c.clip
	c.clip = outer.Intersect(c.pixels(b))
	defer func() { c.clip = outer }()
	return draw()
}

// pixels returns the pixels that b covers, with its edges rounded to whole pixels.
func (c *canvas) pixels(b box) image.Rectangle {
	at := func(v float64) int { return int(math.Round(v * c.scale)) }
	return image.Rect(at(b.x), at(b.y), at(b.x+b.w), at(b.y+b.h))
}

// blend draws ink over the pixel (x, y) with the given coverage in [0,1].
func (c *canvas) blend(x, y int, ink rgb, coverage float64) {
	p := c.img.Pix[c.img.PixOffset(x, y):][:3:3]
	for i, v := range ink.bytes() {
		old := float64(p[i])
		p[i] = uint8(old + float64((float64(v)-old)*coverage) + 0.5)
	}
}

// set gives the pixel (x, y) the colour ink.
func (c *canvas) set(x, y int, ink rgb) {
	p, v := c.img.Pix[c.img.PixOffset(x, y):][:3:3], ink.bytes()
	copy(p, v[:])
}

// fill fills a polygon with opaque ink.
func (c *canvas) fill(ink rgb, polygon ...point) {
	low, high := polygon[0], polygon[0]
	for _, p := range polygon {
		low = point{min(low.x, p.x), min(low.y, p.y)}
		high = point{max(high.x, p.x), max(high.y, p.y)}
	}
	r := image.Rect(c.floor(low.x), c.floor(low.y), c.floor(high.x)+1, c.floor(high.y)+1).Intersect(c.clip)
	if r.Empty() {
		return
	}
	c.raster.Reset(r.Dx(), r.Dy())
	for i, p := range polygon {
		x, y := float32(p.x*c.scale-float64(r.Min.X)), float32(p.y*c.scale-float64(r.Min.Y))
		if i == 0 {
			c.raster.MoveTo(x, y)
		} else {
			c.raster.LineTo(x, y)
		}
	}
	c.raster.ClosePath()
	c.raster.Draw(c.img, r, image.NewUniform(ink), image.Point{})
}

// line draws the segment from p to q with round ends, opacity in [0,1].
func (c *canvas) line(p, q point, width float64, ink rgb, opacity float64) {
	c.stroke(p, q, width/2, func(x, y int, coverage float64) { c.blend(x, y, ink, coverage*opacity) })
}

// polyline joins the points of path with opaque segments.
func (c *canvas) polyline(path []point, width float64, ink rgb) {
	for i := 1; i < len(path); i++ {
		c.line(path[i-1], path[i], width, ink, 1)
	}
}

// rule draws a sharp horizontal or vertical line between two corners. It is at least one device pixel wide.
func (c *canvas) rule(p, q point, width float64, ink rgb) {
	n := max(1, int(math.Round(width*c.scale)))
	x0, y0 := c.floor(min(p.x, q.x)), c.floor(min(p.y, q.y))
	x1, y1 := c.floor(max(p.x, q.x))+n, c.floor(max(p.y, q.y))+n
	r := image.Rect(x0, y0, x1, y1).Intersect(c.clip)
	draw.Draw(c.img, r, image.NewUniform(ink), image.Point{}, draw.Src)
}

// outline draws the four sides of b, one pixel or point wide.
func (c *canvas) outline(b box, ink rgb) {
	low, high := point{b.x, b.y}, point{b.x + b.w, b.y + b.h}
	for _, corner := range []point{{low.x, high.y}, {high.x, low.y}} {
		c.rule(low, corner, 1, ink)
		c.rule(corner, high, 1, ink)
	}
}

// stroke calls paint with the coverage, if above 0, of each pixel by the points within radius of the segment from p to
// q. The coverage is the distance to the segment, clamped over the pixel's width. A segment from p to p is a disc.
func (c *canvas) stroke(p, q point, radius float64, paint func(x, y int, coverage float64)) {
	r := radius * c.scale
	faint := min(1, 2*r) // a line thinner than a pixel is drawn paler
	r = max(r, 0.5)
	px, py := p.x*c.scale, p.y*c.scale
	dx, dy := q.x*c.scale-px, q.y*c.scale-py
	square := dx*dx + dy*dy
	reach := r + 0.5
	area := image.Rect(
		floor(min(px, px+dx)-reach), floor(min(py, py+dy)-reach),
		floor(max(px, px+dx)+reach)+1, floor(max(py, py+dy)+reach)+1,
	).Intersect(c.clip)
	for y := area.Min.Y; y < area.Max.Y; y++ {
		for x := area.Min.X; x < area.Max.X; x++ {
			ex, ey := float64(x)+0.5-px, float64(y)+0.5-py
			if square > 0 {
				t := min(1, max(0, (ex*dx+ey*dy)/square))
				ex, ey = ex-t*dx, ey-t*dy
			}
			if d2 := ex*ex + ey*ey; d2 < reach*reach {
				paint(x, y, faint*min(1, reach-math.Sqrt(d2)))
			}
		}
	}
}

// film collects translucent dots of one ink, so that thousands of dots add up without rounding each.
type film struct {
	c       *canvas
	area    image.Rectangle
	through []float32 // the share of the background that still shows
}

func (c *canvas) newFilm() *film {
	f := &film{c: c, area: c.clip, through: make([]float32, c.clip.Dx()*c.clip.Dy())}
	for i := range f.through {
		f.through[i] = 1
	}
	return f
}

func (f *film) dot(p point, radius, opacity float64) {
	f.c.stroke(p, p, radius, func(x, y int, coverage float64) {
		f.through[(y-f.area.Min.Y)*f.area.Dx()+x-f.area.Min.X] *= float32(1 - coverage*opacity)
	})
}

// develop draws the collected dots on the canvas.
func (f *film) develop(ink rgb) {
	for i, t := range f.through {
		if t < 1 {
			f.c.blend(f.area.Min.X+i%f.area.Dx(), f.area.Min.Y+i/f.area.Dx(), ink, float64(1-t))
		}
	}
}

func (c *canvas) floor(v float64) int { return floor(v * c.scale) }

func floor(v float64) int { return int(math.Floor(v)) }
