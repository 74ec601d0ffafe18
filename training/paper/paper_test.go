package paper

import (
	"encoding/json"
	"errors"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/langevin-ml/langevin/sampling"
	"github.com/langevin-ml/langevin/training/eval"
)

func TestExactSections(t *testing.T) {
	var last atomic.Int64
	sections, err := ExactSections(t.Context(),
		Options{Chains: 500, Shown: 100, Seed: 3, Progress: func(_, total int, _ string) { last.Store(int64(total)) }})
	if err != nil {
		t.Fatal(err)
	}
	r := Report{Title: "test", Sections: sections}
	if got := r.Totals(); got.All != 108 || got.Passed != got.All {
		t.Errorf("%d of %d numbers as expected: %+v", got.Passed, got.All, r.Failed())
	}
	if last.Load() != 24 {
		t.Errorf("progress of %d runs, want 24", last.Load())
	}
	folder := filepath.Join(t.TempDir(), "report")
	if err := r.Write(folder); err != nil {
		t.Fatal(err)
	}
	checkReport(t, folder, r)
}

// checkReport compares the files in a folder with r.
func checkReport(t *testing.T, folder string, r Report) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(folder, "report.json"))
	if err != nil {
		t.Fatal(err)
	}
	var read Report
	if err := json.Unmarshal(text, &read); err != nil || read.Totals() != r.Totals() {
		t.Errorf("report.json has %+v, %v; want %+v", read.Totals(), err, r.Totals())
	}
	page, err := os.ReadFile(filepath.Join(folder, "index.html"))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range r.Sections {
		if !strings.Contains(string(page), `id="`+s.Name+`"`) {
			t.Errorf("the page has no section %s", s.Name)
		}
		for _, p := range s.Pictures {
			f, err := os.Open(filepath.Join(folder, p.File))
			if err != nil || !strings.Contains(string(page), `src="`+p.File+`"`) {
				t.Fatalf("picture %s: %v", p.File, err)
			}
			if _, err := png.Decode(f); err != nil {
				t.Errorf("picture %s: %v", p.File, err)
			}
			f.Close()
		}
	}
	if strings.Contains(string(page), "://") {
		t.Error("the page names another host")
	}
}

// TestProductRunsCanFail: exact samples of a product are not taken for those of a reverse diffusion, nor the reverse.
func TestProductRunsCanFail(t *testing.T) {
	ring, other, err := productFactors()
	if err != nil {
		t.Fatal(err)
	}
	product := ring.Product(other)
	draw := func(m sampling.Mixture) outcome {
		return outcome{run: run{mixture: product}, samples: eval.Draw(m, 10_000, 1)}
	}
	wrong := sampling.Mixture{Weights: slices.Clone(product.Weights), Means: product.Means, Std: product.Std}
	wrong.Weights[slices.Index(wrong.Weights, slices.Max(wrong.Weights))] *= 1.2 // off by 0.04
	for i, f := range append(productFindings(draw(product), draw(wrong), 0.02),
		productFindings(draw(wrong), draw(product), 0.02)...) {
		if f.Pass != (i < 2) {
			t.Errorf("finding %d: %+v", i, f)
		}
	}
	runs := sumRuns()
	bad := outcome{run: runs[1], samples: eval.Draw(runs[0].mixture, 1000, 1)}
	for _, f := range sumsSection([]outcome{bad}).Findings {
		if f.Pass {
			t.Errorf("samples of another sum: %+v", f)
		}
	}
}

// TestExactRunsCanFail: chains with another start do not agree with the reference.
func TestExactRunsCanFail(t *testing.T) {
	rings, err := ringRuns()
	if err != nil {
		t.Fatal(err)
	}
	wrong := rings[ringLangevin]
	wrong.corner = false
	out, err := wrong.sample(t.Context(), 500, 3)
	if err != nil {
		t.Fatal(err)
	}
	r := Report{Sections: []Section{{Findings: out.findings()}}}
	if len(r.Failed()) < 7 {
		t.Errorf("only %d numbers are off: %+v", len(r.Failed()), out.findings())
	}
}

func TestPageTellsWhatIsOff(t *testing.T) {
	r := Report{Title: "a <b>", Sections: []Section{{
		Name: "one", Title: "One", Skipped: "no data", Findings: []Finding{Near("r", "q", -1, 2, 0.5, "s"),
			Between("r", "q", 1.5, 1, 2, "s")},
	}}}
	folder := t.TempDir()
	if err := r.Write(folder); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join(folder, "index.html"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"a &lt;b&gt;", "1 of 2", "✗ off", "−1.000", "Not in this report: no data"} {
		if !strings.Contains(string(page), want) {
			t.Errorf("no %q in the page", want)
		}
	}
	bad := errors.New("no ink")
	r.Sections[0].Pictures = []Picture{NewPicture("p.png", "", func(io.Writer) error { return bad })}
	if err := r.Write(folder); !errors.Is(err, bad) || !strings.Contains(err.Error(), "draw One") {
		t.Errorf("error %v, want one about drawing One", err)
	}
}
