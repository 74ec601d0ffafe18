package rpc

import (
	"errors"
	"runtime"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/models/modelstest"
	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
	"github.com/langevin-ml/langevin/sampling"
	"github.com/langevin-ml/langevin/server/batch"
)

// TestStepsOfEveryKind compares the number of steps that a kind's settings stand for with the length of its plan. A
// refused request has no plan.
func TestStepsOfEveryKind(t *testing.T) {
	heun, none := langevinv1.FlowMethod_FLOW_METHOD_HEUN, langevinv1.Corrector_CORRECTOR_NONE
	alone, annealed := langevinv1.Predictor_PREDICTOR_NONE, langevinv1.Corrector_CORRECTOR_ANNEALED_LANGEVIN
	samplers := []proto.Message{
		&langevinv1.PredictorCorrector{N: proto.Int32(7), CorrectorSteps: proto.Int32(3)},
		&langevinv1.PredictorCorrector{N: proto.Int32(7), Corrector: none},
		&langevinv1.PredictorCorrector{Predictor: alone, Corrector: annealed},
		&langevinv1.PredictorCorrector{Predictor: alone, Corrector: annealed, Denoise: proto.Bool(false)},
		&langevinv1.ProbabilityFlow{Steps: proto.Int32(9), Method: heun},
		&langevinv1.ProbabilityFlow{Sigmas: []float64{5, 3, 1}},
		&langevinv1.ProbabilityFlow{Sigmas: []float64{5, 3, 1}, Denoise: proto.Bool(false)},
		&langevinv1.Langevin{Steps: proto.Int32(4), Denoise: proto.Bool(true)},
		&langevinv1.EDM{Sigmas: []float64{5, 3, 1}},
		&langevinv1.ReverseSDE{Sigmas: []float64{5, 3, 1}, Denoise: proto.Bool(false)},
		&langevinv1.ReverseSDE{Steps: proto.Int32(9)},
		&langevinv1.Consistency{Steps: proto.Int32(3)},
		&langevinv1.Consistency{Sigmas: []float64{5, 3, 1}},
		&langevinv1.AnnealedLangevin{StepsPerLevel: proto.Int32(3)},
	}
	for _, d := range langevinv1.Samplers() {
		samplers = append(samplers, d.New())
	}
	for _, sampler := range samplers {
		req := &langevinv1.SampleRequest{}
		if !langevinv1.SetSampler(req, sampler) {
			t.Fatalf("a request has no field for %T", sampler)
		}
		var bad invalid
		said := 0
		count := func(steps int) error { said = steps; return nil }
		got, err := compile(req, modelstest.Manifest("points", 2), 100_000, count, &bad)
		if err := errors.Join(err, bad.err()); err != nil {
			t.Fatalf("%T %v: %v", sampler, sampler, err)
		}
		if said != len(got.plan) {
			t.Errorf("%T %v stands for %d steps, and its plan has %d", sampler, sampler, said, len(got.plan))
		}
		refused := errors.New("refused")
		got, err = compile(req, modelstest.Manifest("points", 2), 100_000, func(int) error { return refused }, &bad)
		if !errors.Is(err, refused) || got.plan != nil {
			t.Errorf("%T refused: %v with a plan of %d steps, want none", sampler, err, len(got.plan))
		}
	}
}

