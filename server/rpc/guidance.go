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

// bends returns how the guide changes the score of a model, and the message of the guide in use; nil without a guide.
func (g *guide) bends(m models.Manifest, bad *invalid) (*sampling.Guide, *langevinv1.Guidance) {
	if g == nil {
		return nil, nil
	}
	const field = "guidance."
	entry, weight := g.loaded.Entry, float64(defaultGuideWeight)
	override(&weight, g.asked.Weight)
	bends := &sampling.Guide{
		Model: g.loaded.Value.Scheduler.Model(), Weight: float32(weight),
		Rule: choice(guideRules(), g.asked.GetRule(), field+"rule", bad),
	}
	if math.Abs(weight) > math.MaxFloat32 && !math.IsInf(weight, 0) {
		bad.add(field+"weight", weight, "a number that float32 can hold")
	} else {
		bad.join(field, bends.Validate())
	}
	if !slices.Equal(entry.Manifest.Shape, m.Shape) {
		bad.add(field+"model", entry.Name, "a model whose samples have shape %v, as %s has: its samples have shape %v",
			m.Shape, m.Name, entry.Manifest.Shape)
	}
	if digest := g.asked.GetDigest(); digest != "" && digest != entry.Digest {
		bad.add(field+"digest", quoted(digest), "the digest of %s version %d, %s, or none", entry.Name, entry.Version,
			entry.Digest)
	}
	return bends, &langevinv1.Guidance{
		Model: entry.Name, Version: int32(entry.Version), Digest: entry.Digest,
		Rule: named(guideRules(), bends.Rule), Weight: proto.Float64(weight),
	}
}

func guideRules() []word[langevinv1.GuidanceRule, sampling.GuideRule] {
	return []word[langevinv1.GuidanceRule, sampling.GuideRule]{
		{langevinv1.GuidanceRule_GUIDANCE_RULE_UNSPECIFIED, sampling.GuideAdd},
		{langevinv1.GuidanceRule_GUIDANCE_RULE_ADD, sampling.GuideAdd},
		{langevinv1.GuidanceRule_GUIDANCE_RULE_MIX, sampling.GuideMix},
	}
}
