package drawing

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/langevin-ml/langevin/client"
	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
)

// TestChoices: the table names kinds and settings that the API describes, every kind of sampler has choices, no two of
// them are equal, and each curve spends more from choice to choice.
func TestChoices(t *testing.T) {
	words := ChoiceWords()
	for _, l := range ladders() {
		if !slices.Contains(words, l.word) || !slices.IsSorted(l.values) {
			t.Errorf("%+v: want a known word and rising values", l)
		}
	}
	all, err := Choices(words)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, c := range all {
		if key := c.Curve + ": " + c.Setting; seen[key] {
			t.Errorf("%s is there twice", key)
		} else {
			seen[key] = true
		}
	}
	for _, d := range langevinv1.Samplers() {
		own, err := Choices([]string{d.GetWord()})
		if err != nil || len(own) < 2 {
			t.Errorf("%s has %d choices, %v: want at least 2", d.GetWord(), len(own), err)
		}
		for _, c := range own {
			if report := NewSamplerReport(c.Sampler); report == nil || !strings.HasPrefix(c.Curve, d.GetWord()) {
				t.Errorf("%s: %s is the sampler %+v", d.GetWord(), c.Curve, c.Sampler)
			}
		}
		for _, setting := range d.Settings { // a kind that the table does not list
			if setting.Type() == langevinv1.SettingCount && setting.GetUsual() {
				own, err := ownLadder(d).choices(d)
				if err != nil || len(own) != 5 {
					t.Errorf("%s has %d choices of its own, %v: want 5", d.GetWord(), len(own), err)
				}
			}
		}
	}
}

// TestChosen: a curve for each method of the flow, the control only if it is named, the default first.
func TestChosen(t *testing.T) {
	flow, err := Choices([]string{"flow", DefaultChoice})
	if err != nil {
		t.Fatal(err)
	}
	flowKind, _ := langevinv1.SamplerByWord("flow")
	method, _ := flowKind.Setting("method")
	if want := 1 + 6*len(method.Words()); len(flow) != want || flow[0] != (Choice{Curve: DefaultChoice}) {
		t.Errorf("%d choices from %+v: want %d from the default", len(flow), flow[0], want)
	}
	heun := Choice{"flow, heun", "steps 9", client.ProbabilityFlow{Method: client.FlowHeun, Steps: 9}}
	if !slices.ContainsFunc(flow, func(c Choice) bool { return cmp.Equal(c, heun) }) {
		t.Errorf("there is no %+v in %+v", heun, flow)
	}
	usual, err := Choices(nil)
	if err != nil {
		t.Fatal(err)
	}
	if slices.ContainsFunc(usual, func(c Choice) bool { return c.Curve == "langevin" }) {
		t.Error("the control is measured without being named")
	}
	want := `walk is no sampler: want default, annealed, langevin, pc, flow`
	if _, err := Choices([]string{"walk"}); err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("%v, want %q", err, want)
	}
}
