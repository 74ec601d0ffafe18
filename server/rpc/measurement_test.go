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

// measuring returns a request for 200 samples of photos, which are N(0, 1) of shape [3, 2, 2], whose first pixel was
// measured as (1, -2, 0.5) with noise of standard deviation 0.5.
func measuring() *langevinv1.SampleRequest {
	return &langevinv1.SampleRequest{
		Model: "photos", N: proto.Int64(200), Seed: proto.Uint64(1),
		Format: langevinv1.TensorFormat_TENSOR_FORMAT_FLOATS,
		Measurement: &langevinv1.Measurement{
			Operator: &langevinv1.Measurement_Mask{Mask: &langevinv1.Mask{Seen: []bool{true, false, false, false}}},
			Values:   floats(1, -2, 0.5), NoiseStd: 0.5,
			Method: &langevinv1.Measurement_Particles{Particles: &langevinv1.Particles{
				Count: proto.Int32(16), Spread: proto.Float64(1),
			}},
		},
		Sampler: &langevinv1.SampleRequest_ReverseSde{ReverseSde: &langevinv1.ReverseSDE{
			Steps: proto.Int32(60),
		}},
	}
}

// TestMeasurement: samples and evidence agree with the posterior, which is N(0.8 y, 0.2) for the measured elements, and
// a request made from the started event gives the same samples.
func TestMeasurement(t *testing.T) {
	s := start(t)
	got, err := s.sample(t, t.Context(), measuring())
	if err != nil {
		t.Fatal(err)
	}
	x, y := got.chunks[0].GetTensor().GetValues(), []float64{1, -2, 0.5}
	evidence := 0.0
	for channel, v := range y {
		mean := 0.0
		for i := 4 * channel; i < len(x); i += 12 {
			mean += float64(x[i]) / 200
		}
		if want := 0.8 * v; math.Abs(mean-want) > 0.15 {
			t.Errorf("mean of channel %d is %.3f, want %.3f", channel, mean, want)
		}
		evidence -= math.Log(2*math.Pi*1.25)/2 + v*v/2.5
	}
	if e := got.done.GetLogEvidence(); math.Abs(e-evidence) > 0.1 {
		t.Errorf("log evidence %.3f, want %.3f", e, evidence)
	}
	if size := got.done.GetEffectiveSize(); !(size > 1 && size < 16) || len(got.chunks[0].GetEffectiveSize()) == 0 {
		t.Errorf("effective sizes %v, and %g in all", got.chunks[0].GetEffectiveSize(), size)
	}
	if want := got.started.GetSteps() * 200 * 16; got.done.GetNfe() != want || got.started.GetResumable() {
		t.Errorf("%d evaluations, resumable %v; want %d and not", got.done.GetNfe(), got.started.GetResumable(), want)
	}
	again := measuring()
	again.Measurement = got.started.GetMeasurement()
	again.Sampler = &langevinv1.SampleRequest_ReverseSde{ReverseSde: got.started.GetReverseSde()}
	same, err := s.sample(t, t.Context(), again)
	if err != nil || !proto.Equal(same.chunks[0].GetTensor(), got.chunks[0].GetTensor()) {
		t.Errorf("made from the started event: other samples, or %v", err)
	}
	if rule := got.started.GetReverseSde().GetMethod(); rule != langevinv1.ReverseMethod_REVERSE_METHOD_MULTISTEP {
		t.Errorf("particles move by %v, want the multistep method", rule)
	}
	again.GetReverseSde().Method = langevinv1.ReverseMethod_REVERSE_METHOD_EULER
	other, err := s.sample(t, t.Context(), again)
	if err != nil || proto.Equal(other.chunks[0].GetTensor(), got.chunks[0].GetTensor()) {
		t.Errorf("by Euler's method: the same samples, or %v", err)
	}
}

