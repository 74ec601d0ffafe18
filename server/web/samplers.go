package web

import (
	"encoding/json"
	"math"

	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
)

// samplersFile is the document from which the page and other programs make their forms: every kind of sampler with its
// settings, as the .proto files describe them. It is the same for every model and caller, and is not secret.
func samplersFile() (file, error) {
	document := samplersJSON{}
	for _, d := range langevinv1.Samplers() {
		document.Samplers = append(document.Samplers, samplerOf(d))
	}
	data, err := json.Marshal(document)
	return newFile(append(data, '\n'), "application/json"), err
}

type samplersJSON struct {
	Samplers []samplerJSON `json:"samplers"`
}

type samplerJSON struct {
	Word     string        `json:"word"`
	Title    string        `json:"title"`
	Summary  string        `json:"summary"`
	Use      string        `json:"use"`
	Source   string        `json:"source"`
	Field    string        `json:"field"`
	Go       string        `json:"go"`
	Settings []settingJSON `json:"settings"`
}

type settingJSON struct {
	Key          string     `json:"key"`
	Field        string     `json:"field"`
	Flag         string     `json:"flag"`
	Go           string     `json:"go"`
	GoPointer    bool       `json:"go_pointer,omitempty"`
	Label        string     `json:"label"`
	Help         string     `json:"help"`
	Type         string     `json:"type"`
	Allowed      string     `json:"allowed"`
	Least        *float64   `json:"least,omitempty"`
	Words        []wordJSON `json:"words,omitempty"`
	Default      string     `json:"default,omitempty"`
	ModelDefault string     `json:"model_default,omitempty"`
	Needs        *needsJSON `json:"needs,omitempty"`
	Excludes     string     `json:"excludes,omitempty"`
	Usual        bool       `json:"usual"`
}

type wordJSON struct {
	Word  string `json:"word"`
	Value string `json:"value"`
	Go    string `json:"go"`
}

type needsJSON struct {
	Setting string   `json:"setting"`
	Words   []string `json:"words"`
}

func samplerOf(d langevinv1.SamplerDescription) samplerJSON {
	s := samplerJSON{
		Word: d.GetWord(), Title: d.GetTitle(), Summary: d.GetSummary(), Use: d.GetUse(), Source: d.GetSource(),
		Field: d.Field, Go: d.GoName(),
	}
	for _, setting := range d.Settings {
		s.Settings = append(s.Settings, settingOf(setting))
	}
	return s
}

func settingOf(s langevinv1.SettingDescription) settingJSON {
	j := settingJSON{
		Key: s.Key(), Field: s.Field(), Flag: s.FlagName(), Go: s.GoName(), GoPointer: s.IsGoPointer(),
		Label: s.GetLabel(), Help: s.GetHelp(),
		Type: string(s.Type()), Allowed: s.Allowed(), Default: s.GetDefault(), ModelDefault: s.GetModelDefault(),
		Excludes: s.GetExcludes(), Usual: s.GetUsual(),
	}
	if least := s.Least(); !math.IsInf(least, 0) {
		j.Least = &least
	}
	for _, word := range s.Words() {
		value := s.EnumValue(word)
		j.Words = append(j.Words, wordJSON{word, string(value.Name()), langevinv1.GoConstant(value)})
	}
	if n := s.GetNeeds(); n != nil {
		j.Needs = &needsJSON{n.GetSetting(), n.GetWords()}
	}
	return j
}
