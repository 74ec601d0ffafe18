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

func TestAdopt(t *testing.T) {
	model := modelstest.Foreign(10, 1, 0.1)
	if got := models.FindSigmas(model); len(got) != 3 || got[0] != 10 || got[1] != 1 {
		t.Errorf("found sigmas %v", got)
	}
	m := modelstest.Manifest("theirs")
	m, err := models.Adopt(model, models.Foreign{}, m)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(m.Shape, []int{2}) {
		t.Errorf("shape is %v", m.Shape)
	}
	data := modelstest.Bytes(t, model)
	read, err := models.Read(data)
	if err != nil || read.Name != "theirs" {
		t.Errorf("its manifest is %+v, %v", read, err)
	}
	if _, err := models.Decode(data, read); err != nil {
		t.Error(err)
	}
}

func TestAdoptRefuses(t *testing.T) {
	retype := func(v *protos.ValueInfoProto, kind protos.TensorProto_DataType) {
		v.GetType().GetTensorType().ElemType = int32(kind)
	}
	fixed := func(v *protos.ValueInfoProto, axis int, size int64) {
		v.GetType().GetTensorType().GetShape().GetDim()[axis].Value = &protos.TensorShapeProto_Dimension_DimValue{DimValue: size}
	}
	for _, tt := range []struct {
		name    string
		change  func(*protos.GraphProto)
		foreign models.Foreign
		want    string
	}{
		{"one input", func(g *protos.GraphProto) { g.Input = g.Input[:1] }, models.Foreign{}, "want two, samples and noise level"},
		{"three inputs", func(g *protos.GraphProto) { g.Input = append(g.Input, modelstest.Value("c")) }, models.Foreign{}, `inputs are ["labels" "samples" "c"]`},
		{"other names", nil, models.Foreign{X: "images"}, `want "images"`},
		{"two outputs", func(g *protos.GraphProto) { g.Output = append(g.Output, modelstest.Value("h", 2)) }, models.Foreign{}, `outputs are ["out" "h"]: want one`},
		{"fixed batch", func(g *protos.GraphProto) { fixed(g.Input[1], 0, 64) }, models.Foreign{}, `samples: shape is [64 2]: want a free first axis, so export with dynamic_axes`},
		{"fixed batch of labels", func(g *protos.GraphProto) { fixed(g.Input[0], 0, 64) }, models.Foreign{}, "labels: shape is [64]"},
		{"double samples", func(g *protos.GraphProto) { retype(g.Output[0], protos.TensorProto_DOUBLE) }, models.Foreign{}, "score: type is DOUBLE: want FLOAT"},
		{"half sigma", func(g *protos.GraphProto) { retype(g.Input[0], protos.TensorProto_FLOAT16) }, models.Foreign{}, "labels: type is FLOAT16"},
		{"index for sigma", nil, models.Foreign{Condition: models.ConditionSigma}, "labels: type is INT64, an index"},
		{"unknown condition", nil, models.Foreign{Condition: "time"}, `condition is "time"`},
		{"custom operator", func(g *protos.GraphProto) { g.Node[0].Domain = "acme" }, models.Foreign{}, `operator domain is "acme"`},
	} {
		model := modelstest.Foreign(10, 1, 0.1)
		if tt.change != nil {
			tt.change(model.GetGraph())
		}
		if _, err := models.Adopt(model, tt.foreign, modelstest.Manifest("theirs")); !errors.Is(err, models.ErrInvalid) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
	old := modelstest.Foreign(10, 1, 0.1)
	old.OpsetImport[0].Version = 9
	if _, err := models.Adopt(old, models.Foreign{}, modelstest.Manifest("theirs")); err == nil || !strings.Contains(err.Error(), "opset_version=11") {
		t.Errorf("an old operator set: %v", err)
	}
}
