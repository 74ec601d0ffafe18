package figure

import "math"

// axes is the place of one panel on a canvas and the coordinates in it.
type axes struct {
	*canvas
	box    box
	bounds Range
	arrows map[float64]float64 // see Figure.arrowScales
}

// at returns the place of the coordinates (x, y).
func (a *axes) at(x, y float64) point {
	width := a.bounds.High - a.bounds.Low
	return point{
		a.box.x + a.box.w*(x-a.bounds.Low)/width,
		a.box.y + a.box.h*(a.bounds.High-y)/width,
	}
}

// sees reports whether (x, y) lies in the panel or less than a tenth of its side outside.
func (a *axes) sees(x, y float64) bool {
	slack := (a.bounds.High - a.bounds.Low) / 10
	low, high := a.bounds.Low-slack, a.bounds.High+slack
	return low <= x && x <= high && low <= y && y <= high
}

// frame draws the border, and tick labels on the left and below if requested.
func (a *axes) frame(labelLeft, labelBelow bool) error {
	b := a.box
	for _, tick := range ticks(a.bounds, 5) {
		p := a.at(tick, tick)
		a.rule(point{p.x, b.y + b.h}, point{p.x, b.y + b.h + 3}, 1, border)
		a.rule(point{b.x - 3, p.y}, point{b.x, p.y}, 1, border)
		if labelBelow {
			if err := a.write(tickText(tick), point{p.x, b.y + b.h + 15}, tickSize, caption, middle); err != nil {
				return err
			}
		}
		if labelLeft {
			at := point{b.x - 6, p.y + tickSize*0.36}
			if err := a.write(tickText(tick), at, tickSize, caption, right); err != nil {
				return err
			}
		}
	}
	a.outline(b, border)
	return nil
}

// ticks returns at most n round numbers in r. Their distance is 1, 2 or 5 times a power of ten.
func ticks(r Range, n int) []float64 {
	rough := (r.High - r.Low) / float64(n)
	step := math.Pow(10, math.Floor(math.Log10(rough)))
	for _, m := range []float64{1, 2, 5, 10} {
		if m*step >= rough {
			step *= m
			break
		}
	}
	var out []float64
	for k := math.Ceil(r.Low / step); k*step <= r.High; k++ {
		out = append(out, k*step)
	}
	return out
}
