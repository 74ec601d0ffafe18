package client

import langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"

// Guidance lets a second model bend the score s of the first. With g what the guide says at the same x and σ, and w the
// weight, chains follow s + w·g or (1 - w)·s + w·g.
type Guidance struct {
	Model   string       // the guide: a model whose samples have the same shape
	Version int          // 0: the newest
	Rule    GuidanceRule // by default [GuidanceAdd]
	Weight  *float64     // w, finite; nil: 1
	Digest  string       // SHA-256 of the guide's file, in hexadecimal, as [Started] tells; the server refuses another. Empty: any
}

// GuidanceRule says how the guide's word joins the score.
type GuidanceRule string

const (
	GuidanceAdd GuidanceRule = "add" // s + w·g, for the gradient of log p(y|x) of a classifier that knows noisy data (Song et al. 2021, appendix I)
	GuidanceMix GuidanceRule = "mix" // (1 - w)·s + w·g, for a score model of what is wanted and a model of everything (Ho & Salimans 2022)
)

func guidanceRules() []GuidanceRule { return []GuidanceRule{"", GuidanceAdd, GuidanceMix} }

func (g *Guidance) wire() (*langevinv1.Guidance, error) {
	if g == nil {
		return nil, nil
	}
	version, err := toInt32("guidance.version", g.Version)
	if err != nil {
		return nil, err
	}
	rule, err := number[langevinv1.GuidanceRule]("guidance.rule", guidanceRules(), g.Rule)
	return &langevinv1.Guidance{Model: g.Model, Version: version, Rule: rule, Weight: g.Weight, Digest: g.Digest}, err
}

func newGuidance(w *langevinv1.Guidance) *Guidance {
	if w == nil {
		return nil
	}
	return &Guidance{
		Model: w.GetModel(), Version: int(w.GetVersion()), Rule: word(guidanceRules(), w.GetRule()), Weight: w.Weight, Digest: w.GetDigest(),
	}
}
