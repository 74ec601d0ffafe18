package figure

import (
	"bufio"
	"fmt"
	"image"
	"image/png"
	"io"
	"math"
)

// Range is an interval. It is for both axes of a plot of points, or for the pixel values of images.
type Range struct{ Low, High float64 }

func (r Range) validate(name string) error {
	if math.IsNaN(r.Low-r.High) || math.IsInf(r.High-r.Low, 0) || r.Low >= r.High {
		return fmt.Errorf("%s from %g to %g: want finite numbers, low < high", name, r.Low, r.High)
	}
	return nil
}

// Panel is one square plot of a [Figure].
type Panel struct {
	Title  string  // above the plot, on the left
	Note   string  // above the plot, on the right, in grey
	Layers []Layer // drawn in order
}

// Layer is something that a [Panel] shows, see [Density], [Samples] and [ScoreField]. Layers are immutable. Panels,
// figures and goroutines may share them.
type Layer interface {
	draw(a *axes) error
}

// Figure is a table of panels with the same axes, row by row from the top left.
type Figure struct {
	Title   string // above the panels; none if empty
	Bounds  Range  // of both axes of every panel
	Columns int    // number of panels in a row; 0 puts all in one row
	Panels  []Panel
}

// These are the measures of a figure, in points.
const (
	titleSize   = 13.0
	headingSize = 15.0
	tickSize    = 10.5
	marginLeft  = 30.0 // tick labels of the first column
	marginEdge  = 12.0
	gapPanels   = 14.0
	headingRow  = 30.0
	titleRow    = 24.0
	ticksRow    = 22.0
)

// PNG writes the figure with two pixels per point.
func (f Figure) PNG(w io.Writer) error {
	img, err := f.render(2)
	if err != nil {
		return err
	}
	return encodePNG(w, img)
}

func encodePNG(w io.Writer, img image.Image) error {
	out := bufio.NewWriter(w)
	if err := png.Encode(out, img); err != nil {
		return fmt.Errorf("encode PNG: %w", err)
	}
	return out.Flush()
}

func (f Figure) validate() error {
	if len(f.Panels) == 0 {
		return fmt.Errorf("figure: no panels: want at least one")
	}
	if f.Columns < 0 {
		return fmt.Errorf("figure: %d columns: want 1 or more, or 0 for one row", f.Columns)
	}
	return f.Bounds.validate("figure: bounds")
}

// columns returns the number of panels in a row.
func (f Figure) columns() int {
	if f.Columns == 0 {
		return len(f.Panels)
	}
	return min(f.Columns, len(f.Panels))
}

func (f Figure) rows() int { return (len(f.Panels) + f.columns() - 1) / f.columns() }

// side returns the width of a panel in points. It is smaller if there are more panels in a row.
func (f Figure) side() float64 {
	return math.Round(min(430, max(150, 900/float64(f.columns())-20)))
}

func (f Figure) heading() float64 {
	if f.Title == "" {
		return 0
	}
	return headingRow
}

// box returns the place of panel i.
func (f Figure) box(i int) box {
	column, row := float64(i%f.columns()), float64(i/f.columns())
	s := f.side()
	return box{marginLeft + column*(s+gapPanels), f.heading() + titleRow + row*(s+titleRow+gapPanels/2), s, s}
}

func (f Figure) render(scale float64) (*image.RGBA, error) {
	if err := f.validate(); err != nil {
		return nil, err
	}
	last := f.box(f.columns()*f.rows() - 1)
	c, err := newCanvas(last.x+last.w+marginEdge, last.y+last.h+ticksRow, scale)
	if err != nil {
		return nil, err
	}
	if err := c.write(f.Title, point{marginLeft, headingRow * 0.65}, headingSize, black, left); err != nil {
		return nil, err
	}
	arrows := f.arrowScales()
	for i, p := range f.Panels {
		a := &axes{canvas: c, box: f.box(i), bounds: f.Bounds, arrows: arrows}
		if err := f.drawPanel(a, i); err != nil {
			return nil, fmt.Errorf("panel %q: %w", p.Title, err)
		}
	}
	return c.img, nil
}

// drawPanel draws panel i. Only the outer panels have tick labels, because all panels share their axes.
func (f Figure) drawPanel(a *axes, i int) error {
	p := f.Panels[i]
	if err := a.header(p.Title, p.Note, caption, a.box); err != nil {
		return err
	}
	err := a.within(a.box, func() error {
		for _, l := range p.Layers {
			if err := l.draw(a); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return a.frame(i%f.columns() == 0, i+f.columns() >= len(f.Panels))
}

// arrowScales returns, by sigma, the score whose arrow has the length of a grid cell. In one figure, fields with the
// same sigma have the scale of the first one, so that their arrows can be compared.
func (f Figure) arrowScales() map[float64]float64 {
	scales := map[float64]float64{}
	for _, p := range f.Panels {
		for _, l := range p.Layers {
			if s, ok := l.(*scoreField); ok && scales[s.sigma] == 0 {
				scales[s.sigma] = s.typical()
			}
		}
	}
	return scales
}
