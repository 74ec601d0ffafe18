package main

import (
	"math"
	"strconv"

	"github.com/langevin-ml/langevin/client"
)

// guideFlags choose a second model that bends the score.
type guideFlags struct {
	model  string
	weight finiteValue
	rule   wordValue[client.GuidanceRule]
	flags  flagGroup
}

func (f *guideFlags) group() flagGroup {
	f.rule.words = []client.GuidanceRule{client.GuidanceAdd, client.GuidanceMix}
	g := newFlagGroup("Guidance")
	g.flags.StringVar(&f.model, "guide", "", "`MODEL` whose word g bends the score s of every step")
	g.flags.Var(&f.weight, "guide-weight", "how much (default 1)")
	g.flags.Var(&f.rule, "guide-rule", "add: s + weight g, for a classifier's gradient; mix: (1 - weight) s + weight g, for a second score model (default add)")
	f.flags = g
	return g
}

// guidance is what the flags ask for; nil if nothing.
func (f *guideFlags) guidance() (*client.Guidance, error) {
	if f.model == "" {
		if f.weight.given != nil || f.rule.word != "" {
			return nil, usagef("--guide-weight and --guide-rule need --guide, the model that guides")
		}
		return nil, nil
	}
	name, version, err := splitModel(f.model)
	return &client.Guidance{Model: name, Version: version, Rule: f.rule.word, Weight: f.weight.given}, err
}

// finiteValue is any finite number, or none.
type finiteValue struct{ given *float64 }

func (v *finiteValue) Type() string { return "float" }

func (v *finiteValue) String() string {
	if v.given == nil {
		return ""
	}
	return strconv.FormatFloat(*v.given, 'g', -1, 64)
}

func (v *finiteValue) Set(text string) error {
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
		return wantError("a finite number")
	}
	v.given = &f
	return nil
}