// TestMeasurementMethods: the default follows the number of measured values, and every method draws samples that were
// measured as they should.
func TestMeasurementMethods(t *testing.T) {
	s := start(t)
	for name, test := range map[string]struct {
		change      func(*langevinv1.SampleRequest)
		approximate bool
	}{
		"default":   {func(r *langevinv1.SampleRequest) { r.Measurement.Method = nil }, false},
		"particles": {func(*langevinv1.SampleRequest) {}, false},
		"ddrm": {func(r *langevinv1.SampleRequest) {
			r.Measurement.Method = &langevinv1.Measurement_Ddrm{}
		}, true},
		"snips": {func(r *langevinv1.SampleRequest) {
			r.Measurement.Method, r.Sampler = &langevinv1.Measurement_Snips{}, nil
		}, true},
		"langevin": {func(r *langevinv1.SampleRequest) {
			r.Measurement.Method, r.Sampler = &langevinv1.Measurement_Langevin{}, nil
		}, true},
	} {
		req := measuring()
		test.change(req)
		req.Measurement.NoiseStd = 0.01
		got, err := s.sample(t, t.Context(), req)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got.started.GetApproximate() != test.approximate {
			t.Errorf("%s: approximate is %v", name, !test.approximate)
		}
		x, mean := got.chunks[0].GetTensor().GetValues(), 0.0
		for i := 4; i < len(x); i += 12 {
			mean += float64(x[i]) / 200
		}
		if math.Abs(mean+2) > 0.4 {
			t.Errorf("%s: mean of what was measured as -2 is %.3f", name, mean)
		}
		req.N = proto.Int64(1)
		for _, extreme := range []struct{ std, spread float64 }{
			{1e18, 1e18}, {1e18, 1e-18}, {0, 1e18}, {1e-200, 1e-18},
		} {
			req.Measurement.NoiseStd = extreme.std
			if p := req.Measurement.GetParticles(); p != nil {
				p.Spread = &extreme.spread
			}
			if _, err := s.sample(t, t.Context(), req); err != nil {
				t.Errorf("%s with %v: %v", name, extreme, err)
			}
		}
	}
	many := &langevinv1.SampleRequest{Model: "digits", Measurement: &langevinv1.Measurement{
		Operator: &langevinv1.Measurement_Pool{Pool: &langevinv1.AveragePool{Factor: 1}},
		Values:   floats(make([]float32, 20)...), NoiseStd: 1,
	}}
	if got, err := s.sample(t, t.Context(), many); err != nil || got.started.GetMeasurement().GetDdrm() == nil {
		t.Errorf("with 20 measured values: %v, %v, want ddrm", got.started.GetMeasurement(), err)
	}
}

// TestCollapse: a measurement that no particle agrees with is reported, or refused.
func TestCollapse(t *testing.T) {
	s := start(t)
	req := measuring()
	req.N = proto.Int64(3)
	req.Measurement.Values = floats(200, -300, 400)
	req.Measurement.NoiseStd = 0.01
	req.Measurement.GetParticles().Guided = proto.Bool(false)
	got, err := s.sample(t, t.Context(), req)
	if err != nil || got.done.GetCollapsed() != 3 || got.done.GetEffectiveSize() >= 2 {
		t.Errorf("done says %v, %v; want 3 collapsed chains", got.done, err)
	}
	few := measuring()
	few.Measurement.GetParticles().Count = proto.Int32(2)
	got, err = s.sample(t, t.Context(), few)
	if err != nil || got.started.GetMeasurement().GetLeastEffectiveSize() != 1.125 || got.done.GetCollapsed() > 150 {
		t.Errorf("with 2 particles %v, %v, %v; want some of 200 chains that did not collapse", got.started, got.done,
			err)
	}
	req.Measurement.RefuseCollapsed = true
	_, err = s.sample(t, t.Context(), req)
	if code, reason := status.Code(err), reasonOf(status.Convert(err)); code != codes.FailedPrecondition ||
		reason != langevinv1.ReasonCollapsed ||
		!strings.Contains(err.Error(), "more particles, fewer values or more noise") {
		t.Errorf("refused with %v (%s)", err, reason)
	}
}

