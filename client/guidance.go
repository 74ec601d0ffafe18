package client

import langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"

// Guidance changes the score s with a second model. Let g be the guide's output at the same x and σ, and w the weight.
// Chains follow s + w·g or (1 - w)·s + w·g.
type Guidance struct {
	Model   string       // the guide: a model whose samples have the same shape
	Version int          // 0: the newest
	Rule    GuidanceRule // by default [GuidanceAdd]
	Weight  *float64     // w, finite; nil: 1

	// Digest is the SHA-256 of the guide's file, in hexadecimal. [Started] has it. If it is set, the server refuses a
	// guide with another digest.
	Digest string
}

// GuidanceRule says how the guide's output g is combined with the score s.
type GuidanceRule string

const (
	// GuidanceAdd is s + w·g. The guide is the gradient of log p(y|x) from a classifier that was trained on noisy data
	// (Song et al. 2021, appendix I).
	GuidanceAdd GuidanceRule = "add"
	// GuidanceMix is (1 - w)·s + w·g. The guide is a score model of the wanted data, and the model is a score model of
	// all data (Ho & Salimans 2022).
	GuidanceMix GuidanceRule = "mix"
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
		Model: w.GetModel(), Version: int(w.GetVersion()), Rule: word(guidanceRules(), w.GetRule()),
		Weight: w.Weight, Digest: w.GetDigest(),
	}
}
