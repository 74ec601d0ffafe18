// Package pictures draws samples: as PNG, as GIF, and in a terminal.
package pictures

import (
	"fmt"
	"io"

	"github.com/langevin-ml/langevin/client"
	"github.com/langevin-ml/langevin/internal/datafile"
	"github.com/langevin-ml/langevin/internal/phrase"
	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
	"github.com/langevin-ml/langevin/training/figure"
)

// axes returns the range of a model's data.
func axes(m client.Model) figure.Range { return figure.Range{Low: m.Low, High: m.High} }

// Check returns an error if samples of m cannot be drawn, as a moving picture if moving.
func Check(m client.Model, moving bool) error {
	if figure.IsSeries(m.Shape) && m.Table == nil && !moving {
		return nil
	}
	one := make([]float32, datafile.Elements(m.Shape))
	if err := figure.Still(io.Discard, m.Shape, axes(m), one, ""); err != nil {
		return fmt.Errorf("draw %s: %w", m.Name, err)
	}
	return nil
}

// Previews returns a request for at most a number of frames, with as many of n chains as fit into messages.
func Previews(m client.Model, n, frames int) *client.PreviewOptions {
	fit := min(langevinv1.MaxEventBytes, langevinv1.MaxPreviewBytes/frames) / (4 * max(1, datafile.Elements(m.Shape)))
	return &client.PreviewOptions{MaxFrames: frames, Chains: min(n, max(1, fit))}
}

// WritePNG draws samples.
func WritePNG(w io.Writer, r *client.Result, m client.Model) error {
	if figure.IsSeries(r.Shape) && r.Table == nil {
		return figure.Series(w, r.Shape, axes(m), r.X, r.Model)
	}
	return figure.Still(w, r.Shape, axes(m), r.X, fmt.Sprintf("%s: %s", r.Model, phrase.Plural(r.N, "sample")))
}

// WriteGIF draws the previews of a result, one after the other.
func WriteGIF(w io.Writer, r *client.Result, m client.Model) error {
	frames := make([]figure.Frame, len(r.Previews))
	for i, p := range r.Previews {
		frames[i] = figure.Frame{X: p.X, Step: p.Step, Level: p.Level, Sigma: p.Sigma}
	}
	return figure.Chains(w, r.Shape, axes(m), frames, figure.ChainOptions{Zoom: true})
}
