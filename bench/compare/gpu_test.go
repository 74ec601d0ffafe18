package main

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestGPUResultsUnequal: scores that differ too much, or are not numbers, fail the run by name. A side that was not
// measured is not mentioned.
func TestGPUResultsUnequal(t *testing.T) {
	r := &gpuResults{parity: []gpuParity{
		{"toy", "fp32", 1e-4, -1}, {"image", "fp16", 1.9e-2, 2e-2}, {"image", "tf32", 1e-3, 0.5}, {"ncsnv2", "fp32",
			math.NaN(), 0},
	}}
	err := r.unequal()
	if err == nil {
		t.Fatal("no error")
	}
	want := "image, tf32: scores of PyTorch eager are off the CPU's by 0.5 of the largest, 0.01 is allowed\n" +
		"ncsnv2, fp32: scores of Langevin are off the CPU's by NaN of the largest, 0.0001 is allowed"
	if err.Error() != want {
		t.Errorf("error is\n%v, want\n%s", err, want)
	}
	if err := (&gpuResults{parity: r.parity[:2]}).unequal(); err != nil {
		t.Errorf("scores that are close enough: %v", err)
	}
}

// TestWhereResultsGo: a dry run does not change the pages in bench.
func TestWhereResultsGo(t *testing.T) {
	folder := t.TempDir()
	t.Chdir(folder)
	if err := errors.Join(os.Mkdir("bench", 0o755), os.Mkdir("out", 0o755)); err != nil {
		t.Fatal(err)
	}
	for want, s := range map[string]settings{
		"bench/a.md": {networks: "out"},
		"out/b.md":   {networks: "out", quick: true},
		"bench/c.md": {networks: "out", device: "cuda:0"},
		"out/d.md":   {networks: "out", device: "cpu"},
		"e.md":       {networks: "out", device: "cpu", quick: true, out: "e.md"},
	} {
		if err := s.write(filepath.Base(want), nil); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(want); err != nil {
			t.Errorf("%+v: %v", s, err)
		}
	}
}

// TestGPUResults: the page compares what was measured with the targets, and says what was not measured.
func TestGPUResults(t *testing.T) {
	r := &gpuResults{device: "cuda:0", ceilings: map[string]float64{"fp16": 100e12},
		parity: []gpuParity{{"toy", "fp32", 1e-6, -1}, {"ncsnv2", "fp16", 0.5, 0.01}},
		cases: []gpuCase{
			{network: "ncsnv2", precision: "fp16", chains: 64, flops: 20e9, idle: 0.05,
				seen: map[string]series{ours: {0.02}, eager: {0.04}}},
			{network: "toy", precision: "fp32", chains: 1, flops: 1, idle: -1, seen: map[string]series{ours: {0.001}}},
		}}
	r.note("no %s", "compiler")
	r.note("no compiler")
	text := string(r.markdown())
	for _, want := range []string{
		"| toy | fp32 | 1e-06 |  | 0.0001 | yes |", "| ncsnv2 | fp16 | 0.5 | 0.01 | 0.02 | **no** |",
		"| ncsnv2 | fp16 | 64 | 3,200 | 1,600 | not run | 2x | 1.5x | yes | 64 % | 50 % | yes | 5 % | below 10 % | " +
			"yes |",
		"| toy | fp32 | 1 | 1,000 | not run | not run | not measured |  |  | not measured |  |  | not measured |  |  |",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if strings.Count(text, "no compiler") != 1 {
		t.Error("a note appears more than once")
	}
	if got := idleOf("0\n100\n80\n"); got < 0.0999 || got > 0.1001 {
		t.Errorf("idle is %g, want 0.1", got)
	}
	if got := idleOf("nothing"); got != -1 {
		t.Errorf("idle is %g of no numbers", got)
	}
}
