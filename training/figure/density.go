package figure

import (
	"fmt"
	"math"

	"github.com/langevin-ml/langevin/sampling"
)

// Density colours the plane by p(x, y) >= 0. It is white at 0 and dark at the largest value in the panel. p must be
// safe for concurrent use.
func Density(p func(x, y float64) float64) Layer { return &heat{value: p, colours: ember(1, 0.15)} }

// Backdrop colours the plane by p(x, y) >= 0 more quietly than [Density], as a background for arrows. It uses the paler
// half of the colours. The colour shows how far p is above its smallest value in the panel, so that a flat density is
// almost white.
func Backdrop(p func(x, y float64) float64) Layer {
	return &heat{value: p, colours: ember(0.4, 0.125), contrast: true}
}

// LogDensity colours the plane by logp(x, y). It is dark at the largest value in the panel and white floor nats below.
func LogDensity(logp func(x, y float64) float64, floor float64) Layer {
	return &heat{value: logp, colours: ember(1, 0.15), floor: floor}
}

// MixtureDensity returns the density of a 2-D mixture with noise N(0, sigma² I).
func MixtureDensity(m sampling.Mixture, sigma float64) func(x, y float64) float64 {
	return func(x, y float64) float64 { return math.Exp(m.LogDensity([]float64{x, y}, sigma)) }
}

// heat colours the plane by a function.
type heat struct {
	value    func(x, y float64) float64
	colours  *ramp
	floor    float64 // the range of a log density below its largest value; 0 for a linear density
	contrast bool    // white at the smallest value in the panel instead of at 0
}

// heatCell is the distance, in pixels, of the places where the function is evaluated. Between them it is interpolated.
const heatCell = 3

func (h *heat) draw(a *axes) error {
	area := a.pixels(a.box)
	columns, rows := area.Dx()/heatCell+2, area.Dy()/heatCell+2
	values, err := h.evaluate(a, columns, rows)
	if err != nil {
		return err
	}
	for y := area.Min.Y; y < area.Max.Y; y++ {
		j, v := cell(y - area.Min.Y)
		for x := area.Min.X; x < area.Max.X; x++ {
			i, u := cell(x - area.Min.X)
			q := values[j*columns+i:]
			top := q[0] + float64((q[1]-q[0])*u)
			below := q[columns] + float64((q[columns+1]-q[columns])*u)
			a.set(x, y, h.colours.at(top+float64((below-top)*v)))
		}
	}
	return nil
}

// cell returns the evaluated place left of the centre of pixel k, and the position of the centre behind it, in [0,1).
func cell(k int) (int, float64) {
	return k / heatCell, (float64(k%heatCell) + 0.5) / heatCell
}

// evaluate returns the function on a grid from the panel's top left corner, rescaled to [0,1].
func (h *heat) evaluate(a *axes, columns, rows int) ([]float64, error) {
	unit := (a.bounds.High - a.bounds.Low) * heatCell / (a.box.w * a.scale)
	values, least, top := make([]float64, columns*rows), math.Inf(1), math.Inf(-1)
	for k := range values {
		x, y := a.bounds.Low+float64(k%columns)*unit, a.bounds.High-float64(k/columns)*unit
		v := h.value(x, y)
		if math.IsNaN(v) || math.IsInf(v, 1) || v < 0 && h.floor == 0 {
			return nil, fmt.Errorf("density at (%.3g, %.3g) is %g: want a finite number, at least 0 or a logarithm",
				x, y, v)
		}
		values[k], least, top = v, min(least, v), max(top, v)
	}
	if !h.contrast {
		least = 0
	}
	for k, v := range values {
		values[k] = h.share(v, least, top)
	}
	return values, nil
}

// share maps v to [0,1]: least to 0, which is white, and top to 1, which is the darkest colour.
func (h *heat) share(v, least, top float64) float64 {
	switch {
	case h.floor > 0 && math.IsInf(top, -1), h.floor == 0 && top == 0:
		return 0
	case h.floor > 0:
		return max(0, 1-(top-v)/h.floor)
	default:
		return (v - least) / top
	}
}
