package drawing

import (
	"fmt"
	"strings"
	"unicode"

	"google.golang.org/protobuf/proto"

	"github.com/langevin-ml/langevin/client"
	"github.com/langevin-ml/langevin/internal/phrase"
	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
)

// Origin returns where samples come from, in words that suffice to draw them again.
func Origin(res *client.Result) string {
	text := fmt.Sprintf("%s version %d, seed %d, %s", res.Model, res.Version, res.Seed, SamplerText(res.Sampler))
	if followed := NewFollowedReport(res.Given, res.GuidanceScale, res.Sum, false).
		Measuring(res.Measurement).String(); followed != "" {
		text += ", " + followed
	}
	return text
}

// SamplerText returns a sampler and its settings in words: "plain Langevin (σ 0.5, 9 steps, step size 0.1)". It leaves
// out what has no effect, and numbers and switches that have their default.
func SamplerText(s client.Sampler) string {
	report := NewSamplerReport(s)
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

// settingText returns the value of a setting in words, or "" if it has no effect or is the default. usual is a sampler
// with all defaults.
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

// counted returns "2 steps per level" or "1 step per level" for the label "steps per level".
func counted(n int, label string) string {
	noun, rest, found := strings.Cut(label, " per ")
	if found {
		rest = " per " + rest
	}
	return phrase.Plural(n, strings.TrimSuffix(noun, "s")) + rest
}

// inSentence returns a title as it is written within a sentence: with a small first letter, unless an acronym begins
// it.
func inSentence(title string) string {
	letters := []rune(title)
	if len(letters) > 1 && unicode.IsLower(letters[1]) {
		letters[0] = unicode.ToLower(letters[0])
	}
	return string(letters)
}
