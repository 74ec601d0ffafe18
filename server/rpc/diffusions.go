package rpc

import (
	"math"
	"slices"

	"github.com/langevin-ml/langevin/models"
	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
	"github.com/langevin-ml/langevin/sampling"
)

// karrasRho spaces the default sigmas of EDM (Karras et al. 2022, table 1).
const karrasRho = 7

func completePredictorCorrector(in *langevinv1.PredictorCorrector, m models.Manifest) error {
	sde := in.GetSde()
	setDefault(&sde.SigmaMin, m.Sigmas[len(m.Sigmas)-1])
	setDefault(&sde.SigmaMax, m.Sigmas[0])
	setDefault(&in.Epsilon, sdeOf(sde, &invalid{}).SmallestTime())
	return nil
}

func planPredictorCorrector(
	in *langevinv1.PredictorCorrector, m models.Manifest, maxSteps int, bad *invalid,
) (sampling.Plan, sampling.Prior) {
	pc := sampling.PredictorCorrector{
		SDE: sdeOf(in.GetSde(), bad), N: int(in.GetN()),
		Predictor:      choice(predictors(), in.GetPredictor(), "predictor", bad),
		Corrector:      choice(correctors(), in.GetCorrector(), "corrector", bad),
		CorrectorSteps: int(in.GetCorrectorSteps()), SNR: in.GetSnr(), Epsilon: in.GetEpsilon(), Denoise: in.GetDenoise(),
	}
	checkPredictorCorrector(pc, maxSteps, bad)
	if len(*bad) > 0 {
		return nil, sampling.Prior{}
	}
	bad.join("", pc.CheckDim(m.Dim()))
	plan, err := pc.Plan()
	if err != nil {
		bad.join("", err)
		return nil, sampling.Prior{}
	}
	clearOther(in.GetSde(), pc.SDE.Process)
	return plan, pc.Prior()
}

// checkPredictorCorrector checks the corrector's settings where there is no corrector too.
func checkPredictorCorrector(pc sampling.PredictorCorrector, maxSteps int, bad *invalid) {
	if pc.CorrectorSteps < 1 {
		bad.add("corrector_steps", pc.CorrectorSteps, "at least 1")
	}
	if !(pc.SNR > 0 && pc.SNR < 1) {
		bad.add("snr", pc.SNR, "above 0 and below 1")
	}
	if pc.Epsilon == 0 { // which would mean the default
		bad.add("epsilon", 0, "above 0 and below 1")
	}
	if pc.N > maxSteps/(1+max(0, pc.CorrectorSteps)) {
		bad.add("n", pc.N, "at most %d evaluations of a chain in all (limits.max_steps)", maxSteps)
	}
}

// sdeOf reads a process. The settings of the other processes have to make sense too.
func sdeOf(in *langevinv1.Sde, bad *invalid) sampling.SDE {
	s := sampling.SDE{
		Process:  choice(processes(), in.GetProcess(), "sde.process", bad),
		SigmaMin: in.GetSigmaMin(), SigmaMax: in.GetSigmaMax(), BetaMin: in.GetBetaMin(), BetaMax: in.GetBetaMax(),
	}
	for _, process := range []sampling.Process{sampling.VE, sampling.VP} {
		checked := s
		checked.Process = process
		bad.join("sde.", checked.Validate())
	}
	return s
}

// clearOther removes the settings of other processes, which had no effect.
func clearOther(sde *langevinv1.Sde, process sampling.Process) {
	if process == sampling.VE {
		sde.BetaMin, sde.BetaMax = nil, nil
	} else {
		sde.SigmaMin, sde.SigmaMax = nil, nil
	}
}

// planFlow also replaces the number of steps by the sigmas that it stands for, once it is known to be small.
func planFlow(
	in *langevinv1.ProbabilityFlow, m models.Manifest, maxSteps int, bad *invalid,
) (sampling.Plan, sampling.Prior) {
	method := choice(flowMethods(), in.GetMethod(), "method", bad)
	steps := int(in.GetSteps())
	if steps < 1 || steps > maxSteps {
		bad.add("steps", steps, "1 to %d (limits.max_steps)", maxSteps)
		return nil, sampling.Prior{}
	}
	if rho := in.GetRho(); !(rho > 0) || math.IsInf(rho, 1) {
		bad.add("rho", rho, "a finite number above 0")
		return nil, sampling.Prior{}
	}
	if len(in.GetSigmas()) == 0 {
		in.Sigmas = karrasSigmas(m, steps+1, in.GetRho(), bad)
	}
	in.Steps, in.Rho = nil, nil
	schedule := scheduleOf(in.GetSigmas(), bad)
	if len(*bad) > 0 {
		return nil, sampling.Prior{}
	}
	flow := sampling.ProbabilityFlow{Schedule: schedule, Method: method, Denoise: in.GetDenoise()}
	plan, err := flow.Plan()
	if len(plan) > maxSteps {
		bad.add("steps", schedule.Levels()-1, "at most %d evaluations in all (limits.max_steps)", maxSteps)
	}
	bad.join("", err)
	return plan, flow.Prior()
}

