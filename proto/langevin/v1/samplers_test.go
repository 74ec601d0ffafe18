package langevinv1_test

import (
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
)

// TestDescriptions: every kind and setting has all the texts that command line, page and documents show.
func TestDescriptions(t *testing.T) {
	words := map[string]bool{}
	for _, d := range langevinv1.Samplers() {
		if d.GetWord() == "" || d.GetTitle() == "" || d.GetSummary() == "" || d.GetUse() == "" || d.GetSource() == "" {
			t.Errorf("%s: option sampler_kind is %v: want all of its fields", d.Field, d.SamplerKind)
		}
		if words[d.GetWord()] {
			t.Errorf("%s: the word %q is another sampler's", d.Field, d.GetWord())
		}
		words[d.GetWord()] = true
		keys := map[string]bool{}
		for _, s := range d.Settings {
			name := d.Field + "." + s.Field()
			if s.GetLabel() == "" || s.GetHelp() == "" || (s.GetDefault() == "") == (s.GetModelDefault() == "") {
				t.Errorf("%s: option setting is %v: want label, help and one of the defaults", name, s.Setting)
			}
			if keys[s.Key()] {
				t.Errorf("%s: the key %q is another setting's", name, s.Key())
			}
			keys[s.Key()] = true
			for _, other := range []string{s.GetNeeds().GetSetting(), s.GetExcludes()} {
				if _, found := d.Setting(other); other != "" && !found {
					t.Errorf("%s names the setting %q, which %s lacks", name, other, d.Field)
				}
			}
			if needed, found := d.Setting(s.GetNeeds().GetSetting()); found {
				for _, word := range s.GetNeeds().GetWords() {
					if !slices.Contains(needed.Words(), word) {
						t.Errorf("%s needs %s to be %q: want one of %q", name, needed.Key(), word, needed.Words())
					}
				}
			}
		}
	}
}

// TestComplete: every default that is a value can be set and read back, and what a message gives stays.
func TestComplete(t *testing.T) {
	for _, d := range langevinv1.Samplers() {
		m := d.New()
		d.Complete(m)
		for _, s := range d.Settings {
			if s.Has(m) != (s.GetDefault() != "") {
				t.Errorf("%s.%s is %v after Complete: its default is %q", d.Field, s.Field(), s.Value(m),
					s.GetDefault())
			}
		}
	}
	flow := &langevinv1.ProbabilityFlow{Steps: new(int32(7)), Denoise: new(false)}
	d, _ := langevinv1.SamplerOf(flow)
	d.Complete(flow)
	if flow.GetSteps() != 7 || flow.GetDenoise() || flow.GetMethod() != langevinv1.FlowMethod_FLOW_METHOD_HEUN {
		t.Errorf("completed to %v: want 7 steps, no denoising, Heun's method", flow)
	}
}

func TestSettings(t *testing.T) {
	for _, tt := range []struct {
		word, key, text string
		want            any // nil for a refusal
	}{
		{"annealed", "sigmas", "3, 1,0.5", []float64{3, 1, 0.5}},
		{"annealed", "sigmas", "1,3", nil},
		{"annealed", "sigmas", "3,1,0", nil},
		{"annealed", "sigmas", "inf,1", nil},
		{"annealed", "sigmas", "", nil},
		{"annealed", "steps_per_level", "20", 20},
		{"annealed", "steps_per_level", "0", nil},
		{"annealed", "steps_per_level", "2147483648", nil},
		{"annealed", "steps_per_level", "1.5", nil},
		{"annealed", "step_lr", "2e-5", 2e-5},
		{"annealed", "step_lr", "0", nil},
		{"annealed", "step_lr", "NaN", nil},
		{"annealed", "step_lr", "Inf", nil},
		{"annealed", "denoise", "true", true},
		{"annealed", "denoise", "yes", nil},
		{"pc", "snr", "0.5", 0.5},
		{"pc", "snr", "1", nil},
		{"pc", "process", "sub_vp", "sub_vp"},
		{"pc", "process", "unspecified", nil},
		{"pc", "process", "", nil},
		{"pc", "sigma_max", "5", 5.0},
		{"pc", "times", "1", nil},
		{"flow", "method", "multistep", "multistep"},
	} {
		d, _ := langevinv1.SamplerByWord(tt.word)
		s, found := d.Setting(tt.key)
		if !found {
			t.Fatalf("%s has no setting %s", tt.word, tt.key)
		}
		m := d.New()
		err := s.SetText(m, tt.text)
		switch got := s.Value(m); {
		case tt.want == nil && (err == nil || got != nil):
			t.Errorf("%s %s = %q is taken as %v: want it refused", tt.word, tt.key, tt.text, got)
		case tt.want != nil && (err != nil || !equal(got, tt.want)):
			t.Errorf("%s %s = %q is %v, error %v: want %v", tt.word, tt.key, tt.text, got, err, tt.want)
		}
	}
}

