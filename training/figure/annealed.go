package figure

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/langevin-ml/langevin/sampling"
)

// Annealed draws a noise-conditional model of 2-D points at the levels of its noise schedule.
type Annealed struct {
	Bounds   Range
	Schedule sampling.Schedule
	Model    sampling.Model
	Exact    sampling.Model                    // next to the model in Animate; none if nil
	Density  func(sigma, x, y float64) float64 // of the data with noise sigma, behind the arrows; none if nil
}

// Figure returns the four-panel figure of annealed Langevin dynamics. The upper row has samples of plain Langevin
// dynamics at the smallest sigma and samples of annealed Langevin dynamics. The lower row has the scores at the largest
// and the smallest sigma.
func (d Annealed) Figure(ctx context.Context, plain, annealed []float32) (Figure, error) {
	if err := d.validate(); err != nil {
		return Figure{}, err
	}
	var t table
	t.add(samplesPanel("Langevin, "+sigmaText(d.Schedule.Last()), d.Bounds, plain))
	t.add(samplesPanel("annealed Langevin", d.Bounds, annealed))
	t.add(d.panel(ctx, d.Model, "score, ", 0))
	t.add(d.panel(ctx, d.Model, "score, ", d.Schedule.Levels()-1))
	return Figure{Bounds: d.Bounds, Columns: 2, Panels: t.panels}, t.err
}

// Strip returns the model's scores at n levels, spaced evenly from first to last, five per row. It has all levels if
// there are at most n.
func (d Annealed) Strip(ctx context.Context, n int) (Figure, error) {
	if err := d.validate(); err != nil {
		return Figure{}, err
	}
	if n < 1 {
		return Figure{}, fmt.Errorf("strip of %d levels: want at least 1", n)
	}
	var t table
	for _, level := range spread(d.Schedule.Levels(), n) {
		t.add(d.panel(ctx, d.Model, "", level))
	}
	return Figure{Bounds: d.Bounds, Columns: 5, Panels: t.panels}, t.err
}

// Animate writes a GIF of the scores with one frame per level, from the largest sigma to the smallest. If t is zero, a
// frame takes 0.2 s and the last one 1 s. An exact model is on the left of the model and sets the scale of the arrows.
func (d Annealed) Animate(ctx context.Context, w io.Writer, t Timing) error {
	if err := d.validate(); err != nil {
		return err
	}
	t.Delay = cmp.Or(t.Delay, 200*time.Millisecond)
	t.Hold = cmp.Or(t.Hold, time.Second)
	frames := make([]Figure, d.Schedule.Levels())
	for level := range frames {
		f, err := d.frame(ctx, level)
		if err != nil {
			return err
		}
		frames[level] = f
	}
	return Animate(w, frames, t)
}

func (d Annealed) validate() error {
	if d.Model == nil || d.Schedule.Levels() == 0 {
		return errors.New("annealed figure: want a model and a noise schedule")
	}
	return nil
}

func (d Annealed) frame(ctx context.Context, level int) (Figure, error) {
	var t table
	if d.Exact == nil {
		t.add(d.panel(ctx, d.Model, "score, ", level))
	} else {
		t.add(d.panel(ctx, d.Exact, "exact score, ", level))
		t.add(d.panel(ctx, d.Model, "model score, ", level))
	}
	return Figure{Bounds: d.Bounds, Panels: t.panels}, t.err
}

// panel draws the scores of m at one level over the density with the noise of that level.
func (d Annealed) panel(ctx context.Context, m sampling.Model, title string, level int) (Panel, error) {
	sigma := d.Schedule.Sigma(level)
	var density func(x, y float64) float64
	if d.Density != nil {
		density = func(x, y float64) float64 { return d.Density(sigma, x, y) }
	}
	return fieldPanel(ctx, title+sigmaText(sigma), m, sigma, d.Bounds, density)
}

// spread returns at most n indices below total, evenly spaced, with both ends. It returns all if there are at most n.
func spread(total, n int) []int {
	n = min(n, total)
	out := make([]int, n)
	for k := range out {
		out[k] = k * (total - 1) / max(1, n-1)
	}
	return out
}
