package rpc

import (
	"context"
	"fmt"
	"math"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/langevin-ml/langevin/models"
	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
	"github.com/langevin-ml/langevin/sampling"
	"github.com/langevin-ml/langevin/server/batch"
	"github.com/langevin-ml/langevin/server/host"
)

const defaultGuideWeight = 1

// guide is the second model of a request; nil if there is none.
type guide struct {
	asked  *langevinv1.Guidance
	loaded *host.Loaded[*Engine]
}

// acquireGuide returns the guide that a request names. The caller must release it.
func (s *Sampling) acquireGuide(ctx context.Context, in *langevinv1.Guidance) (*guide, error) {
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
	return &guide{in, loaded}, nil
}

func (g *guide) release() {
	if g != nil {
		g.loaded.Release()
	}
}

// cost returns the number of evaluations that one evaluation of the guide counts for.
func (g *guide) cost() batch.Cost {
	if g == nil {
		return batch.Cost{}
	}
	return g.loaded.Value.Scheduler.Cost()
}

// sum returns the sum that chains of a model follow, and the message of the guide in use; nil without a guide.
func (g *guide) sum(m models.Manifest, bad *invalid) (*sampling.Sum, *langevinv1.Guidance) {
	if g == nil {
		return nil, nil
	}
	const field = "guidance."
	entry, weight := g.loaded.Entry, float64(defaultGuideWeight)
	override(&weight, g.asked.Weight)
	w, own := float32(weight), float32(1)
	rule := choice(guideRules(), g.asked.GetRule(), field+"rule", bad)
	if rule == langevinv1.GuidanceRule_GUIDANCE_RULE_MIX {
		own = 1 - w
	}
	checkWeight(field+"weight", weight, bad)
	if !slices.Equal(entry.Manifest.Shape, m.Shape) {
		bad.add(field+"model", entry.Name, "a model whose samples have shape %v, as %s has: its samples have shape %v",
			m.Shape, m.Name, entry.Manifest.Shape)
	}
	if digest := g.asked.GetDigest(); digest != "" && digest != entry.Digest {
		bad.add(field+"digest", quoted(digest), "the digest of %s version %d, %s, or none", entry.Name, entry.Version,
			entry.Digest)
	}
	sum := &sampling.Sum{Own: own, Terms: []sampling.Term{{Model: g.loaded.Value.Scheduler.Model(), Weight: w}}}
	return sum, &langevinv1.Guidance{
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
