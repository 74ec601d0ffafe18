package main

import (
	"strings"
	"testing"
)

// TestTrainResults: the page compares with PyTorch's best variant.
func TestTrainResults(t *testing.T) {
	r := &trainResults{cases: []trainResult{
		{trainCase: trainCase{name: "toy", preset: "toy-ring", ratio: 4}, loss: 1e-6, moved: 2e-4,
			seen: map[string]series{
				ours: {1e-4}, "contiguous, 1": {3e-4}, "contiguous, 2": {9e-4}, "channels_last, 1": {1e-6}}},
		{trainCase: trainCase{name: "net", preset: "mnist-small", ratio: 1}, seen: map[string]series{
			ours: {0.1}, "contiguous, 1": {0.3}, "channels_last, 1": {0.2}}},
	}}
	text := string(r.markdown())
	for _, want := range []string{
		"| toy | 100 µs | 300 µs (contiguous, 1) | 3x | 4x | **no** | 0 % | 1e-06 | 0.0002 |",
		"| net | 100,000 µs | 200,000 µs (channels_last, 1) | 2x | 1x | yes | 0 % | 0 | 0 |",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

// TestAgreement: sides that do not train the same network are not compared.
func TestAgreement(t *testing.T) {
	us := answer{Losses: []float64{2, 1}, Moved: 0.1}
	for what, them := range map[string]answer{
		"another loss":       {Losses: []float64{2, 1.001}, Moved: 0.1},
		"other steps":        {Losses: []float64{2, 1}, Moved: 0.102},
		"fewer losses":       {Losses: []float64{2}, Moved: 0.1},
		"nothing was said":   {},
		"weights that stood": {Losses: []float64{2, 1}},
	} {
		if _, _, err := agreement(us, them); err == nil {
			t.Errorf("%s: no error", what)
		}
	}
	if loss, moved, err := agreement(us, answer{Losses: []float64{2.0001, 1}, Moved: 0.1001}); err != nil ||
		loss < 4.9e-5 || moved < 0.9e-3 {
		t.Errorf("off by %g and %g, %v", loss, moved, err)
	}
	if _, _, err := agreement(answer{}, answer{}); err == nil {
		t.Error("no losses at all: no error")
	}
}
