package drawing

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"github.com/langevin-ml/langevin/client"
	"github.com/langevin-ml/langevin/internal/cli"
)

// The flag values below refuse mistakes while the command line is read. An empty text is one, because it is usually
// that of a variable without a value.

// mostClasses bounds a list of classes.
const mostClasses = 1 << 16

// classesValue is the value of a flag that takes a list of classes: "7", "cat", "0,1,cat" and "0..9". Quotes are for
// names with commas or dots in them: "\"a,b\",cat".
type classesValue struct {
	text string
	list client.Each // nil: none
}

// register adds the flag --class to a set. what is the plural of what has the classes.
func (v *classesValue) register(flags *pflag.FlagSet, what string) {
	flags.Var(v, "class", fmt.Sprintf("the `CLASS` of all %s, an index or a name; a list as 0,1,cat or 0..9 is "+
		"repeated over the %s, by their index", what, what))
}

func (v *classesValue) Type() string { return "CLASS" }

func (v *classesValue) String() string { return v.text }

func (v *classesValue) Set(text string) error {
	if v.list != nil {
		return errors.New("want it once: several classes are a list, as 0,1,cat")
	}
	list, err := classes(text)
	v.text, v.list = text, list
	return err
}

func classes(text string) (client.Each, error) {
	parts, err := fields(text)
	if err != nil {
		return nil, err
	}
	var all client.Each
	for _, part := range parts {
		name, quoted := unquoted(strings.TrimSpace(part))
		from, to, isRange := strings.Cut(name, "..")
		first, err1 := strconv.ParseUint(from, 10, 31)
		last, err2 := strconv.ParseUint(to, 10, 31)
		switch {
		case name == "" && len(parts) == 1:
			return nil, errors.New("want a class, an index or a name")
		case name == "":
			return nil, errors.New("want classes between the commas")
		case quoted:
			all = append(all, client.ClassName(name))
		case !isRange:
			all = append(all, class(name))
		case err1 != nil || err2 != nil:
			return nil, fmt.Errorf(`want a range of indices as 0..9, or the name in quotes: '"%s"'`, name)
		case last < first || last-first >= mostClasses:
			return nil, fmt.Errorf("want a range as 0..9, of at most %d classes", mostClasses)
		default:
			for k := first; k <= last; k++ {
				all = append(all, client.Class(k))
			}
		}
	}
	return all, nil
}

// class reads an index or a name.
func class(text string) client.Given {
	if k, err := strconv.ParseInt(text, 10, 32); err == nil {
		return client.Class(k)
	}
	return client.ClassName(text)
}

// fields splits a text at the commas outside of double quotes.
func fields(text string) ([]string, error) {
	var parts []string
	start, quoted := 0, false
	for i, r := range text {
		switch {
		case r == '"':
			quoted = !quoted
		case r == ',' && !quoted:
			parts = append(parts, text[start:i])
			start = i + 1
		}
	}
	if quoted {
		return nil, errors.New("want a second quote after a name")
	}
	return append(parts, text[start:]), nil
}

// unquoted returns a text without the double quotes around it, and reports whether there were any.
func unquoted(text string) (string, bool) {
	if len(text) < 2 || text[0] != '"' || text[len(text)-1] != '"' {
		return text, false
	}
	return text[1 : len(text)-1], true
}

// vectorValue is the value of a flag that takes the numbers of a condition.
type vectorValue struct{ numbers client.Vector }

// register adds the flag --given-vector to a set. what is what the numbers are for.
func (v *vectorValue) register(flags *pflag.FlagSet, what string) {
	flags.Var(v, "given-vector", what+" `NUMBERS`, as 0.1,0.2")
}

func (v *vectorValue) Type() string { return "NUMBERS" }

func (v *vectorValue) String() string {
	if v.numbers == nil {
		return ""
	}
	return strings.Trim(fmt.Sprint([]float32(v.numbers)), "[]")
}

func (v *vectorValue) Set(text string) error {
	if v.numbers != nil {
		return errors.New("want it once, with all numbers")
	}
	var err error
	v.numbers, err = numbers(text, ",")
	return err
}

// numbers reads finite numbers with a separator between them.
func numbers(text, separator string) (client.Vector, error) {
	var v client.Vector
	for part := range strings.SplitSeq(text, separator) {
		f, err := strconv.ParseFloat(strings.TrimSpace(part), 32)
		if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
			return nil, fmt.Errorf("want finite numbers as 0.1%s0.2, which float32 can hold", separator)
		}
		v = append(v, float32(f))
	}
	return v, nil
}

// termsValue is the value of a flag that takes a term each time it is given.
type termsValue []client.Term

func (v *termsValue) Type() string { return "TERM" }

func (v *termsValue) String() string { return "" }

func (v *termsValue) Set(text string) error {
	if text == "" {
		return errors.New("want a model, or class=, vector= or weight=")
	}
	t, err := term(text)
	*v = append(*v, t)
	return err
}

// term reads "other", "other@2", "other=0.5" and "other@2,class=7,vector=1:2,weight=-0.5", in which the model may be
// missing.
func term(text string) (client.Term, error) {
	var t client.Term
	parts, err := fields(text)
	if err != nil {
		return t, err
	}
	keys := []string{"class", "vector", "weight"}
	seen := map[string]bool{}
	for i, part := range parts {
		key, value, found := strings.Cut(part, "=")
		if i == 0 && !slices.Contains(keys, key) {
			if t.Model, t.Version, err = cli.SplitModel(key); err != nil {
				return t, err
			}
			if key, part = "weight", ""; !found {
				continue
			}
		}
		if !slices.Contains(keys, key) || !found && part != "" {
			return t, fmt.Errorf("want a model, or none, and then class=, vector= or weight=; %q is neither", part)
		}
		if seen[key] {
			return t, fmt.Errorf("want %s once", key)
		}
		seen[key] = true
		if err := setTerm(&t, key, value); err != nil {
			return t, err
		}
	}
	if seen["class"] && seen["vector"] {
		return t, fmt.Errorf("want a class or a vector")
	}
	return t, nil
}

// setTerm sets what a key of a term stands for.
func setTerm(t *client.Term, key, value string) error {
	switch key {
	case "class":
		name, quoted := unquoted(value)
		if t.Given = class(name); quoted {
			t.Given = client.ClassName(name)
		}
		if name == "" {
			return fmt.Errorf("want a class after class=")
		}
	case "vector":
		v, err := numbers(value, ":")
		if err != nil {
			return err
		}
		t.Given = v
	case "weight":
		var weight cli.FiniteValue
		if err := weight.Set(value); err != nil {
			return fmt.Errorf("weight is %q: %w", value, err)
		}
		t.Weight = weight.Given
	}
	return nil
}