func planEDM(in *langevinv1.EDM, m models.Manifest, maxSteps int, bad *invalid) (sampling.Plan, sampling.Prior) {
	sigmas, steps := in.GetSigmas(), int(in.GetSteps())
	if steps < 2 || steps > maxSteps/2 {
		bad.add("steps", steps, "2 to %d, two evaluations each (limits.max_steps)", maxSteps/2)
		return nil, sampling.Prior{}
	}
	if len(sigmas) == 0 {
		sigmas = karrasSigmas(m, steps, karrasRho, bad)
	}
	in.Sigmas, in.Steps = sigmas, nil
	e := sampling.EDM{
		Schedule: scheduleOf(sigmas, bad), Churn: in.GetChurn(), ChurnMin: in.GetChurnMin(), ChurnMax: in.GetChurnMax(),
		Noise: in.GetNoise(), Denoise: in.GetDenoise(),
	}
	if len(sigmas) > maxSteps/2 {
		bad.add("sigmas", len(sigmas), "at most %d, two evaluations each (limits.max_steps)", maxSteps/2)
	}
	if len(*bad) > 0 {
		return nil, sampling.Prior{}
	}
	plan, err := e.Plan()
	if bad.join("", err); err != nil {
		return nil, sampling.Prior{}
	}
	return plan, e.Prior()
}

// karrasSigmas are the given number of sigmas from the model's largest to its smallest.
func karrasSigmas(m models.Manifest, levels int, rho float64, bad *invalid) []float64 {
	schedule, err := sampling.Karras(m.Sigmas[0], m.Sigmas[len(m.Sigmas)-1], levels, rho)
	if err != nil {
		bad.add("sigmas", err, "a model with two sigmas, and a rho that keeps sigmas apart")
		return nil
	}
	return schedule.Sigmas()
}

// The words of the wire and what they mean. The zero value of an enum is replaced by its default before it gets here.

func processes() []word[langevinv1.Process, sampling.Process] {
	return []word[langevinv1.Process, sampling.Process]{
		{langevinv1.Process_PROCESS_VE, sampling.VE},
		{langevinv1.Process_PROCESS_VP, sampling.VP},
		{langevinv1.Process_PROCESS_SUB_VP, sampling.SubVP},
	}
}

func predictors() []word[langevinv1.Predictor, sampling.Predictor] {
	return []word[langevinv1.Predictor, sampling.Predictor]{
		{langevinv1.Predictor_PREDICTOR_NONE, sampling.NoPredictor},
		{langevinv1.Predictor_PREDICTOR_EULER_MARUYAMA, sampling.EulerMaruyama},
		{langevinv1.Predictor_PREDICTOR_REVERSE_DIFFUSION, sampling.ReverseDiffusion},
		{langevinv1.Predictor_PREDICTOR_ANCESTRAL, sampling.Ancestral},
	}
}

func correctors() []word[langevinv1.Corrector, sampling.Corrector] {
	return []word[langevinv1.Corrector, sampling.Corrector]{
		{langevinv1.Corrector_CORRECTOR_NONE, sampling.NoCorrector},
		{langevinv1.Corrector_CORRECTOR_LANGEVIN, sampling.LangevinCorrector},
		{langevinv1.Corrector_CORRECTOR_ANNEALED_LANGEVIN, sampling.AnnealedCorrector},
	}
}

func flowMethods() []word[langevinv1.FlowMethod, sampling.FlowMethod] {
	return []word[langevinv1.FlowMethod, sampling.FlowMethod]{
		{langevinv1.FlowMethod_FLOW_METHOD_EULER, sampling.FlowEuler},
		{langevinv1.FlowMethod_FLOW_METHOD_HEUN, sampling.FlowHeun},
		{langevinv1.FlowMethod_FLOW_METHOD_MULTISTEP, sampling.FlowMultistep},
	}
}

// word pairs a value of an enum on the wire with what it means to package sampling.
type word[Wire, Meaning comparable] struct {
	wire  Wire
	means Meaning
}

// choice returns what a value of the wire means. One that the server does not know is added to bad.
func choice[W, M comparable](words []word[W, M], given W, field string, bad *invalid) M {
	for _, w := range words {
		if w.wire == given {
			return w.means
		}
	}
	bad.add(field, given, "a value that this server knows")
	return words[0].means
}

// named returns the wire's value for a meaning.
func named[W, M comparable](words []word[W, M], meaning M) W {
	for _, w := range slices.Backward(words) {
		if w.means == meaning {
			return w.wire
		}
	}
	return words[0].wire
}
