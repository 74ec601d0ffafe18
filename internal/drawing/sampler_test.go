package drawing

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"google.golang.org/protobuf/proto"

	"github.com/langevin-ml/langevin/client"
	"github.com/langevin-ml/langevin/internal/cli"
	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
)

// TestSettingsAreOffered: every setting of every kind of sampler has a flag that sets it, a place in help, a key in
// JSON that brings it back, and a part in the summary.
func TestSettingsAreOffered(t *testing.T) {
	var flags SamplerFlags
	c := &cobra.Command{}
	cli.GroupFlags(c, flags.Groups()...)
	help := c.UsageString()
	for _, d := range langevinv1.Samplers() {
		if title := d.GetTitle() + ", --sampler " + d.GetWord() + " ("; !strings.Contains(help, title) {
			t.Errorf("help has no group %q", title)
		}
		for _, s := range d.Settings {
			t.Run(d.GetWord()+"/"+s.Key(), func(t *testing.T) {
				asked := d.New()
				line := []string{"--sampler", d.GetWord()}
				if needed, found := d.Setting(s.GetNeeds().GetSetting()); found {
					line = append(line, give(t, needed, asked, s.GetNeeds().GetWords()))
				}
				line = append(line, give(t, s, asked, candidates(s)))
				checkFlag(t, s, line, asked, help)
				checkJSON(t, d, s, asked)
				checkSummary(t, s, asked)
			})
		}
	}
}

// candidates are texts of which each setting takes one that is not its default.
func candidates(s langevinv1.SettingDescription) []string {
	words := append(slices.Clone(s.Words()), "3,1", "0.5", "2", "true", "false")
	return slices.DeleteFunc(words, func(text string) bool { return text == s.GetDefault() })
}

// give sets a setting to the first text that it takes, and returns the flag that does the same.
func give(t *testing.T, s langevinv1.SettingDescription, sampler proto.Message, texts []string) string {
	t.Helper()
	for _, text := range texts {
		if s.SetText(sampler, text) == nil {
			return "--" + s.FlagName() + "=" + text
		}
	}
	t.Fatalf("%s takes none of %q", s.Key(), texts)
	return ""
}

// checkFlag checks that a command line asks for a sampler, that help tells the setting that it gives, and that a shell
// can complete it.
func checkFlag(t *testing.T, s langevinv1.SettingDescription, line []string, want proto.Message, help string) {
	t.Helper()
	var flags SamplerFlags
	set := pflag.NewFlagSet("", pflag.ContinueOnError)
	for _, g := range flags.Groups() {
		set.AddFlagSet(g.Flags)
	}
	if err := set.Parse(line); err != nil {
		t.Fatal(err)
	}
	got, err := flags.Sampler()
	if diff := cmp.Diff(client.SamplerOf(want), got); err != nil || diff != "" {
		t.Errorf("%q: %v (-want +got):\n%s", line, err, diff)
	}
	v := flags.values[s.FlagName()]
	if !strings.Contains(help, "--"+s.FlagName()+" ") || !v.common() && !strings.Contains(help, s.GetHelp()) {
		t.Errorf("help does not tell --%s with %q", s.FlagName(), s.GetHelp())
	}
	for i, other := range v.settings {
		if other.Type() != s.Type() || !slices.Equal(v.Choices(), s.Words()) {
			t.Errorf("--%s is a %s, and for --sampler %s a %s: want flags of their own",
				s.FlagName(), s.Type(), v.words[i], other.Type())
		}
	}
}

// checkJSON checks that a report has a setting, and that the sampler comes back from it. A switch that is left out
// comes back as off.
func checkJSON(t *testing.T, d langevinv1.SamplerDescription, s langevinv1.SettingDescription, sampler proto.Message) {
	t.Helper()
	text, err := json.Marshal(NewSamplerReport(client.SamplerOf(sampler)))
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]any
	if err := json.Unmarshal(text, &fields); err != nil || fields["kind"] != d.Field {
		t.Fatalf("%s: kind is %v (%v): want %s", text, fields["kind"], err, d.Field)
	}
	got, want := fmt.Sprint(fields[s.Key()]), fmt.Sprint(s.Value(sampler))
	if left := s.Value(sampler) == false && fields[s.Key()] == nil; got != want && !left {
		t.Errorf("%s: %s is %s, want %s", text, s.Key(), got, want)
	}
	var back SamplerReport
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	complete := proto.Clone(sampler)
	for _, other := range d.Settings {
		if other.Type() == langevinv1.SettingSwitch && !other.Has(complete) {
			give(t, other, complete, []string{"false"})
		}
	}
	if diff := cmp.Diff(client.SamplerOf(complete), back.Sampler()); diff != "" {
		t.Errorf("%s comes back (-want +got):\n%s", text, diff)
	}
}

// checkSummary checks that the summary of a sampler tells a setting, and that its label can be counted if it is.
func checkSummary(t *testing.T, s langevinv1.SettingDescription, sampler proto.Message) {
	t.Helper()
	without := proto.Clone(sampler)
	s.Clear(without)
	text := SamplerText(client.SamplerOf(sampler))
	if text == SamplerText(client.SamplerOf(without)) {
		t.Errorf("the summary is %q with and without %s = %v", text, s.Key(), s.Value(sampler))
	}
	what, _, _ := strings.Cut(s.GetLabel(), " per ")
	counts := s.Type() == langevinv1.SettingCount || s.Type() == langevinv1.SettingNumbers
	if counts && !strings.HasSuffix(what, "s") {
		t.Errorf("the label of %s is %q: want what it counts, in the plural", s.Key(), s.GetLabel())
	}
}

func TestSamplerJSONRefuses(t *testing.T) {
	for text, want := range map[string]string{
		`{}`:              "kind of sampler",
		`{"kind":"walk"}`: `kind of sampler is "walk", which this program does not know`,
		`{"kind":"langevin","pace":3}`: `langevin has the setting "pace", which this ` +
			`program does not know`,
		`{"kind":"langevin","steps":"9"}`:            `langevin.steps is "9": want a whole number from 1 to 2147483647`,
		`{"kind":"langevin","sigma":-1}`:             "langevin.sigma is -1: want a finite number above 0",
		`{"kind":"langevin","denoise":1}`:            "langevin.denoise is 1: want true or false",
		`{"kind":"probability_flow","sigmas":[1,2]}`: "probability_flow.sigmas is [1,2]: want finite numbers above 0",
		`{"kind":"probability_flow","method":"rk"}`:  `probability_flow.method is "rk": want euler, heun or multistep`,
	} {
		var r SamplerReport
		if err := json.Unmarshal([]byte(text), &r); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}
