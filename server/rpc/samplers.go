package rpc

import (
	"google.golang.org/protobuf/proto"

	"github.com/langevin-ml/langevin/models"
	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
	"github.com/langevin-ml/langevin/sampling"
)

// defaultLangevinSteps is the length of the papers' plain Langevin runs (NCSN 2019, section 3.2 and appendix B.2).
const defaultLangevinSteps = 1000

// compiled is a sampler with every default filled in: its plan, where its chains start, and the message that asks for
// the same again, as a oneof of Started.
type compiled struct {
	plan  sampling.Plan
	prior sampling.Prior
	set   func(*langevinv1.Started)
}

// compile reads the sampler of a request, with what is left out from the model's manifest. What is out of range is
// added to bad.
func compile(req *langevinv1.SampleRequest, m models.Manifest, maxSteps int, bad *invalid) compiled {
	switch s := req.GetSampler().(type) {
	case *langevinv1.SampleRequest_Langevin:
		return compileLangevin(s.Langevin, m, maxSteps, bad)
	case *langevinv1.SampleRequest_AnnealedLangevin:
		return compileAnnealed(s.AnnealedLangevin, m, maxSteps, bad)
	case *langevinv1.SampleRequest_PredictorCorrector:
		return compilePredictorCorrector(s.PredictorCorrector, m, maxSteps, bad)
	case *langevinv1.SampleRequest_ProbabilityFlow:
		return compileFlow(s.ProbabilityFlow, m, maxSteps, bad)
	}
	return compileAnnealed(&langevinv1.AnnealedLangevin{}, m, maxSteps, bad)
}

func compileAnnealed(in *langevinv1.AnnealedLangevin, m models.Manifest, maxSteps int, bad *invalid) compiled {
	const field = "annealed_langevin."
	a, err := m.AnnealedLangevin()
	if err != nil {
		bad.join(field, err)
		return compiled{}
	}
	if len(in.GetSigmas()) > 0 {
		if a.Schedule, err = sampling.NewSchedule(in.GetSigmas()...); err != nil {
			bad.add(field+"sigmas", err, "finite, positive, strictly decreasing numbers")
			return compiled{}
		}
	}
	override(&a.StepsPerLevel, in.StepsPerLevel)
	override(&a.StepLR, in.StepLr)
	if in.Denoise != nil {
		a.Denoise = in.GetDenoise()
	}
	if in.Consistent != nil {
		a.Consistent = in.GetConsistent()
	}
	if total := a.Schedule.Levels() * a.StepsPerLevel; total > maxSteps {
		bad.add(field+"steps_per_level", a.StepsPerLevel, "at most %d steps in all %d levels (limits.max_steps)", maxSteps, a.Schedule.Levels())
		return compiled{}
	}
	plan, err := a.Plan()
	bad.join(field, err)
	return compiled{plan, m.Prior, func(s *langevinv1.Started) {
		s.Sampler = &langevinv1.Started_AnnealedLangevin{AnnealedLangevin: annealedProto(a)}
	}}
}

func annealedProto(a sampling.AnnealedLangevin) *langevinv1.AnnealedLangevin {
	return &langevinv1.AnnealedLangevin{
		Sigmas:        a.Schedule.Sigmas(),
		StepsPerLevel: proto.Int32(int32(a.StepsPerLevel)),
		StepLr:        proto.Float64(a.StepLR),
		Denoise:       proto.Bool(a.Denoise),
		Consistent:    proto.Bool(a.Consistent),
	}
}

func compileLangevin(in *langevinv1.Langevin, m models.Manifest, maxSteps int, bad *invalid) compiled {
	const field = "langevin."
	a, err := m.AnnealedLangevin()
	if err != nil {
		bad.join(field, err)
		return compiled{}
	}
	last := a.Schedule.Levels() - 1
	l := sampling.Langevin{Sigma: a.Schedule.Last(), Steps: defaultLangevinSteps, StepSize: a.StepSize(last)}
	override(&l.Sigma, in.Sigma)
	override(&l.Steps, in.Steps)
	override(&l.StepSize, in.StepSize)
	l.Denoise = in.GetDenoise()
	if l.Steps > maxSteps {
		bad.add(field+"steps", l.Steps, "at most %d (limits.max_steps)", maxSteps)
		return compiled{}
	}
	plan, err := l.Plan()
	bad.join(field, err)
	return compiled{plan, m.Prior, func(s *langevinv1.Started) {
		s.Sampler = &langevinv1.Started_Langevin{Langevin: &langevinv1.Langevin{
			Sigma: &l.Sigma, Steps: proto.Int32(int32(l.Steps)), StepSize: &l.StepSize, Denoise: &l.Denoise,
		}}
	}}
}

// override replaces a default by what a request gives, if it gives anything.
func override[To, From int | int32 | float64](value *To, given *From) {
	if given != nil {
		*value = To(*given)
	}
}
