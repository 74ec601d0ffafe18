package ort

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/compute-onnx/support/protos"

	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/models/modelstest"
)

func TestStressedNumbers(t *testing.T) {
	for most, want := range map[int][]int{
		1: {1}, 16: {1, 2, 3, 4, 6, 8, 12, 16}, 41: {1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 41},
	} {
		if got := stressed(most); !slices.Equal(got, want) {
			t.Errorf("up to %d rows: %v: want %v", most, got, want)
		}
	}
	if got := oddSigmas([]float64{9, 4, 1}); len(got) != 9 || !slices.Contains(got, 6) || !slices.Contains(got, 2) ||
		!slices.Contains(got, 18) || !slices.Contains(got, 0.5) {
		t.Errorf("sigmas are %v: want the ends, twice and half of them, and 6 and 2 between", got)
	}
}

// TestStressFindsWhatTheTrialMisses: an index that is out of range only between two levels of the schedule.
func TestStressFindsWhatTheTrialMisses(t *testing.T) {
	model := modelstest.Gaussian(2)
	g := model.Graph
	scalar := func(name string, v float32) *protos.TensorProto {
		return &protos.TensorProto{Name: name, DataType: int32(protos.TensorProto_FLOAT), FloatData: []float32{v}}
	}
	table := &protos.TensorProto{Name: "table", Dims: []int64{1}, DataType: int32(protos.TensorProto_FLOAT),
		FloatData: []float32{0}}
	g.Initializer = append(g.Initializer, scalar("low", 2), scalar("high", 5), table)
	to := []*protos.AttributeProto{{Name: "to", Type: protos.AttributeProto_INT, I: int64(protos.TensorProto_INT64)}}
	g.Node[0].Input = []string{"odd", "odd"}
	g.Node = append([]*protos.NodeProto{
		{OpType: "Greater", Input: []string{models.InputSigma, "low"}, Output: []string{"above"}},
		{OpType: "Less", Input: []string{models.InputSigma, "high"}, Output: []string{"below"}},
		{OpType: "And", Input: []string{"above", "below"}, Output: []string{"between"}},
		{OpType: "Cast", Input: []string{"between"}, Output: []string{"index"}, Attribute: to},
		{OpType: "Gather", Input: []string{"table", "index"}, Output: []string{"nothing"}},
		{OpType: "Add", Input: []string{models.InputSigma, "nothing"}, Output: []string{"odd"}},
	}, g.Node...)
	m := modelstest.Manifest("odd", 2)
	s := load(t, model, m, Options{})
	if err := s.Stress(t.Context(), m); !errors.Is(err, models.ErrInvalid) || !strings.Contains(err.Error(), "rows") {
		t.Errorf("got %v: want the evaluation that fails", err)
	}
	sound := load(t, modelstest.Gaussian(2), m, Options{})
	if err := sound.Stress(t.Context(), m); err != nil {
		t.Error(err)
	}
}
