package rpc

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"reflect"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/langevin-ml/langevin/models"
	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
	"github.com/langevin-ml/langevin/sampling"
	"github.com/langevin-ml/langevin/server/batch"
	"github.com/langevin-ml/langevin/server/host"
)

// maxTerms is the most terms of a request.
const maxTerms = 8

// loadedModel is a model of the host in use. It is released after the call.
type loadedModel = host.Loaded[*Engine]

// composition is the models of a request's further terms.
type composition struct {
	guide *loadedModel   // of guidance; nil without one
	terms []*loadedModel // of each term; nil for the request's own model
}

// acquireComposition returns the models that a request names besides its own. The caller must release it.
func (s *Sampling) acquireComposition(ctx context.Context, req *langevinv1.SampleRequest) (*composition, error) {
	if err := checkTogether(req); err != nil {
		return nil, err
	}
	guide, err := s.acquireGuide(ctx, req.GetGuidance())
	c := &composition{guide: guide, terms: make([]*loadedModel, len(req.GetTerms()))}
	for i, t := range req.GetTerms() {
		if err == nil && t.GetModel() != "" {
			c.terms[i], err = s.host.Acquire(ctx, t.GetModel(), int(t.GetVersion()))
			if err != nil {
				err = fmt.Errorf("terms[%d]: %w", i, err)
			}
		}
	}
	if err != nil {
		c.release()
		return nil, err
	}
	return c, nil
}

// checkTogether checks what can be said of a request's terms without their models.
func checkTogether(req *langevinv1.SampleRequest) error {
	var bad invalid
	if req.GetGuidance() != nil && len(req.GetTerms()) > 0 {
		bad.add("guidance", "set", "either guidance or terms: a term with a weight is a guide")
	}
	if req.GetGuidance() != nil && req.OwnWeight != nil {
		bad.add("own_weight", req.GetOwnWeight(), "none with guidance, whose rule says the weight")
	}
	if n := len(req.GetTerms()); n > maxTerms {
		bad.add("terms", fmt.Sprintf("%d terms", n), "at most %d", maxTerms)
	}
	for i, t := range req.GetTerms() {
		for _, err := range fieldErrors(checkModel(t.GetModel(), t.GetVersion(), "model")) {
			bad.join(fmt.Sprintf("terms[%d].", i), err)
		}
	}
	return bad.err()
}

func (c *composition) release() {
	for _, l := range append(slices.Clip(c.terms), c.guide) {
		if l != nil {
			l.Release()
		}
	}
}

// followed is the sum that the chains of a request follow, and how the started event describes it.
type followed struct {
	sum         *sampling.Sum // nil if it is the model's score alone
	cost        batch.Cost    // of other models
	approximate bool          // with samplers that follow a diffusion
	others      []other
	started     *langevinv1.Started // has the fields about the sum
}

// other is a model of a term that is not the request's own.
type other struct {
	field string // of its name
	entry models.Entry
}

// follow returns what the chains of a request to a model follow.
func (c *composition) follow(req *langevinv1.SampleRequest, own *loadedModel, bad *invalid) followed {
	f := followed{started: &langevinv1.Started{Given: req.GetGiven(), GuidanceScale: req.GuidanceScale}}
	sum := &sampling.Sum{Own: 1}
	if c.guide != nil {
		checkScore("guidance", "set", "none", own.Entry.Manifest, bad)
		f.guide(req.GetGuidance(), c.guide, own, sum, bad)
	}
	if len(c.terms) > 0 {
		checkScore("terms", "set", "none", own.Entry.Manifest, bad)
	}
	if req.OwnWeight != nil {
		checkScore("own_weight", req.GetOwnWeight(), "none", own.Entry.Manifest, bad)
	}
	if len(c.terms) > 0 || req.OwnWeight != nil {
		f.add(req, c.terms, own, sum, bad)
	}
	if scaled(req.GetGiven(), req.GuidanceScale, own.Entry.Manifest, sum, bad) {
		f.approximate = f.approximate || req.GetGuidanceScale() != 0
	}
	if sum.Own == 1 && len(sum.Terms) == 0 {
		f.approximate = false
		return f
	}
	f.sum = sum
	return f
}

