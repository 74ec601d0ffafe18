package main

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/langevin-ml/langevin/sampling"
)

// The flag values below refuse what is out of range while the command line is read, before any work.

// wantError is why a value was refused: what is allowed.
type wantError string

func (e wantError) Error() string { return "want " + string(e) }

// seedValue is a seed, or none.
type seedValue struct{ seed *uint64 }

func (v *seedValue) Type() string { return "seed" }

func (v *seedValue) String() string {
	if v.seed == nil {
		return ""
	}
	return strconv.FormatUint(*v.seed, 10)
}

func (v *seedValue) Set(text string) error {
	seed, err := strconv.ParseUint(text, 0, 64)
	if err != nil {
		return wantError(fmt.Sprintf("a whole number from 0 to %d", uint64(math.MaxUint64)))
	}
	v.seed = &seed
	return nil
}

// countValue is a whole number with a least value; least-1 or below means not given.
type countValue struct {
	n     int
	least int
}

func (v *countValue) Type() string   { return "int" }
func (v *countValue) String() string { return strconv.Itoa(v.n) }

func (v *countValue) Set(text string) error {
	n, err := strconv.Atoi(text)
	if err != nil || n < v.least || n > math.MaxInt32 {
		return wantError(fmt.Sprintf("a whole number from %d to %d", v.least, math.MaxInt32))
	}
	v.n = n
	return nil
}

// positiveValue is a finite number above 0; 0 means not given.
type positiveValue float64

func (v *positiveValue) Type() string { return "float" }

func (v *positiveValue) String() string {
	if *v == 0 {
		return ""
	}
	return strconv.FormatFloat(float64(*v), 'g', -1, 64)
}

func (v *positiveValue) Set(text string) error {
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || !(f > 0) || math.IsInf(f, 1) {
		return wantError("a finite number above 0")
	}
	*v = positiveValue(f)
	return nil
}

// wordValue is one of a few words; empty means not given. A dash in it may stand for an underscore.
type wordValue[W ~string] struct {
	word  W
	words []W
}

func (v *wordValue[W]) Type() string   { return "word" }
func (v *wordValue[W]) String() string { return string(v.word) }

// choices is what a shell may complete.
func (v *wordValue[W]) choices() []string {
	all := make([]string, len(v.words))
	for i, w := range v.words {
		all[i] = string(w)
	}
	return all
}

func (v *wordValue[W]) Set(text string) error {
	word := W(strings.ReplaceAll(text, "-", "_"))
	if !slices.Contains(v.words, word) {
		return wantError(alternatives(v.words))
	}
	v.word = word
	return nil
}

// alternatives is "a, b or c".
func alternatives[W ~string](words []W) string {
	text := ""
	for i, w := range words {
		switch {
		case i == 0:
		case i == len(words)-1:
			text += " or "
		default:
			text += ", "
		}
		text += string(w)
	}
	return text
}

// sigmasValue is a noise schedule; nil means not given.
type sigmasValue []float64

func (v *sigmasValue) Type() string { return "list" }

func (v *sigmasValue) String() string {
	return strings.Trim(strings.ReplaceAll(fmt.Sprint([]float64(*v)), " ", ","), "[]")
}

func (v *sigmasValue) Set(text string) error {
	var sigmas []float64
	for _, field := range strings.Split(text, ",") {
		f, err := strconv.ParseFloat(strings.TrimSpace(field), 64)
		if err != nil {
			return wantError(fmt.Sprintf("numbers such as 10,1,0.1; %q is none", field))
		}
		sigmas = append(sigmas, f)
	}
	if _, err := sampling.NewSchedule(sigmas...); err != nil {
		return err
	}
	*v = sigmas
	return nil
}

// flagError words a mistake in the flags: "--step-lr is NaN: want a finite number above 0".
func flagError(_ *cobra.Command, err error) error {
	var bad *pflag.InvalidValueError
	if !errors.As(err, &bad) {
		return err
	}
	f := bad.GetFlag()
	name := "--" + f.Name
	if len(f.Name) == 1 {
		name = "-" + f.Name
	}
	return fmt.Errorf("%s is %s: %w", name, quoted(bad.GetValue()), cause(f, bad))
}

// quoted quotes text that would not stand out by itself.
func quoted(text string) string {
	if text == "" || strings.ContainsAny(text, " \t\n") {
		return strconv.Quote(text)
	}
	return text
}

func cause(f *pflag.Flag, bad *pflag.InvalidValueError) error {
	if !errors.As(bad, new(*strconv.NumError)) && f.Value.Type() != "duration" {
		return errors.Unwrap(bad)
	}
	switch f.Value.Type() {
	case "duration":
		return wantError("a duration such as 30s or 2m")
	case "bool":
		return wantError("true or false")
	case "uint64":
		return wantError(fmt.Sprintf("a whole number from 0 to %d", uint64(math.MaxUint64)))
	}
	return wantError("a number")
}
