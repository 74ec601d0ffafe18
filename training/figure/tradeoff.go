package figure

import (
	"fmt"
	"image"
	"io"
	"math"
)

// Tradeoff shows what costs buy. It has a row of panels for each cost and a column for each measure, and every panel
// has all curves.
type Tradeoff struct {
	Title    string
	Note     string // in grey, on the right of the title
	Costs    []Axis // at least one
	Measures []Axis // at least one
	Curves   []TradeoffCurve
}

// Axis is a cost or a measure.
type Axis struct {
	Name     string
	Log      bool    // logarithmic, if all values are above 0
	Expected float64 // what a measure should be, drawn dashed; NaN for nothing
}

// TradeoffCurve is one way to spend, in order of cost. Curves are told apart by colour and marker.
type TradeoffCurve struct {
	Name   string
	Points []TradeoffPoint // at least one
}

// TradeoffPoint has a value for each cost and for each measure.
type TradeoffPoint struct {
	Costs    []float64
	Measures []Bar
}

// Bar is a value, and the height of an error bar on each side of it. Without an error there is no bar.
type Bar struct{ Value, Error float64 }

// These are the measures of the picture, in points.
const (
	tradeoffWidth  = 228.0 // of a panel
	tradeoffHeight = 190.0
	tradeoffLeft   = 44.0 // of each panel, for its labels
	tradeoffBelow  = 44.0
	tradeoffAbove  = 36.0
	tradeoffLegend = 250.0
)

// PNG writes the picture with two pixels per point.
func (t Tradeoff) PNG(w io.Writer) error {
	img, err := t.render()
	if err != nil {
		return err
	}
	return encodePNG(w, img)
}

func (t Tradeoff) render() (*image.RGBA, error) {
	if err := t.validate(); err != nil {
		return nil, fmt.Errorf("tradeoff: %w", err)
	}
	width := float64(len(t.Measures))*(tradeoffLeft+tradeoffWidth) + tradeoffLegend
	height := headingRow + float64(len(t.Costs))*(tradeoffAbove+tradeoffHeight+tradeoffBelow)
	c, err := newCanvas(width+marginEdge, height, 2)
	if err != nil {
		return nil, err
	}
	if err := c.write(t.Title, point{tradeoffLeft, 24}, headingSize, black, left); err != nil {
		return nil, err
	}
	if err := c.write(t.Note, point{width, 24}, titleSize-1, caption, right); err != nil {
		return nil, err
	}
	for row := range t.Costs {
		for column := range t.Measures {
			if err := t.panel(c, row, column); err != nil {
				return nil, err
			}
		}
	}
	return c.img, t.legend(c, point{width - tradeoffLegend + 24, headingRow + tradeoffAbove + 6})
}

func (t Tradeoff) validate() error {
	if len(t.Costs) == 0 || len(t.Measures) == 0 || len(t.Curves) == 0 {
		return fmt.Errorf("%d costs, %d measures, %d curves: want at least one of each",
			len(t.Costs), len(t.Measures), len(t.Curves))
	}
	for _, curve := range t.Curves {
		if len(curve.Points) == 0 {
			return fmt.Errorf("curve %q has no points: want at least one", curve.Name)
		}
		for i, p := range curve.Points {
			if len(p.Costs) != len(t.Costs) || len(p.Measures) != len(t.Measures) {
				return fmt.Errorf("point %d of curve %q has %d costs and %d measures: want %d and %d",
					i, curve.Name, len(p.Costs), len(p.Measures), len(t.Costs), len(t.Measures))
			}
			if !p.finite() {
				return fmt.Errorf("point %d of curve %q is not finite: want finite numbers", i, curve.Name)
			}
		}
	}
	return nil
}

func (p TradeoffPoint) finite() bool {
	for _, v := range p.Costs {
		if !finite(v) {
			return false
		}
	}
	for _, b := range p.Measures {
		if !finite(b.Value) || !finite(b.Error) || b.Error < 0 {
			return false
		}
	}
	return true
}

// panel draws a measure over a cost.
func (t Tradeoff) panel(c *canvas, row, column int) error {
	corner := point{
		float64(column)*(tradeoffLeft+tradeoffWidth) + tradeoffLeft,
		headingRow + float64(row)*(tradeoffAbove+tradeoffHeight+tradeoffBelow) + tradeoffAbove,
	}
	a := t.axes(c, box{corner.x, corner.y, tradeoffWidth, tradeoffHeight}, row, column)
	if err := a.grid(); err != nil {
		return err
	}
	if err := a.write(t.Measures[column].Name, point{a.box.x, a.box.y - 9}, titleSize, black, left); err != nil {
		return err
	}
	below := point{a.box.x + a.box.w/2, a.box.y + a.box.h + 33}
	if err := a.write(t.Costs[row].Name, below, titleSize-1, caption, middle); err != nil {
		return err
	}
	if y := t.Measures[column].Expected; finite(y) && !(a.y.log && y <= 0) {
		a.dash(a.at(a.x.Low, y), a.box.w, caption)
	}
	return a.within(box{a.box.x - 6, a.box.y - 6, a.box.w + 12, a.box.h + 12}, func() error {
		for k, curve := range t.Curves {
			a.curve(curve, row, column, newMark(k, len(t.Curves)))
		}
		return nil
	})
}

