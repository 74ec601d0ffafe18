package rpc

import (
	"google.golang.org/protobuf/proto"

	"github.com/langevin-ml/langevin/models"
	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
	"github.com/langevin-ml/langevin/sampling"
)

// defaultLangevinSteps is the length of the papers' plain Langevin runs (NCSN 2019, section 3.2 and appendix B.2).
const defaultLangevinSteps = 1000

// compiled is a sampler with every default filled in: its plan, and the message that asks for the same again.
type compiled struct {
	plan     sampling.Plan
	annealed *langevinv1.AnnealedLangevin
	langevin *langevinv1.Langevin
}

// compile reads the sampler of a request, with what is left out from the model's manifest. What is out of range is
// added to bad.
func compile(req *langevinv1.SampleRequest, m models.Manifest, maxSteps int, bad *invalid) compiled {
	switch s := req.GetSampler().(type) {
	case *langevinv1.SampleRequest_Langevin:
		return compileLangevin(s.Langevin, m, maxSteps, bad)
	case *langevinv1.SampleRequest_AnnealedLangevin:
		return compileAnnealed(s.AnnealedLangevin, m, maxSteps, bad)
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
	if in.StepsPerLevel != nil {
		a.StepsPerLevel = int(in.GetStepsPerLevel())
	}
	if in.StepLr != nil {
		a.StepLR = in.GetStepLr()
	}
	if in.Denoise != nil {
		a.Denoise = in.GetDenoise()
	}
	if total := a.Schedule.Levels() * a.StepsPerLevel; total > maxSteps {
		bad.add(field+"steps_per_level", a.StepsPerLevel, "at most %d steps in all %d levels (limits.max_steps)", maxSteps, a.Schedule.Levels())
		return compiled{}
	}
	plan, err := a.Plan()
	bad.join(field, err)
	return compiled{plan: plan, annealed: annealedProto(a)}
}

func annealedProto(a sampling.AnnealedLangevin) *langevinv1.AnnealedLangevin {
	return &langevinv1.AnnealedLangevin{
		Sigmas:        a.Schedule.Sigmas(),
		StepsPerLevel: proto.Int32(int32(a.StepsPerLevel)),
		StepLr:        proto.Float64(a.StepLR),
		Denoise:       proto.Bool(a.Denoise),
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
	if in.Sigma != nil {
		l.Sigma = in.GetSigma()
	}
	if in.Steps != nil {
		l.Steps = int(in.GetSteps())
	}
	if in.StepSize != nil {
		l.StepSize = in.GetStepSize()
	}
	l.Denoise = in.GetDenoise()
	if l.Steps > maxSteps {
		bad.add(field+"steps", l.Steps, "at most %d (limits.max_steps)", maxSteps)
		return compiled{}
	}
	plan, err := l.Plan()
	bad.join(field, err)
	return compiled{plan: plan, langevin: &langevinv1.Langevin{
		Sigma: &l.Sigma, Steps: proto.Int32(int32(l.Steps)), StepSize: &l.StepSize, Denoise: &l.Denoise,
	}}
}