// add adds the terms of a request, with the weight of its own model.
func (f *followed) add(req *langevinv1.SampleRequest, terms []*loadedModel, own *loadedModel, sum *sampling.Sum,
	bad *invalid) {
	weight := 1.0
	override(&weight, req.OwnWeight)
	checkWeight("own_weight", weight, bad)
	sum.Own, f.started.OwnWeight, f.approximate = float32(weight), &weight, true
	for i, t := range req.GetTerms() {
		field := fmt.Sprintf("terms[%d].", i)
		of := own
		if terms[i] != nil {
			of = terms[i]
		} else if v := int(t.GetVersion()); v != 0 && v != own.Entry.Version {
			bad.add(field+"version", v, "0 or the request's own, %d, without a model", own.Entry.Version)
		}
		w := 1.0
		override(&w, t.Weight)
		checkWeight(field+"weight", w, bad)
		f.term(sampling.Term{Given: givenRow(t.GetGiven(), of.Entry.Manifest, field+"given", bad), Weight: float32(w)},
			field, of, own, sum, bad)
		checkRange(field+"model", of.Entry, own.Entry.Manifest, bad)
		checkDigest(field+"digest", t.GetDigest(), of.Entry, bad)
		f.started.Terms = append(f.started.Terms, &langevinv1.Term{
			Model: of.Entry.Name, Version: int32(of.Entry.Version), Digest: of.Entry.Digest, Given: t.GetGiven(),
			Weight: proto.Float64(w),
		})
	}
	checkTotal(req, weight, f.started.GetTerms(), bad)
}

// checkTotal refuses weights that do not add up to more than 0. At a large sigma the sum of the scores is about
// -total·x/sigma², which drives chains away from the data unless the total is positive. The error names a field that
// the request has.
func checkTotal(req *langevinv1.SampleRequest, own float64, terms []*langevinv1.Term, bad *invalid) {
	field, least := "own_weight", own
	total, size := own, math.Abs(own)
	for i, t := range terms {
		w := t.GetWeight()
		total, size = total+w, size+math.Abs(w)
		if req.OwnWeight == nil && w < least {
			field, least = fmt.Sprintf("terms[%d].weight", i), w
		}
	}
	const rounding = 1e-9
	if total <= rounding*size && size <= math.MaxFloat32 { // checkWeight refuses larger weights
		bad.add(field, least, "weights that add up to more than 0: own_weight, %.6g, and those of terms add up to %.6g",
			own, total)
	}
}

// term adds a term of a model to a sum, and its cost, unless the two models cannot be combined.
func (f *followed) term(t sampling.Term, field string, of, own *loadedModel, sum *sampling.Sum, bad *invalid) {
	if e, m := of.Entry, own.Entry.Manifest; !slices.Equal(e.Manifest.Shape, m.Shape) {
		bad.add(field+"model", e.Name, "a model whose samples have shape %v, as %s has: its samples have shape %v",
			m.Shape, m.Name, e.Manifest.Shape)
	}
	if e, m := of.Entry, own.Entry.Manifest; !reflect.DeepEqual(e.Manifest.Columns, m.Columns) {
		bad.add(field+"model", e.Name, "a model with the columns of %s, in the same units", m.Name)
	}
	if of.Value != own.Value {
		requireScore(field+"model", of.Entry, bad)
		t.Model = of.Value.Scheduler.Model()
		cost := of.Value.Scheduler.Cost()
		if !sum.Has(t.Model) {
			f.cost.Tick += cost.Tick
			f.others = append(f.others, other{field + "model", of.Entry})
		}
		f.cost.Row += cost.Row
	}
	sum.Terms = append(sum.Terms, t)
}

