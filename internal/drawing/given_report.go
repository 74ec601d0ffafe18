package drawing

import (
	"fmt"
	"strings"

	"github.com/langevin-ml/langevin/client"
	"github.com/langevin-ml/langevin/internal/phrase"
)

// FollowedReport is the JSON form of what the chains of a call follow besides the score of its model: in reports and in
// files of states. Its names are those of the API.
type FollowedReport struct {
	Given         []GivenReport `json:"given,omitempty"` // one for all chains, or one for each
	GuidanceScale *float64      `json:"guidance_scale,omitempty"`
	OwnWeight     *float64      `json:"own_weight,omitempty"`
	Terms         []TermReport  `json:"terms,omitempty"`
	Approximate   bool          `json:"approximate,omitempty"`

	Measurement *MeasurementReport `json:"measurement,omitempty"`
}

// GivenReport is the JSON form of a condition. Without any field it is none.
type GivenReport struct {
	Class     *int      `json:"class,omitempty"`
	ClassName string    `json:"class_name,omitempty"`
	Vector    []float32 `json:"vector,omitempty"`
}

// TermReport is the JSON form of a term.
type TermReport struct {
	Model   string       `json:"model"`
	Version int          `json:"version"`
	Digest  string       `json:"digest"`
	Given   *GivenReport `json:"given,omitempty"`
	Weight  *float64     `json:"weight,omitempty"`
}

// Measuring adds a measurement to a report, if there is one.
func (r FollowedReport) Measuring(m *client.Measurement) FollowedReport {
	if m != nil {
		r.Measurement = &MeasurementReport{m}
	}
	return r
}

// NewFollowedReport returns the report of what chains follow.
func NewFollowedReport(given client.Given, scale *float64, sum *client.Sum, approximate bool) FollowedReport {
	r := FollowedReport{GuidanceScale: scale, Approximate: approximate}
	if each, ok := given.(client.Each); ok {
		for _, g := range each {
			r.Given = append(r.Given, newGivenReport(g))
		}
	} else if given != nil {
		r.Given = []GivenReport{newGivenReport(given)}
	}
	if sum == nil {
		return r
	}
	r.OwnWeight = sum.OwnWeight
	for _, t := range sum.Terms {
		term := TermReport{Model: t.Model, Version: t.Version, Digest: t.Digest, Weight: t.Weight}
		if t.Given != nil {
			term.Given = new(newGivenReport(t.Given))
		}
		r.Terms = append(r.Terms, term)
	}
	return r
}

func newGivenReport(g client.Given) GivenReport {
	switch g := g.(type) {
	case client.Class:
		return GivenReport{Class: new(int(g))}
	case client.ClassName:
		return GivenReport{ClassName: string(g)}
	case client.Vector:
		return GivenReport{Vector: g}
	}
	return GivenReport{}
}

// Set puts what the report says into a request for the chains from index first on, of those that the report is about.
func (r FollowedReport) Set(request *client.SampleRequest, first int) {
	request.GuidanceScale = r.GuidanceScale
	if r.Measurement != nil {
		request.Measurement = r.Measurement.Measurement
	}
	switch {
	case len(r.Given) == 1:
		request.Given = r.Given[0].given()
	case len(r.Given) > first:
		var each client.Each
		for _, g := range r.Given[first:] {
			each = append(each, g.given())
		}
		request.Given = each
	}
	if r.OwnWeight == nil && len(r.Terms) == 0 {
		return
	}
	request.Sum = &client.Sum{OwnWeight: r.OwnWeight}
	for _, t := range r.Terms {
		term := client.Term{Model: t.Model, Version: t.Version, Digest: t.Digest, Weight: t.Weight}
		if t.Given != nil {
			term.Given = t.Given.given()
		}
		request.Sum.Terms = append(request.Sum.Terms, term)
	}
}

func (r GivenReport) given() client.Given {
	switch {
	case r.Class != nil:
		return client.Class(*r.Class)
	case r.ClassName != "":
		return client.ClassName(r.ClassName)
	case r.Vector != nil:
		return client.Vector(r.Vector)
	}
	return client.Unconditional{}
}

// String returns what chains follow in words: "class 7, guidance scale 2, weight 1 and 2 further terms". It is empty if
// that is the model's score alone.
func (r FollowedReport) String() string {
	var parts []string
	switch {
	case len(r.Given) > 1:
		parts = append(parts, "a condition for each chain")
	case len(r.Given) == 1:
		parts = append(parts, r.Given[0].String())
	}
	if r.GuidanceScale != nil {
		parts = append(parts, fmt.Sprintf("guidance scale %.4g", *r.GuidanceScale))
	}
	if r.OwnWeight != nil && (*r.OwnWeight != 1 || len(r.Terms) > 0) {
		parts = append(parts, fmt.Sprintf("weight %.4g", *r.OwnWeight))
	}
	for _, t := range r.Terms {
		parts = append(parts, "plus "+t.String())
	}
	if r.Measurement != nil {
		parts = append(parts, r.Measurement.String())
	}
	return strings.Join(parts, ", ")
}

// String returns a term in words: "-0.5 of ring version 1 given class 7".
func (t TermReport) String() string {
	weight := 1.0
	if t.Weight != nil {
		weight = *t.Weight
	}
	text := fmt.Sprintf("%.4g of %s version %d", weight, t.Model, t.Version)
	if t.Given != nil {
		text += " given " + t.Given.String()
	}
	return text
}

// String returns a condition in words: "class 7".
func (r GivenReport) String() string {
	switch g := r.given().(type) {
	case client.Class:
		return fmt.Sprintf("class %d", int(g))
	case client.ClassName:
		return "class " + string(g)
	case client.Vector:
		return fmt.Sprintf("a vector of %s", phrase.Plural(len(g), "number"))
	}
	return "no condition"
}

// ApproximateText says why the samples of a result that is approximate only approximate what was asked for, and which
// flag draws from it.
func ApproximateText(res *client.Result) string {
	what := "the product of the terms"
	switch {
	case res.Sum == nil && res.GuidanceScale != nil && *res.GuidanceScale != 1:
		what = fmt.Sprintf("what a guidance scale of %.4g asks for", *res.GuidanceScale)
	case res.Sum == nil:
		what = "what the guide's weight asks for"
	case len(res.Sum.Terms) == 0:
		what = "the power of the density that the weight asks for"
	}
	flags := "--sampler annealed --consistent=false"
	if _, ok := res.Sampler.(client.AnnealedLangevin); ok {
		flags = "--consistent=false"
	}
	return fmt.Sprintf("these samples only approximate %s, because the sampler follows a diffusion; %s does not, and "+
		"takes small steps", what, flags)
}

// ApproximatePosteriorText says why samples only approximate the posterior.
const ApproximatePosteriorText = "these samples agree with what was measured, but only approximate the posterior: " +
	"--posterior particles draws from it"
