package drawing

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/langevin-ml/langevin/client"
	"github.com/langevin-ml/langevin/internal/phrase"
	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
)

// Choice is a sampler with settings, one of several from few evaluations to many.
type Choice struct {
	Curve   string         // what it has in common with others that only spend more or less: "pc, ancestral"
	Setting string         // what it spends: "times 20"; empty for defaults
	Sampler client.Sampler // nil: the model's default
}

// DefaultChoice is the word that selects the model's default sampler among the choices.
const DefaultChoice = "default"

// ladder lists settings of one kind of sampler, from few evaluations to many.
type ladder struct {
	word   string   // of the kind
	fixed  []string // settings and their words in turn
	each   string   // a setting that takes words: each of them makes a curve; empty for none
	rung   string   // the setting that counts
	values []int    // of rung
	asked  bool     // whether only --samplers brings it in
}

// ladders is the table of settings to compare. A kind that it does not list gets one by [ownLadder], and a new word of
// a setting in each gets a curve.
func ladders() []ladder {
	steps := []int{3, 5, 9, 18, 36, 72}
	return []ladder{
		{word: "annealed", rung: "steps_per_level", values: []int{1, 2, 4}},
		{word: "langevin", rung: "steps", values: []int{50, 100, 200}, asked: true}, // a control: it finds no weights
		{word: "pc", fixed: []string{"predictor", "ancestral"}, rung: "times", values: []int{5, 10, 20, 40, 60, 150}},
		{word: "pc", fixed: []string{"predictor", "ancestral", "corrector", "annealed_langevin"},
			rung: "times", values: []int{5, 10, 20, 40, 75}},
		{word: "flow", each: "method", rung: "steps", values: steps},
		{word: "edm", rung: "steps", values: steps},
		{word: "consistency", rung: "steps", values: []int{1, 2, 4, 8}},
	}
}

// ownLadder returns a ladder for a kind of sampler that the table does not list: its first count that most people
// change, from 5 to 80, or only its defaults if there is none.
func ownLadder(d langevinv1.SamplerDescription) ladder {
	l := ladder{word: d.GetWord()}
	for _, s := range d.Settings {
		if s.Type() == langevinv1.SettingCount && s.GetUsual() {
			l.rung, l.values = s.Key(), []int{5, 10, 20, 40, 80}
			break
		}
	}
	return l
}

// ChoiceWords returns the words that [Choices] takes: the default and the kinds of samplers.
func ChoiceWords() []string {
	words := []string{DefaultChoice}
	for _, d := range langevinv1.Samplers() {
		words = append(words, d.GetWord())
	}
	return words
}

// Choices returns the settings of the kinds of samplers with the given words. Without words it returns those of all
// kinds that can be good.
func Choices(words []string) ([]Choice, error) {
	for _, word := range words {
		if !slices.Contains(ChoiceWords(), word) {
			return nil, fmt.Errorf("%s is no sampler: want %s", phrase.Quoted(word), phrase.Alternatives(ChoiceWords()))
		}
	}
	var all []Choice
	if len(words) == 0 || slices.Contains(words, DefaultChoice) {
		all = append(all, Choice{Curve: DefaultChoice})
	}
	for _, d := range langevinv1.Samplers() {
		for _, l := range laddersOf(d) {
			if len(words) > 0 && !slices.Contains(words, l.word) || len(words) == 0 && l.asked {
				continue
			}
			choices, err := l.choices(d)
			if err != nil {
				return nil, err
			}
			all = append(all, choices...)
		}
	}
	return all, nil
}

func laddersOf(d langevinv1.SamplerDescription) []ladder {
	all := slices.DeleteFunc(ladders(), func(l ladder) bool { return l.word != d.GetWord() })
	if len(all) == 0 {
		return []ladder{ownLadder(d)}
	}
	return all
}

// choices returns the curves of a ladder, one after the other.
func (l ladder) choices(d langevinv1.SamplerDescription) ([]Choice, error) {
	curves := [][]string{l.fixed}
	if l.each != "" {
		setting, found := d.Setting(l.each)
		if !found {
			return nil, fmt.Errorf("%s has no setting %q", l.word, l.each)
		}
		curves = nil
		for _, word := range setting.Words() {
			curves = append(curves, slices.Concat(l.fixed, []string{l.each, word}))
		}
	}
	var all []Choice
	for _, fixed := range curves {
		name := l.word
		for pair := range slices.Chunk(fixed, 2) {
			name += ", " + strings.ReplaceAll(pair[1], "_", " ")
		}
		if l.rung == "" {
			all = append(all, Choice{Curve: name, Sampler: client.SamplerOf(d.New())})
		}
		for _, v := range l.values {
			rung := []string{l.rung, strconv.Itoa(v)}
			message := d.New()
			if err := set(d, message, slices.Concat(fixed, rung)); err != nil {
				return nil, err
			}
			spent := fmt.Sprintf("%s %d", strings.ReplaceAll(l.rung, "_", " "), v)
			all = append(all, Choice{name, spent, client.SamplerOf(message)})
		}
	}
	return all, nil
}

// set gives settings of a sampler their values, which follow each in turn.
func set(d langevinv1.SamplerDescription, sampler proto.Message, settings []string) error {
	for pair := range slices.Chunk(settings, 2) {
		setting, found := d.Setting(pair[0])
		if !found {
			return fmt.Errorf("%s has no setting %q", d.GetWord(), pair[0])
		}
		if err := setting.SetText(sampler, pair[1]); err != nil {
			return fmt.Errorf("%s: %s is %q: %w", d.GetWord(), pair[0], pair[1], err)
		}
	}
	return nil
}
