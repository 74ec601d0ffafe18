package rpc_test

import (
	"math"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
)

func class(k int32) *langevinv1.Given {
	return &langevinv1.Given{Condition: &langevinv1.Given_Class{Class: k}}
}

func named(name string) *langevinv1.Given {
	return &langevinv1.Given{Condition: &langevinv1.Given_ClassName{ClassName: name}}
}

func vector(values ...float32) *langevinv1.Given {
	return &langevinv1.Given{Condition: &langevinv1.Given_Vector{Vector: &langevinv1.Vector{Values: values}}}
}

// photos is a request for three chains of a model with three classes.
func photos(change func(*langevinv1.SampleRequest)) *langevinv1.SampleRequest {
	r := &langevinv1.SampleRequest{Model: "photos", N: proto.Int64(3), Seed: proto.Uint64(1)}
	change(r)
	return r
}

// drawn draws a request and returns its samples.
func (s *service) drawn(t *testing.T, r *langevinv1.SampleRequest) []float32 {
	t.Helper()
	r.Format = langevinv1.TensorFormat_TENSOR_FORMAT_FLOATS
	got, err := s.sample(t, t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	return got.chunks[0].GetTensor().GetValues()
}

// TestGiven: a condition for each chain gives each chain the bits that it has with this condition for all. A name is a
// class, and no condition is one too.
func TestGiven(t *testing.T) {
	s := start(t)
	each := s.drawn(t, photos(func(r *langevinv1.SampleRequest) {
		r.Given = []*langevinv1.Given{class(2), {}, named("green")}
	}))
	for i, same := range [][]*langevinv1.Given{{named("blue")}, nil, {class(1)}} {
		all := s.drawn(t, photos(func(r *langevinv1.SampleRequest) { r.Given = same }))
		if !slices.Equal(all[12*i:12*(i+1)], each[12*i:12*(i+1)]) {
			t.Errorf("chain %d given %v for all and for itself has other bits", i, same)
		}
		one := s.drawn(t, photos(func(r *langevinv1.SampleRequest) {
			r.Given, r.FirstChain, r.N = same, uint64(i), proto.Int64(1)
		}))
		if !slices.Equal(one, each[12*i:12*(i+1)]) {
			t.Errorf("chain %d alone has other bits", i)
		}
	}
}

// TestTerms: the terms of the started event give the same samples again, bit for bit. A term of the request's own model
// may name it or not, and classifier-free guidance is a term without a condition.
func TestTerms(t *testing.T) {
	s := start(t)
	scaled := photos(func(r *langevinv1.SampleRequest) {
		r.Given, r.GuidanceScale = []*langevinv1.Given{class(1)}, proto.Float64(3)
	})
	for name, tt := range map[string]struct{ a, b *langevinv1.SampleRequest }{
		"guidance scale": {scaled, photos(func(r *langevinv1.SampleRequest) {
			r.Given, r.OwnWeight = []*langevinv1.Given{class(1)}, proto.Float64(3)
			r.Terms = []*langevinv1.Term{{Model: "photos", Weight: proto.Float64(-2)}}
		})},
		"own model": {
			photos(func(r *langevinv1.SampleRequest) {
				r.Terms = []*langevinv1.Term{
					{Given: class(2)}, {Model: "photos", Version: 1, Weight: proto.Float64(-0.5)},
				}
			}),
			photos(func(r *langevinv1.SampleRequest) {
				r.Terms = []*langevinv1.Term{{Version: 1, Given: named("blue")}, {Weight: proto.Float64(-0.5)}}
			}),
		},
		"another model": {
			guided(&langevinv1.Guidance{Model: "points", Version: 1, Weight: proto.Float64(2)}),
			&langevinv1.SampleRequest{
				Model: "points", N: proto.Int64(3), Seed: proto.Uint64(1),
				Terms: []*langevinv1.Term{{Model: "points", Version: 1, Weight: proto.Float64(2)}},
			},
		},
		"scale of one": {
			photos(func(r *langevinv1.SampleRequest) {
				r.Given = []*langevinv1.Given{class(1)}
				r.GuidanceScale, r.OwnWeight = proto.Float64(1), proto.Float64(1)
			}),
			photos(func(r *langevinv1.SampleRequest) { r.Given = []*langevinv1.Given{class(1)} }),
		},
	} {
		a, b := s.drawn(t, tt.a), s.drawn(t, tt.b)
		if !slices.Equal(a, b) {
			t.Errorf("%s: the two requests have other samples", name)
		}
		got, err := s.sample(t, t.Context(), tt.b)
		if err != nil {
			t.Fatal(err)
		}
		for _, term := range got.started.GetTerms() {
			if term.GetModel() == "" || term.GetVersion() == 0 || len(term.GetDigest()) != 64 || term.Weight == nil {
				t.Errorf("%s: started has the term %v, want a complete one", name, term)
			}
		}
		again := proto.CloneOf(tt.b)
		told := got.started
		again.Given, again.Terms, again.OwnWeight = told.GetGiven(), told.GetTerms(), told.OwnWeight
		if !slices.Equal(s.drawn(t, again), b) {
			t.Errorf("%s: what the started event says has other samples", name)
		}
	}
	if got, err := s.sample(t, t.Context(), scaled); err != nil || got.started.GetGuidanceScale() != 3 ||
		!proto.Equal(got.started.GetGiven()[0], class(1)) {
		t.Errorf("started says %v, error %v", got.started, err)
	}
}

// TestApproximate: the started event says where a sampler cannot draw from a product.
func TestApproximate(t *testing.T) {
	s := start(t)
	consistent := &langevinv1.AnnealedLangevin{
		Consistent: proto.Bool(true), StepsPerLevel: proto.Int32(1), StepLr: proto.Float64(0.01),
	}
	corrected := &langevinv1.PredictorCorrector{
		N: proto.Int32(10), Corrector: langevinv1.Corrector_CORRECTOR_ANNEALED_LANGEVIN,
	}
	terms := func(r *langevinv1.SampleRequest) { r.Terms = []*langevinv1.Term{{Given: class(1)}} }
	scale := func(w float64) func(*langevinv1.SampleRequest) {
		return func(r *langevinv1.SampleRequest) {
			r.Given, r.GuidanceScale = []*langevinv1.Given{class(1)}, &w
		}
	}
	guide := func(w float64) func(*langevinv1.SampleRequest) {
		return func(r *langevinv1.SampleRequest) { r.Guidance = &langevinv1.Guidance{Model: "photos", Weight: &w} }
	}
	for _, tt := range []struct {
		sampler proto.Message // nil: the default
		change  func(*langevinv1.SampleRequest)
		want    bool
	}{
		{nil, terms, false},
		{&langevinv1.Langevin{Steps: proto.Int32(10)}, terms, false},
		{corrected, terms, false},
		{consistent, terms, true},
		{&langevinv1.PredictorCorrector{N: proto.Int32(10)}, terms, true},
		{&langevinv1.ProbabilityFlow{}, terms, true},
		{&langevinv1.EDM{}, terms, true},
		{&langevinv1.ReverseSDE{}, terms, true},
		{&langevinv1.ReverseSDE{}, scale(2), true},
		{&langevinv1.ReverseSDE{}, scale(1), false},
		{&langevinv1.ReverseSDE{}, scale(0), false},
		{&langevinv1.ReverseSDE{}, guide(1), false},
		{&langevinv1.ReverseSDE{}, guide(2), true},
		{&langevinv1.ReverseSDE{}, func(r *langevinv1.SampleRequest) { r.OwnWeight = proto.Float64(2) }, true},
		{&langevinv1.ReverseSDE{}, func(r *langevinv1.SampleRequest) { r.OwnWeight = proto.Float64(1) }, false},
	} {
		req := photos(tt.change)
		if tt.sampler != nil {
			langevinv1.SetSampler(req, tt.sampler)
		}
		got, err := s.sample(t, t.Context(), req)
		if err != nil {
			t.Fatalf("%v: %v", req, err)
		}
		if got.started.GetApproximate() != tt.want {
			t.Errorf("%v: approximate is %v, want %v", req, got.started.GetApproximate(), tt.want)
		}
	}
}

// TestEvaluations: what a call cost counts every network, and its steps do not.
func TestEvaluations(t *testing.T) {
	s := start(t)
	given := []*langevinv1.Given{class(1)}
	for name, tt := range map[string]struct {
		evaluations int64 // of a step
		change      func(*langevinv1.SampleRequest)
	}{
		"none":       {1, func(*langevinv1.SampleRequest) {}},
		"own weight": {1, func(r *langevinv1.SampleRequest) { r.OwnWeight = proto.Float64(2) }},
		"term":       {2, func(r *langevinv1.SampleRequest) { r.Terms = []*langevinv1.Term{{}} }},
		"two terms":  {3, func(r *langevinv1.SampleRequest) { r.Terms = []*langevinv1.Term{{}, {Given: class(2)}} }},
		"guide":      {2, func(r *langevinv1.SampleRequest) { r.Guidance = &langevinv1.Guidance{Model: "photos"} }},
		"scale":      {2, func(r *langevinv1.SampleRequest) { r.Given, r.GuidanceScale = given, proto.Float64(2) }},
		"scale of 0": {2, func(r *langevinv1.SampleRequest) { r.Given, r.GuidanceScale = given, proto.Float64(0) }},
		"scale of 1": {1, func(r *langevinv1.SampleRequest) { r.Given, r.GuidanceScale = given, proto.Float64(1) }},
		"scale and a term": {3, func(r *langevinv1.SampleRequest) {
			r.Given, r.GuidanceScale, r.Terms = given, proto.Float64(2), []*langevinv1.Term{{}}
		}},
	} {
		r := photos(tt.change)
		langevinv1.SetSampler(r, &langevinv1.Langevin{Steps: proto.Int32(4)})
		got, err := s.sample(t, t.Context(), r)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got.started.GetSteps() != 4 || got.done.GetNfe() != 3*4*tt.evaluations {
			t.Errorf("%s: %d steps and %d evaluations of 3 chains, want 4 and %d", name, got.started.GetSteps(),
				got.done.GetNfe(), 3*4*tt.evaluations)
		}
	}
}

// TestSigmasOfTerms: models of terms need the sigmas of the request's own model, also with a sampler that
// raises the noise further.
func TestSigmasOfTerms(t *testing.T) {
	s := start(t)
	other := func(change func(*langevinv1.SampleRequest)) *langevinv1.SampleRequest {
		r := &langevinv1.SampleRequest{Model: "points", N: proto.Int64(1)}
		langevinv1.SetSampler(r, &langevinv1.EDM{})
		change(r)
		return r
	}
	for name, r := range map[string]*langevinv1.SampleRequest{
		"term": other(func(r *langevinv1.SampleRequest) {
			r.Terms = []*langevinv1.Term{{Model: "points", Version: 1}}
		}),
		"guide": other(func(r *langevinv1.SampleRequest) {
			r.Guidance = &langevinv1.Guidance{Model: "points", Version: 1}
		}),
		"noise of Langevin dynamics": other(func(r *langevinv1.SampleRequest) {
			r.Terms = []*langevinv1.Term{{Model: "points", Version: 1}}
			langevinv1.SetSampler(r, &langevinv1.Langevin{Sigma: proto.Float64(1e6), Steps: proto.Int32(1)})
		}),
	} {
		if _, err := s.sample(t, t.Context(), r); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestBadTerms: every mistake is refused with one line that names the field and what is allowed.
func TestBadTerms(t *testing.T) {
	s := start(t)
	given := func(model string, list ...*langevinv1.Given) *langevinv1.SampleRequest {
		return photos(func(r *langevinv1.SampleRequest) { r.Model, r.Given = model, list })
	}
	scale := func(r *langevinv1.SampleRequest, w float64) *langevinv1.SampleRequest {
		r.GuidanceScale = &w
		return r
	}
	terms := func(list ...*langevinv1.Term) *langevinv1.SampleRequest {
		return photos(func(r *langevinv1.SampleRequest) { r.Terms = list })
	}
	weight := func(r *langevinv1.SampleRequest, w float64) *langevinv1.SampleRequest {
		r.OwnWeight = &w
		return r
	}
	both := terms(&langevinv1.Term{})
	both.Guidance = &langevinv1.Guidance{Model: "photos"}
	nan := float32(math.NaN())
	toJumps := terms(&langevinv1.Term{Model: "jumps"})
	toJumps.Model = "points"
	ofJumps := func(change func(*langevinv1.SampleRequest)) *langevinv1.SampleRequest {
		r := given("jumps")
		change(r)
		return r
	}
	const noScore = "model is jumps: want a model with a score, which a consistency model does not have"
	const jumps = "want none: jumps is a consistency model, which has no score"
	for _, tt := range []struct {
		says string
		req  *langevinv1.SampleRequest
	}{
		{"given[0].class is 0: want none, because the model has no conditions", given("digits", class(0))},
		{"given[0].class is 3: want 0 to 2", given("photos", class(3))},
		{"given[0].class is -1: want 0 to 2", given("photos", class(-1))},
		{`given[0].class_name is "gren": want a class of the model: did you mean "green" or`,
			given("photos", named("gren"))},
		{"given[1].class is 7", given("photos", class(1), class(7), class(8))},
		{"given is 2 conditions: want one for all, or one for each of the 3", given("photos", class(1), class(2))},
		{"given[0].vector.values: condition has 1 number: want one of 3 classes", given("photos", vector(1))},
		{"given[0].vector.values: condition has 1 number: want 12", given("sides", vector(1))},
		{"given[0].vector.values: condition number 11 is NaN",
			given("sides", vector(append(make([]float32, 11), nan)...))},
		{"given is missing: want a class from 0 to 1 (shirt, shoe), because clothes was not trained without a " +
			"condition", given("clothes")},
		{"given[0] is missing: want a class from 0 to 1 (shirt, shoe)", given("clothes", &langevinv1.Given{})},
		{"guidance_scale is 2: want none: digits takes no condition", scale(given("digits"), 2)},
		{"guidance_scale is 2: want 1 or none: clothes was not trained without its condition",
			scale(given("clothes", class(1)), 2)},
		{"guidance_scale is 2: want a condition in given too, a class from 0 to 2 (red, green, blue)",
			scale(given("photos"), 2)},
		{"guidance_scale is NaN", scale(given("photos", class(1)), math.NaN())},
		{"guidance_scale is 1e+300: want a finite number that float32 can hold",
			scale(given("photos", class(1)), 1e300)},
		{"terms[0].weight is -1: want weights that add up to more than 0: own_weight, 1, and those of terms add up " +
			"to 0", terms(&langevinv1.Term{Weight: proto.Float64(-1)})},
		{"terms[1].weight is -2.5: want weights that add up to more than 0: own_weight, 1, and those of terms add up " +
			"to -1", terms(&langevinv1.Term{Weight: proto.Float64(0.5)},
			&langevinv1.Term{Weight: proto.Float64(-2.5)})},
		{"own_weight is 0.1: want weights that add up to more than 0", weight(terms(
			&langevinv1.Term{Weight: proto.Float64(0.2)}, &langevinv1.Term{Weight: proto.Float64(-0.3)}), 0.1)},
		{"own_weight is 0: want weights that add up", weight(given("photos"), 0)},
		{"own_weight is -1: want weights that add up", weight(given("photos"), -1)},
		{"own_weight is +Inf", weight(given("photos"), math.Inf(1))},
		{"terms is 9 terms: want at most 8", terms(slices.Repeat([]*langevinv1.Term{{}}, 9)...)},
		{"terms[0].weight is NaN", terms(&langevinv1.Term{Weight: proto.Float64(math.NaN())})},
		{`terms[1].model is "A/B"`, terms(&langevinv1.Term{}, &langevinv1.Term{Model: "A/B"})},
		{"terms[0].model is points: want a model whose samples have shape [3 2 2], as photos has",
			terms(&langevinv1.Term{Model: "points"})},
		{"terms[0].model is clothes: want a model for the sampler's sigmas, 10 to 0.1: it was trained at 1 to 0.1",
			terms(&langevinv1.Term{Model: "clothes", Given: class(1)})},
		{"terms[0].version is 4: want 0 or the request's own, 1", terms(&langevinv1.Term{Version: 4})},
		{"terms[0].version is -1: want a positive version", terms(&langevinv1.Term{Version: -1})},
		{`terms[0].digest is "other": want the digest of photos version 1`, terms(&langevinv1.Term{Digest: "other"})},
		{"terms[0].given.class is 3: want 0 to 2", terms(&langevinv1.Term{Given: class(3)})},
		{"terms[0].given is missing: want a class from 0 to 1 (shirt, shoe)",
			terms(&langevinv1.Term{Model: "clothes"})},
		{"guidance is set: want either guidance or terms: a term with a weight is a guide", both},
		{"own_weight is 1: want none with guidance",
			weight(guided(&langevinv1.Guidance{Model: "points"}), 1)},
		{"guidance.model is clothes: want a model that needs no condition",
			photos(func(r *langevinv1.SampleRequest) { r.Guidance = &langevinv1.Guidance{Model: "clothes"} })},
		{"terms[0]." + noScore, toJumps},
		{"guidance." + noScore, guided(&langevinv1.Guidance{Model: "jumps"})},
		{"desc = guidance is set: " + jumps,
			ofJumps(func(r *langevinv1.SampleRequest) { r.Guidance = &langevinv1.Guidance{Model: "points"} })},
		{"desc = terms is set: " + jumps,
			ofJumps(func(r *langevinv1.SampleRequest) { r.Terms = []*langevinv1.Term{{Model: "points"}} })},
		{"desc = own_weight is 2: " + jumps, weight(given("jumps"), 2)},
	} {
		_, err := s.sample(t, t.Context(), tt.req)
		if status.Code(err) != codes.InvalidArgument || !strings.Contains(err.Error(), tt.says) ||
			strings.Contains(err.Error(), "\n") {
			t.Errorf("got %v, want one line of INVALID_ARGUMENT with %q", err, tt.says)
		}
	}
	infinite := terms(&langevinv1.Term{Weight: proto.Float64(math.Inf(-1))})
	for _, req := range []*langevinv1.SampleRequest{both, infinite} {
		if _, err := s.sample(t, t.Context(), req); err == nil || strings.Contains(err.Error(), ";") {
			t.Errorf("got %v, want one mistake", err)
		}
	}
	_, err := s.sample(t, t.Context(), terms(&langevinv1.Term{Model: "fotos"}))
	if status.Code(err) != codes.NotFound || !strings.Contains(err.Error(), "terms[0]: ") {
		t.Errorf("unknown model of a term: %v, want NOT_FOUND", err)
	}
}

// TestConsistencyHasNoScore: scores, latents and densities of a consistency model are refused, and all samplers but its
// own. Its samples are not.
func TestConsistencyHasNoScore(t *testing.T) {
	s := start(t)
	x := &langevinv1.Tensor{Values: []float32{1, 2}}
	calls := map[string]func() error{
		"score": func() error {
			_, err := s.sampling.Score(t.Context(), &langevinv1.ScoreRequest{Model: "jumps", X: x, Sigma: []float32{1}})
			return err
		},
		"encode": func() error {
			_, err := s.sampling.Encode(t.Context(), &langevinv1.EncodeRequest{Model: "jumps", X: x})
			return err
		},
		"decode": func() error {
			_, err := s.sampling.Decode(t.Context(), &langevinv1.DecodeRequest{Model: "jumps", Latent: x})
			return err
		},
		"likelihood": func() error {
			_, err := s.sampling.LogLikelihood(t.Context(), &langevinv1.LogLikelihoodRequest{Model: "jumps", X: x})
			return err
		},
	}
	for name, call := range calls {
		const want = "model is jumps: want a model with a score"
		if err := call(); status.Code(err) != codes.InvalidArgument || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want INVALID_ARGUMENT with %q", name, err, want)
		}
	}
	if got := s.drawn(t, &langevinv1.SampleRequest{Model: "jumps", N: proto.Int64(3)}); len(got) != 6 {
		t.Errorf("%d values of 3 samples, want 6", len(got))
	}
	for _, d := range langevinv1.Samplers() {
		req := &langevinv1.SampleRequest{Model: "jumps", N: proto.Int64(3)}
		langevinv1.SetSampler(req, d.New())
		_, err := s.sample(t, t.Context(), req)
		want := d.Field + " is set: want consistency or no sampler: jumps is a consistency model, which has no score"
		if d.Field == "consistency" {
			want = ""
		}
		if status.Convert(err).Message() != want {
			t.Errorf("sampler %s: %v, want %q", d.Field, err, want)
		}
	}
}

// TestPointsGiven: scores, latents and densities are those of the condition.
func TestPointsGiven(t *testing.T) {
	s := start(t)
	const sigma, values = 2, langevinv1.TensorFormat_TENSOR_FORMAT_FLOATS
	score, err := s.sampling.Score(t.Context(), &langevinv1.ScoreRequest{
		Model: "photos", X: &langevinv1.Tensor{Values: make([]float32, 24)}, Sigma: []float32{sigma},
		Given: []*langevinv1.Given{class(2), class(1)}, GuidanceScale: proto.Float64(3), Format: values,
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range score.GetScore().GetValues() {
		mean := []float64{2, 1}[i/12] // of the class; without a condition it is 0
		if want := 3 * mean / (1 + sigma*sigma); math.Abs(float64(v)-want) > 1e-6 {
			t.Errorf("score %g, want %g", v, want)
		}
	}
	x := &langevinv1.Tensor{Values: slices.Repeat([]float32{2.5}, 12)}
	for _, given := range []*langevinv1.Given{class(0), class(2)} {
		list := []*langevinv1.Given{given}
		encoded, err := s.sampling.Encode(t.Context(),
			&langevinv1.EncodeRequest{Model: "photos", X: x, Given: list, Format: values})
		if err != nil {
			t.Fatal(err)
		}
		decoded, err := s.sampling.Decode(t.Context(),
			&langevinv1.DecodeRequest{Model: "photos", Latent: encoded.GetLatent(), Given: list, Format: values})
		if err != nil {
			t.Fatal(err)
		}
		if v := decoded.GetSample().GetValues()[0]; math.Abs(float64(v)-2.5) > 1e-3 {
			t.Errorf("%v: encodes and decodes to %g, want 2.5", given, v)
		}
		density, err := s.sampling.LogLikelihood(t.Context(), &langevinv1.LogLikelihoodRequest{
			Model: "photos", X: x, Given: list, Exact: true,
			Flow: &langevinv1.FlowOptions{
				SigmaMin: proto.Float64(0.01), SigmaMax: proto.Float64(500), Rtol: proto.Float64(1e-3),
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		off := 2.5 - float64(given.GetClass())
		want := -6 * (math.Log(2*math.Pi) + off*off)
		if got := density.GetLogLikelihood()[0]; math.Abs(got-want) > 0.1 {
			t.Errorf("%v: log density %.3f, want %.3f", given, got, want)
		}
	}
	_, err = s.sampling.Score(t.Context(), &langevinv1.ScoreRequest{
		Model: "clothes", X: &langevinv1.Tensor{Values: make([]float32, 12)}, Sigma: []float32{1},
	})
	if status.Code(err) != codes.InvalidArgument || !strings.Contains(err.Error(), "given is missing") {
		t.Errorf("score without a condition: %v", err)
	}
}