// requireScore refuses a consistency model, which is in the named field.
func requireScore(field string, e models.Entry, bad *invalid) {
	if e.Manifest.Sampler.Kind == models.SamplerConsistency {
		bad.add(field, e.Name, "a model with a score, which a consistency model does not have")
	}
}

// checkScore refuses the given value of a field that needs the score of m. The output of a consistency model's network
// is no score. want says what such a model allows in the field.
func checkScore(field string, given any, want string, m models.Manifest, bad *invalid) {
	if m.Sampler.Kind == models.SamplerConsistency {
		bad.add(field, given, "%s: %s is a consistency model, which has no score", want, m.Name)
	}
}

// checkRange refuses a model of a term whose data cannot be those of the request's own model: values that do not
// overlap, or pictures in other units.
func checkRange(field string, of models.Entry, own models.Manifest, bad *invalid) {
	a, b := of.Manifest.Range, own.Range
	if a.High < b.Low || b.High < a.Low || len(own.Shape) == 3 && a != b {
		bad.add(field, of.Name, "a model of values from %g to %g, as %s has: its values are from %g to %g",
			b.Low, b.High, own.Name, a.Low, a.High)
	}
}

// checkDigest refuses the digest of another file than the one in use.
func checkDigest(field, digest string, entry models.Entry, bad *invalid) {
	if digest != "" && digest != entry.Digest {
		bad.add(field, quoted(digest), "the digest of %s version %d, %s, or none",
			entry.Name, entry.Version, entry.Digest)
	}
}

// checkSigmas refuses models of terms that were not trained at the sigmas of a plan. A plan may leave the sigmas of the
// request's own model, as EDM does when it raises the noise; the others need not follow it there. A guide may know
// fewer levels, as it always could.
func (f *followed) checkSigmas(plan sampling.Plan, own models.Manifest, bad *invalid) {
	if len(f.started.GetTerms()) == 0 || len(plan) == 0 {
		return
	}
	const rounding = 1e-3
	by := func(a, b sampling.Step) int { return cmp.Compare(a.Sigma, b.Sigma) }
	most, least := own.Sigmas[0], own.Sigmas[len(own.Sigmas)-1]
	high := max(least, min(most, float64(slices.MaxFunc(plan, by).Sigma)))
	low := min(most, max(least, float64(slices.MinFunc(plan, by).Sigma)))
	for _, o := range f.others {
		sigmas := o.entry.Manifest.Sigmas
		first, last := sigmas[0], sigmas[len(sigmas)-1]
		if high > first*(1+rounding) || low < last*(1-rounding) {
			bad.add(o.field, o.entry.Name, "a model for the sampler's sigmas, %.4g to %.4g: it was trained at %.4g to "+
				"%.4g", high, low, first, last)
		}
	}
}

// scaled applies classifier-free guidance to the own term of a sum, and reports whether it changed the sum.
func scaled(given []*langevinv1.Given, scale *float64, m models.Manifest, sum *sampling.Sum, bad *invalid) bool {
	if scale == nil || *scale == 1 {
		return false
	}
	const field = "guidance_scale"
	checkWeight(field, *scale, bad)
	switch c := m.Condition; {
	case c == nil:
		bad.add(field, *scale, "none: %s takes no condition", m.Name)
	case m.Sampler.Kind == models.SamplerConsistency:
		checkScore(field, *scale, "1 or none", m, bad)
	case !c.Dropped:
		bad.add(field, *scale, "1 or none: %s was not trained without its condition", m.Name)
	case len(given) == 0:
		bad.add(field, *scale, "a condition in given too, %s", taken(c))
	default:
		none, _ := c.NoneRow() // fails only for a model without Dropped
		weight := float64(sum.Own)
		sum.Own = float32(weight * *scale)
		sum.Terms = slices.Insert(sum.Terms, 0, sampling.Term{Given: none, Weight: float32(weight * (1 - *scale))})
		return true
	}
	return false
}