func equal(a, b any) bool {
	list, ok := a.([]float64)
	if want, isList := b.([]float64); isList {
		return ok && slices.Equal(list, want)
	}
	return a == b
}

// TestUnmet: the corrector's settings need a corrector, and defaults count.
func TestUnmet(t *testing.T) {
	d, _ := langevinv1.SamplerByWord("pc")
	m := d.New()
	for _, tt := range []struct {
		key, needed string
		set         string // the value of needed, empty for its default
		met         bool
	}{
		{"snr", "corrector", "", false},
		{"snr", "corrector", "none", false},
		{"snr", "corrector", "langevin", true},
		{"sigma_min", "process", "", true},
		{"sigma_min", "process", "vp", false},
		{"beta_max", "process", "sub_vp", true},
		{"times", "", "", true},
	} {
		s, _ := d.Setting(tt.key)
		if needed, found := d.Setting(tt.needed); found {
			needed.Clear(m)
			if tt.set != "" {
				if err := needed.SetText(m, tt.set); err != nil {
					t.Fatal(err)
				}
			}
		}
		needed, words := s.Unmet(m)
		if met := words == nil; met != tt.met || !met && needed.Key() != tt.needed {
			t.Errorf("%s with %s = %q: met is %v, needs %v to be one of %q", tt.key, tt.needed, tt.set, met,
				needed.Setting, words)
		}
	}
}

// TestSetSampler: a started event has a field for every sampler of a request.
func TestSetSampler(t *testing.T) {
	for _, d := range langevinv1.Samplers() {
		for _, holder := range []proto.Message{&langevinv1.SampleRequest{}, &langevinv1.Started{}} {
			m := d.New()
			if !langevinv1.SetSampler(holder, m) {
				t.Errorf("%T has no field for %s", holder, d.Field)
			} else if got, found := langevinv1.SamplerOf(langevinv1.SamplerIn(holder)); !found || got.Field != d.Field {
				t.Errorf("%T holds %v: want %s", holder, got.Field, d.Field)
			}
		}
	}
}

// TestUsual: a page has something to show first of every sampler, and not everything.
func TestUsual(t *testing.T) {
	for _, d := range langevinv1.Samplers() {
		usual := 0
		for _, s := range d.Settings {
			if s.GetUsual() {
				usual++
			}
		}
		if usual < 1 || usual > 3 {
			t.Errorf("%s marks %d settings as usual: want 1 to 3", d.Field, usual)
		}
	}
}

// TestSamplersIn: a descriptor that is not linked is described as the linked one, and its settings can be set.
func TestSamplersIn(t *testing.T) {
	linked := langevinv1.Samplers()
	for i, d := range langevinv1.SamplersIn((&langevinv1.SampleRequest{}).ProtoReflect().Descriptor()) {
		m, want := d.New(), linked[i].New()
		d.Complete(m)
		linked[i].Complete(want)
		got, err := proto.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		if err := proto.Unmarshal(got, linked[i].New()); err != nil || d.Field != linked[i].Field ||
			proto.Size(m) != proto.Size(want) {
			t.Errorf("%s is completed to %v, %v: want %v", d.Field, m, err, want)
		}
	}
}

// TestGoNames: names of the API as the Go client spells them.
func TestGoNames(t *testing.T) {
	pc, _ := langevinv1.SamplerByWord("pc")
	corrector, _ := pc.Setting("corrector")
	times, _ := pc.Setting("times")
	for got, want := range map[string]string{
		pc.GoName():                      "PredictorCorrector",
		times.GoName():                   "Times",
		langevinv1.GoSpelling("step_lr"): "StepLR",
		langevinv1.GoConstant(corrector.EnumValue("langevin")):          "CorrectorLangevin",
		langevinv1.GoConstant(corrector.EnumValue("annealed_langevin")): "CorrectorAnnealed",
	} {
		if got != want {
			t.Errorf("the Go name is %s: want %s", got, want)
		}
	}
	denoise, _ := pc.Setting("denoise")
	if !denoise.IsGoPointer() || times.IsGoPointer() || corrector.IsGoPointer() {
		t.Error("want a pointer for denoise, and none for times and corrector")
	}
	if corrector.EnumValue("other") != nil {
		t.Error("an unknown word has a value")
	}
}
