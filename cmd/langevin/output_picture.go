package main

import (
	"cmp"
	"fmt"
	"io"

	"github.com/langevin-ml/langevin/client"
	"github.com/langevin-ml/langevin/training/figure"
)

// What a server sends of previews at most: in one, and in all of a call.
const (
	previewBytes = 1 << 20
	callBytes    = 64 << 20
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

// previews asks for frames of as many chains as fit.
func previews(m client.Model, n, frames int) *client.PreviewOptions {
	fit := min(previewBytes, callBytes/frames) / (4 * max(1, elements(m.Shape)))
	return &client.PreviewOptions{Frames: frames, Chains: min(n, max(1, fit))}
}

// chainSteps is how many steps a chain takes at least, which bounds the frames that there can be.
func chainSteps(m client.Model, s client.Sampler) int {
	switch s := s.(type) {
	case client.Langevin:
		return cmp.Or(s.Steps, defaultLangevinSteps)
	case client.PredictorCorrector:
		return cmp.Or(s.Times, defaultTimes)
	case client.ProbabilityFlow:
		return cmp.Or(max(0, len(s.Sigmas)-1), s.Steps, defaultFlowSteps)
	}
	model, _ := m.Sampler.(client.AnnealedLangevin)
	asked, _ := s.(client.AnnealedLangevin)
	levels := cmp.Or(len(asked.Sigmas), len(model.Sigmas), len(m.Sigmas))
	return levels * cmp.Or(asked.StepsPerLevel, model.StepsPerLevel)
}

// The API's defaults of Langevin.steps, PredictorCorrector.n and ProbabilityFlow.steps.
const (
	defaultLangevinSteps = 1000
	defaultTimes         = 1000
	defaultFlowSteps     = 50
)

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
