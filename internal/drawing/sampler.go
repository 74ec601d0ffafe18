// Package drawing has what commands that draw samples share: the flags of samplers, conditions and guidance, samplers
// as JSON and in words, and a drawing with its progress.
package drawing

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"
	"google.golang.org/protobuf/proto"

	"github.com/langevin-ml/langevin/client"
	"github.com/langevin-ml/langevin/internal/cli"
	"github.com/langevin-ml/langevin/internal/phrase"
	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
)

// SamplerFlags choose how to sample. They have a flag for every setting that the API describes. A setting that is not
// given has the default of the model or the sampler.
type SamplerFlags struct {
	kind   cli.WordValue[string]
	why    string                   // a measurement chose the kind; empty if it did not
	values map[string]*settingValue // by the names of their flags
	shown  []cli.FlagGroup
}

// Groups makes the flags: a group for all samplers, and one for each sampler.
func (s *SamplerFlags) Groups() []cli.FlagGroup {
	kinds := langevinv1.Samplers()
	s.values = map[string]*settingValue{}
	for _, d := range kinds {
		s.kind.Words = append(s.kind.Words, d.GetWord())
		for _, setting := range d.Settings {
			s.value(setting.FlagName()).add(d.GetWord(), setting)
		}
	}
	common := cli.NewFlagGroup("Sampler")
	common.Flags.Var(&s.kind, "sampler",
		fmt.Sprintf("%s (default the one whose settings are given, or else the model's)",
			phrase.Alternatives(s.kind.Words)))
	s.shown = []cli.FlagGroup{common}
	for _, d := range kinds {
		own := cli.NewFlagGroup(fmt.Sprintf("%s, --sampler %s (%s)", d.GetTitle(), d.GetWord(), d.GetSource()))
		for _, setting := range d.Settings {
			group := own
			if s.values[setting.FlagName()].common() {
				group = common
			}
			s.show(group.Flags, d, setting)
		}
		s.shown = append(s.shown, own)
	}
	return s.shown
}

// All returns the groups that Groups made.
func (s *SamplerFlags) All() []cli.FlagGroup { return s.shown }

// value returns the value of a flag, a new one if there is none yet.
func (s *SamplerFlags) value(flag string) *settingValue {
	if s.values[flag] == nil {
		s.values[flag] = &settingValue{}
	}
	return s.values[flag]
}

// show adds the flag of a setting of d to a group, unless it is there.
func (s *SamplerFlags) show(
	flags *pflag.FlagSet, d langevinv1.SamplerDescription, setting langevinv1.SettingDescription,
) {
	name := setting.FlagName()
	if flags.Lookup(name) != nil {
		return
	}
	v := s.values[name]
	defaults := setting.DefaultText()
	if v.common() {
		defaults = v.defaults()
	}
	f := flags.VarPF(v, name, "", settingHelp(d, setting, defaults))
	if setting.Type() == langevinv1.SettingSwitch {
		f.NoOptDefVal = "true"
	}
}

// settingHelp returns the help of a setting of d: what it is, what it needs, which words it takes, and its default.
func settingHelp(d langevinv1.SamplerDescription, s langevinv1.SettingDescription, defaults string) string {
	text := s.GetHelp()
	if needed, found := d.Setting(s.GetNeeds().GetSetting()); found {
		text += fmt.Sprintf(", with --%s %s", needed.FlagName(), phrase.Alternatives(s.GetNeeds().GetWords()))
	}
	if words := s.Words(); words != nil {
		return fmt.Sprintf("%s (%s; default %s)", text, phrase.Alternatives(words), defaults)
	}
	return fmt.Sprintf("%s (default %s)", text, defaults)
}

// Sampler returns what the flags ask for, or nil if none is given.
func (s *SamplerFlags) Sampler() (client.Sampler, error) {
	d, chosen := langevinv1.SamplerByWord(s.kind.Word)
	if !chosen {
		d = s.implied()
	}
	if err := s.checkTakers(d.GetWord()); err != nil {
		return nil, err
	}
	message := d.New()
	for _, setting := range d.Settings {
		v := s.values[setting.FlagName()]
		if !v.given {
			continue
		}
		chosen = true
		if err := setting.SetText(message, v.text); err != nil {
			return nil, cli.Usagef("--%s is %s: %v", setting.FlagName(), phrase.Quoted(v.text), err)
		}
	}
	if !chosen {
		return nil, nil
	}
	for _, setting := range d.Settings {
		if err := checkTogether(d, setting, message); err != nil {
			return nil, err
		}
	}
	return client.SamplerOf(message), nil
}