// TestSamplerOfRequests: a request without a sampler has the model's default, and annealed Langevin dynamics if its
// chains follow more than the model. A request with one has its own settings, and the model's for the others.
func TestSamplerOfRequests(t *testing.T) {
	reverse := modelstest.Manifest("points", 2)
	reverse.Sampler.Kind, reverse.Sampler.ReverseSDE = models.SamplerReverseSDE, &models.ReverseSDE{Steps: 12, Eta: 1.5}
	annealed := reverse
	annealed.Sampler.Kind, annealed.Sampler.ReverseSDE = models.SamplerAnnealedLangevin, nil
	few := annealed
	few.Sampler.Kind = models.SamplerConsistency
	few.Sampler.Consistency = &models.Consistency{Sigmas: []float64{3, 2, 1}}
	plain := &langevinv1.SampleRequest{}
	guided := &langevinv1.SampleRequest{Guidance: &langevinv1.Guidance{Model: "guide"}}
	inpainted := &langevinv1.SampleRequest{
		Condition: &langevinv1.SampleRequest_Inpainting{Inpainting: &langevinv1.Inpainting{}},
	}
	own := &langevinv1.SampleRequest{Sampler: &langevinv1.SampleRequest_ReverseSde{
		ReverseSde: &langevinv1.ReverseSDE{Steps: proto.Int32(7)},
	}}
	ownFew, bareFew := &langevinv1.SampleRequest{}, &langevinv1.SampleRequest{}
	langevinv1.SetSampler(ownFew, &langevinv1.Consistency{Steps: proto.Int32(4)})
	langevinv1.SetSampler(bareFew, &langevinv1.Consistency{})
	bare := &langevinv1.SampleRequest{}
	langevinv1.SetSampler(bare, &langevinv1.ReverseSDE{})
	for _, c := range []struct {
		name  string
		req   *langevinv1.SampleRequest
		m     models.Manifest
		same  models.Manifest // whose default is the plan
		steps int
		eta   float64
	}{
		{"default", plain, reverse, reverse, 12, 1.5},
		{"annealed default", plain, annealed, annealed, 15, 0},
		{"guided", guided, reverse, annealed, 15, 0},
		{"inpainted", inpainted, reverse, annealed, 15, 0},
		{"consistency default", plain, few, few, 3, 0},
		{"inpainted, without a score", inpainted, few, few, 3, 0},
		{"scaled", &langevinv1.SampleRequest{GuidanceScale: proto.Float64(2)}, reverse, annealed, 15, 0},
		{"scale of one", &langevinv1.SampleRequest{GuidanceScale: proto.Float64(1)}, reverse, reverse, 12, 1.5},
		{"terms", &langevinv1.SampleRequest{Terms: []*langevinv1.Term{{}}}, reverse, annealed, 15, 0},
		{"weighted", &langevinv1.SampleRequest{OwnWeight: proto.Float64(2)}, reverse, annealed, 15, 0},
		{"given", &langevinv1.SampleRequest{Given: []*langevinv1.Given{{}}}, reverse, reverse, 12, 1.5},
		{"own steps", own, reverse, models.Manifest{}, 7, 1.5},
		{"no settings, another default", bare, annealed, models.Manifest{}, 35, 2},
		{"own steps, another default", own, annealed, models.Manifest{}, 7, 2},
		{"own consistency steps", ownFew, few, models.Manifest{}, 4, 0},
		{"consistency of another model", bareFew, annealed, models.Manifest{}, 2, 0},
	} {
		var bad invalid
		got, err := compile(c.req, c.m, 1000, func(int) error { return nil }, &bad)
		if err := errors.Join(err, bad.err()); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if sde, _ := got.message.(*langevinv1.ReverseSDE); got.plan.NFE() != c.steps || sde.GetEta() != c.eta {
			t.Errorf("%s: %d evaluations of %v, want %d, eta %g", c.name, got.plan.NFE(), got.message, c.steps, c.eta)
		}
		if c.same.Name == "" {
			continue
		}
		want, prior, err := c.same.Default()
		if err != nil || !slices.Equal(got.plan, want) || got.prior != prior {
			t.Errorf("%s: plan and prior differ from those of the manifest, error %v", c.name, err)
		}
	}
}

// TestRefusalIsCheap: to refuse 100,000 steps allocates no plan of them, whose steps take 40 bytes each.
func TestRefusalIsCheap(t *testing.T) {
	refused := errors.New("refused")
	for _, sampler := range []proto.Message{
		&langevinv1.Langevin{Steps: proto.Int32(100_000)},
		&langevinv1.ProbabilityFlow{Steps: proto.Int32(50_000)},
		&langevinv1.EDM{Steps: proto.Int32(50_000)},
		&langevinv1.ReverseSDE{Steps: proto.Int32(100_000)},
		&langevinv1.Consistency{Steps: proto.Int32(100_000)},
		&langevinv1.AnnealedLangevin{StepsPerLevel: proto.Int32(10_000)},
	} {
		req := &langevinv1.SampleRequest{}
		langevinv1.SetSampler(req, sampler)
		m := modelstest.Manifest("points", 2)
		const runs = 100
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range runs {
			var bad invalid
			if _, err := compile(req, m, 100_000, func(int) error { return refused }, &bad); !errors.Is(err, refused) {
				t.Fatalf("%T: %v %v", sampler, err, bad.err())
			}
		}
		runtime.ReadMemStats(&after)
		if bytes := (after.TotalAlloc - before.TotalAlloc) / runs; bytes > 20_000 {
			t.Errorf("%T: a refusal allocates %d bytes, want hardly any", sampler, bytes)
		}
	}
}

// TestCostOfTerms: a caller's quota pays for the evaluations of all terms.
func TestCostOfTerms(t *testing.T) {
	o := order{job: batch.Job{N: 3, Plan: make(sampling.Plan, 5), StartStep: 1}}
	for terms, want := range []int64{12, 24, 36} {
		o.job.Sum = &sampling.Sum{Terms: make([]sampling.Term, terms)}
		if got := o.cost(); got != want {
			t.Errorf("%d further terms: %d evaluations, want %d", terms, got, want)
		}
	}
}
