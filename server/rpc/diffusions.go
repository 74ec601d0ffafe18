package rpc

import (
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/langevin-ml/langevin/models"
	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
	"github.com/langevin-ml/langevin/sampling"
)

// Defaults of the samplers of Song et al. (2021) and Karras et al. (2022) for requests that leave them out.
const (
	defaultTimes     = 1000
	defaultSNR       = 0.16
	defaultFlowSteps = 50
	karrasRho        = 7
)

func compilePredictorCorrector(in *langevinv1.PredictorCorrector, m models.Manifest, maxSteps int, bad *invalid) compiled {
	const field = "predictor_corrector."
	before := len(*bad)
	pc := sampling.PredictorCorrector{
		SDE:       sdeOf(in.GetSde(), m, bad),
		N:         defaultTimes,
		Predictor: choice(predictors(), in.GetPredictor(), field+"predictor", bad),
		Corrector: choice(correctors(), in.GetCorrector(), field+"corrector", bad),
		SNR:       defaultSNR, CorrectorSteps: 1, Denoise: true,
	}
	pc.Epsilon = pc.SDE.SmallestTime()
	override(&pc.N, in.N)
	override(&pc.CorrectorSteps, in.CorrectorSteps)
	override(&pc.SNR, in.Snr)
	override(&pc.Epsilon, in.Epsilon)
	if in.Denoise != nil {
		pc.Denoise = in.GetDenoise()
	}
	if pc.CorrectorSteps < 1 { // checked without a corrector too
		bad.add(field+"corrector_steps", pc.CorrectorSteps, "at least 1")
	}
	if !(pc.SNR > 0 && pc.SNR < 1) {
		bad.add(field+"snr", pc.SNR, "above 0 and below 1")
	}
	if pc.Epsilon == 0 { // which would mean the default
		bad.add(field+"epsilon", 0, "above 0 and below 1")
	}
	if pc.N > maxSteps/(1+max(0, pc.CorrectorSteps)) {
		bad.add(field+"n", pc.N, "at most %d evaluations of a chain in all (limits.max_steps)", maxSteps)
	}
	if len(*bad) > before {
		return compiled{}
	}
	bad.join(field, pc.CheckDim(m.Dim()))
	plan, err := pc.Plan()
	if bad.join(field, err); err != nil {
		return compiled{}
	}
	return compiled{plan, pc.Prior(), func(s *langevinv1.Started) {
		s.Sampler = &langevinv1.Started_PredictorCorrector{PredictorCorrector: predictorCorrectorProto(pc)}
	}}
}

// sdeOf reads a process; what is left out comes from the model or the paper.
func sdeOf(in *langevinv1.Sde, m models.Manifest, bad *invalid) sampling.SDE {
	const field = "predictor_corrector.sde."
	s := sampling.PaperSDE(choice(processes(), in.GetProcess(), field+"process", bad))
	s.SigmaMin, s.SigmaMax = m.Sigmas[len(m.Sigmas)-1], m.Sigmas[0]
	if in != nil {
		override(&s.SigmaMin, in.SigmaMin)
		override(&s.SigmaMax, in.SigmaMax)
		override(&s.BetaMin, in.BetaMin)
		override(&s.BetaMax, in.BetaMax)
	}
	for _, process := range []sampling.Process{sampling.VE, sampling.VP} { // the other's settings have to make sense too
		checked := s
		checked.Process = process
		bad.join(field, checked.Validate())
	}
	return s
}

func sdeProto(s sampling.SDE) *langevinv1.Sde {
	out := &langevinv1.Sde{Process: named(processes(), s.Process)}
	if s.Process == sampling.VE {
		out.SigmaMin, out.SigmaMax = &s.SigmaMin, &s.SigmaMax
	} else {
		out.BetaMin, out.BetaMax = &s.BetaMin, &s.BetaMax
	}
	return out
}

func predictorCorrectorProto(pc sampling.PredictorCorrector) *langevinv1.PredictorCorrector {
	return &langevinv1.PredictorCorrector{
		Sde: sdeProto(pc.SDE), N: proto.Int32(int32(pc.N)),
		Predictor: named(predictors(), pc.Predictor), Corrector: named(correctors(), pc.Corrector),
		CorrectorSteps: proto.Int32(int32(pc.CorrectorSteps)), Snr: &pc.SNR, Epsilon: &pc.Epsilon, Denoise: &pc.Denoise,
	}
}

