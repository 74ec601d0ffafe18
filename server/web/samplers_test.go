package web_test

import (
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
)

// describedSampler is the server's description of a kind of sampler; see [langevinv1.SamplerDescription].
type describedSampler struct {
	Word, Title, Summary, Use, Source, Field, Go string
	Settings                                     []describedSetting
}

type describedSetting struct {
	Key, Field, Flag, Go, Label, Help, Type, Allowed, Default, Excludes string
	ModelDefault                                                        string `json:"model_default"`
	Usual                                                               bool
	Least                                                               *float64
	Words                                                               []struct{ Word, Value, Go string }
	Needs                                                               struct {
		Setting string
		Words   []string
	}
}

// TestSamplers: the document has every kind and setting, and browsers may cache it.
func TestSamplers(t *testing.T) {
	s := open(t, nil)
	resp := s.do(t.Context(), t, http.MethodGet, "/v1/samplers", "")
	text := read(t, resp)
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "application/json" {
		t.Fatalf("%s, %v: %s", resp.Status, resp.Header, text)
	}
	if status, text := s.post(t, "/v1/samplers", "{}"); status != http.StatusMethodNotAllowed {
		t.Errorf("posted to: %d %s", status, text)
	}
	kept := s.do(t.Context(), t, http.MethodGet, "/v1/samplers", "", "If-None-Match", resp.Header.Get("Etag"))
	if kept.StatusCode != http.StatusNotModified {
		t.Errorf("asked again with its tag: %s", kept.Status)
	}
	got := decode[struct{ Samplers []describedSampler }](t, text).Samplers
	want := langevinv1.Samplers()
	if len(got) != len(want) {
		t.Fatalf("%d samplers: want %d", len(got), len(want))
	}
	for i, d := range want {
		g := got[i]
		pairs := [][2]string{
			{g.Word, d.GetWord()}, {g.Title, d.GetTitle()}, {g.Summary, d.GetSummary()}, {g.Use, d.GetUse()},
			{g.Source, d.GetSource()}, {g.Field, d.Field}, {g.Go, d.GoName()},
		}
		for _, pair := range pairs {
			if pair[0] != pair[1] || pair[0] == "" {
				t.Errorf("%s: %q: want %q", d.GetWord(), pair[0], pair[1])
			}
		}
		checkSettings(t, g.Settings, d)
	}
}

func checkSettings(t *testing.T, got []describedSetting, d langevinv1.SamplerDescription) {
	t.Helper()
	if len(got) != len(d.Settings) {
		t.Fatalf("%s has %d settings: want %d", d.GetWord(), len(got), len(d.Settings))
	}
	for i, s := range d.Settings {
		g := got[i]
		pairs := [][2]string{
			{g.Key, s.Key()}, {g.Field, s.Field()}, {g.Flag, s.FlagName()}, {g.Go, s.GoName()}, {g.Label, s.GetLabel()},
			{g.Help, s.GetHelp()}, {g.Type, string(s.Type())}, {g.Allowed, s.Allowed()},
			{g.Default + g.ModelDefault, s.DefaultText()}, {g.Needs.Setting, s.GetNeeds().GetSetting()},
			{g.Excludes, s.GetExcludes()},
		}
		for _, pair := range pairs {
			if pair[0] != pair[1] {
				t.Errorf("%s.%s: %q: want %q", d.GetWord(), s.Key(), pair[0], pair[1])
			}
		}
		words := make([]string, len(g.Words))
		for k, w := range g.Words {
			words[k] = w.Word
			if value := s.EnumValue(w.Word); w.Value != string(value.Name()) || w.Go != langevinv1.GoConstant(value) {
				t.Errorf("%s.%s has the word %v: want value %s", d.GetWord(), s.Key(), w, value.Name())
			}
		}
		if !slices.Equal(words, s.Words()) || !slices.Equal(g.Needs.Words, s.GetNeeds().GetWords()) ||
			g.Usual != s.GetUsual() {
			t.Errorf("%s.%s: words %q, needs %q, usual %v", d.GetWord(), s.Key(), words, g.Needs.Words, g.Usual)
		}
	}
}

// TestSettingsOfThePage: no setting has the name of another element of the form, or of a part of links.
func TestSettingsOfThePage(t *testing.T) {
	page, err := os.ReadFile("page/index.html")
	if err != nil {
		t.Fatal(err)
	}
	names := []string{"digest", "hold"} // made by main.js
	for _, match := range regexp.MustCompile(`\sname="([^"]+)"`).FindAllStringSubmatch(string(page), -1) {
		names = append(names, match[1])
	}
	for _, d := range langevinv1.Samplers() {
		for _, s := range d.Settings {
			if slices.Contains(names, s.Key()) || strings.Contains(s.Key(), "*") {
				t.Errorf("%s.%s: the page has another element of this name", d.GetWord(), s.Key())
			}
		}
	}
}