// TestBadMeasurements: a mistake is one line that names the field.
func TestBadMeasurements(t *testing.T) {
	s := start(t)
	nan := float32(math.NaN())
	measurement := func(change func(y *langevinv1.Measurement)) func(*langevinv1.SampleRequest) {
		return func(r *langevinv1.SampleRequest) { change(r.GetMeasurement()) }
	}
	for says, change := range map[string]func(*langevinv1.SampleRequest){
		"measurement.operator is missing": measurement(func(y *langevinv1.Measurement) {
			y.Operator = nil
		}),
		"measurement.values is 2 elements: want 3": measurement(func(y *langevinv1.Measurement) {
			y.Values = floats(1, 2)
		}),
		"measurement.values is NaN at element 1": measurement(func(y *langevinv1.Measurement) {
			y.Values = floats(1, nan, 3)
		}),
		"measurement.values is 0.707 away from all that the operator measures of samples": measurement(
			func(y *langevinv1.Measurement) {
				y.Operator, y.Values, y.NoiseStd = matrix(slices.Repeat([]float32{1}, 24)), floats(1, 2), 0
			}),
		"measurement.values is 1e+30 at element 1: want from -": measurement(func(y *langevinv1.Measurement) {
			y.Values = floats(1, 1e30, 0)
		}),
		"measurement.noise_std is 1e+300: want from 0 to 1e+18": measurement(func(y *langevinv1.Measurement) {
			y.NoiseStd = 1e300
		}),
		"measurement.particles.spread is 1e+300: want from 1e-18 to 1e+18": measurement(
			func(y *langevinv1.Measurement) { y.GetParticles().Spread = proto.Float64(1e300) }),
		"measurement.noise_std is -1": measurement(func(y *langevinv1.Measurement) {
			y.NoiseStd = -1
		}),
		"measurement.mask.seen is 5": measurement(func(y *langevinv1.Measurement) {
			y.GetMask().Seen = make([]bool, 5)
		}),
		"measurement.mask is all unset": measurement(func(y *langevinv1.Measurement) {
			y.GetMask().Seen = make([]bool, 4)
		}),
		"measurement.grey is set for samples of 1 channel: want samples of at least 2 channels": func(
			r *langevinv1.SampleRequest) {
			r.Model, r.Measurement.Operator = "digits", &langevinv1.Measurement_Grey{}
		},
		"measurement.pool.factor is 3": measurement(func(y *langevinv1.Measurement) {
			y.Operator = pool(3)
		}),
		"measurement.blur.kernel is 4": measurement(func(y *langevinv1.Measurement) {
			y.Operator = blur(floats(1, 2, 3, 4))
		}),
		"measurement.matrix.rows is all 0": measurement(func(y *langevinv1.Measurement) {
			y.Operator = matrix(make([]float32, 12))
		}),
		"measurement.matrix.rows is NaN": measurement(func(y *langevinv1.Measurement) {
			y.Operator = matrix(append(make([]float32, 11), nan))
		}),
		"measurement.matrix.rows is 5 element": measurement(func(y *langevinv1.Measurement) {
			y.Operator = matrix(make([]float32, 5))
		}),
		"measurement.matrix.rows is 2000 rows": measurement(func(y *langevinv1.Measurement) {
			y.Operator = matrix(make([]float32, 24000))
		}),
		"measurement.particles.count is 33: want 2 to 32 (limits.max_particles)": measurement(
			func(y *langevinv1.Measurement) { y.GetParticles().Count = proto.Int32(33) }),
		"measurement.particles.count is 1": measurement(func(y *langevinv1.Measurement) {
			y.GetParticles().Count, y.LeastEffectiveSize = proto.Int32(1), proto.Float64(1)
		}),
		"measurement.particles.spread is 0": measurement(func(y *langevinv1.Measurement) {
			y.GetParticles().Spread = proto.Float64(0)
		}),
		"measurement.least_effective_size is 17": measurement(func(y *langevinv1.Measurement) {
			y.LeastEffectiveSize = proto.Float64(17)
		}),
		"reverse_sde.eta is 2": func(r *langevinv1.SampleRequest) { r.GetReverseSde().Eta = proto.Float64(2) },
		"sampler is edm: want reverse_sde or none with particles, which the server chose for at most " +
			"16 measured values: particles and ddrm follow reverse_sde, and snips and langevin follow " +
			"annealed_langevin": func(r *langevinv1.SampleRequest) {
			r.Sampler, r.Measurement.Method = &langevinv1.SampleRequest_Edm{Edm: &langevinv1.EDM{}}, nil
		},
		"sampler is reverse_sde: want annealed_langevin or none with snips: ": measurement(
			func(y *langevinv1.Measurement) { y.Method = &langevinv1.Measurement_Snips{} }),
		"measurement.least_effective_size is 2: want none with ddrm: ": measurement(
			func(y *langevinv1.Measurement) {
				y.Method, y.LeastEffectiveSize = &langevinv1.Measurement_Ddrm{}, proto.Float64(2)
			}),
		"measurement.refuse_collapsed is true: want false with ddrm, which the server chose for more": measurement(
			func(y *langevinv1.Measurement) {
				y.Method, y.RefuseCollapsed, y.Values = nil, true, floats(make([]float32, 17)...)
			}),
		"annealed_langevin.consistent is true": func(r *langevinv1.SampleRequest) {
			r.Measurement.Method = &langevinv1.Measurement_Snips{}
			r.Sampler = &langevinv1.SampleRequest_AnnealedLangevin{
				AnnealedLangevin: &langevinv1.AnnealedLangevin{Consistent: proto.Bool(true)}}
		},
		"measurement is set together with guidance": func(r *langevinv1.SampleRequest) {
			r.Guidance = &langevinv1.Guidance{Model: "photos"}
		},
		"measurement is set together with terms": func(r *langevinv1.SampleRequest) {
			r.Terms = []*langevinv1.Term{{Given: &langevinv1.Given{Condition: &langevinv1.Given_Class{Class: 1}}}}
		},
		"measurement is set together with inpainting": func(r *langevinv1.SampleRequest) {
			r.Condition = inpainting(12, true, true, true, true)
		},
		"measurement is set together with colourisation": func(r *langevinv1.SampleRequest) {
			r.Condition = &langevinv1.SampleRequest_Colourisation{Colourisation: &langevinv1.Colourisation{
				Grey: floats(1, 2, 3, 4)}}
		},
		"measurement is set together with interpolation": func(r *langevinv1.SampleRequest) {
			r.Interpolation = &langevinv1.Interpolation{Columns: 2}
		},
		"jumps is a consistency model": func(r *langevinv1.SampleRequest) { r.Model = "jumps" },
		"resume is set: want none with particles": func(r *langevinv1.SampleRequest) {
			r.Resume = &langevinv1.Resume{Digest: strings.Repeat("0", 64), X: floats(make([]float32, 2400)...)}
		},
	} {
		req := measuring()
		change(req)
		if _, err := s.sample(t, t.Context(), req); status.Code(err) != codes.InvalidArgument ||
			!strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "\n") {
			t.Errorf("got %v, want INVALID_ARGUMENT with %q", err, says)
		}
	}
}

func pool(factor int32) *langevinv1.Measurement_Pool {
	return &langevinv1.Measurement_Pool{Pool: &langevinv1.AveragePool{Factor: factor}}
}

func blur(kernel *langevinv1.Tensor) *langevinv1.Measurement_Blur {
	return &langevinv1.Measurement_Blur{Blur: &langevinv1.Blur{Kernel: kernel}}
}

func matrix(rows []float32) *langevinv1.Measurement_Matrix {
	return &langevinv1.Measurement_Matrix{Matrix: &langevinv1.Matrix{Rows: floats(rows...)}}
}
