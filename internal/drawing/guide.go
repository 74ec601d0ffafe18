package drawing

import (
	"fmt"

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

// GuidanceReport is the JSON form of guidance in reports.
type GuidanceReport struct {
	Model   string              `json:"model"`
	Version int                 `json:"version"`
	Digest  string              `json:"digest"`
	Rule    client.GuidanceRule `json:"rule"`
	Weight  float64             `json:"weight"`
}

// NewGuidanceReport returns the report of guidance, or nil if there is none. It fills in the defaults.
func NewGuidanceReport(g *client.Guidance) *GuidanceReport {
	if g == nil {
		return nil
	}
	r := &GuidanceReport{Model: g.Model, Version: g.Version, Digest: g.Digest, Rule: g.Rule, Weight: 1}
	if r.Rule == "" {
		r.Rule = client.GuidanceAdd
	}
	if g.Weight != nil {
		r.Weight = *g.Weight
	}
	return r
}

// String returns the guidance in words: "guided by small version 1 (mix, weight -2)".
func (r *GuidanceReport) String() string {
	return fmt.Sprintf("guided by %s version %d (%s, weight %.4g)", r.Model, r.Version, r.Rule, r.Weight)
}
