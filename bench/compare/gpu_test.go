package main

import (
	"strings"
	"testing"
)

// The page judges what was measured against the targets, and tells what was not.
func TestGPUResults(t *testing.T) {
	r := &gpuResults{device: "cuda:0", ceilings: map[string]float64{"fp16": 100e12},
		parity: []gpuParity{{"toy", "fp32", 1e-6, -1}, {"ncsnv2", "fp16", 0.5, 0.01}},
		cases: []gpuCase{
			{network: "ncsnv2", precision: "fp16", chains: 64, flops: 20e9, idle: 0.05, seen: map[string]series{ours: {0.02}, eager: {0.04}}},
			{network: "toy", precision: "fp32", chains: 1, flops: 1, idle: -1, seen: map[string]series{ours: {0.001}}},
		}}
	r.note("no %s", "compiler")
	r.note("no compiler")
	text := string(r.markdown())
	for _, want := range []string{
		"| toy | fp32 | 1e-06 |  | 0.0001 | yes |", "| ncsnv2 | fp16 | 0.5 | 0.01 | 0.02 | **no** |",
		"| ncsnv2 | fp16 | 64 | 3,200 | 1,600 | not run | 2x | 1.5x | yes | 64 % | 50 % | yes | 5 % | below 10 % | yes |",
		"| toy | fp32 | 1 | 1,000 | not run | not run | not measured |  |  | not measured |  |  | not measured |  |  |",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if strings.Count(text, "no compiler") != 1 {
		t.Error("a note is told once")
	}
	if got := idleOf("0\n100\n80\n"); got < 0.0999 || got > 0.1001 {
		t.Errorf("idle is %g, want 0.1", got)
	}
	if got := idleOf("nothing"); got != -1 {
		t.Errorf("idle is %g of no numbers", got)
	}
}
