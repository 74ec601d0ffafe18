package figure

import (
	"fmt"
	"io"
	"math"
)

// leastSeries is the least length of a sample that [Series] draws.
const leastSeries = 8

// IsSeries reports whether [Series] draws samples of a shape: [time], or [time, numbers].
func IsSeries(shape []int) bool {
	return (len(shape) == 1 || len(shape) == 2) && shape[0] >= leastSeries
}

// These are the measures of a figure of series, in points.
const (
	seriesColumns = 4
	mostSeries    = 16
	seriesWidth   = 210.0
	seriesHeight  = 110.0
)

// Series draws the first 16 of some series as lines over time, each in a box from r.Low to r.High. The shape of one is
// [time] or [time, numbers]. Several numbers have a colour each, in the order of the rainbow, and a range of their own,
// which all of x fill. x has whole series, one after the other, at least one.
func Series(w io.Writer, shape []int, r Range, x []float32, title string) error {
	if err := r.validate("range"); err != nil {
		return err
	}
	if !IsSeries(shape) {
		return fmt.Errorf("series: shape %s: want [time] or [time,numbers], with at least %d times", shapeText(shape),
			leastSeries)
	}
	length, numbers := shape[0], 1
	note := fmt.Sprintf("%s: %d numbers from %s to %s", title, length, tickText(r.Low), tickText(r.High))
	if len(shape) == 2 {
		numbers = shape[1]
		note = fmt.Sprintf("%s: %d times %d numbers, each in its own range", title, length, numbers)
	}
	size := length * numbers
	if len(x) == 0 || len(x)%size != 0 {
		return fmt.Errorf("series: %d numbers in series of %d: want at least one whole series", len(x), size)
	}
	n := min(mostSeries, len(x)/size)
	rows := (n + seriesColumns - 1) / seriesColumns
	width := marginEdge + seriesColumns*(seriesWidth+marginEdge)
	c, err := newCanvas(width, headingRow+float64(rows)*(seriesHeight+marginEdge)+marginEdge, 2)
	if err != nil {
		return err
	}
	if err := c.write(note, point{marginEdge, headingRow * 0.65}, headingSize, black, left); err != nil {
		return err
	}
	inks := seriesInks(numbers, r, x)
	for i := range n {
		b := box{
			marginEdge + float64(i%seriesColumns)*(seriesWidth+marginEdge),
			headingRow + float64(i/seriesColumns)*(seriesHeight+marginEdge), seriesWidth, seriesHeight,
		}
		c.outline(b, border)
		if err := c.within(b, func() error { c.curves(b, inks, x[i*size:(i+1)*size]); return nil }); err != nil {
			return err
		}
	}
	return encodePNG(w, c.img)
}

// seriesInk says how one of the numbers of a series is drawn.
type seriesInk struct {
	colour rgb
	values Range
}

// seriesInks returns the inks of the numbers of series x. A single one has the range r.
func seriesInks(numbers int, r Range, x []float32) []seriesInk {
	if numbers == 1 {
		return []seriesInk{{dots, r}}
	}
	inks := make([]seriesInk, numbers)
	for k := range inks {
		low, high := math.Inf(1), math.Inf(-1)
		for i := k; i < len(x); i += numbers {
			if v := float64(x[i]); !math.IsNaN(v) && !math.IsInf(v, 0) {
				low, high = min(low, v), max(high, v)
			}
		}
		if !(low < high) {
			low, high = low-1, low+1
		}
		inks[k] = seriesInk{oklch(0.55, 0.17, 25+330*float64(k)/float64(numbers)), Range{low, high}}
	}
	return inks
}

// curves draws a series in a box, a line for each of its numbers. It leaves out what is not finite.
func (c *canvas) curves(b box, inks []seriesInk, series []float32) {
	last := len(series)/len(inks) - 1
	for k, ink := range inks {
		path := make([]point, 0, last+1)
		for t := range last + 1 {
			v := float64(series[t*len(inks)+k])
			if !math.IsNaN(v) && !math.IsInf(v, 0) {
				r := ink.values
				path = append(path, point{
					b.x + b.w*float64(t)/float64(last), b.y + b.h*(r.High-v)/(r.High-r.Low),
				})
			}
		}
		c.polyline(path, 1.5, ink.colour)
	}
}
