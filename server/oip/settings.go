package oip

import (
	"math"
	"slices"
	"strings"

	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
	"github.com/langevin-ml/langevin/server/oip/inference"
)

// samplerParameter is the name of the parameter that chooses a kind of sampler by its word.
const samplerParameter = "sampler"

// settingNames returns the keys of all settings of all samplers, in the order of the description.
func settingNames() []string {
	var names []string
	for _, d := range langevinv1.Samplers() {
		for _, s := range d.Settings {
			if !slices.Contains(names, s.Key()) {
				names = append(names, s.Key())
			}
		}
	}
	return names
}

// readSampler reads the sampler and its settings. They change the sampler of the parameter request, if it has one.
func (q *query) readSampler(given map[string]*inference.InferParameter) error {
	if p := given[samplerParameter]; p != nil {
		if err := q.chooseSampler(p); err != nil {
			return err
		}
	}
	var set []string
	for _, name := range settingNames() {
		if p := given[name]; p != nil {
			if err := q.setSetting(name, p); err != nil {
				return err
			}
			set = append(set, name)
		}
	}
	return q.checkSettings(set)
}

// chooseSampler reads the parameter that names a kind of sampler.
func (q *query) chooseSampler(p *inference.InferParameter) error {
	d, found := langevinv1.SamplerByWord(p.GetStringParam())
	if !found {
		return invalid(parameter(samplerParameter), valueText(p), "one of "+strings.Join(words(langevinv1.Samplers()),
			", "))
	}
	if own := langevinv1.SamplerIn(q.sample); own == nil {
		langevinv1.SetSampler(q.sample, d.New())
	} else if in, _ := langevinv1.SamplerOf(own); in.Field != d.Field {
		return invalid(parameter(samplerParameter), valueText(p), in.GetWord()+", which request has, or none")
	}
	return nil
}

func words(samplers []langevinv1.SamplerDescription) []string {
	all := make([]string, len(samplers))
	for i, d := range samplers {
		all[i] = d.GetWord()
	}
	return all
}

// setSetting sets a setting of the chosen sampler. If none is chosen, it chooses the implied one.
func (q *query) setSetting(name string, p *inference.InferParameter) error {
	d := langevinv1.ImpliedSampler()
	if own := langevinv1.SamplerIn(q.sample); own != nil {
		d, _ = langevinv1.SamplerOf(own)
	}
	s, found := d.Setting(name)
	if !found {
		return invalid(parameter(name), valueText(p), "none: "+whose(name, d))
	}
	if langevinv1.SamplerIn(q.sample) == nil {
		langevinv1.SetSampler(q.sample, d.New())
	}
	if !setValue(s, q.sample, p) {
		return invalid(parameter(name), valueText(p), s.Allowed())
	}
	return nil
}

// whose returns which samplers have a setting that the chosen one lacks.
func whose(name string, chosen langevinv1.SamplerDescription) string {
	takers := slices.DeleteFunc(langevinv1.Samplers(), func(d langevinv1.SamplerDescription) bool {
		_, has := d.Setting(name)
		return !has
	})
	return name + " is a setting of sampler " + strings.Join(words(takers), " or ") + ", not of " + chosen.GetWord() +
		": set " + samplerParameter
}

// setValue sets a setting of a request's sampler, in any form in which clients can send its value. It reports whether
// the value is allowed.
func setValue(s langevinv1.SettingDescription, req *langevinv1.SampleRequest, p *inference.InferParameter) bool {
	var value any
	switch c := p.GetParameterChoice().(type) {
	case *inference.InferParameter_StringParam:
		return s.SetText(langevinv1.SamplerIn(req), c.StringParam) == nil
	case *inference.InferParameter_BoolParam:
		value = c.BoolParam
	case *inference.InferParameter_DoubleParam:
		value = c.DoubleParam
	case *inference.InferParameter_Int64Param:
		value = integer(s, c.Int64Param)
	case *inference.InferParameter_Uint64Param:
		value = integer(s, int64(min(c.Uint64Param, math.MaxInt64)))
	}
	return s.Set(langevinv1.SamplerIn(req), value) == nil
}

// integer returns v as the Go type of the setting: settings that are numbers accept whole numbers.
func integer(s langevinv1.SettingDescription, v int64) any {
	if s.Type() == langevinv1.SettingNumber {
		return float64(v)
	}
	return int(v)
}

// checkSettings returns an error for a parameter that has no effect with the other settings, or that excludes one of
// them.
func (q *query) checkSettings(set []string) error {
	sampler := langevinv1.SamplerIn(q.sample)
	for _, name := range set {
		d, _ := langevinv1.SamplerOf(sampler)
		s, _ := d.Setting(name)
		if needed, allowed := s.Unmet(sampler); allowed != nil {
			return invalid(parameter(name), "set", "none, or "+needed.Key()+" to be "+strings.Join(allowed, " or "))
		}
		if other, found := d.Setting(s.GetExcludes()); found && other.Has(sampler) {
			return invalid(parameter(name), "set", "none, because "+other.Key()+" is set")
		}
	}
	return nil
}
