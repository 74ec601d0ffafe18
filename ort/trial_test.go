package ort

import (
	"errors"
	"strings"
	"testing"

	"github.com/gomlx/compute-onnx/support/protos"

	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/models/modelstest"
)

// trialPaths are samples for which the padding of rows is decided in different ways.
var trialPaths = []struct {
	name     string
	convolve bool
	shape    []int
}{
	{"points", false, []int{2}},
	{"images", true, []int{1, 12, 12}},
	{"images without convolutions", false, []int{1, 12, 12}},
	{"large images without convolutions", false, []int{1, 64, 64}},
}

func TestTrialRefusesDependentRows(t *testing.T) {
	for _, path := range trialPaths {
		for _, c := range modelstest.Dependent(path.convolve, path.shape...) {
			t.Run(path.name+"/"+c.Name, func(t *testing.T) {
				m := modelstest.Manifest("dependent", path.shape...)
				s, err := theRuntime(t).Load(t.Context(), modelstest.Bytes(t, c.Model), m, Options{})
				if s != nil || !errors.Is(err, models.ErrInvalid) || strings.Contains(err.Error(), "\n") ||
					!strings.Contains(err.Error(), "a row's output must depend on that row alone") {
					t.Errorf("got %v: want an error that says that rows depend on each other", err)
				}
			})
		}
	}
}

func TestTrialAcceptsIndependentRows(t *testing.T) {
	for _, path := range trialPaths {
		for _, c := range modelstest.Independent(path.convolve, path.shape...) {
			t.Run(path.name+"/"+c.Name, func(t *testing.T) {
				load(t, c.Model, modelstest.Manifest("independent", path.shape...), Options{})
			})
		}
	}
}

// TestTrialLooksAtAllSigmas: a score that is not finite only at small sigmas is refused, and the error says where.
func TestTrialLooksAtAllSigmas(t *testing.T) {
	for _, path := range trialPaths {
		model := modelstest.Gaussian(path.shape...)
		g := model.Graph
		g.Initializer = append(g.Initializer, &protos.TensorProto{
			Name: "least", DataType: int32(protos.TensorProto_FLOAT), FloatData: []float32{0.05},
		})
		g.Node[0].Input = []string{"root", "root"}
		g.Node = append([]*protos.NodeProto{
			{OpType: "Sub", Input: []string{models.InputSigma, "least"}, Output: []string{"above"}},
			{OpType: "Sqrt", Input: []string{"above"}, Output: []string{"root"}},
		}, g.Node...)
		m := modelstest.Manifest("sqrt", path.shape...)
		load(t, model, m, Options{})
		m.Sigmas = append(m.Sigmas, 0.01)
		_, err := theRuntime(t).Load(t.Context(), modelstest.Bytes(t, model), m, Options{})
		const want = "the score is not finite at sigma 0.01: it is NaN in row "
		if !errors.Is(err, models.ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", path.name, err)
		}
	}
}

// bucketed returns a session on the CPU that treats rows as a session on a GPU does, before its trial.
func bucketed(t *testing.T, model *protos.ModelProto, m models.Manifest) *Session {
	t.Helper()
	device, err := ParseDevice(DeviceCPU)
	if err != nil {
		t.Fatal(err)
	}
	opened, err := newCopies(modelstest.Bytes(t, model), m, Options{}.withDefaults(), device)
	if err != nil {
		t.Fatal(err)
	}
	s := newSession(opened, m, device, "")
	s.buckets = true
	t.Cleanup(func() { s.Close() })
	return s
}

// TestTrialOfAGPU: where bits may depend on the number of rows, rows that depend on each other are still refused.
func TestTrialOfAGPU(t *testing.T) {
	m := modelstest.Manifest("bucketed", 2)
	for _, c := range modelstest.Dependent(false, 2) {
		if err := bucketed(t, c.Model, m).try(t.Context(), m, nil); !errors.Is(err, models.ErrInvalid) {
			t.Errorf("%s: %v: want it refused", c.Name, err)
		}
	}
	for _, c := range modelstest.Independent(false, 2) {
		if err := bucketed(t, c.Model, m).try(t.Context(), m, nil); err != nil {
			t.Errorf("%s: %v", c.Name, err)
		}
	}
}

// TestTrialTellsNoiseFromMixing: for a network whose scores of the same rows differ, the error says so, and does not
// say that rows mix.
func TestTrialTellsNoiseFromMixing(t *testing.T) {
	m := modelstest.Manifest("gauss", 2)
	s := load(t, modelstest.Gaussian(2), m, Options{})
	l, err := s.acquire()
	if err != nil {
		t.Fatal(err)
	}
	defer s.release(l)
	trial, err := s.newTrial(t.Context(), l, m)
	if err != nil {
		t.Fatal(err)
	}
	trial.output[0]++ // as if the first evaluation had been another one
	found, err := trial.find(t.Context())
	if found == nil || err != nil {
		t.Fatalf("found %v, %v: want a dependence", found, err)
	}
	if err := trial.explain(t.Context(), found); !strings.Contains(err.Error(), "it answers twice differently") {
		t.Errorf("got %v", err)
	}
}
