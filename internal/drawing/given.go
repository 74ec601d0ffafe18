package drawing

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/langevin-ml/langevin/client"
	"github.com/langevin-ml/langevin/internal/cli"
	"github.com/langevin-ml/langevin/internal/phrase"
)

// ClassFlags choose classes of a model, and how strongly samples follow them.
type ClassFlags struct {
	classes string
	scale   cli.FiniteValue
	Flags   cli.FlagGroup
}

// Group makes the flags.
func (f *ClassFlags) Group() cli.FlagGroup {
	g := cli.NewFlagGroup("What samples are given")
	g.Flags.StringVar(&f.classes, "class", "", "draw samples of this `CLASS`, an index or a name; a list as 0,1,cat "+
		"or 0..9 is repeated over the chains, by their index")
	g.Flags.Var(&f.scale, "guidance-scale", "w of classifier-free guidance: follow s0 + w (s - s0), where s0 is the "+
		"score without the condition (default 1)")
	f.Flags = g
	return g
}

// Classes returns the list of classes that the flags ask for, or nil if they ask for none.
func (f *ClassFlags) Classes() (client.Each, error) {
	if f.classes == "" {
		return nil, nil
	}
	list, err := classes(f.classes)
	if err != nil {
		return nil, cli.Usagef("--class is %s: %v", phrase.Quoted(f.classes), err)
	}
	return list, nil
}

// GuidanceScale returns the scale that the flags ask for; nil for none.
func (f *ClassFlags) GuidanceScale() *float64 { return f.scale.Given }

// Repeated repeats a list of conditions over n chains from index first on, by their index. A list of one is the
// condition of all chains.
func Repeated(list client.Each, first uint64, n int) client.Given {
	if len(list) == 1 {
		return list[0]
	}
	each := make(client.Each, n)
	for i := range each {
		each[i] = list[(first%uint64(len(list))+uint64(i))%uint64(len(list))]
	}
	return each
}

// GivenFlags choose the condition of a model, and further scores that chains follow.
type GivenFlags struct {
	ClassFlags
	vector    string
	terms     []string
	ownWeight cli.FiniteValue
}

// Group makes the flags.
func (f *GivenFlags) Group() cli.FlagGroup {
	g := f.ClassFlags.Group()
	g.Flags.StringVar(&f.vector, "given-vector", "", "draw samples given these `NUMBERS`, as 0.1,0.2")
	g.Flags.StringArrayVar(&f.terms, "term", nil, "add a `TERM` to the score: a model, or none for the drawn one, and "+
		"class=, vector=1:2, weight=, as other@2,class=7,weight=-0.5 or other=0.5; can be given often")
	g.Flags.Var(&f.ownWeight, "own-weight", "weight of the drawn model in the sum of scores (default 1)")
	return g
}

// Given returns the condition that the flags ask for, or nil if they ask for none. The chains are n from index first.
func (f *GivenFlags) Given(first uint64, n int) (client.Given, error) {
	switch {
	case f.classes != "" && f.vector != "":
		return nil, cli.Usagef("--class and --given-vector: want one of them")
	case f.vector != "":
		v, err := numbers(f.vector, ",")
		if err != nil {
			return nil, cli.Usagef("--given-vector is %s: %v", phrase.Quoted(f.vector), err)
		}
		return v, nil
	}
	list, err := f.Classes()
	if list == nil || err != nil {
		return nil, err
	}
	return Repeated(list, first, n), nil
}

// Sum returns the further scores that the flags ask for, or nil if they ask for none.
func (f *GivenFlags) Sum() (*client.Sum, error) {
	if len(f.terms) == 0 && f.ownWeight.Given == nil {
		return nil, nil
	}
	sum := &client.Sum{OwnWeight: f.ownWeight.Given}
	for _, text := range f.terms {
		t, err := term(text)
		if err != nil {
			return nil, cli.Usagef("--term is %s: %v", phrase.Quoted(text), err)
		}
		sum.Terms = append(sum.Terms, t)
	}
	return sum, nil
}

// mostClasses bounds a list of classes.
const mostClasses = 1 << 16

// classes reads "7", "cat", "0,1,cat" and "0..9".
func classes(text string) (client.Each, error) {
	var all client.Each
	for part := range strings.SplitSeq(text, ",") {
		part = strings.TrimSpace(part)
		from, to, isRange := strings.Cut(part, "..")
		first, err1 := strconv.ParseUint(from, 10, 31)
		last, err2 := strconv.ParseUint(to, 10, 31)
		switch {
		case part == "":
			return nil, fmt.Errorf("want classes between the commas")
		case !isRange || err1 != nil || err2 != nil:
			all = append(all, class(part))
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

// term reads "other", "other@2", "other=0.5" and "other@2,class=7,vector=1:2,weight=-0.5", in which the model may be
// missing.
func term(text string) (client.Term, error) {
	var t client.Term
	keys := []string{"class", "vector", "weight"}
	seen := map[string]bool{}
	for i, part := range strings.Split(text, ",") {
		key, value, found := strings.Cut(part, "=")
		if i == 0 && !slices.Contains(keys, key) {
			var err error
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
		if value == "" {
			return fmt.Errorf("want a class after class=")
		}
		t.Given = class(value)
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
