package figure

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

func (p LossPlot) axes(c *canvas, curves []lossPath) (*plotAxes, error) {
	x, y := Range{math.Inf(1), 0}, Range{math.Inf(1), math.Inf(-1)}
	for _, curve := range curves {
		for _, q := range curve.at {
			x = Range{min(x.Low, q.x), max(x.High, q.x)}
			y = Range{min(y.Low, q.y), max(y.High, q.y)}
		}
		if curve.Minimum != 0 {
			y = Range{min(y.Low, curve.Minimum), max(y.High, curve.Minimum)}
		}
	}
	if !finite(y.Low) || !finite(y.High) {
		return nil, fmt.Errorf("loss plot: exact minima: want finite numbers, or 0 where not known")
	}
	a := &plotAxes{canvas: c, box: box{52, 40, 600, 352}, x: scale{x, p.LogX}, y: scale{y, y.Low > 0}}
	if !p.LogX {
		a.x.Low = 0
	}
	if a.x.Low == a.x.High {
		a.x.High = 2 * a.x.Low
	}
	a.y.pad()
	return a, nil
}

// draw draws everything except the curves.
func (a *plotAxes) draw(p LossPlot) error {
	if err := a.grid(); err != nil {
		return err
	}
	b := a.box
	note := fmt.Sprintf("mean of %d", p.Window*p.Every)
	if slices.ContainsFunc(p.Curves, func(c LossCurve) bool { return c.Minimum != 0 }) {
		note += ", exact minimum dashed"
	}
	if err := a.write(p.Title, point{b.x, 25}, titleSize, black, left); err != nil {
		return err
	}
	if err := a.write("loss: "+note, point{b.x + b.w, 25}, titleSize-1, caption, right); err != nil {
		return err
	}
	return a.write("iteration", point{b.x + b.w/2, b.y + b.h + 34}, titleSize-1, caption, middle)
}

func (a *plotAxes) drawCurves(curves []lossPath) error {
	ends := make([]float64, len(curves))
	for k, c := range curves {
		if c.Minimum != 0 {
			a.dash(a.at(a.x.Low, c.Minimum), a.box.w, c.colour)
		}
		path := make([]point, len(c.at))
		for i, q := range c.at {
			path[i] = a.at(q.x, q.y)
		}
		a.polyline(path, 1.3, c.colour)
		ends[k] = path[len(path)-1].y
	}
	const rowHeight = 14
	for k, y := range spaceOut(ends, rowHeight, a.box.y, a.box.y+a.box.h) {
		edge, c := a.box.x+a.box.w, curves[k]
		a.polyline([]point{{edge + 3, ends[k]}, {edge + 9, ends[k]}, {edge + 20, y}, {edge + 25, y}}, 0.8, c.colour)
		if err := a.write(sigmaText(c.Sigma), point{edge + 29, y + 4}, 11, c.colour, left); err != nil {
			return err
		}
	}
	return nil
}

// spaceOut moves places so that neighbours are about gap apart or more. It keeps the order and moves as little as
// possible.
func spaceOut(places []float64, gap, low, high float64) []float64 {
	order := make([]int, len(places))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(places[i], places[j]) })
	out := slices.Clone(places)
	for range 200 { // push neighbours apart by half of their overlap until there is none
		moved := false
		for k := 1; k < len(order); k++ {
			i, j := order[k-1], order[k]
			if overlap := gap - (out[j] - out[i]); overlap > 1e-3 {
				out[i], out[j], moved = out[i]-overlap/2, out[j]+overlap/2, true
			}
		}
		first, last := order[0], order[len(order)-1]
		out[first], out[last] = max(out[first], low), min(out[last], high)
		if !moved {
			break
		}
	}
	return out
}
