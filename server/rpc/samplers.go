package rpc

import (
	"google.golang.org/protobuf/proto"

	"github.com/langevin-ml/langevin/models"
	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
	"github.com/langevin-ml/langevin/sampling"
)

// compiled is a sampler that is ready to run: its plan, where its chains start, and its message with every setting.
type compiled struct {
	plan    sampling.Plan
	prior   sampling.Prior
	message proto.Message
}

// kind is how one kind of sampler is run. complete fills in the settings whose defaults depend on the model; those that
// are values are set already. plan compiles the complete message. Both name fields as the message does.
type kind struct {
	complete func(proto.Message, models.Manifest) error
	plan     func(proto.Message, models.Manifest, int, *invalid) (sampling.Plan, sampling.Prior)
}

// kinds is the one table of samplers, by their fields in a request.
func kinds() map[string]kind {
	return map[string]kind{
		defaultKind:           kindOf(completeAnnealed, planAnnealed),
		"langevin":            kindOf(completeLangevin, planLangevin),
		"predictor_corrector": kindOf(completePredictorCorrector, planPredictorCorrector),
		"probability_flow":    kindOf(valuesOnly, planFlow),
		"edm":                 kindOf(valuesOnly, planEDM),
	}
}

// defaultKind is what a request without a sampler gets.
const defaultKind = "annealed_langevin"

// kindOf is the kind whose settings are a message of type M.
func kindOf[M proto.Message](
	complete func(M, models.Manifest) error,
	plan func(M, models.Manifest, int, *invalid) (sampling.Plan, sampling.Prior),
) kind {
	return kind{
		complete: func(in proto.Message, m models.Manifest) error { return complete(in.(M), m) },
		plan: func(in proto.Message, m models.Manifest, maxSteps int, bad *invalid) (sampling.Plan, sampling.Prior) {
			return plan(in.(M), m, maxSteps, bad)
		},
	}
}

// compile compiles the sampler of a request for a model. What is out of range is added to bad.
func compile(req *langevinv1.SampleRequest, m models.Manifest, maxSteps int, bad *invalid) compiled {
	d, _ := langevinv1.SamplerByField(defaultKind)
	message := d.New()
	if given := langevinv1.SamplerIn(req); given != nil {
		d, _ = langevinv1.SamplerOf(given)
		message = proto.Clone(given)
	}
	d.Complete(message)
	var own invalid
	kind := kinds()[d.Field]
	if err := kind.complete(message, m); err != nil {
		own.join("", err)
	}
	result := compiled{message: message}
	if len(own) == 0 {
		result.plan, result.prior = kind.plan(message, m, maxSteps, &own)
	}
	for _, mistake := range own {
		bad.join(d.Field+".", mistake)
	}
	return result
}

// valuesOnly completes a kind without defaults that depend on the model.
func valuesOnly[M proto.Message](M, models.Manifest) error { return nil }

func completeAnnealed(in *langevinv1.AnnealedLangevin, m models.Manifest) error {
	a, err := m.AnnealedLangevin()
	if err != nil {
		return err
	}
	if len(in.GetSigmas()) == 0 {
		in.Sigmas = a.Schedule.Sigmas()
	}
	setDefault(&in.StepsPerLevel, int32(a.StepsPerLevel))
	setDefault(&in.StepLr, a.StepLR)
	setDefault(&in.Denoise, a.Denoise)
	setDefault(&in.Consistent, a.Consistent)
	return nil
}

func planAnnealed(
	in *langevinv1.AnnealedLangevin, m models.Manifest, maxSteps int, bad *invalid,
) (sampling.Plan, sampling.Prior) {
	schedule := scheduleOf(in.GetSigmas(), bad)
	if len(*bad) > 0 {
		return nil, m.Prior
	}
	if steps := int(in.GetStepsPerLevel()); steps > maxSteps/schedule.Levels() {
		bad.add("steps_per_level", steps, "at most %d steps in all %d levels (limits.max_steps)", maxSteps, schedule.Levels())
		return nil, m.Prior
	}
	plan, err := sampling.AnnealedLangevin{
		Schedule: schedule, StepsPerLevel: int(in.GetStepsPerLevel()), StepLR: in.GetStepLr(),
		Denoise: in.GetDenoise(), Consistent: in.GetConsistent(),
	}.Plan()
	bad.join("", err)
	return plan, m.Prior
}

func completeLangevin(in *langevinv1.Langevin, m models.Manifest) error {
	a, err := m.AnnealedLangevin()
	if err != nil {
		return err
	}
	setDefault(&in.Sigma, a.Schedule.Last())
	setDefault(&in.StepSize, a.StepSize(a.Schedule.Levels()-1))
	return nil
}

func planLangevin(
	in *langevinv1.Langevin, m models.Manifest, maxSteps int, bad *invalid,
) (sampling.Plan, sampling.Prior) {
	if steps := int(in.GetSteps()); steps > maxSteps {
		bad.add("steps", steps, "at most %d (limits.max_steps)", maxSteps)
		return nil, m.Prior
	}
	plan, err := sampling.Langevin{
		Sigma: in.GetSigma(), Steps: int(in.GetSteps()), StepSize: in.GetStepSize(), Denoise: in.GetDenoise(),
	}.Plan()
	bad.join("", err)
	return plan, m.Prior
}

// scheduleOf reads the sigmas of a complete message.
func scheduleOf(sigmas []float64, bad *invalid) sampling.Schedule {
	schedule, err := sampling.NewSchedule(sigmas...)
	if err != nil {
		bad.add("sigmas", err, "finite, positive, strictly decreasing numbers")
	}
	return schedule
}

// setDefault sets what a request leaves out.
func setDefault[T any](field **T, value T) {
	if *field == nil {
		*field = &value
	}
}
