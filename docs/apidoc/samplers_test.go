package main

import (
	"os"
	"strings"
	"testing"

	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
)

// TestSamplersPage: the page explains every kind of sampler, with every setting and each of its words.
func TestSamplersPage(t *testing.T) {
	data, err := os.ReadFile("../samplers.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range langevinv1.Samplers() {
		_, section, found := strings.Cut(string(data), "\n## "+d.GetTitle()+"\n")
		if !found {
			t.Errorf("docs/samplers.md has no section for %s", d.GetTitle())
			continue
		}
		section, _, _ = strings.Cut(section, "\n## ")
		want := []string{escaped(d.GetSummary()), escaped(d.GetUse()), escaped(d.GetSource())}
		for _, s := range d.Settings {
			want = append(want, "| `--"+s.FlagName()+"` | `"+s.Key()+"` | `"+s.Field()+"` |")
			for _, word := range s.Words() {
				want = append(want, "- `"+word+"`: ")
			}
		}
		for _, text := range want {
			if !strings.Contains(section, text) {
				t.Errorf("the section %s of docs/samplers.md lacks %q", d.GetTitle(), text)
			}
		}
	}
}
