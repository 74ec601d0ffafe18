package main

import (
	"encoding/json"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/sampling"
)

// point is a setting with one value of the FID and of the two-sample accuracy for each seed.
func point(curve string, evaluations float64, fids, accuracies []float64) qualityPoint {
	type metric struct {
		Name     string  `json:"name"`
		Value    float64 `json:"value"`
		Expected float64 `json:"expected"`
	}
	var runs []map[string]any
	for i, fid := range fids {
		runs = append(runs, map[string]any{"seconds": evaluations * float64(1+i), "metrics": []metric{
			{measureFID, fid, 1}, {measureFeatures, accuracies[i], 0.5}, {measureSure, 0.9, 0.965},
		}})
	}
	text, err := json.Marshal(map[string]any{"curve": curve, "setting": "steps 9", "evaluations": evaluations,
		"runs": runs})
	var p qualityPoint
	if err == nil {
		err = json.Unmarshal(text, &p)
	}
	if err != nil {
		panic(err)
	}
	return p
}

// TestQualityPage: the page has means and standard deviations over seeds, and the cheapest of ours that is as good.
func TestQualityPage(t *testing.T) {
	r := &qualityResults{
		model: "mnist", n: 10, seeds: 2, took: time.Minute, leftOut: "there is no Python",
		ours: []qualityPoint{
			point("pc", 40, []float64{1, 2}, []float64{0.5, 0.6}),
			point("edm", 18, []float64{1.5, 1.5}, []float64{0.55, 0.55}),
			point("flow", 7, []float64{1, 1}, []float64{0.7, 0.7}),
		},
		theirs: []qualityPoint{
			point(peerNCSN, 361, []float64{1.5, 1.5}, []float64{0.56, 0.56}),
			point(peerDiffusers, 20, []float64{0.9, 0.9}, []float64{0.6, 0.6}),
		},
	}
	page := string(r.markdown())
	for _, want := range []string{
		"| pc, steps 9 | 40 | 4 | 0.900 ± 0.000 | 1.50 ± 0.71 |", "sure 0.965",
		"diffusers is left out here: there is no Python",
		"| NCSN loop, steps 9 | 361 | 36.1 | edm, steps 9 | 18 | 1.8 | 20.1x |",
		"| diffusers, steps 9 | 20 | 2 |  |  |  |  |",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q in\n%s", want, page)
		}
	}
}

// TestQualityLoops: the official loop has the levels of the model, down to the last, and the step size of technique 4.
func TestQualityLoops(t *testing.T) {
	schedule, err := sampling.Geometric(10, 0.01, 91)
	if err != nil {
		t.Fatal(err)
	}
	b := &qualityBench{manifest: models.Manifest{Sigmas: schedule.Sigmas(), Range: models.Range{Low: 0, High: 1}}}
	loops := b.loops()
	named := func(name string) loop {
		i := slices.IndexFunc(loops, func(l loop) bool { return l.peer == peerNCSN && l.name == name })
		if i < 0 {
			t.Fatalf("no loop %q", name)
		}
		return loops[i]
	}
	thin := named("19 levels, 5 steps each").settings["sigmas"].([]float64)
	if len(thin) != 19 || thin[0] != 10 || thin[18] != schedule.Last() {
		t.Errorf("every fifth level: %d from %g to %g", len(thin), thin[0], thin[len(thin)-1])
	}
	stepLR := named("91 levels, 4 steps each").settings["step_lr"].(float64)
	at := func(stepLR float64) float64 {
		return math.Abs(sampling.LevelVariance(stepLR, 0.01, math.Pow(1000, 1./90), 4) - 1)
	}
	if at(stepLR) > at(0.99*stepLR) || at(stepLR) > at(1.01*stepLR) {
		t.Errorf("step size %g is not the best", stepLR)
	}
	if !slices.ContainsFunc(loops, func(l loop) bool { return l.peer == peerDiffusers }) {
		t.Error("no loop of diffusers")
	}
	if last := everyNth([]float64{5, 4, 3, 2, 1}, 3); !slices.Equal(last, []float64{4, 1}) {
		t.Errorf("every third of five is %v, want the last among them", last)
	}
}

// TestKept: a comparison that goes on finds the runs that an earlier one measured, and no others.
func TestKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "peers.json")
	first, err := readKept(path)
	if err != nil {
		t.Fatal(err)
	}
	l := loop{peer: peerNCSN, name: "9 levels"}
	run := point("x", 40, []float64{2}, []float64{0.6}).Runs[0]
	run.Evaluations = 40
	if err := first.add(keyOf("abc", 100, l, 51), run); err != nil {
		t.Fatal(err)
	}
	second, err := readKept(path)
	if diff := cmp.Diff(map[string]qualityRun{keyOf("abc", 100, l, 51): run}, second.runs); err != nil || diff != "" {
		t.Errorf("%v (-kept +read):\n%s", err, diff)
	}
	if runs := second.of(keyOfSeeds("abc", 100, l)); len(runs) != 1 || len(second.of(keyOfSeeds("abc", 10, l))) != 0 {
		t.Errorf("the runs of the loop are %+v", runs)
	}
	for _, other := range []string{keyOf("abd", 100, l, 51), keyOf("abc", 101, l, 51), keyOf("abc", 100, l, 52),
		keyOf("abc", 100, loop{peer: peerNCSN, name: "8 levels"}, 51)} {
		if _, found := second.runs[other]; found {
			t.Errorf("%s was not measured", other)
		}
	}
}
