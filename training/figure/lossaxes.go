package figure

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// lossAxes is the coordinate system of a loss plot.
type lossAxes struct {
	*canvas
	box  box
	x, y scale
}

// scale maps values between its ends to [0,1].
type scale struct {
	Range
	log bool
}

func (s scale) at(v float64) float64 {
	if s.log {
		return math.Log(v/s.Low) / math.Log(s.High/s.Low)
	}
	return (v - s.Low) / (s.High - s.Low)
}

// ticks returns round values between the ends.
func (s scale) ticks() []float64 {
	if !s.log {
		return ticks(s.Range, 6)
	}
	steps := []float64{1, 2, 5}
	if s.High/s.Low > 300 {
		steps = steps[:1]
	}
	var out []float64
	for k := math.Floor(math.Log10(s.Low)); k <= math.Log10(s.High); k++ {
		for _, m := range steps {
			if v := m * math.Pow(10, k); v >= s.Low && v <= s.High {
				out = append(out, v)
			}
		}
	}
	return out
}

func (p LossPlot) axes(c *canvas, curves []lossPath) (*lossAxes, error) {
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
	a := &lossAxes{canvas: c, box: box{52, 40, 600, 352}, x: scale{x, p.LogX}, y: scale{y, y.Low > 0}}
	if !p.LogX {
		a.x.Low = 0
	}
	if a.x.Low == a.x.High {
		a.x.High = 2 * a.x.Low
	}
	a.y.pad()
	return a, nil
}

// pad adds some room above and below, also around a single value.
func (s *scale) pad() {
	if s.log {
		s.Low, s.High = s.Low/1.12, s.High*1.12
		return
	}
	room := max(0.04*(s.High-s.Low), 1e-6*math.Abs(s.High), 1e-9)
	s.Low, s.High = s.Low-room, s.High+room
}

func (a *lossAxes) at(iteration, loss float64) point {
	return point{a.box.x + a.box.w*a.x.at(iteration), a.box.y + a.box.h*(1-a.y.at(loss))}
}

// draw draws everything except the curves.
func (a *lossAxes) draw(p LossPlot) error {
	b := a.box
	for _, v := range a.y.ticks() {
		q := point{b.x, a.at(a.x.High, v).y}
		a.rule(q, point{b.x + b.w, q.y}, 0.5, rule)
		if err := a.write(tickText(v), point{b.x - 7, q.y + tickSize*0.36}, tickSize, caption, right); err != nil {
			return err
		}
	}
	for _, v := range a.x.ticks() {
		q := point{a.at(v, a.y.High).x, b.y + b.h}
		a.rule(point{q.x, b.y}, q, 0.5, rule)
		if err := a.write(tickText(v), point{q.x, q.y + 16}, tickSize, caption, middle); err != nil {
			return err
		}
	}
	a.rule(point{b.x, b.y + b.h}, point{b.x + b.w, b.y + b.h}, 1, border)
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

func (a *lossAxes) drawCurves(curves []lossPath) error {
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

// dash draws a dashed horizontal line from p.
func (a *lossAxes) dash(p point, width float64, ink rgb) {
	const on, period = 5.0, 9.0
	for x := 0.0; x+on < width; x += period {
		a.line(point{p.x + x, p.y}, point{p.x + x + on, p.y}, 0.9, ink, 0.75)
	}
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
