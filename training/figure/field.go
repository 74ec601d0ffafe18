package figure

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/langevin-ml/langevin/sampling"
)

// fieldSide is the number of arrows across and down, as in the figures of NCSN (2019).
const fieldSide = 20

// scoreField has the scores at the centres of fieldSide by fieldSide cells.
type scoreField struct {
	sigma  float64
	bounds Range
	x, s   []float32 // rows of 2
}

// ScoreField draws the score of a 2-D model at one sigma as 20 by 20 arrows over bounds. The length of an arrow is
// proportional to |s|^0.6, so that weak arrows between modes still show their direction. In one figure, all fields with
// the same sigma have the scale of the first one. ScoreField evaluates the model once, for all arrows. It returns an
// error if the model fails or a score is not finite.
func ScoreField(ctx context.Context, m sampling.Model, sigma float64, bounds Range) (Layer, error) {
	if err := bounds.validate("score field: bounds"); err != nil {
		return nil, err
	}
	const n = fieldSide * fieldSide
	f := &scoreField{sigma: sigma, bounds: bounds, x: make([]float32, 2*n), s: make([]float32, 2*n)}
	sigmas, unit := make([]float32, n), (bounds.High-bounds.Low)/fieldSide
	for k := range sigmas {
		sigmas[k] = float32(sigma)
		f.x[2*k] = float32(bounds.Low + (float64(k%fieldSide)+0.5)*unit)
		f.x[2*k+1] = float32(bounds.Low + (float64(k/fieldSide)+0.5)*unit)
	}
	if err := m.Score(ctx, f.s, f.x, sigmas); err != nil {
		return nil, fmt.Errorf("score field at sigma %g: %w", sigma, err)
	}
	for k := range sigmas {
		if l := f.length(k); !finite(l) {
			return nil, fmt.Errorf("score field at sigma %g: score at (%.3g, %.3g) is (%g, %g): want finite numbers",
				sigma, f.x[2*k], f.x[2*k+1], f.s[2*k], f.s[2*k+1])
		}
	}
	return f, nil
}

func (f *scoreField) length(k int) float64 { return math.Hypot(float64(f.s[2*k]), float64(f.s[2*k+1])) }

// typical returns the score whose arrow has the length of a cell. It is the 90th percentile, so that a few strong
// corners do not shrink the other arrows.
func (f *scoreField) typical() float64 {
	lengths := make([]float64, len(f.s)/2)
	for k := range lengths {
		lengths[k] = f.length(k)
	}
	slices.Sort(lengths)
	return lengths[len(lengths)*9/10]
}

func (f *scoreField) draw(a *axes) error {
	unit := a.box.w * (f.bounds.High - f.bounds.Low) / (a.bounds.High - a.bounds.Low) / fieldSide
	for k := range len(f.s) / 2 {
		l := f.length(k)
		if l == 0 {
			continue
		}
		reach := unit * min(1.1, math.Pow(l/a.arrows[f.sigma], 0.6))
		dx, dy := reach/2*float64(f.s[2*k])/l, -reach/2*float64(f.s[2*k+1])/l
		p := a.at(float64(f.x[2*k]), float64(f.x[2*k+1]))
		a.arrow(point{p.x - dx, p.y - dy}, point{p.x + dx, p.y + dy}, unit)
	}
	return nil
}

// arrow draws an arrow from p to q. Its thickness suits a cell of the given size, and short arrows are smaller as a
// whole.
func (c *canvas) arrow(p, q point, cell float64) {
	dx, dy := q.x-p.x, q.y-p.y
	l := math.Hypot(dx, dy)
	dx, dy = dx/l, dy/l
	head := min(0.34*cell, 0.6*l)
	shaft, wing := max(0.3, 0.09*head), 0.42*head
	at := func(along, across float64) point {
		return point{p.x + dx*along - dy*across, p.y + dy*along + dx*across}
	}
	barb := l - 1.1*head
	c.fill(black, at(0, shaft), at(l-head, shaft), at(barb, wing), at(l, 0), at(barb, -wing),
		at(l-head, -shaft), at(0, -shaft))
}

// fieldPanel returns a panel with the scores of m over a density. There is no density if it is nil.
func fieldPanel(
	ctx context.Context, title string, m sampling.Model, sigma float64, r Range, density func(x, y float64) float64,
) (Panel, error) {
	field, err := ScoreField(ctx, m, sigma, r)
	if err != nil {
		return Panel{}, fmt.Errorf("panel %q: %w", title, err)
	}
	p := Panel{Title: title}
	if density != nil {
		p.Layers = append(p.Layers, Backdrop(density))
	}
	p.Layers = append(p.Layers, field)
	return p, nil
}
