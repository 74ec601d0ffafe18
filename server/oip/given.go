package oip

import (
	"math"
	"strconv"

	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
	"github.com/langevin-ml/langevin/server/oip/inference"
)

// readClass reads the class of all chains or points: its index, or its name. An index in decimal is a name too.
func readClass(q *query, name string, p *inference.InferParameter) error {
	list, _ := q.followed()
	if len(*list) > 0 {
		return invalid(parameter(name), valueText(p), "none, because request has given")
	}
	given := &langevinv1.Given{}
	if text, isText := p.GetParameterChoice().(*inference.InferParameter_StringParam); isText {
		given.Condition = &langevinv1.Given_ClassName{ClassName: text.StringParam}
	} else if k, isIndex := index(p); isIndex {
		given.Condition = &langevinv1.Given_Class{Class: k}
	} else {
		return invalid(parameter(name), valueText(p), "the index of a class, from 0, or its name")
	}
	*list = []*langevinv1.Given{given}
	return nil
}

// followed returns the fields about conditions of the request for samples or for scores.
func (q *query) followed() (given *[]*langevinv1.Given, scale **float64) {
	if q.target.score {
		return &q.score.Given, &q.score.GuidanceScale
	}
	return &q.sample.Given, &q.sample.GuidanceScale
}

// index returns the value of an integer parameter if it may be an index.
func index(p *inference.InferParameter) (int32, bool) {
	var k uint64
	err := unsigned(p, "", func(v uint64) { k = v })
	return int32(k), err == nil && k <= math.MaxInt32
}

// readGuidanceScale reads the w of classifier-free guidance, in any form in which clients can send a number.
func readGuidanceScale(q *query, name string, p *inference.InferParameter) error {
	_, scale := q.followed()
	if *scale != nil {
		return invalid(parameter(name), valueText(p), "none, because request has guidance_scale")
	}
	w, err := math.NaN(), error(nil)
	switch c := p.GetParameterChoice().(type) {
	case *inference.InferParameter_StringParam:
		w, err = strconv.ParseFloat(c.StringParam, 64)
	case *inference.InferParameter_DoubleParam:
		w = c.DoubleParam
	case *inference.InferParameter_Int64Param:
		w = float64(c.Int64Param)
	case *inference.InferParameter_Uint64Param:
		w = float64(c.Uint64Param)
	}
	if err != nil || w-w != 0 {
		return invalid(parameter(name), valueText(p), "a finite number")
	}
	*scale = &w
	return nil
}
