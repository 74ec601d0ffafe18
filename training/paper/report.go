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

	"github.com/langevin-ml/langevin/internal/wholefile"
)

// Report has all experiments of one run.
type Report struct {
	Title    string    `json:"title"`
	Settings []string  `json:"settings"` // the settings of the run, one per line
	Sections []Section `json:"sections"`
}

// Section is one experiment.
type Section struct {
	Name     string    `json:"name"` // in the address of the page: figure-3
	Title    string    `json:"title"`
	Expected string    `json:"expected"`          // the outcome in the paper, or the one that follows from its settings
	Note     string    `json:"note,omitempty"`    // differences from the paper
	Skipped  string    `json:"skipped,omitempty"` // the reason why the section is empty; "" if it is not
	Pictures []Picture `json:"pictures,omitempty"`
	Findings []Finding `json:"findings,omitempty"`
}

// Picture is a file next to the page.
type Picture struct {
	File    string `json:"file"` // name of a PNG or a GIF
	Caption string `json:"caption"`
	Wide    bool   `json:"-"` // takes the whole width

	draw func(w io.Writer) error
}

// Finding is a number and its expected value.
type Finding struct {
	Run       string  `json:"run"`
	Quantity  string  `json:"quantity"`
	Value     float64 `json:"value"`
	Expected  float64 `json:"expected"`
	Tolerance float64 `json:"tolerance"`
	Pass      bool    `json:"pass"` // whether Value is within Tolerance of Expected
	Source    string  `json:"source"`
}

// NewPicture returns a picture that draw draws when the report is written.
func NewPicture(file, caption string, draw func(w io.Writer) error) Picture {
	return Picture{File: file, Caption: caption, draw: draw}
}

// Broad returns p with the whole width of the page.
func (p Picture) Broad() Picture {
	p.Wide = true
	return p
}

// Near returns a finding that passes if the value is within tolerance of expected.
func Near(run, quantity string, value, expected, tolerance float64, source string) Finding {
	return Finding{run, quantity, value, expected, tolerance, math.Abs(value-expected) <= tolerance, source}
}

// Between returns a finding that passes if the value is from low to high.
func Between(run, quantity string, value, low, high float64, source string) Finding {
	return Near(run, quantity, value, (low+high)/2, (high-low)/2, source)
}

// Totals has the number of findings, and the number of those that pass.
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

// Failed returns the findings that do not pass.
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

// Write draws all pictures and writes index.html and report.json into a folder. It creates the folder if necessary.
// Each file is complete or absent. The page needs only files in the folder.
func (r Report) Write(folder string) error {
	page, err := template.New("page.html").Funcs(template.FuncMap{"number": number,
		"tolerance": tolerance}).ParseFS(files, "page.html")
	if err != nil {
		return fmt.Errorf("read the page's template: %w", err)
	}
	for _, s := range r.Sections {
		for _, p := range s.Pictures {
			if err := wholefile.Write(filepath.Join(folder, p.File), p.draw); err != nil {
				return fmt.Errorf("draw %s: %w", s.Title, err)
			}
		}
	}
	err = wholefile.Write(filepath.Join(folder, "report.json"), func(w io.Writer) error {
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		return encoder.Encode(r)
	})
	if err != nil {
		return err
	}
	return wholefile.Write(filepath.Join(folder, "index.html"), func(w io.Writer) error { return page.Execute(w, r) })
}

// number formats v with the digits that its tolerance makes meaningful.
func number(v float64) string {
	text := fmt.Sprintf("%.4g", v)
	if a := math.Abs(v); a > 0 && a < 10 && a >= 0.001 {
		text = fmt.Sprintf("%.3f", v)
	}
	return strings.Replace(text, "-", "−", 1)
}

func tolerance(v float64) string { return fmt.Sprintf("%.2g", v) }
