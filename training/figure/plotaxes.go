package figure

import "math"

// plotAxes is the coordinate system of a plot with axes of any kind.
type plotAxes struct {
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

// pad adds some room above and below, also around a single value.
func (s *scale) pad() {
	if s.log {
		s.Low, s.High = s.Low/1.12, s.High*1.12
		return
	}
	room := max(0.04*(s.High-s.Low), 1e-6*math.Abs(s.High), 1e-9)
	s.Low, s.High = s.Low-room, s.High+room
}

// at returns the place of the coordinates (x, y).
func (a *plotAxes) at(x, y float64) point {
	return point{a.box.x + a.box.w*a.x.at(x), a.box.y + a.box.h*(1-a.y.at(y))}
}

// grid draws lines at round values, with their labels, and the axis below.
func (a *plotAxes) grid() error {
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
	return nil
}

// dash draws a dashed horizontal line from p.
func (a *plotAxes) dash(p point, width float64, ink rgb) {
	const on, period = 5.0, 9.0
	for x := 0.0; x+on < width; x += period {
		a.line(point{p.x + x, p.y}, point{p.x + x + on, p.y}, 0.9, ink, 0.75)
	}
}
