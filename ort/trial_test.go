package ort

import (
	"errors"
	"strings"
	"testing"

	"github.com/gomlx/compute-onnx/support/protos"

	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/models/modelstest"
)

// trialPaths are samples by which the padding of rows is settled in different ways.
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

// TestTrialLooksAtAllSigmas: a score that is not finite at small sigmas alone is refused, and the error says where.
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
