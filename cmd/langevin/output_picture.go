package main

import (
	"fmt"
	"io"

	"github.com/langevin-ml/langevin/client"
	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
	"github.com/langevin-ml/langevin/training/figure"
)

func axes(m client.Model) figure.Range { return figure.Range{Low: m.Low, High: m.High} }

// checkPicture says before the work that samples of m cannot be drawn.
func checkPicture(m client.Model) error {
	one := make([]float32, elements(m.Shape))
	if err := figure.Still(io.Discard, m.Shape, axes(m), one, ""); err != nil {
		return fmt.Errorf("draw %s: %w", m.Name, err)
	}
	return nil
}

// previews asks for at most a number of frames, with as many of the n chains as fit.
func previews(m client.Model, n, frames int) *client.PreviewOptions {
	fit := min(langevinv1.MaxEventBytes, langevinv1.MaxPreviewBytes/frames) / (4 * max(1, elements(m.Shape)))
	return &client.PreviewOptions{MaxFrames: frames, Chains: min(n, max(1, fit))}
}

func writePNG(w io.Writer, r *client.Result, m client.Model) error {
	return figure.Still(w, r.Shape, axes(m), r.X, fmt.Sprintf("%s: %s", r.Model, plural(r.N, "sample")))
}

func writeGIF(w io.Writer, r *client.Result, m client.Model) error {
	frames := make([]figure.Frame, len(r.Previews))
	for i, p := range r.Previews {
		frames[i] = figure.Frame{X: p.X, Step: p.Step, Level: p.Level, Sigma: p.Sigma}
	}
	return figure.Chains(w, r.Shape, axes(m), frames, figure.ChainOptions{Zoom: true})
}

func elements(shape []int) int {
	product := 1
	for _, n := range shape {
		product *= n
	}
	return product
}

// plural is "1 sample", "2,000 samples".
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return grouped(int64(n)) + " " + noun + "s"
}

// grouped writes n with commas between its thousands.
func grouped(n int64) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
