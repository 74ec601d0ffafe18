package figure

import (
	"fmt"
	"io"
	"math"
)

// LeastSeries is the least length of a sample that [Series] draws.
const LeastSeries = 8

// These are the measures of a figure of series, in points.
const (
	seriesColumns = 4
	mostSeries    = 16
	seriesWidth   = 210.0
	seriesHeight  = 110.0
)

// Series draws the first 16 of some series of the given length as lines over time, each in a box from r.Low to r.High.
// x has whole series, one after the other, at least one.
func Series(w io.Writer, length int, r Range, x []float32, title string) error {
	if err := r.validate("range"); err != nil {
		return err
	}
	if length < LeastSeries || len(x) == 0 || len(x)%length != 0 {
		return fmt.Errorf("series: %d numbers in series of %d: want at least one whole series of at least %d numbers",
			len(x), length, LeastSeries)
	}
	n := min(mostSeries, len(x)/length)
	rows := (n + seriesColumns - 1) / seriesColumns
	width := marginEdge + seriesColumns*(seriesWidth+marginEdge)
	c, err := newCanvas(width, headingRow+float64(rows)*(seriesHeight+marginEdge)+marginEdge, 2)
	if err != nil {
		return err
	}
	note := fmt.Sprintf("%s: %d numbers from %s to %s", title, length, tickText(r.Low), tickText(r.High))
	if err := c.write(note, point{marginEdge, headingRow * 0.65}, headingSize, black, left); err != nil {
		return err
	}
	for i := range n {
		b := box{
			marginEdge + float64(i%seriesColumns)*(seriesWidth+marginEdge),
			headingRow + float64(i/seriesColumns)*(seriesHeight+marginEdge), seriesWidth, seriesHeight,
		}
		c.outline(b, border)
		if err := c.within(b, func() error { c.curve(b, r, x[i*length:(i+1)*length]); return nil }); err != nil {
			return err
		}
	}
	return encodePNG(w, c.img)
}

// curve draws a series in a box. It leaves out numbers that are not finite.
func (c *canvas) curve(b box, r Range, series []float32) {
	path := make([]point, 0, len(series))
	for t, v := range series {
		if v := float64(v); !math.IsNaN(v) && !math.IsInf(v, 0) {
			path = append(path, point{
				b.x + b.w*float64(t)/float64(len(series)-1), b.y + b.h*(r.High-v)/(r.High-r.Low),
			})
		}
	}
	c.polyline(path, 1.5, dots)
}