// implied returns the only kind that takes all given settings, and the usual one if there are several. Plain Langevin
// dynamics is a control, which draws poor samples: it must be named.
func (s *SamplerFlags) implied() langevinv1.SamplerDescription {
	var taking []langevinv1.SamplerDescription
	for _, d := range langevinv1.Samplers() {
		if _, control := d.New().(*langevinv1.Langevin); !control && s.takes(d.GetWord()) {
			taking = append(taking, d)
		}
	}
	if len(taking) == 1 {
		return taking[0]
	}
	return langevinv1.ImpliedSampler()
}

// takes reports whether the sampler with the given word has all given settings.
func (s *SamplerFlags) takes(word string) bool {
	for _, v := range s.values {
		if v.given && !v.takes(word) {
			return false
		}
	}
	return true
}

// checkTakers refuses flags that are for other samplers than the one with the given word.
func (s *SamplerFlags) checkTakers(word string) error {
	for _, d := range langevinv1.Samplers() {
		for _, setting := range d.Settings {
			name := setting.FlagName()
			v := s.values[name]
			switch {
			case !v.given || v.takes(word):
			case s.kind.Word == "":
				return cli.Usagef("--%s needs --sampler %s", name, v.takers())
			case s.why != "":
				return cli.Usagef("--%s is for --sampler %s: %s", name, v.takers(), s.why)
			default:
				return cli.Usagef("--%s is for --sampler %s, not %s", name, v.takers(), word)
			}
		}
	}
	return nil
}

// checkTogether refuses a given setting that has no effect beside the others, or must not be given with one of them.
func checkTogether(d langevinv1.SamplerDescription, s langevinv1.SettingDescription, sampler proto.Message) error {
	if !s.Has(sampler) {
		return nil
	}
	if needed, words := s.Unmet(sampler); words != nil {
		return cli.Usagef("--%s needs --%s %s", s.FlagName(), needed.FlagName(), phrase.Alternatives(words))
	}
	if other, found := d.Setting(s.GetExcludes()); found && other.Has(sampler) {
		return cli.Usagef("--%s and --%s: want one of them", s.FlagName(), other.FlagName())
	}
	return nil
}

// settingValue is the value of a flag. Several samplers may have a setting with this flag.
type settingValue struct {
	words    []string // of --sampler, one for each of settings
	settings []langevinv1.SettingDescription
	text     string
	given    bool
	shared   bool // with another group, which takes texts that no sampler takes
}

func (v *settingValue) add(word string, s langevinv1.SettingDescription) {
	v.words, v.settings = append(v.words, word), append(v.settings, s)
}

// takes reports whether the sampler that a word chooses has the setting.
func (v *settingValue) takes(word string) bool { return slices.Contains(v.words, word) }

// takers says with which words of --sampler, or with what else, the flag can be given.
func (v *settingValue) takers() string {
	text := phrase.Alternatives(v.words)
	if v.shared {
		text += ", or --measure"
	}
	return text
}

// common reports whether every sampler has the setting.
func (v *settingValue) common() bool { return len(v.words) == len(langevinv1.Samplers()) }

// defaults says which default the setting has in which samplers: "false for langevin, true for pc and flow".
func (v *settingValue) defaults() string {
	var texts []string
	words := map[string][]string{}
	for i, s := range v.settings {
		text := s.DefaultText()
		if words[text] == nil {
			texts = append(texts, text)
		}
		words[text] = append(words[text], v.words[i])
	}
	if len(texts) == 1 {
		return texts[0]
	}
	for i, text := range texts {
		texts[i] = text + " for " + phrase.All(words[text])
	}
	return strings.Join(texts, ", ")
}

// Type returns the type that help shows.
func (v *settingValue) Type() string {
	switch v.settings[0].Type() {
	case langevinv1.SettingCount:
		return "int"
	case langevinv1.SettingSwitch:
		return "bool"
	case langevinv1.SettingNumbers:
		return "list"
	case langevinv1.SettingWord:
		return "word"
	}
	return "float"
}

func (v *settingValue) String() string { return v.text }

// Choices returns the words that the setting takes, for shells to complete.
func (v *settingValue) Choices() []string { return v.settings[0].Words() }

// Set keeps a text that at least one of the samplers takes. In words a dash may replace an underscore.
func (v *settingValue) Set(text string) error {
	if v.settings[0].Type() == langevinv1.SettingWord {
		text = strings.ReplaceAll(text, "-", "_")
	}
	if v.shared {
		v.text, v.given = text, true // Sampler checks it
		return nil
	}
	var refused error
	for i, s := range v.settings {
		d, _ := langevinv1.SamplerByWord(v.words[i])
		err := s.SetText(d.New(), text)
		if err == nil {
			v.text, v.given = text, true
			return nil
		}
		refused = cmp.Or(refused, err)
	}
	return refused
}
