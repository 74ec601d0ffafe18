package cli

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/langevin-ml/langevin/internal/phrase"
	"github.com/langevin-ml/langevin/sampling"
)

// The flag values below refuse what is out of range while the command line is read, before any work.

// wantError says what values are allowed.
type wantError string

func (e wantError) Error() string { return "want " + string(e) }

// SeedValue is the value of a flag that takes a seed; Seed is nil if there is none.
type SeedValue struct{ Seed *uint64 }

func (v *SeedValue) Type() string { return "seed" }

func (v *SeedValue) String() string {
	if v.Seed == nil {
		return ""
	}
	return strconv.FormatUint(*v.Seed, 10)
}

func (v *SeedValue) Set(text string) error {
	seed, err := strconv.ParseUint(text, 0, 64)
	if err != nil {
		return wantError(fmt.Sprintf("a whole number from 0 to %d", uint64(math.MaxUint64)))
	}
	v.Seed = &seed
	return nil
}

// CountValue is the value of a flag that takes a whole number from Least to Most. If Most is 0, any that fits 32 bits
// is allowed. N is below Least if none is given.
type CountValue struct{ N, Least, Most int }

// NewCount returns a value with a default and the least number that the flag takes.
func NewCount(n, least int) CountValue { return CountValue{N: n, Least: least} }

// AtMost returns v with another largest number.
func (v CountValue) AtMost(most int) CountValue { v.Most = most; return v }

func (v *CountValue) Type() string { return "int" }

func (v *CountValue) String() string { return strconv.Itoa(v.N) }

func (v *CountValue) Set(text string) error {
	n, err := strconv.Atoi(text)
	if most := cmp.Or(v.Most, math.MaxInt32); err != nil || n < v.Least || n > most {
		return wantError(fmt.Sprintf("a whole number from %d to %d", v.Least, most))
	}
	v.N = n
	return nil
}

// PositiveValue is the value of a flag that takes a finite number above 0. It is 0 if none is given.
type PositiveValue float64

func (v *PositiveValue) Type() string { return "float" }

func (v *PositiveValue) String() string {
	if *v == 0 {
		return ""
	}
	return strconv.FormatFloat(float64(*v), 'g', -1, 64)
}

func (v *PositiveValue) Set(text string) error {
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || !(f > 0) || math.IsInf(f, 1) {
		return wantError("a finite number above 0")
	}
	*v = PositiveValue(f)
	return nil
}

// Positive32Value is the value of a flag that takes a number above 0 that float32 can hold. It is 0 if none is given.
type Positive32Value float32

func (v *Positive32Value) Type() string { return "float" }

func (v *Positive32Value) String() string {
	if *v == 0 {
		return ""
	}
	return strconv.FormatFloat(float64(*v), 'g', -1, 32)
}

func (v *Positive32Value) Set(text string) error {
	f, err := strconv.ParseFloat(text, 32)
	if err != nil || !(f > 0) || math.IsInf(f, 1) {
		return wantError(fmt.Sprintf("a number from %.2g to %.2g, which float32 can hold", math.SmallestNonzeroFloat32,
			math.MaxFloat32))
	}
	*v = Positive32Value(f)
	return nil
}

// WordValue is the value of a flag that takes one of Words, in which a dash may replace an underscore. Word is "" if
// none is given.
type WordValue[W ~string] struct {
	Word  W
	Words []W
}

func (v *WordValue[W]) Type() string { return "word" }

func (v *WordValue[W]) String() string { return string(v.Word) }

// Choices returns the words, for shells to complete.
func (v *WordValue[W]) Choices() []string {
	all := make([]string, len(v.Words))
	for i, w := range v.Words {
		all[i] = string(w)
	}
	return all
}

func (v *WordValue[W]) Set(text string) error {
	word := W(strings.ReplaceAll(text, "-", "_"))
	if !slices.Contains(v.Words, word) {
		return wantError(phrase.Alternatives(v.Words))
	}
	v.Word = word
	return nil
}

// SigmasValue is the value of a flag that takes a noise schedule. It is nil if none is given.
type SigmasValue []float64

func (v *SigmasValue) Type() string { return "list" }

func (v *SigmasValue) String() string {
	return strings.Trim(strings.ReplaceAll(fmt.Sprint([]float64(*v)), " ", ","), "[]")
}

func (v *SigmasValue) Set(text string) error {
	var sigmas []float64
	for _, field := range strings.Split(text, ",") {
		f, err := strconv.ParseFloat(strings.TrimSpace(field), 64)
		if err != nil {
			return wantError(fmt.Sprintf("numbers such as 10,1,0.1; %q is not one", field))
		}
		sigmas = append(sigmas, f)
	}
	if _, err := sampling.NewSchedule(sigmas...); err != nil {
		return err
	}
	*v = sigmas
	return nil
}

// FiniteValue is the value of a flag that takes any finite number; Given is nil if there is none.
type FiniteValue struct{ Given *float64 }

func (v *FiniteValue) Type() string { return "float" }

func (v *FiniteValue) String() string {
	if v.Given == nil {
		return ""
	}
	return strconv.FormatFloat(*v.Given, 'g', -1, 64)
}

func (v *FiniteValue) Set(text string) error {
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
		return wantError("a finite number")
	}
	v.Given = &f
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
	return fmt.Errorf("%s is %s: %w", name, phrase.Quoted(bad.GetValue()), cause(f, bad))
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
	if strings.HasPrefix(f.Value.Type(), "int") {
		return wantError("a whole number")
	}
	return wantError("a number")
}
