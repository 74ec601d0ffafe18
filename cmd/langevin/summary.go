package main

import (
	"fmt"
	"io"
	"math"
	"strings"
	"text/tabwriter"
	"unicode"

	"google.golang.org/protobuf/proto"

	"github.com/langevin-ml/langevin/client"
	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
)

const (
	summaryRows    = 8
	summaryColumns = 6
)

// writeSummary shows a person the first rows of a result, and the mean and deviation of all.
func (p *program) writeSummary(res *client.Result) error {
	fmt.Fprintf(p.stdout, "%s, %s, %s\n\n", p.bold(plural(res.N, "chain")), origin(res), tidy(res.Elapsed))
	columns := min(summaryColumns, elements(res.Shape))
	t := tabwriter.NewWriter(p.stdout, 8, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(t, "chain\t")
	for j := range columns {
		fmt.Fprintf(t, "x%d\t", j)
	}
	fmt.Fprintln(t)
	for i := range min(summaryRows, res.N) {
		fmt.Fprintf(t, "%d\t", res.FirstChain+uint64(i))
		writeNumbers(t, toFloat64(res.Row(i)[:columns]))
	}
	mean, std := moments(res.Batch)
	fmt.Fprint(t, "mean\t")
	writeNumbers(t, mean[:columns])
	fmt.Fprint(t, "std\t")
	writeNumbers(t, std[:columns])
	if err := t.Flush(); err != nil {
		return err
	}
	if res.N > summaryRows || elements(res.Shape) > columns {
		fmt.Fprintf(p.stdout, "\n%s of %s; --out samples.csv writes all of it\n",
			plural(res.N, "chain"), plural(elements(res.Shape), "number"))
	}
	return nil
}

func writeNumbers(w io.Writer, values []float64) {
	for _, v := range values {
		fmt.Fprintf(w, "%.3f\t", v)
	}
	fmt.Fprintln(w)
}

func toFloat64(x []float32) []float64 {
	out := make([]float64, len(x))
	for i, v := range x {
		out[i] = float64(v)
	}
	return out
}

// moments returns the mean and the standard deviation of each column.
func moments(b client.Batch) (mean, std []float64) {
	mean, std = make([]float64, elements(b.Shape)), make([]float64, elements(b.Shape))
	for i := range b.N {
		for j, v := range b.Row(i) {
			mean[j] += float64(v) / float64(b.N)
		}
	}
	for i := range b.N {
		for j, v := range b.Row(i) {
			d := float64(v) - mean[j]
			std[j] += d * d / float64(b.N)
		}
	}
	for j, v := range std {
		std[j] = math.Sqrt(v)
	}
	return mean, std
}

// origin says where samples come from, enough to draw them again.
func origin(res *client.Result) string {
	return fmt.Sprintf("%s version %d, seed %d, %s", res.Model, res.Version, res.Seed, samplerText(res.Sampler))
}

// samplerText names a sampler and its settings for people: "plain Langevin (σ 0.5, 9 steps, step size 0.1)". It leaves out what has no effect, and numbers and switches that have their default.
func samplerText(s client.Sampler) string {
	report := newSamplerReport(s)
	if report == nil {
		return "a sampler this program does not know"
	}
	d, _ := langevinv1.SamplerOf(report.message)
	usual := d.New()
	d.Complete(usual)
	var parts []string
	for _, setting := range d.Settings {
		if text := settingText(setting, report.message, usual); text != "" {
			parts = append(parts, text)
		}
	}
	name := inSentence(d.GetTitle())
	if len(parts) == 0 {
		return name
	}
	return name + " (" + strings.Join(parts, ", ") + ")"
}

// settingText names the value that a sampler gives a setting; empty if there is nothing to say about it. Usual is a
// sampler with all defaults.
func settingText(s langevinv1.SettingDescription, sampler, usual proto.Message) string {
	if _, words := s.Unmet(sampler); words != nil {
		return ""
	}
	label := inSentence(s.GetLabel())
	switch v := s.Value(sampler).(type) {
	case []float64:
		return counted(len(v), label)
	case int:
		return counted(v, label)
	case string:
		return label + " " + v
	case float64:
		if v != s.Value(usual) {
			return fmt.Sprintf("%s %.4g", label, v)
		}
	case bool:
		on, _ := s.Value(usual).(bool)
		switch {
		case v && !on:
			return label
		case on && !v:
			return "no " + label
		}
	}
	return ""
}

// counted is "2 steps per level", "1 step per level" for a label that names what is counted: "steps per level".
func counted(n int, label string) string {
	noun, rest, found := strings.Cut(label, " per ")
	if found {
		rest = " per " + rest
	}
	return plural(n, strings.TrimSuffix(noun, "s")) + rest
}

// inSentence is a title as it stands within a sentence: its first letter is small unless it begins an acronym.
func inSentence(title string) string {
	letters := []rune(title)
	if len(letters) > 1 && unicode.IsLower(letters[1]) {
		letters[0] = unicode.ToLower(letters[0])
	}
	return string(letters)
}

func (p *program) bold(text string) string { return p.paint("1", text) }

// paint wraps text in a terminal's code for a colour or weight, where colours are wanted.
func (p *program) paint(code, text string) string {
	if !p.color {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}
