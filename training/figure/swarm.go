package figure

import "math"

// swarm draws the points of the last of some frames, and their path through the other frames.
type swarm struct {
	frames  []Frame
	colours []rgb // of each chain
}

// trailChains is the number of chains with trails. More would cover each other.
const trailChains = 600

func (s *swarm) draw(a *axes) error {
	now := len(s.frames) - 1
	radius, opacity := dotStyle(len(s.colours))
	for i := 1; i <= now; i++ {
		fade := 0.6 * opacity * float64(i) / float64(now)
		for k := range min(len(s.colours), trailChains) {
			s.drawTrail(a, k, i, fade)
		}
	}
	lost := 0
	for k, colour := range s.colours {
		x, y := s.position(now, k)
		switch {
		case !finite(x) || !finite(y):
			lost++
		case a.sees(x, y):
			p := a.at(x, y)
			a.line(p, p, 2*radius, colour, min(1, 1.3*opacity))
		}
	}
	return a.reportLost(lost, len(s.colours))
}

// drawTrail draws the path of chain k from the previous frame to frame i. Longer steps are fainter. Steps longer than a
// ninth of the panel are not drawn.
func (s *swarm) drawTrail(a *axes, k, i int, opacity float64) {
	x, y := s.position(i, k)
	u, v := s.position(i-1, k)
	far := 9 * math.Hypot(x-u, y-v) / (a.bounds.High - a.bounds.Low)
	if far < 1 && a.sees(x, y) && a.sees(u, v) {
		a.line(a.at(u, v), a.at(x, y), 1, s.colours[k], opacity*(1-far))
	}
}

func (s *swarm) position(frame, chain int) (x, y float64) {
	row := s.frames[frame].X[2*chain:]
	return float64(row[0]), float64(row[1])
}

// colourByEnd gives each point one of a few hues by the direction of its end from the centre of the square. There are
// few hues, so that the palette of a GIF has room for their blends.
func colourByEnd(r Range, x []float32) []rgb {
	const hues = 24
	colours, centre := make([]rgb, len(x)/2), (r.Low+r.High)/2
	for k := range colours {
		dx, dy := float64(x[2*k])-centre, float64(x[2*k+1])-centre
		if !finite(dx) || !finite(dy) {
			colours[k] = caption
			continue
		}
		turn := math.Atan2(dy, dx) / (2 * math.Pi)
		colours[k] = oklch(0.60, 0.15, 360*math.Round(turn*hues)/hues+25)
	}
	return colours
}

// square draws the outline of the square on which a wider view will close in.
type square struct{ bounds Range }

func (s *square) draw(a *axes) error {
	if s.bounds == a.bounds {
		return nil
	}
	low, high := a.at(s.bounds.Low, s.bounds.Low), a.at(s.bounds.High, s.bounds.High)
	a.outline(box{low.x, high.y, high.x - low.x, low.y - high.y}, rule)
	return nil
}
