package nn

import (
	"math"
	"strings"
	"testing"
)

// TestChoices: if the network has learned the logarithms of the probabilities of a category's values, the score is that
// of codes with noise: (E[code | x] - x)/σ², by Bayes' theorem in float64.
func TestChoices(t *testing.T) {
	probabilities, scale := []float64{0.7, 0.05, 0.25}, 2.0
	g, err := Residual{Dim: 4, Hidden: 8, Blocks: 1, Std: 1, Choices: []Choices{
		{First: 1, Count: 1, Size: 3, Scale: scale},
	}}.Build()
	if err != nil {
		t.Fatal(err)
	}
	params := g.NewParams(1)
	for i, piece := range g.Split(params) {
		switch name := g.Params[i].Name; {
		case name == "out.weight":
			clear(piece)
		case strings.HasPrefix(name, "out."):
			for k, p := range probabilities {
				piece[1+k] = float32(math.Log(p))
			}
		}
	}
	for _, sigma := range []float64{0.02, 0.3, 1, 5} {
		x := []float64{0.3, -0.6 + sigma, 1.3 - sigma/2, -0.7 + sigma/3}
		got, err := g.Evaluate(params, x, []float64{sigma})
		if err != nil {
			t.Fatal(err)
		}
		mean, mass := make([]float64, 3), 0.0
		for k, p := range probabilities {
			code, square := []float64{-scale / 3, -scale / 3, -scale / 3}, 0.0
			code[k] += scale
			for j, c := range code {
				square += (x[1+j] - c) * (x[1+j] - c)
			}
			p *= math.Exp(-(square - 1) / (2 * sigma * sigma))
			mass += p
			for j, c := range code {
				mean[j] += p * c
			}
		}
		for j := range mean {
			want := (mean[j]/mass - x[1+j]) / (sigma * sigma)
			if math.Abs(got[1+j]-want) > 1e-5*max(1, math.Abs(want)) {
				t.Errorf("sigma %g: score %d is %g, want %g", sigma, j, got[1+j], want)
			}
		}
	}
}
