package paper

import (
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"math"
	"path/filepath"
	"strings"

	"github.com/langevin-ml/langevin/training/figure"
)

// Report is all experiments of one run.
type Report struct {
	Title    string    `json:"title"`
	Settings []string  `json:"settings"` // what it was made with, a line each
	Sections []Section `json:"sections"`
}

// Section is one experiment.
type Section struct {
	Name     string    `json:"name"` // in the page's address: figure-3
	Title    string    `json:"title"`
	Expected string    `json:"expected"`          // the outcome that the paper has, or that follows from its settings
	Note     string    `json:"note,omitempty"`    // where this run departs from the paper
	Skipped  string    `json:"skipped,omitempty"` // why there is nothing, if so
	Pictures []Picture `json:"pictures,omitempty"`
	Findings []Finding `json:"findings,omitempty"`
}

// Picture is a file beside the page.
type Picture struct {
	File    string `json:"file"` // its name; a PNG or a GIF
	Caption string `json:"caption"`
	Wide    bool   `json:"-"` // takes the whole width

	draw func(w io.Writer) error
}

// Finding is a number held against what it should be.
type Finding struct {
	Run       string  `json:"run"`
	Quantity  string  `json:"quantity"`
	Value     float64 `json:"value"`
	Expected  float64 `json:"expected"`
	Tolerance float64 `json:"tolerance"`
	Pass      bool    `json:"pass"` // whether Value is within Tolerance of Expected
	Source    string  `json:"source"`
}

// NewPicture is a picture that draw makes when the report is written.
func NewPicture(file, caption string, draw func(w io.Writer) error) Picture {
	return Picture{File: file, Caption: caption, draw: draw}
}

// Broad is p over the whole width of the page.
func (p Picture) Broad() Picture {
	p.Wide = true
	return p
}

// Near is a finding that passes within tolerance of expected.
func Near(run, quantity string, value, expected, tolerance float64, source string) Finding {
	return Finding{run, quantity, value, expected, tolerance, math.Abs(value-expected) <= tolerance, source}
}

// Between is a finding that passes from low to high.
func Between(run, quantity string, value, low, high float64, source string) Finding {
	return Near(run, quantity, value, (low+high)/2, (high-low)/2, source)
}

// Totals is how many findings there are, and how many of them pass.
type Totals struct{ Passed, All int }

// Totals counts the findings of all sections.
func (r Report) Totals() Totals {
	var t Totals
	for _, s := range r.Sections {
		for _, f := range s.Findings {
			t.All++
			if f.Pass {
				t.Passed++
			}
		}
	}
	return t
}

// Failed is the findings that do not pass.
func (r Report) Failed() []Finding {
	var failed []Finding
	for _, s := range r.Sections {
		for _, f := range s.Findings {
			if !f.Pass {
				failed = append(failed, f)
			}
		}
	}
	return failed
}

//go:embed page.html
var files embed.FS

// Write draws all pictures and writes index.html and report.json into a folder, which is made if need be, each whole or
// not at all. The page needs no file but those in the folder.
func (r Report) Write(folder string) error {
	page, err := template.New("page.html").Funcs(template.FuncMap{"number": number, "tolerance": tolerance}).ParseFS(files, "page.html")
	if err != nil {
		return fmt.Errorf("read the page's template: %w", err)
	}
	for _, s := range r.Sections {
		for _, p := range s.Pictures {
			if err := figure.WriteFile(filepath.Join(folder, p.File), p.draw); err != nil {
				return fmt.Errorf("draw %s: %w", s.Title, err)
			}
		}
	}
	err = figure.WriteFile(filepath.Join(folder, "report.json"), func(w io.Writer) error {
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		return encoder.Encode(r)
	})
	if err != nil {
		return err
	}
	return figure.WriteFile(filepath.Join(folder, "index.html"), func(w io.Writer) error { return page.Execute(w, r) })
}

// number writes v with the digits that matter beside its tolerance.
func number(v float64) string {
	text := fmt.Sprintf("%.4g", v)
	if a := math.Abs(v); a > 0 && a < 10 && a >= 0.001 {
		text = fmt.Sprintf("%.3f", v)
	}
	return strings.Replace(text, "-", "−", 1)
}

func tolerance(v float64) string { return fmt.Sprintf("%.2g", v) }
