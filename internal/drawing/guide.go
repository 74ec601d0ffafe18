package drawing

import (
	"github.com/langevin-ml/langevin/client"
	"github.com/langevin-ml/langevin/internal/cli"
)

// GuideFlags choose a second model that changes the score.
type GuideFlags struct {
	model  string
	weight cli.FiniteValue
	rule   cli.WordValue[client.GuidanceRule]
	Flags  cli.FlagGroup
}

// Group makes the flags.
func (f *GuideFlags) Group() cli.FlagGroup {
	f.rule.Words = []client.GuidanceRule{client.GuidanceAdd, client.GuidanceMix}
	g := cli.NewFlagGroup("Guidance")
	g.Flags.StringVar(&f.model, "guide", "", "guide with this `MODEL`: its output g is combined with the score s at "+
		"every step")
	g.Flags.Var(&f.weight, "guide-weight", "weight of g (default 1)")
	g.Flags.Var(&f.rule, "guide-rule", "add: s + weight g, for a classifier's gradient; mix: (1 - weight) s + weight "+
		"g, for a second score model (default add)")
	f.Flags = g
	return g
}

// Guidance returns what the flags ask for, or nil if they ask for nothing.
func (f *GuideFlags) Guidance() (*client.Guidance, error) {
	if f.model == "" {
		if f.weight.Given != nil || f.rule.Word != "" {
			return nil, cli.Usagef("--guide-weight and --guide-rule need --guide, the model that guides")
		}
		return nil, nil
	}
	name, version, err := cli.SplitModel(f.model)
	return &client.Guidance{Model: name, Version: version, Rule: f.rule.Word, Weight: f.weight.Given}, err
}
