package rpc

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/langevin-ml/langevin/models"
	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
	"github.com/langevin-ml/langevin/sampling"
)

// consistencySteps is the number of evaluations for models that have no sigmas of their own.
const consistencySteps = 2

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

// lastStep returns the evaluations of the denoising step at the end of a plan.
func lastStep(wanted bool) int {
	if wanted {
		return 1
	}
	return 0
}

func stepsAnnealed(in *langevinv1.AnnealedLangevin) int {
	return len(in.GetSigmas())*int(in.GetStepsPerLevel()) + lastStep(in.GetDenoise())
}

func planAnnealed(
	in *langevinv1.AnnealedLangevin, m models.Manifest, maxSteps int, bad *invalid,
) (sampling.Plan, sampling.Prior) {
	schedule := scheduleOf(in.GetSigmas(), bad)
	if len(*bad) > 0 {
		return nil, m.Prior
	}
	if steps := int(in.GetStepsPerLevel()); steps > maxSteps/schedule.Levels() {
		bad.add("steps_per_level", steps, "at most %d steps in all %d levels (limits.max_steps)", maxSteps,
			schedule.Levels())
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

func stepsLangevin(in *langevinv1.Langevin) int {
	return int(in.GetSteps()) + lastStep(in.GetDenoise())
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

// scheduleOf returns the schedule of a complete message.
func scheduleOf(sigmas []float64, bad *invalid) sampling.Schedule {
	schedule, err := sampling.NewSchedule(sigmas...)
	if err != nil {
		i := slices.IndexFunc(sigmas, func(s float64) bool { return !(s > 0) || math.IsInf(s, 1) })
		for j := 1; i < 0 && j < len(sigmas); j++ {
			if sigmas[j] >= sigmas[j-1] {
				i = j
			}
		}
		bad.add("sigmas", fmt.Sprintf("%g at element %d", sigmas[i], i),
			"finite, positive, strictly decreasing numbers")
	}
	return schedule
}

// setDefault sets a field that a request leaves out.
func setDefault[T any](field **T, value T) {
	if *field == nil {
		*field = &value
	}
}

func completePredictorCorrector(in *langevinv1.PredictorCorrector, m models.Manifest) error {
	sde := in.GetSde()
	setDefault(&sde.SigmaMin, m.Sigmas[len(m.Sigmas)-1])
	setDefault(&sde.SigmaMax, m.Sigmas[0])
	setDefault(&in.Epsilon, sdeOf(sde, &invalid{}).SmallestTime())
	return nil
}

func stepsPredictorCorrector(in *langevinv1.PredictorCorrector) int {
	steps := 0
	if in.GetPredictor() != langevinv1.Predictor_PREDICTOR_NONE {
		steps++
	}
	if in.GetCorrector() != langevinv1.Corrector_CORRECTOR_NONE {
		steps += int(in.GetCorrectorSteps())
	}
	// A predictor's own last step denoises.
	denoised := in.GetDenoise() && in.GetPredictor() == langevinv1.Predictor_PREDICTOR_NONE
	return int(in.GetN())*steps + lastStep(denoised)
}

func planPredictorCorrector(
	in *langevinv1.PredictorCorrector, m models.Manifest, maxSteps int, bad *invalid,
) (sampling.Plan, sampling.Prior) {
	pc := sampling.PredictorCorrector{
		SDE: sdeOf(in.GetSde(), bad), N: int(in.GetN()),
		Predictor:      choice(predictors(), in.GetPredictor(), "predictor", bad),
		Corrector:      choice(correctors(), in.GetCorrector(), "corrector", bad),
		CorrectorSteps: int(in.GetCorrectorSteps()), SNR: in.GetSnr(),
		Epsilon: in.GetEpsilon(), Denoise: in.GetDenoise(),
	}
	if low, high := pc.SDE.SigmaMin, pc.SDE.SigmaMax; len(m.Sigmas) == 1 && low == high && low == m.Sigmas[0] {
		*bad = nil
		bad.add("sde.sigma_max", high,
			"above sigma_min: the model has one noise level, so the defaults of both are equal")
		return nil, sampling.Prior{}
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

// checkPredictorCorrector checks the corrector's settings, also if there is no corrector.
func checkPredictorCorrector(pc sampling.PredictorCorrector, maxSteps int, bad *invalid) {
	if pc.CorrectorSteps < 1 {
		bad.add("corrector_steps", pc.CorrectorSteps, "at least 1")
	}
	if !(pc.SNR > 0 && pc.SNR < 1) {
		bad.add("snr", pc.SNR, "above 0 and below 1")
	}
	if pc.Epsilon == 0 { // 0 would mean the default
		bad.add("epsilon", 0, "above 0 and below 1")
	}
	if pc.N > maxSteps/(1+max(0, pc.CorrectorSteps)) {
		bad.add("n", pc.N, "at most %d evaluations of a chain in all (limits.max_steps)", maxSteps)
	}
}

// sdeOf reads a process. The settings of the other processes must be valid too.
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

func stepsFlow(in *langevinv1.ProbabilityFlow) int {
	steps := int(in.GetSteps())
	if sigmas := len(in.GetSigmas()); sigmas > 0 {
		steps = sigmas - 1
	}
	if in.GetMethod() == langevinv1.FlowMethod_FLOW_METHOD_HEUN {
		steps *= 2
	}
	return steps + lastStep(in.GetDenoise())
}

// planFlow also replaces the number of steps by its sigmas, after checking that it is small.
func planFlow(
	in *langevinv1.ProbabilityFlow, m models.Manifest, maxSteps int, bad *invalid,
) (sampling.Plan, sampling.Prior) {
	method := choice(flowMethods(), in.GetMethod(), "method", bad)
	steps := int(in.GetSteps())
	if steps < 1 || steps > maxSteps {
		bad.add("steps", steps, "1 to %d (limits.max_steps)", maxSteps)
		return nil, sampling.Prior{}
	}
	checkRho(in.GetRho(), bad)
	if len(*bad) == 0 && stepsFlow(in) > maxSteps {
		bad.add("steps", steps, "at most %d evaluations in all (limits.max_steps)", maxSteps)
		return nil, sampling.Prior{}
	}
	if len(in.GetSigmas()) == 0 && len(*bad) == 0 {
		in.Sigmas = karrasSigmas(m, steps+1, in.GetRho(), bad)
	}
	if len(*bad) > 0 {
		return nil, sampling.Prior{}
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

func stepsEDM(in *langevinv1.EDM) int {
	return 2*cmp.Or(len(in.GetSigmas()), int(in.GetSteps())) - 2 + lastStep(in.GetDenoise())
}

func planEDM(in *langevinv1.EDM, m models.Manifest, maxSteps int, bad *invalid) (sampling.Plan, sampling.Prior) {
	sigmas, steps := in.GetSigmas(), int(in.GetSteps())
	if steps < 2 || steps > maxSteps/2 {
		bad.add("steps", steps, "2 to %d, two evaluations each (limits.max_steps)", maxSteps/2)
		return nil, sampling.Prior{}
	}
	if len(sigmas) == 0 {
		sigmas = karrasSigmas(m, steps, sampling.KarrasRho, bad)
	}
	if len(*bad) > 0 {
		return nil, sampling.Prior{}
	}
	in.Sigmas, in.Steps = sigmas, nil
	e := sampling.EDM{
		Schedule: scheduleOf(sigmas, bad), Churn: in.GetChurn(), ChurnMin: in.GetChurnMin(), ChurnMax: in.GetChurnMax(),
		Noise: in.GetNoise(), Denoise: in.GetDenoise(),
	}
	if len(sigmas) > maxSteps/2 {
		bad.add("sigmas", fmt.Sprintf("%d numbers", len(sigmas)), "at most %d, two evaluations each (limits.max_steps)",
			maxSteps/2)
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

func completeReverse(in *langevinv1.ReverseSDE, m models.Manifest) error {
	own := models.DefaultReverseSDE()
	if r := m.Sampler.ReverseSDE; r != nil {
		own = *r
	}
	setDefault(&in.Steps, int32(own.Steps))
	setDefault(&in.Eta, own.Eta)
	return nil
}

func stepsReverse(in *langevinv1.ReverseSDE) int {
	return cmp.Or(len(in.GetSigmas()), int(in.GetSteps())) - 1 + lastStep(in.GetDenoise())
}

func planReverse(
	in *langevinv1.ReverseSDE, m models.Manifest, maxSteps int, bad *invalid,
) (sampling.Plan, sampling.Prior) {
	sigmas, steps := in.GetSigmas(), int(in.GetSteps())
	checkEvaluations(steps, 2, len(sigmas), maxSteps, bad)
	checkRho(in.GetRho(), bad)
	if len(sigmas) == 0 && len(*bad) == 0 {
		sigmas = karrasSigmas(m, steps, in.GetRho(), bad)
	}
	method := choice(reverseMethods(), in.GetMethod(), "method", bad)
	if len(*bad) > 0 {
		return nil, sampling.Prior{}
	}
	in.Sigmas, in.Steps, in.Rho = sigmas, nil, nil
	schedule := scheduleOf(sigmas, bad)
	if len(*bad) > 0 {
		return nil, sampling.Prior{}
	}
	p := sampling.ReverseSDE{
		Schedule: schedule, Method: method, Eta: in.GetEta(), Noise: in.GetNoise(), Denoise: in.GetDenoise(),
	}
	plan, err := p.Plan()
	bad.join("", err)
	return plan, p.Prior()
}

func completeConsistency(in *langevinv1.Consistency, m models.Manifest) error {
	if own := m.Sampler.Consistency; own != nil && len(in.GetSigmas()) == 0 && in.Steps == nil {
		in.Sigmas = slices.Clone(own.Sigmas)
	}
	setDefault(&in.Steps, consistencySteps)
	return nil
}

func stepsConsistency(in *langevinv1.Consistency) int {
	return cmp.Or(len(in.GetSigmas()), int(in.GetSteps()))
}

func planConsistency(
	in *langevinv1.Consistency, m models.Manifest, maxSteps int, bad *invalid,
) (sampling.Plan, sampling.Prior) {
	sigmas, steps := in.GetSigmas(), int(in.GetSteps())
	checkEvaluations(steps, 1, len(sigmas), maxSteps, bad)
	checkRho(in.GetRho(), bad)
	if len(sigmas) == 0 && len(*bad) == 0 {
		if sigmas = karrasSigmas(m, steps+1, in.GetRho(), bad); len(*bad) == 0 {
			sigmas = sigmas[:steps]
		}
	}
	if len(*bad) > 0 {
		return nil, sampling.Prior{}
	}
	in.Sigmas, in.Steps, in.Rho = sigmas, nil, nil
	c := sampling.Consistency{Schedule: scheduleOf(sigmas, bad)}
	if len(*bad) > 0 {
		return nil, sampling.Prior{}
	}
	plan, err := c.Plan()
	bad.join("", err)
	return plan, c.Prior()
}

// checkEvaluations checks the numbers of steps and of sigmas of a sampler with one evaluation for each.
func checkEvaluations(steps, least, sigmas, maxSteps int, bad *invalid) {
	if steps < least || steps > maxSteps {
		bad.add("steps", steps, "%d to %d (limits.max_steps)", least, maxSteps)
	}
	if sigmas > maxSteps {
		bad.add("sigmas", fmt.Sprintf("%d numbers", sigmas), "at most %d (limits.max_steps)", maxSteps)
	}
}

func checkRho(rho float64, bad *invalid) {
	if !(rho > 0) || math.IsInf(rho, 1) {
		bad.add("rho", rho, "a finite number above 0")
	}
}

// karrasSigmas returns the given number of sigmas from the model's largest to its smallest.
func karrasSigmas(m models.Manifest, levels int, rho float64, bad *invalid) []float64 {
	if len(m.Sigmas) < 2 {
		bad.add("sigmas", "left out", "at least two: the model has only one")
		return nil
	}
	schedule, err := sampling.Karras(m.Sigmas[0], m.Sigmas[len(m.Sigmas)-1], levels, rho)
	if err != nil {
		bad.add("rho", rho, "a value for which the %d sigmas differ", levels)
		return nil
	}
	return schedule.Sigmas()
}

// These functions return the values of the API's enums with their meanings. The zero value of an enum has been replaced
// by its default before.

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

func reverseMethods() []word[langevinv1.ReverseMethod, sampling.ReverseMethod] {
	return []word[langevinv1.ReverseMethod, sampling.ReverseMethod]{
		{langevinv1.ReverseMethod_REVERSE_METHOD_EULER, sampling.ReverseEuler},
		{langevinv1.ReverseMethod_REVERSE_METHOD_MULTISTEP, sampling.ReverseMultistep},
	}
}

// word pairs a value of the API's enum with its meaning in package sampling.
type word[Wire, Meaning comparable] struct {
	wire  Wire
	means Meaning
}

// choice returns the meaning of a value of the API. A value that the server does not know is added to bad.
func choice[W, M comparable](words []word[W, M], given W, field string, bad *invalid) M {
	for _, w := range words {
		if w.wire == given {
			return w.means
		}
	}
	bad.add(field, given, "a value that this server knows")
	return words[0].means
}

// named returns the API's value of a meaning.
func named[W, M comparable](words []word[W, M], meaning M) W {
	for _, w := range slices.Backward(words) {
		if w.means == meaning {
			return w.wire
		}
	}
	return words[0].wire
}
