package drawing

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"github.com/langevin-ml/langevin/client"
	"github.com/langevin-ml/langevin/internal/cli"
	"github.com/langevin-ml/langevin/internal/phrase"
)

// ClassFlags choose classes of a model, and how strongly samples follow them.
type ClassFlags struct {
	classes classesValue
	scale   cli.FiniteValue
	Flags   cli.FlagGroup
}

// Group makes the flags.
func (f *ClassFlags) Group() cli.FlagGroup {
	g := cli.NewFlagGroup("What samples are given")
	f.classes.register(g.Flags, "chains")
	g.Flags.Var(&f.scale, "guidance-scale", scaleHelp)
	f.Flags = g
	return g
}

const scaleHelp = "w of classifier-free guidance: follow s0 + w (s - s0), where s0 is the score without the " +
	"condition (default 1)"

// Classes returns the list of classes that the flags ask for, or nil if they ask for none.
func (f *ClassFlags) Classes() (client.Each, error) { return f.classes.list, nil }

// GuidanceScale returns the scale that the flags ask for; nil for none.
func (f *ClassFlags) GuidanceScale() *float64 { return f.scale.Given }

// CheckSpare returns an error if a model lacks one of the classes that n chains leave unused. A server sees only the
// classes that chains use.
func (f *ClassFlags) CheckSpare(ctx context.Context, c *client.Client, model string, version, n int) error {
	if len(f.classes.list) <= n {
		return nil
	}
	m, err := c.Model(ctx, model, version)
	if err != nil || m.Condition == nil { // drawing says what is wrong
		return nil
	}
	for _, g := range f.classes.list {
		if !hasClass(m.Condition, g) {
			return cli.Usagef("--class is %s: %s has no class %v: want %s", phrase.Quoted(f.classes.text), m.Name, g,
				classesOf(m.Condition))
		}
	}
	return nil
}

func hasClass(c *client.ModelCondition, g client.Given) bool {
	switch g := g.(type) {
	case client.Class:
		return g >= 0 && int(g) < c.Classes
	case client.ClassName:
		return slices.Contains(c.Names, string(g))
	}
	return false
}

// classesOf says which classes a model has.
func classesOf(c *client.ModelCondition) string {
	const most = 20
	index := fmt.Sprintf("an index from 0 to %d", c.Classes-1)
	switch n := len(c.Names); {
	case c.Classes == 0:
		return "no class, because it takes none"
	case n == 0:
		return index
	case n > most:
		return index + " or the name of a class"
	}
	return index + " or one of " + strings.Join(c.Names, ", ")
}

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
	vector    vectorValue
	terms     termsValue
	ownWeight cli.FiniteValue
}

// Group makes the flags.
func (f *GivenFlags) Group() cli.FlagGroup {
	g := f.ClassFlags.Group()
	f.vector.register(g.Flags, "draw samples given these")
	g.Flags.Var(&f.terms, "term", "add a `TERM` to the score: a model, or none for the drawn one, and "+
		"class=, vector=1:2, weight=, as other@2,class=7,weight=-0.5 or other=0.5; can be given often")
	g.Flags.Var(&f.ownWeight, "own-weight", "weight of the drawn model in the sum of scores (default 1)")
	return g
}

// Given returns the condition that the flags ask for, or nil if they ask for none. The chains are n from index first.
func (f *GivenFlags) Given(first uint64, n int) (client.Given, error) {
	return given(f.classes.list, f.vector.numbers, first, n)
}

// RowFlags choose the condition of a model for rows of a file.
type RowFlags struct {
	classes classesValue
	vector  vectorValue
	scale   cli.FiniteValue
}

// Register adds the flags to a set.
func (f *RowFlags) Register(flags *pflag.FlagSet) {
	f.classes.register(flags, "rows")
	f.vector.register(flags, "condition of all rows, as")
}

// RegisterScale adds the flag of the guidance scale to a set.
func (f *RowFlags) RegisterScale(flags *pflag.FlagSet) {
	flags.Var(&f.scale, "guidance-scale", scaleHelp)
}

// GuidanceScale returns the scale that the flags ask for; nil for none.
func (f *RowFlags) GuidanceScale() *float64 { return f.scale.Given }

// Given returns the condition that the flags ask for, or nil if they ask for none. The rows are n from index first.
func (f *RowFlags) Given(first uint64, n int) (client.Given, error) {
	return given(f.classes.list, f.vector.numbers, first, n)
}

// given returns the condition of n chains or rows from index first; nil for none.
func given(classes client.Each, vector client.Vector, first uint64, n int) (client.Given, error) {
	switch {
	case classes != nil && vector != nil:
		return nil, cli.Usagef("--class and --given-vector: want one of them")
	case vector != nil:
		return vector, nil
	case classes != nil:
		return Repeated(classes, first, n), nil
	}
	return nil, nil
}

// Sum returns the further scores that the flags ask for, or nil if they ask for none.
func (f *GivenFlags) Sum() *client.Sum {
	if len(f.terms) == 0 && f.ownWeight.Given == nil {
		return nil
	}
	return &client.Sum{OwnWeight: f.ownWeight.Given, Terms: f.terms}
}

// Explain adds the keys of a term to the error of a call if the model of a term is not found.
func (f *GivenFlags) Explain(err error) error {
	if !errors.Is(err, client.ErrModelNotFound) {
		return err
	}
	for _, t := range f.terms {
		if t.Model != "" && strings.Contains(err.Error(), strconv.Quote(t.Model)) {
			return fmt.Errorf("%w; the keys of --term are class=, vector= and weight=", err)
		}
	}
	return err
}
