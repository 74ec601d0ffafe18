package oip

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
	"github.com/langevin-ml/langevin/server/oip/inference"
)

// example returns the text of a value of a setting, and the parameter that sends it as a number or a boolean.
func example(s langevinv1.SettingDescription) (text string, typed *inference.InferParameter) {
	switch s.Type() {
	case langevinv1.SettingCount:
		return "3", intParam(3)
	case langevinv1.SettingNumber:
		return "0.5", doubleParam(0.5)
	case langevinv1.SettingNumbers:
		return "3,1,0.5", str("3, 1, 0.5")
	case langevinv1.SettingSwitch:
		return "true", boolParam(true)
	}
	last := s.Words()[len(s.Words())-1]
	return last, str(last)
}

// TestSettings: every setting of every sampler is a parameter, and its value may be a text.
func TestSettings(t *testing.T) {
	service, e := newService()
	for _, d := range langevinv1.Samplers() {
		for _, s := range d.Settings {
			text, typed := example(s)
			want := d.New()
			given := map[string]*inference.InferParameter{"sampler": str(d.GetWord())}
			if needed, found := d.Setting(s.GetNeeds().GetSetting()); found {
				word := s.GetNeeds().GetWords()[0]
				given[needed.Key()] = str(word)
				set(t, needed, want, word)
			}
			set(t, s, want, text)
			for _, p := range []*inference.InferParameter{typed, str(text)} {
				given[s.Key()] = p
				_, err := service.ModelInfer(t.Context(), &inference.ModelInferRequest{ModelName: "digits",
					Parameters: given})
				if err != nil || !proto.Equal(langevinv1.SamplerIn(e.sampled), want) {
					t.Errorf("%s.%s as %v gives %v, %v: want %v", d.GetWord(), s.Key(), p, e.sampled, err, want)
				}
			}
		}
	}
}

func set(t *testing.T, s langevinv1.SettingDescription, sampler proto.Message, text string) {
	t.Helper()
	if err := s.SetText(sampler, text); err != nil {
		t.Fatalf("%s = %s: %v", s.Key(), text, err)
	}
}

// TestSettingNames: no setting has the name of another parameter.
func TestSettingNames(t *testing.T) {
	known := clientParameters()
	for _, name := range settingNames() {
		_, formal := known[name]
		if _, taken := parameters()[name]; taken || formal || slices.Contains([]string{"sampler", "request", "timeout"},
			name) {
			t.Errorf("the setting %s has the name of another parameter", name)
		}
	}
}

// TestOtherSampler: the error for a setting of another sampler names that sampler.
func TestOtherSampler(t *testing.T) {
	service, _ := newService()
	for name, want := range map[string]string{
		"snr":   "snr is a setting of sampler pc, not of annealed: set sampler",
		"steps": "steps is a setting of sampler langevin or flow",
	} {
		_, err := service.ModelInfer(t.Context(), &inference.ModelInferRequest{
			ModelName: "digits", Parameters: map[string]*inference.InferParameter{name: str("0.5")},
		})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s gives %v: want %q", name, err, want)
		}
	}
}

// TestDocumented: docs/oip.md explains every parameter and links to the page with the settings.
func TestDocumented(t *testing.T) {
	data, err := os.ReadFile("../../docs/oip.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range append(slices.Sorted(maps.Keys(parameters())), samplerParameter, "request", "timeout") {
		if !strings.Contains(string(data), "\n| `"+name+"` | ") {
			t.Errorf("docs/oip.md lacks a row for %s", name)
		}
	}
	for _, text := range []string{"`" + langevinv1.ImpliedSampler().GetWord() + "` if absent", "(samplers.md)"} {
		if !strings.Contains(string(data), text) {
			t.Errorf("docs/oip.md lacks %q", text)
		}
	}
}
