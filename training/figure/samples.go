package figure

import (
	"fmt"
	"math"
)

// Samples draws points, rows (x, y), as translucent dots. With more points, the dots are smaller and fainter. Points
// that are not finite cannot be drawn, and their number is written in the corner of the panel. Points outside the
// bounds are not drawn. x is not copied. Samples returns an error if x is empty or has an odd length.
func Samples(x []float32) (Layer, error) {
	if len(x) == 0 || len(x)%2 != 0 {
		return nil, fmt.Errorf("samples: %d numbers: want 2 for each point, at least one point", len(x))
	}
	return &scatter{x}, nil
}

type scatter struct{ x []float32 }

func (s *scatter) draw(a *axes) error {
	radius, opacity := dotStyle(len(s.x) / 2)
	f, lost := a.newFilm(), 0
	for i := 0; i < len(s.x); i += 2 {
		x, y := float64(s.x[i]), float64(s.x[i+1])
		switch {
		case !finite(x) || !finite(y):
			lost++
		case a.sees(x, y):
			f.dot(a.at(x, y), radius, opacity)
		}
	}
	f.develop(dots)
	return a.reportLost(lost, len(s.x)/2)
}

// dotStyle returns the radius in points and the opacity of each of n dots.
func dotStyle(n int) (radius, opacity float64) {
	crowd := float64(n) / 500
	return min(2.4, max(0.8, 2.1*math.Pow(crowd, -0.22))), min(0.75, max(0.1, 0.65*math.Pow(crowd, -0.38)))
}

// reportLost writes in the corner how many of n points were not finite, if there are any.
func (a *axes) reportLost(lost, n int) error {
	if lost == 0 {
		return nil
	}
	p := point{a.box.x + a.box.w - 6, a.box.y + a.box.h - 7}
	return a.write(fmt.Sprintf("%d of %d not finite", lost, n), p, tickSize, warning, right)
}

// outside returns the number of finite points of x, rows (x, y), outside of the square r.
func outside(r Range, x []float32) int {
	n := 0
	for i := 0; i+1 < len(x); i += 2 {
		low, high := float64(min(x[i], x[i+1])), float64(max(x[i], x[i+1]))
		if finite(low) && finite(high) && (low < r.Low || high > r.High) {
			n++
		}
	}
	return n
}

// samplesPanel returns a panel with points and their number.
func samplesPanel(title string, r Range, x []float32) (Panel, error) {
	samples, err := Samples(x)
	if err != nil {
		return Panel{}, fmt.Errorf("panel %q: %w", title, err)
	}
	note := fmt.Sprintf("n = %d", len(x)/2)
	if out := outside(r, x); out > 0 {
		note += fmt.Sprintf(", %d outside", out)
	}
	return Panel{Title: title, Note: note, Layers: []Layer{samples}}, nil
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }
