package models_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/compute-onnx/support/protos"

	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/models/modelstest"
)

// TestFindSigmas looks for schedules with the names and in the places that exporters use.
func TestFindSigmas(t *testing.T) {
	const float, double = int32(protos.TensorProto_FLOAT), int32(protos.TensorProto_DOUBLE)
	list := func(name string, values ...float32) *protos.TensorProto {
		return &protos.TensorProto{Name: name, DataType: float, Dims: []int64{int64(len(values))}, FloatData: values}
	}
	doubles := &protos.TensorProto{Name: "sigmas", DataType: double, Dims: []int64{2}, DoubleData: []float64{3, 2}}
	raw := &protos.TensorProto{Name: "sigmas", DataType: float, Dims: []int64{1}, RawData: []byte{0, 0, 0x40, 0x40}}
	matrix := list("sigmas", 3, 2)
	matrix.Dims = []int64{2, 1}
	selects := func(m *protos.ModelProto) { // PyTorch's exporter of 2026 writes sigmas[labels] in this form
		m.Graph.Initializer = []*protos.TensorProto{list("val_2", 5, 4)}
		m.Graph.Node = []*protos.NodeProto{
			{OpType: "Unsqueeze", Input: []string{"labels", "axes"}, Output: []string{"val_7"}},
			{OpType: "GatherND", Input: []string{"val_2", "val_7"}, Output: []string{"val_9"}},
		}
	}
	stored := func(tensors ...*protos.TensorProto) func(*protos.ModelProto) {
		return func(m *protos.ModelProto) { m.Graph.Initializer, m.Graph.Node = tensors, nil }
	}
	for _, tt := range []struct {
		name   string
		change func(*protos.ModelProto)
		want   []float64
		err    string
	}{
		{"a buffer", stored(list("sigmas", 3, 2)), []float64{3, 2}, ""},
		{"of a module", stored(list("module.net.sigmas", 3, 2)), []float64{3, 2}, ""},
		{"of torch.export", stored(list("b_net_sigmas", 3, 2)), []float64{3, 2}, ""},
		{"a parameter of torch.export", stored(list("p_sigmas", 3, 2)), []float64{3, 2}, ""},
		{"in float64", stored(doubles), []float64{3, 2}, ""},
		{"in bytes", stored(raw), []float64{3}, ""},
		{"a constant", func(m *protos.ModelProto) {
			m.Graph.Initializer = nil
			m.Graph.Node = []*protos.NodeProto{{OpType: "Constant", Output: []string{"net.sigmas"},
				Attribute: []*protos.AttributeProto{{Name: "value", T: list("", 3, 2)}}}}
		}, []float64{3, 2}, ""},
		{"what labels select from", selects, []float64{5, 4}, ""},
		{"a name before what labels select from", func(m *protos.ModelProto) {
			selects(m)
			m.Graph.Initializer = append(m.Graph.Initializer, list("sigmas", 3, 2))
		}, []float64{3, 2}, ""},
		{"the same twice", stored(list("sigmas", 3, 2), list("ema.sigmas", 3, 2)), []float64{3, 2}, ""},
		{"two", stored(list("sigmas", 3, 2), list("ema.sigmas", 3, 1)), nil,
			`tensors "sigmas" and "ema.sigmas" could both be`},
		{"two, of which one is none", stored(list("sigmas", 1, 2), list("ema.sigmas", 3, 1)), []float64{3, 1}, ""},
		{"logarithms", stored(list("log_sigmas", 3, 2), list("b_log_sigmas", 3, 2)), nil, ""},
		{"increasing", stored(list("sigmas", 2, 3)), nil, ""},
		{"zero", stored(list("sigmas", 2, 0)), nil, ""},
		{"empty", stored(list("sigmas")), nil, ""},
		{"two axes", stored(matrix), nil, ""},
	} {
		model := modelstest.Foreign(10, 1, 0.1)
		tt.change(model)
		got, err := models.Foreign{}.FindSigmas(model, nil)
		if !slices.Equal(got, tt.want) || (err != nil) != (tt.err != "") {
			t.Errorf("%s: %v, %v: want %v", tt.name, got, err, tt.want)
		}
		if err != nil && (!errors.Is(err, models.ErrInvalid) || !strings.Contains(err.Error(), tt.err)) {
			t.Errorf("%s: %v: want %q", tt.name, err, tt.err)
		}
	}
}
