package nn

import (
	"encoding/json"
	"flag"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/langevin-ml/langevin/internal/torchtest"
	"github.com/langevin-ml/langevin/sampling"
)

var torch = flag.String("torch", "", "Python with PyTorch, for a second implementation; if empty, it is not compared")

// torchCase is a network and rows of its inputs, as the script reads it.
type torchCase struct {
	Settings torchSettings `json:"settings"`
	Weights  []torchWeight `json:"weights"`
	Shape    []int         `json:"shape"` // of a row of x
	X        []float32     `json:"x"`
	Sigma    []float32     `json:"sigma"`
	Given    []float32     `json:"given"` // classes
}

type torchSettings struct {
	Process  string    `json:"process"`
	Levels   []float64 `json:"levels"`
	Fourier  []float64 `json:"fourier"`
	Channels int       `json:"channels"`
	Stages   int       `json:"stages"`
	Blocks   int       `json:"blocks"`
	Centred  bool      `json:"centred"`
	FIR      bool      `json:"fir"`
	Input    Pyramid   `json:"input"`
	Output   bool      `json:"output"`
}

type torchWeight struct {
	Name   string    `json:"name"`
	Shape  []int     `json:"shape"`
	Values []float32 `json:"values"`
}

// TestTorch compares the scores of every form of NCSN++ and DDPM++ with a second implementation in PyTorch. Both
// compute in float64, so almost no difference is allowed. ONNX Runtime computes in float32.
func TestTorch(t *testing.T) {
	python := torchtest.Need(t, *torch)
	classes := func(p *PlusPlus) { p.Condition = Condition{Classes: 3, Dropped: true} }
	deeper := func(p *PlusPlus) {
		p.Shape, p.Channels, p.Multipliers, p.Blocks, p.Attention = []int{3, 12, 12}, 32, []int{1, 2, 2}, 2, []int{6}
	}
	networks := map[string]PlusPlus{
		"ncsn++, residual":   smallPlusPlus(classes),
		"ncsn++, larger":     smallPlusPlus(deeper),
		"ncsn++, no pyramid": smallPlusPlus(func(p *PlusPlus) { p.Input = NoPyramid }),
		"ncsn++, skips, levels": smallPlusPlus(func(p *PlusPlus) {
			p.Levels, p.Input, p.Output, p.Attention = ladder(5), PyramidSkip, true, []int{4, 8}
		}),
		"ncsn++, vp": smallPlusPlus(func(p *PlusPlus) {
			p.Process, p.Centred, p.FourierScale = sampling.VP, true, 0
		}),
		"ddpm++, vp":     smallPlusPlus(withoutPyramid(sampling.VP), classes, deeper),
		"ddpm++, sub-vp": smallPlusPlus(withoutPyramid(sampling.SubVP)),
		"ddpm++, steps": smallPlusPlus(withoutPyramid(sampling.VP),
			func(p *PlusPlus) { p.Levels = []float64{0.1, 1, 10} }),
	}
	var names []string
	var cases []torchCase
	var graphs []*Graph
	for name, p := range networks {
		g, err := p.Build()
		if err != nil {
			t.Fatal(err)
		}
		names, graphs, cases = append(names, name), append(graphs, g), append(cases, newTorchCase(p, g))
	}
	for i, want := range torchScores(t, python, cases) {
		c, params := cases[i], scattered(graphs[i])
		for k, got := range evaluate(t, graphs[i], params, c.X, c.Sigma, c.Given) {
			if !(math.Abs(got-want[k]) <= 1e-9*max(1, math.Abs(want[k]))) {
				t.Fatalf("%s: element %d is %.15g, PyTorch's is %.15g", names[i], k, got, want[k])
			}
		}
		compare(t, names[i]+", ONNX Runtime", runONNX(t, graphs[i], params, c.X, c.Sigma, c.Given), want, 1e-4)
	}
}

func newTorchCase(p PlusPlus, g *Graph) torchCase {
	const rows = 16
	c := torchCase{
		Settings: torchSettings{
			Process: p.Process.String(), Levels: p.Levels, Channels: p.Channels, Stages: len(p.Multipliers),
			Blocks: p.Blocks, Centred: p.Centred, FIR: p.FIR, Input: p.Input, Output: p.Output,
		},
		Shape: p.Shape, Given: conditions(g, rows),
	}
	if p.continuousVE() {
		c.Settings.Fourier = plusWriter{PlusPlus: p}.fourier()
	}
	c.X, c.Sigma = inputs(g, rows)
	for i, values := range g.Split(scattered(g)) {
		c.Weights = append(c.Weights, torchWeight{g.Params[i].Name, g.Params[i].Shape, values})
	}
	return c
}

// torchScores returns what PyTorch computes for each case, with the given Python.
func torchScores(t *testing.T, python string, cases []torchCase) (scores [][]float64) {
	t.Helper()
	folder := t.TempDir()
	data, err := json.Marshal(cases)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "cases.json"), data, 0o600); err != nil {
		t.Fatal(err)
	}
	script := exec.CommandContext(t.Context(), python, "-B", "testdata/plusplus.py", folder)
	if out, err := script.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if data, err = os.ReadFile(filepath.Join(folder, "scores.json")); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &scores); err != nil || len(scores) != len(cases) {
		t.Fatalf("%d scores: %v", len(scores), err)
	}
	return scores
}
