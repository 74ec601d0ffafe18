package rpc

import (
	"google.golang.org/protobuf/proto"

	"github.com/langevin-ml/langevin/models"
	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
	"github.com/langevin-ml/langevin/sampling"
)

// compiled is a sampler that is ready to run: its plan, the prior of its chains, and its message with every setting.
type compiled struct {
	plan    sampling.Plan
	prior   sampling.Prior
	message proto.Message
	exact   bool  // the sampler only needs a density at each sigma; see kind
	bytes   int64 // of the plan; 0 if requests share it
}

// kind says how to run one kind of sampler. complete fills in the settings whose defaults depend on the model; the
// other defaults are already set. steps returns how many evaluations of a chain the complete message stands for; it
// does no other work. plan compiles the complete message. All use the message's field names in errors. exact reports
// whether the sampler draws from any densities that it is given the scores of, one for each sigma. The others follow a
// diffusion, and need the densities of one distribution with noise added.
type kind struct {
	complete func(proto.Message, models.Manifest) error
	steps    func(proto.Message) int
	plan     func(proto.Message, models.Manifest, int, *invalid) (sampling.Plan, sampling.Prior)
	exact    func(proto.Message) bool
}

// kinds is the one table of samplers, by their fields in a request.
func kinds() map[string]kind {
	return map[string]kind{
		"annealed_langevin": kindOf(completeAnnealed, stepsAnnealed, planAnnealed, exactAnnealed),
		"langevin":          kindOf(completeLangevin, stepsLangevin, planLangevin, always),
		"predictor_corrector": kindOf(completePredictorCorrector, stepsPredictorCorrector, planPredictorCorrector,
			exactPredictorCorrector),
		"probability_flow": kindOf(valuesOnly, stepsFlow, planFlow, never),
		"edm":              kindOf(valuesOnly, stepsEDM, planEDM, never),
		"reverse_sde":      kindOf(completeReverse, stepsReverse, planReverse, never),
		"consistency":      kindOf(completeConsistency, stepsConsistency, planConsistency, never),
	}
}

// kindOf returns the kind whose settings are a message of type M.
func kindOf[M proto.Message](
	complete func(M, models.Manifest) error,
	steps func(M) int,
	plan func(M, models.Manifest, int, *invalid) (sampling.Plan, sampling.Prior),
	exact func(M) bool,
) kind {
	return kind{
		complete: func(in proto.Message, m models.Manifest) error { return complete(in.(M), m) },
		steps:    func(in proto.Message) int { return steps(in.(M)) },
		plan: func(in proto.Message, m models.Manifest, maxSteps int, bad *invalid) (sampling.Plan, sampling.Prior) {
			return plan(in.(M), m, maxSteps, bad)
		},
		exact: func(in proto.Message) bool { return exact(in.(M)) },
	}
}

// admission returns an error if a request that evaluates each chain the given number of times is refused. It is
// called before the plan is compiled, because compiling a long plan takes far longer than refusing it.
type admission func(steps int) error

// defaultSampler returns the sampler of requests to a model that have none.
func defaultSampler(m models.Manifest) proto.Message {
	switch m.Sampler.Kind {
	case models.SamplerReverseSDE:
		return &langevinv1.ReverseSDE{}
	case models.SamplerConsistency:
		return &langevinv1.Consistency{}
	}
	return &langevinv1.AnnealedLangevin{}
}

// checkGivenSampler refuses the sampler of a request if the model has no score for it, and settings that exclude each
// other. The message of a started event has no such settings.
func checkGivenSampler(req *langevinv1.SampleRequest, m models.Manifest, bad *invalid) {
	given := langevinv1.SamplerIn(req)
	if given == nil {
		return
	}
	d, _ := langevinv1.SamplerOf(given)
	if _, jumps := given.(*langevinv1.Consistency); !jumps {
		checkScore(d.Field, "set", "consistency or no sampler", m, bad)
	}
	for _, setting := range d.Settings {
		if other, found := d.Setting(setting.GetExcludes()); found && setting.Has(given) && other.Has(given) {
			bad.add(d.Field+"."+setting.Field(), "set together with "+d.Field+"."+other.Field(), "either of the two")
		}
	}
}

// samplerFor returns the sampler of a request, without the settings that it leaves out.
func samplerFor(req *langevinv1.SampleRequest, m models.Manifest) proto.Message {
	if given := langevinv1.SamplerIn(req); given != nil {
		return proto.Clone(given)
	}
	if bent(req) && m.Sampler.Kind != models.SamplerConsistency { // a consistency model has no score to follow
		return &langevinv1.AnnealedLangevin{}
	}
	return defaultSampler(m)
}

// bent reports whether the chains of a request follow more than the model's score. Samplers of few steps are poor at
// that.
func bent(req *langevinv1.SampleRequest) bool {
	scaled := req.GuidanceScale != nil && req.GetGuidanceScale() != 1
	return req.GetGuidance() != nil || req.GetCondition() != nil || scaled || req.OwnWeight != nil ||
		len(req.GetTerms()) > 0
}

// complete fills in the settings that a sampler leaves out. It returns the sampler's field in a request.
func complete(sampler proto.Message, m models.Manifest) (field string, _ error) {
	d, _ := langevinv1.SamplerOf(sampler)
	d.Complete(sampler)
	return d.Field, kinds()[d.Field].complete(sampler, m)
}

// compile compiles the sampler of a request for a model, or the one that such requests have by default. Settings that
// are out of range are added to bad. The only error is that of admits.
func compile(
	req *langevinv1.SampleRequest, m models.Manifest, maxSteps int, admits admission, bad *invalid,
) (compiled, error) {
	var own invalid
	message := samplerFor(req, m)
	field, err := complete(message, m)
	own.join("", err)
	kind := kinds()[field]
	result := compiled{message: message, exact: kind.exact(message)}
	if steps := kind.steps(message); len(own)+len(*bad) == 0 && steps > 0 && steps <= maxSteps+lastStep(true) {
		if err := admits(steps); err != nil {
			return compiled{}, err
		}
	}
	if len(own) == 0 {
		result.plan, result.prior = kind.plan(message, m, maxSteps, &own)
		result.bytes = int64(len(result.plan)) * sampling.StepBytes
	}
	for _, mistake := range own {
		bad.join(field+".", mistake)
	}
	return result, nil
}

// exactAnnealed is false with consistent noise, which assumes that the next level differs by added noise alone.
func exactAnnealed(in *langevinv1.AnnealedLangevin) bool { return !in.GetConsistent() }

// exactPredictorCorrector is true if a corrector draws from the density at each time.
func exactPredictorCorrector(in *langevinv1.PredictorCorrector) bool {
	return choice(correctors(), in.GetCorrector(), "", &invalid{}) != sampling.NoCorrector
}

func always[M proto.Message](M) bool { return true }

func never[M proto.Message](M) bool { return false }

// valuesOnly is the complete function of a kind without defaults that depend on the model.
func valuesOnly[M proto.Message](M, models.Manifest) error { return nil }