// axes chooses the range of a panel's axes, so that all values and their bars are in it. All panels of a row have the
// same cost, and all panels of a column the same measure.
func (t Tradeoff) axes(c *canvas, b box, row, column int) *plotAxes {
	x, y := newSpan(t.Costs[row].Log), newSpan(t.Measures[column].Log)
	for _, curve := range t.Curves {
		for _, p := range curve.Points {
			x.include(p.Costs[row])
			y.include(p.Measures[column].Value)
		}
	}
	x.decide()
	y.decide()
	for _, curve := range t.Curves {
		for _, p := range curve.Points {
			m := p.Measures[column]
			y.include(m.Value + m.Error)
			if !y.log || m.Value > m.Error {
				y.include(m.Value - m.Error)
			}
		}
	}
	if e := t.Measures[column].Expected; finite(e) && !(y.log && e <= 0) {
		y.include(e)
	}
	x.pad()
	y.pad()
	return &plotAxes{canvas: c, box: b, x: x.scale, y: y.scale}
}

// span is a scale that grows with its values.
type span struct{ scale }

func newSpan(log bool) *span { return &span{scale{Range{math.Inf(1), math.Inf(-1)}, log}} }

func (s *span) include(v float64) { s.Range = Range{min(s.Low, v), max(s.High, v)} }

// decide makes the axis linear if a value is not above 0.
func (s *span) decide() { s.log = s.log && s.Low > 0 }

func (a *plotAxes) curve(c TradeoffCurve, row, column int, m mark) {
	path := make([]point, len(c.Points))
	for i, p := range c.Points {
		bar := p.Measures[column]
		path[i] = a.at(p.Costs[row], bar.Value)
		if bar.Error > 0 {
			a.bar(p.Costs[row], bar, m.ink)
		}
	}
	a.polyline(path, 1.1, m.ink)
	for _, p := range path {
		m.draw(a.canvas, p)
	}
}

// bar draws an error bar. One that reaches below 0 on a logarithmic axis ends at the axis.
func (a *plotAxes) bar(x float64, b Bar, ink rgb) {
	low := b.Value - b.Error
	if a.y.log && low <= 0 {
		low = a.y.Low
	}
	from, to := a.at(x, low), a.at(x, b.Value+b.Error)
	a.line(from, to, 1, ink, 0.55)
	for _, end := range []point{from, to} {
		a.line(point{end.x - 2.5, end.y}, point{end.x + 2.5, end.y}, 1, ink, 0.55)
	}
}

// mark is how the points of a curve look.
type mark struct {
	ink   rgb
	shape int
}

// newMark returns the mark of curve k of n: hues evenly around the circle at one lightness, and four shapes in turn.
func newMark(k, n int) mark {
	return mark{oklch(0.56, 0.15, 25+360*float64(k)/float64(n)), k % 4}
}

func (m mark) draw(c *canvas, p point) {
	const r = 3.2
	corners := func(offsets ...point) {
		polygon := make([]point, len(offsets))
		for i, o := range offsets {
			polygon[i] = point{p.x + r*o.x, p.y + r*o.y}
		}
		c.fill(m.ink, polygon...)
	}
	switch m.shape {
	case 0:
		c.line(p, p, 2*r, m.ink, 1)
	case 1:
		corners(point{-0.9, -0.9}, point{0.9, -0.9}, point{0.9, 0.9}, point{-0.9, 0.9})
	case 2:
		corners(point{0, -1.25}, point{1.25, 0}, point{0, 1.25}, point{-1.25, 0})
	default:
		corners(point{0, -1.2}, point{1.15, 0.9}, point{-1.15, 0.9})
	}
}

// legend names the curves, from p down.
func (t Tradeoff) legend(c *canvas, p point) error {
	const rowHeight = 19
	for k, curve := range t.Curves {
		m := newMark(k, len(t.Curves))
		y := p.y + rowHeight*float64(k)
		c.line(point{p.x, y}, point{p.x + 18, y}, 1.1, m.ink, 1)
		m.draw(c, point{p.x + 9, y})
		name, err := c.cut(curve.Name, titleSize-1, tradeoffLegend-52)
		if err != nil {
			return err
		}
		if err := c.write(name, point{p.x + 26, y + 4}, titleSize-1, black, left); err != nil {
			return err
		}
	}
	return nil
}
