package rpc

import (
	"context"
	"fmt"
	"math"

	"google.golang.org/protobuf/proto"

	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
	"github.com/langevin-ml/langevin/sampling"
)

const defaultGuideWeight = 1

// acquireGuide returns the model that guidance names; nil without guidance. The caller must release it.
func (s *Sampling) acquireGuide(ctx context.Context, in *langevinv1.Guidance) (*loadedModel, error) {
	if in == nil {
		return nil, nil
	}
	var bad invalid
	for _, err := range fieldErrors(checkModel(in.GetModel(), in.GetVersion(), "model")) {
		bad.join("guidance.", err)
	}
	if in.GetModel() == "" {
		bad.add("guidance.model", quoted(""), "the name of a model")
	}
	if err := bad.err(); err != nil {
		return nil, err
	}
	loaded, err := s.host.Acquire(ctx, in.GetModel(), int(in.GetVersion()))
	if err != nil {
		return nil, fmt.Errorf("guidance: %w", err)
	}
	return loaded, nil
}

// guide adds the guide of a request to a sum.
func (f *followed) guide(asked *langevinv1.Guidance, guide, own *loadedModel, sum *sampling.Sum, bad *invalid) {
	const field = "guidance."
	entry, weight := guide.Entry, float64(defaultGuideWeight)
	override(&weight, asked.Weight)
	w := float32(weight)
	rule := choice(guideRules(), asked.GetRule(), field+"rule", bad)
	if rule == langevinv1.GuidanceRule_GUIDANCE_RULE_MIX {
		sum.Own = 1 - w
	}
	checkWeight(field+"weight", weight, bad)
	checkDigest(field+"digest", asked.GetDigest(), entry, bad)
	none, err := entry.Manifest.Condition.NoneRow()
	if err != nil {
		bad.add(field+"model", entry.Name, "a model that needs no condition: a term in terms can have one")
	}
	f.approximate = weight != 0 && weight != 1
	f.term(sampling.Term{Given: none, Weight: w}, field, guide, own, sum, bad)
	f.started.Guidance = &langevinv1.Guidance{
		Model: entry.Name, Version: int32(entry.Version), Digest: entry.Digest,
		Rule: rule, Weight: proto.Float64(weight),
	}
}

// checkWeight refuses a weight that is no number or that float32 cannot hold.
func checkWeight(field string, weight float64, bad *invalid) {
	if !(math.Abs(weight) <= math.MaxFloat32) {
		bad.add(field, weight, "a finite number that float32 can hold")
	}
}

// guideRules lists the rules with the one that a request without a rule has.
func guideRules() []word[langevinv1.GuidanceRule, langevinv1.GuidanceRule] {
	return []word[langevinv1.GuidanceRule, langevinv1.GuidanceRule]{
		{langevinv1.GuidanceRule_GUIDANCE_RULE_UNSPECIFIED, langevinv1.GuidanceRule_GUIDANCE_RULE_ADD},
		{langevinv1.GuidanceRule_GUIDANCE_RULE_ADD, langevinv1.GuidanceRule_GUIDANCE_RULE_ADD},
		{langevinv1.GuidanceRule_GUIDANCE_RULE_MIX, langevinv1.GuidanceRule_GUIDANCE_RULE_MIX},
	}
}
