package models_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/compute-onnx/support/protos"
	"google.golang.org/protobuf/proto"

	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/models/modelstest"
)

// ofClassAndLevel returns [modelstest.Foreign] of three levels with a table for the class in the input cond, which is
// itself a possible noise schedule. The class's table and node come first in the graph, or last.
func ofClassAndLevel(first bool) *protos.ModelProto {
	model := modelstest.Foreign(10, 1, 0.1)
	g := model.GetGraph()
	g.Initializer[0].Name, g.Node[0].Input[0] = "levels", "levels" // a name that is not usual for a schedule
	cond := modelstest.Value("cond")
	cond.GetType().GetTensorType().ElemType = int32(protos.TensorProto_INT64)
	table := &protos.TensorProto{Name: "emb.weight", DataType: int32(protos.TensorProto_FLOAT), Dims: []int64{4},
		FloatData: []float32{40, 30, 20, 10}}
	nodes := []*protos.NodeProto{
		{Name: "id", OpType: "Identity", Input: []string{"cond"}, Output: []string{"class"}},
		{Name: "embed", OpType: "Gather", Input: []string{"emb.weight", "class"}, Output: []string{"embedded"}},
	}
	g.Input = append(g.Input, cond)
	if first {
		g.Node, g.Initializer = slices.Concat(nodes, g.Node), slices.Insert(g.Initializer, 0, table)
	} else {
		g.Node, g.Initializer = slices.Concat(g.Node, nodes), append(g.Initializer, table)
	}
	return model
}

// TestTables: a table is the one of the noise levels or of the classes by the input that selects from it, in any order.
func TestTables(t *testing.T) {
	classes := func(n int, dropped bool) *models.Condition { return &models.Condition{Classes: n, Dropped: dropped} }
	for _, tt := range []struct {
		sigmas    []float64
		condition *models.Condition
		warning   string
		err       string
	}{
		{[]float64{10, 1, 0.1}, classes(4, false), "", ""},
		{[]float64{10, 1, 0.1}, classes(3, true), "", ""},
		{[]float64{10, 1, 0.1}, classes(2, true),
			`--classes is 2 and one for none: the network has 4, the rows of its tensor "emb.weight"`, ""},
		{[]float64{10, 1}, classes(4, false), "the network knows the labels of 3 levels, the rows of its tensor " +
			`"levels", and the schedule has 2: give the training's with --sigmas`, ""},
		{[]float64{10, 5, 1, 0.1}, classes(4, false), "", `the network knows the labels of 3 levels`},
		{[]float64{10, 1, 0.1}, classes(5, false), "",
			`--classes is 5: the network has 4, the rows of its tensor "emb.weight"`},
		{[]float64{10, 1, 0.1}, classes(4, true), "", "--classes is 4 and one for none: the network has 4"},
	} {
		for _, first := range []bool{false, true} {
			name := fmt.Sprintf("%v, %v, class first: %v", tt.sigmas, tt.condition, first)
			var warnings []string
			f := models.Foreign{Warn: func(text string) { warnings = append(warnings, text) }}
			model := ofClassAndLevel(first)
			found, err := f.FindSigmas(model, tt.condition)
			if err != nil || !slices.Equal(found, []float64{10, 1, float64(float32(0.1))}) {
				t.Errorf("%s: found sigmas %v, %v: want those of the labels", name, found, err)
			}
			m := modelstest.Conditional(*tt.condition, "theirs")
			m.Sigmas, m.Prior.Std = tt.sigmas, tt.sigmas[0]
			_, err = models.Adopt(model, f, m)
			if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%s: got %v: want %q", name, err, tt.err)
			}
			if got := strings.Join(warnings, "; "); err == nil && got != tt.warning {
				t.Errorf("%s: warns %q: want %q", name, got, tt.warning)
			}
		}
	}
}

// TestStepTable: a network has a row for each of its steps.
func TestStepTable(t *testing.T) {
	f := models.Foreign{
		Process: models.Process{Kind: models.ProcessCosine}, Takes: models.Level{Kind: models.LevelStep, Steps: 4},
	}
	m := models.Manifest{Format: models.Format, Name: "theirs", Range: models.Range{High: 1},
		Sampler: models.Sampler{Kind: models.SamplerAnnealedLangevin, StepsPerLevel: 1}}
	_, err := models.Adopt(modelstest.Foreign(10, 1, 0.1), f, m)
	want := `--time is steps:4: the network has 3 steps, the rows of its tensor "net.sigmas"`
	if !errors.Is(err, models.ErrInvalid) || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v: want %q", err, want)
	}
}

// TestCheckClassTable: a manifest must not have more classes than the graph's table.
func TestCheckClassTable(t *testing.T) {
	means := [][]float32{{0, 0}, {1, 0}, {2, 0}}
	for _, tt := range []struct {
		condition models.Condition
		want      string
	}{
		{models.Condition{Classes: 3}, ""},
		{models.Condition{Classes: 2, Dropped: true}, ""},
		{models.Condition{Classes: 4}, `condition.classes is 4: the network has 3, the rows of its tensor "means"`},
		{models.Condition{Classes: 3, Dropped: true}, "condition.classes is 3 and one for none: the network has 3"},
	} {
		m := modelstest.Conditional(tt.condition, "classes", 2)
		whole := modelstest.GaussianOfClass(means, 2)
		for _, graph := range []*protos.ModelProto{whole, castTable(whole, "means")} {
			err := models.Rules{}.Check(graph, m)
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v: got %v: want %q", &tt.condition, err, tt.want)
			}
		}
	}
}

// castTable returns a copy of a model that has a tensor in float16, which it casts to float32.
func castTable(model *protos.ModelProto, name string) *protos.ModelProto {
	graph := proto.CloneOf(model)
	for _, tensor := range graph.Graph.Initializer {
		if tensor.GetName() == name {
			tensor.Name, tensor.DataType = name+"/half", int32(protos.TensorProto_FLOAT16)
			tensor.RawData, tensor.FloatData = make([]byte, 2*len(floats(tensor))), nil
		}
	}
	cast := &protos.NodeProto{OpType: "Cast", Input: []string{name + "/half"}, Output: []string{name},
		Attribute: []*protos.AttributeProto{
			{Name: "to", Type: protos.AttributeProto_INT, I: int64(protos.TensorProto_FLOAT)},
		}}
	graph.Graph.Node = slices.Insert(graph.Graph.Node, 0, cast)
	return graph
}
