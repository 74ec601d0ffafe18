package fake

import (
	"github.com/langevin-ml/langevin/client"
	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
)

// These functions return package client's words for the enums of the API, by value.

func refreshes() map[langevinv1.Refresh]client.Refresh {
	return map[langevinv1.Refresh]client.Refresh{
		langevinv1.Refresh_REFRESH_LEVEL: client.RefreshLevel,
		langevinv1.Refresh_REFRESH_STEP:  client.RefreshStep,
	}
}

// number returns the value that has the given word, or 0 if none has.
func number[N, W comparable](words map[N]W, given W) (found N) {
	for value, word := range words {
		if word == given {
			found = value
		}
	}
	return found
}

func condition(w *langevinv1.SampleRequest) client.Condition {
	switch c := w.GetCondition().(type) {
	case *langevinv1.SampleRequest_Inpainting:
		in := c.Inpainting
		return client.Inpainting{
			Values: floats(in.GetValues()), Shape: ints(in.GetValues().GetShape()), Mask: in.GetMask(),
			Refresh: refreshes()[in.GetRefresh()],
		}
	case *langevinv1.SampleRequest_Colourisation:
		in := c.Colourisation
		return client.Colourisation{
			Grey: floats(in.GetGrey()), Shape: ints(in.GetGrey().GetShape()), Refresh: refreshes()[in.GetRefresh()],
		}
	}
	return nil
}

// measurement returns a request's measurement, or nil if there is none or it cannot be read.
func measurement(w *langevinv1.Measurement) *client.Measurement {
	m, err := client.MeasurementOf(w)
	if err != nil {
		return nil
	}
	return m
}

// setCondition sets the condition of a started event.
func setCondition(w *langevinv1.Started, c client.Condition) {
	switch c := c.(type) {
	case client.Inpainting:
		w.Condition = &langevinv1.Started_Inpainting{Inpainting: &langevinv1.Inpainting{
			Values: &langevinv1.Tensor{Values: c.Values,
				Shape: axes(c.Shape)}, Mask: c.Mask, Refresh: number(refreshes(), c.Refresh),
		}}
	case client.Colourisation:
		w.Condition = &langevinv1.Started_Colourisation{Colourisation: &langevinv1.Colourisation{
			Grey: &langevinv1.Tensor{Values: c.Grey, Shape: axes(c.Shape)}, Refresh: number(refreshes(), c.Refresh),
		}}
	}
}

func guidanceRules() map[langevinv1.GuidanceRule]client.GuidanceRule {
	return map[langevinv1.GuidanceRule]client.GuidanceRule{
		langevinv1.GuidanceRule_GUIDANCE_RULE_ADD: client.GuidanceAdd,
		langevinv1.GuidanceRule_GUIDANCE_RULE_MIX: client.GuidanceMix,
	}
}

func guidance(w *langevinv1.Guidance) *client.Guidance {
	if w == nil {
		return nil
	}
	return &client.Guidance{
		Model: w.GetModel(), Version: int(w.GetVersion()), Rule: guidanceRules()[w.GetRule()],
		Weight: w.Weight, Digest: w.GetDigest(),
	}
}

func guidanceMessage(g *client.Guidance) *langevinv1.Guidance {
	if g == nil {
		return nil
	}
	return &langevinv1.Guidance{
		Model: g.Model, Version: int32(g.Version), Rule: number(guidanceRules(), g.Rule),
		Weight: g.Weight, Digest: g.Digest,
	}
}

// sum returns the sum that a request asks for; nil if it asks for none.
func sum(own *float64, terms []*langevinv1.Term) *client.Sum {
	if own == nil && len(terms) == 0 {
		return nil
	}
	s := &client.Sum{OwnWeight: own}
	for _, t := range terms {
		term := client.Term{Model: t.GetModel(), Version: int(t.GetVersion()), Weight: t.Weight, Digest: t.GetDigest()}
		if t.GetGiven() != nil {
			term.Given = client.GivenOf([]*langevinv1.Given{t.GetGiven()})
		}
		s.Terms = append(s.Terms, term)
	}
	return s
}

// setSum sets the sum of a started event.
func setSum(w *langevinv1.Started, s *client.Sum) {
	if s == nil {
		return
	}
	w.OwnWeight = s.OwnWeight
	for _, t := range s.Terms {
		term := &langevinv1.Term{Model: t.Model, Version: int32(t.Version), Weight: t.Weight, Digest: t.Digest}
		if list, err := client.GivenList(t.Given); err == nil && len(list) == 1 {
			term.Given = list[0]
		}
		w.Terms = append(w.Terms, term)
	}
}

func resume(w *langevinv1.Resume) *client.Resume {
	if w == nil {
		return nil
	}
	r := &client.Resume{Digest: w.GetDigest(), Step: int(w.GetStep()), X: client.Batch{X: floats(w.GetX())}}
	if shape := ints(w.GetX().GetShape()); len(shape) > 0 {
		r.X.N, r.X.Shape = shape[0], shape[1:]
	}
	return r
}