func compileFlow(in *langevinv1.ProbabilityFlow, m models.Manifest, maxSteps int, bad *invalid) compiled {
	const field = "probability_flow."
	before := len(*bad)
	flow := sampling.ProbabilityFlow{Method: choice(flowMethods(), in.GetMethod(), field+"method", bad), Denoise: true}
	if in.Denoise != nil {
		flow.Denoise = in.GetDenoise()
	}
	steps := defaultFlowSteps
	override(&steps, in.Steps)
	if steps < 1 || steps > maxSteps {
		bad.add(field+"steps", steps, "1 to %d (limits.max_steps)", maxSteps)
		return compiled{}
	}
	var err error
	if sigmas := in.GetSigmas(); len(sigmas) > 0 {
		flow.Schedule, err = sampling.NewSchedule(sigmas...)
	} else {
		flow.Schedule, err = sampling.Karras(m.Sigmas[0], m.Sigmas[len(m.Sigmas)-1], steps+1, karrasRho)
	}
	if err != nil {
		bad.add(field+"sigmas", err, "finite, positive, strictly decreasing numbers")
	}
	if len(*bad) > before {
		return compiled{}
	}
	plan, err := flow.Plan()
	if len(plan) > maxSteps {
		bad.add(field+"steps", flow.Schedule.Levels()-1, "at most %d evaluations in all (limits.max_steps)", maxSteps)
	}
	if bad.join(field, err); err != nil {
		return compiled{}
	}
	return compiled{plan, flow.Prior(), func(s *langevinv1.Started) {
		s.Sampler = &langevinv1.Started_ProbabilityFlow{ProbabilityFlow: &langevinv1.ProbabilityFlow{
			Sigmas: flow.Schedule.Sigmas(), Method: named(flowMethods(), flow.Method), Denoise: &flow.Denoise,
		}}
	}}
}

// The words of the wire and what they mean. Of two words with one meaning the last is the one that answers use.

func processes() []word[langevinv1.Process, sampling.Process] {
	return []word[langevinv1.Process, sampling.Process]{
		{langevinv1.Process_PROCESS_UNSPECIFIED, sampling.VE},
		{langevinv1.Process_PROCESS_VE, sampling.VE},
		{langevinv1.Process_PROCESS_VP, sampling.VP},
		{langevinv1.Process_PROCESS_SUB_VP, sampling.SubVP},
	}
}

func predictors() []word[langevinv1.Predictor, sampling.Predictor] {
	return []word[langevinv1.Predictor, sampling.Predictor]{
		{langevinv1.Predictor_PREDICTOR_UNSPECIFIED, sampling.ReverseDiffusion},
		{langevinv1.Predictor_PREDICTOR_NONE, sampling.NoPredictor},
		{langevinv1.Predictor_PREDICTOR_EULER_MARUYAMA, sampling.EulerMaruyama},
		{langevinv1.Predictor_PREDICTOR_REVERSE_DIFFUSION, sampling.ReverseDiffusion},
		{langevinv1.Predictor_PREDICTOR_ANCESTRAL, sampling.Ancestral},
	}
}

func correctors() []word[langevinv1.Corrector, sampling.Corrector] {
	return []word[langevinv1.Corrector, sampling.Corrector]{
		{langevinv1.Corrector_CORRECTOR_UNSPECIFIED, sampling.NoCorrector},
		{langevinv1.Corrector_CORRECTOR_NONE, sampling.NoCorrector},
		{langevinv1.Corrector_CORRECTOR_LANGEVIN, sampling.LangevinCorrector},
		{langevinv1.Corrector_CORRECTOR_ANNEALED_LANGEVIN, sampling.AnnealedCorrector},
	}
}

func flowMethods() []word[langevinv1.FlowMethod, sampling.FlowMethod] {
	return []word[langevinv1.FlowMethod, sampling.FlowMethod]{
		{langevinv1.FlowMethod_FLOW_METHOD_UNSPECIFIED, sampling.FlowHeun},
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
