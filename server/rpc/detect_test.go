package rpc_test

import (
	"math"
	"strings"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/langevin-ml/langevin/models"
	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
	"github.com/langevin-ml/langevin/sampling"
	"github.com/langevin-ml/langevin/sampling/detect"
)

// normOf is the norm of the exact score of N(0, 1) with noise at x, times sigma.
func normOf(x []float32, sigma float64) float64 {
	var square float64
	for _, v := range x {
		square += float64(v) * float64(v)
	}
	return sigma * math.Sqrt(square) / (1 + sigma*sigma)
}

// withDetector returns a manifest with a detector that was fitted to samples of N(0, 1), with conditions if the model
// has them, which then stand for none.
func withDetector(t *testing.T, m models.Manifest) models.Manifest {
	t.Helper()
	sigmas := []float64{2, 0.5}
	var norms []float64
	for i := range 2 * detect.LeastRows {
		x := make([]float32, m.Dim())
		sampling.Noise{Seed: 7, Chain: uint64(i)}.Normal(x, 0)
		for _, sigma := range sigmas {
			norms = append(norms, normOf(x, sigma))
		}
	}
	d, err := detect.Fit(sigmas, norms)
	if err != nil {
		t.Fatal(err)
	}
	d.Given = m.Condition != nil
	m.Detector = d
	m.Format = m.WantFormat()
	return m
}

// TestDetect compares with the detector on the exact norms, also for a table, in its units, and for rows with
// conditions, which move them to the middle.
func TestDetect(t *testing.T) {
	s := start(t)
	near, far := make([]float32, 20), make([]float32, 20)
	for i := range near {
		near[i], far[i] = 1, 3
	}
	for _, c := range []struct {
		model string
		x     *langevinv1.Tensor
		seen  [][]float32 // what is seen of the rows, less the mean of their condition
		given []*langevinv1.Given
	}{
		{model: "digits", x: floats(append(near, far...)...), seen: [][]float32{near, far}},
		{model: "pets", x: floats(180, 1, 3, 300, 0, 3), seen: [][]float32{{1, -1, 1}, {13, 1, -1}}},
		{model: "clothes", x: floats(append(near[:12], far[:12]...)...), given: []*langevinv1.Given{class(0), class(1)},
			seen: [][]float32{near[:12], {2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2}}},
	} {
		answer, err := s.sampling.Detect(t.Context(),
			&langevinv1.DetectRequest{Model: c.model, X: c.x, Given: c.given, Deviations: c.given == nil})
		if err != nil {
			t.Errorf("%s: %v", c.model, err)
			continue
		}
		described, err := s.models.GetModel(t.Context(), &langevinv1.GetModelRequest{Name: c.model})
		if err != nil {
			t.Fatal(err)
		}
		about := described.GetModel().GetDetector()
		if about.GetCalibrated() != detect.LeastRows || answer.GetCalibrated() != detect.LeastRows ||
			about.GetGiven() != (c.given != nil) || len(about.GetSigmas()) != 2 {
			t.Errorf("%s: detector %v, answer %v", c.model, about, answer)
		}
		if levels := 2 * len(c.seen); c.given == nil && len(answer.GetDeviation()) != levels ||
			c.given != nil && len(answer.GetDeviation()) != 0 {
			t.Errorf("%s: %d deviations, want %d if asked for", c.model, len(answer.GetDeviation()), levels)
			continue
		}
		m := withDetector(t, models.Manifest{Shape: []int{len(c.seen[0])}})
		for i, x := range c.seen {
			want := m.Detector.Distance([]float64{normOf(x, 2), normOf(x, 0.5)})
			if got := answer.GetDistance()[i]; math.Abs(got-want) > 1e-2*(1+want) {
				t.Errorf("%s: distance of row %d is %g, want %g", c.model, i, got, want)
			}
			if wanted := m.Detector.Deviations([]float64{normOf(x, 2), normOf(x, 0.5)}); c.given == nil {
				for j, z := range answer.GetDeviation()[2*i : 2*i+2] {
					if math.Abs(z-wanted[j]) > 1e-2*(1+math.Abs(wanted[j])) {
						t.Errorf("%s: deviation %d of row %d is %g, want %g", c.model, j, i, z, wanted[j])
					}
				}
			}
			p := answer.GetPValue()[i]
			if alarm := p <= 0.01; alarm != (i == 1) || p != m.Detector.PValue(answer.GetDistance()[i]) {
				t.Errorf("%s: p-value of row %d is %g", c.model, i, p)
			}
		}
	}
	if s.seen.pValues != 6 {
		t.Errorf("%d p-values were observed, want 6", s.seen.pValues)
	}
}

func TestDetectRefuses(t *testing.T) {
	s := start(t)
	photo := points()
	for want, c := range map[string]struct {
		req  *langevinv1.DetectRequest
		code codes.Code
	}{
		"langevin detect fit points --data FILE --out FOLDER puts a copy": {&langevinv1.DetectRequest{X: floats(1, 2)},
			codes.FailedPrecondition},
		"x is 0 elements": {&langevinv1.DetectRequest{Model: "digits"}, codes.InvalidArgument},
		"x is 3 elements: want rows of 20": {&langevinv1.DetectRequest{Model: "digits",
			X: floats(1, 2, 3)}, codes.InvalidArgument},
		"x is NaN at element 1": {&langevinv1.DetectRequest{Model: "pets",
			X: floats(170, float32(math.NaN()), 3)}, codes.InvalidArgument},
		"column \"kind\" is 2": {&langevinv1.DetectRequest{Model: "pets", X: floats(170, 2, 3)}, codes.InvalidArgument},
		"x is 101 rows: want at": {&langevinv1.DetectRequest{Model: "digits", X: floats(make([]float32, 2020)...)},
			codes.InvalidArgument},
		"given is missing: want a class from 0 to 2": {&langevinv1.DetectRequest{Model: "photos", X: photo},
			codes.InvalidArgument},
		"given is 2 conditions": {&langevinv1.DetectRequest{Model: "photos", X: photo,
			Given: []*langevinv1.Given{class(1), class(2)}}, codes.InvalidArgument},
		"given": {&langevinv1.DetectRequest{Model: "digits", X: floats(make([]float32, 20)...),
			Given: []*langevinv1.Given{class(1)}}, codes.InvalidArgument},
		"not found": {&langevinv1.DetectRequest{Model: "nobody", X: photo}, codes.NotFound},
	} {
		_, err := s.sampling.Detect(t.Context(), c.req)
		if status.Code(err) != c.code || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %v with %q", err, c.code, want)
		}
		reason := ""
		for _, detail := range status.Convert(err).Details() {
			if info, ok := detail.(*errdetails.ErrorInfo); ok {
				reason = info.GetReason()
			}
		}
		if (reason == langevinv1.ReasonNoDetector) != (c.code == codes.FailedPrecondition) {
			t.Errorf("%q has the reason %s", want, reason)
		}
	}
}
