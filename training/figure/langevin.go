package figure

import (
	"context"
	"errors"

	"github.com/langevin-ml/langevin/sampling"
)

// Langevin is the six-panel figure of plain Langevin dynamics at one sigma. The upper row has the density, the data and
// the exact score. The lower row has samples with the exact score, samples with the model, and the model's score.
type Langevin struct {
	Bounds       Range
	Sigma        float64                    // at which both models are evaluated
	Exact, Model sampling.Model             // of 2-D points
	Density      func(x, y float64) float64 // also behind the arrows
	Data         []float32                  // rows (x, y), like the next two
	ByExact      []float32                  // samples of Langevin dynamics with the exact score
	ByModel      []float32                  // samples of Langevin dynamics with the model
}

// Figure evaluates both models and arranges the panels.
func (l Langevin) Figure(ctx context.Context) (Figure, error) {
	if l.Exact == nil || l.Model == nil || l.Density == nil {
		return Figure{}, errors.New("Langevin figure: want an exact model, a model and a density")
	}
	var t table
	t.add(Panel{Title: "density", Layers: []Layer{Density(l.Density)}}, nil)
	t.add(samplesPanel("data", l.Bounds, l.Data))
	t.add(fieldPanel(ctx, "exact score, "+sigmaText(l.Sigma), l.Exact, l.Sigma, l.Bounds, l.Density))
	t.add(samplesPanel("Langevin, exact score", l.Bounds, l.ByExact))
	t.add(samplesPanel("Langevin, model", l.Bounds, l.ByModel))
	t.add(fieldPanel(ctx, "model score, "+sigmaText(l.Sigma), l.Model, l.Sigma, l.Bounds, l.Density))
	return Figure{Bounds: l.Bounds, Columns: 3, Panels: t.panels}, t.err
}

// table collects panels until one fails.
type table struct {
	panels []Panel
	err    error
}

func (t *table) add(p Panel, err error) {
	if t.err == nil {
		t.panels, t.err = append(t.panels, p), err
	}
}
