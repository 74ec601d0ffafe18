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
	found, err := models.Foreign{}.FindSigmas(model, nil)
	if err != nil || len(found) != 3 || found[0] != 10 || found[1] != 1 {
		t.Errorf("found sigmas %v, %v", found, err)
	}
	m := modelstest.Manifest("theirs")
	m, err = models.Adopt(model, models.Foreign{}, m)
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
		v.GetType().GetTensorType().GetShape().GetDim()[axis].Value =
			&protos.TensorShapeProto_Dimension_DimValue{DimValue: size}
	}
	for _, tt := range []struct {
		name    string
		change  func(*protos.GraphProto)
		foreign models.Foreign
		want    string
	}{
		{"one input", func(g *protos.GraphProto) { g.Input = g.Input[:1] }, models.Foreign{},
			`its only input is "labels": want two, samples and noise level, ` +
				`so export a module whose forward(x, sigma)`},
		{"three inputs", func(g *protos.GraphProto) { g.Input = append(g.Input, modelstest.Value("y")) },
			models.Foreign{},
			`inputs are ["labels" "samples" "y"]: want two, samples and noise level, so export a module whose forward`},
		{"other names", nil, models.Foreign{X: "images"}, `want "images"`},
		{"one name for both", nil, models.Foreign{X: "samples", Level: "samples"},
			`input "samples" is said to be both`},
		{"two outputs", func(g *protos.GraphProto) {
			g.Output = append(g.Output, modelstest.Value("h", 2))
		}, models.Foreign{},
			`outputs are ["out" "h"]: want one, so say which of them with --output-name`},
		{"twice the channels", func(g *protos.GraphProto) { g.Output[0] = modelstest.Value("out", 4) },
			models.Foreign{X: "samples"},
			"out: shape is [N 4], twice the channels of samples: give --learned-variance"},
		{"no variance", nil, models.Foreign{LearnedVariance: true},
			"out: shape is [N 2]: want 4 channels for --learned-variance"},
		{"a noise level for all", func(g *protos.GraphProto) {
			g.Input[0].GetType().GetTensorType().Shape = &protos.TensorShapeProto{}
		}, models.Foreign{}, "labels: shape is [], one noise level for all rows: want [N]"},
		{"a noise level for each element", func(g *protos.GraphProto) {
			g.Input[0] = modelstest.Value("labels", 2)
			retype(g.Input[0], protos.TensorProto_INT64)
		}, models.Foreign{Level: "labels"}, "labels: shape is [N 2]: want one number for each row"},
		{"fewer labels than levels", func(g *protos.GraphProto) { g.Initializer[0].Dims[0] = 2 }, models.Foreign{},
			`the network knows the labels of 2 levels, the rows of its tensor "net.sigmas", and the schedule has 3`},
		{"half samples", func(g *protos.GraphProto) { retype(g.Input[1], protos.TensorProto_FLOAT16) },
			models.Foreign{},
			"samples: type is FLOAT16, too coarse for samples with little noise: want FLOAT, so export net.float()"},
		{"fixed batch", func(g *protos.GraphProto) { fixed(g.Input[1], 0, 64) }, models.Foreign{},
			`samples: shape is [64 2]: want a free first axis, so export with dynamic_axes`},
		{"fixed batch of labels", func(g *protos.GraphProto) { fixed(g.Input[0], 0, 64) }, models.Foreign{},
			"labels: shape is [64]"},
		{"half output", func(g *protos.GraphProto) { retype(g.Output[0], protos.TensorProto_BFLOAT16) },
			models.Foreign{},
			"out: type is BFLOAT16, too coarse"},
		{"output of integers", func(g *protos.GraphProto) { retype(g.Output[0], protos.TensorProto_INT8) },
			models.Foreign{},
			"out: type is INT8: want FLOAT or DOUBLE"},
		{"half sigma", func(g *protos.GraphProto) { retype(g.Input[0], protos.TensorProto_FLOAT16) }, models.Foreign{},
			"labels: type is FLOAT16"},
		{"index for sigma", nil, models.Foreign{Takes: models.Level{Kind: models.LevelSigma}},
			"labels: type is INT64, an index: want FLOAT for --time sigma"},
		{"unknown time", nil, models.Foreign{Takes: models.Level{Kind: "time"}},
			`--time is "time": want sigma, label, log_sigma or continuous for --process ve`},
		{"custom operator", func(g *protos.GraphProto) { g.Node[0].Domain = "acme" }, models.Foreign{},
			`operator domain is "acme"`},
	} {
		model := modelstest.Foreign(10, 1, 0.1)
		if tt.change != nil {
			tt.change(model.GetGraph())
		}
		_, err := models.Adopt(model, tt.foreign, modelstest.Manifest("theirs"))
		if !errors.Is(err, models.ErrInvalid) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
	old := modelstest.Foreign(10, 1, 0.1)
	old.OpsetImport[0].Version = 9
	if _, err := models.Adopt(old, models.Foreign{}, modelstest.Manifest("theirs")); err == nil ||
		!strings.Contains(err.Error(), "opset_version=11") {
		t.Errorf("an old operator set: %v", err)
	}
}

// TestAdoptTellsInputsApart gives Adopt all combinations of inputs that networks have.
func TestAdoptTellsInputsApart(t *testing.T) {
	type input struct {
		name  string
		kind  protos.TensorProto_DataType
		shape []int
	}
	const float, integer = protos.TensorProto_FLOAT, protos.TensorProto_INT64
	none := models.Foreign{}
	alike := [2]input{{"a", float, []int{1}}, {"b", float, []int{1}}}
	named := [2]input{{"x", float, []int{1}}, {"t", float, []int{1}}}
	for _, tt := range []struct {
		name    string
		inputs  [2]input
		shape   []int // of the output
		foreign models.Foreign
		want    string // the name of the input for samples, or a part of an error
	}{
		{"rank", [2]input{{"a", float, nil}, {"b", float, []int{2}}}, []int{2}, none, "b"},
		{"rank, against the names", [2]input{{"t", float, []int{2}}, {"x", float, nil}}, []int{2}, none, "t"},
		{"width", [2]input{{"a", float, []int{1}}, {"b", float, []int{2}}}, []int{2}, none, "b"},
		{"type", [2]input{{"a", integer, []int{1}}, {"b", float, []int{1}}}, []int{1}, none, "b"},
		{"image", [2]input{{"a", float, []int{1, 1, 1}}, {"b", float, []int{1, 8, 8}}}, []int{1, 8, 8}, none, "b"},
		{"names, x second", [2]input{{"t", float, []int{1}}, {"x", float, []int{1}}}, []int{1}, none, "x"},
		{"names, x first", named, []int{1}, none, "x"},
		{"one name, of the level", [2]input{{"sigma", float, []int{1}}, {"b", float, []int{1}}}, []int{1}, none, "b"},
		{"one name, numbered", [2]input{{"a", float, []int{1}}, {"input.1", float, []int{1}}}, []int{1}, none,
			"input.1"},
		{"no names", alike, []int{1}, models.Foreign{},
			`inputs "a" (FLOAT [N 1]) and "b" (FLOAT [N 1]): ` +
				`types, shapes and names do not tell which of them is samples`},
		{"names of one kind", [2]input{{"t", float, []int{1}}, {"sigma", float, []int{1}}}, []int{1}, models.Foreign{},
			"say it with --input-x or --input-level"},
		{"neither fits", [2]input{{"x", float, []int{3}}, {"t", float, []int{3}}}, []int{2}, models.Foreign{},
			"say it with --input-x or --input-level"},
		{"said, samples", alike, []int{1}, models.Foreign{X: "b"}, "b"},
		{"said, level", alike, []int{1}, models.Foreign{Level: "a"}, "b"},
		{"said against the names", named, []int{1}, models.Foreign{X: "t"}, "t"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			model := modelstest.Gaussian(tt.shape...)
			for i, in := range tt.inputs {
				model.Graph.Input[i] = modelstest.Value(in.name, in.shape...)
				model.Graph.Input[i].GetType().GetTensorType().ElemType = int32(in.kind)
			}
			model.Graph.Output[0] = modelstest.Value("out", tt.shape...)
			_, err := models.Adopt(model, tt.foreign, modelstest.Manifest("theirs"))
			if err != nil {
				if !errors.Is(err, models.ErrInvalid) || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("got %v: want %q", err, tt.want)
				}
				return
			}
			x := model.Graph.Node[0].GetOutput()[0] // the output of x is written first
			if got := strings.TrimPrefix(x, "foreign/"); got != tt.want {
				t.Errorf("the samples are %q: want %q", got, tt.want)
			}
		})
	}
}

// TestAdoptCondition gives Adopt networks with a third input, and expects it to find the condition.
func TestAdoptCondition(t *testing.T) {
	type input struct {
		name  string
		kind  protos.TensorProto_DataType
		shape []int
	}
	const float, integer = protos.TensorProto_FLOAT, protos.TensorProto_INT64
	x, sigma := input{"x", float, []int{2}}, input{"t", float, nil}
	labels := input{"labels", integer, nil}
	for _, tt := range []struct {
		name      string
		inputs    []input
		condition *models.Condition
		foreign   models.Foreign
		want      string // the condition's input, or a part of an error
	}{
		{"class", []input{x, sigma, {"a", integer, nil}}, digits, models.Foreign{}, "a"},
		{"class first", []input{{"a", integer, []int{1}}, x, sigma}, digits, models.Foreign{}, "a"},
		{"class beside labels", []input{x, labels, {"y", integer, nil}}, digits, models.Foreign{}, "y"},
		{"one class or the other", []input{x, labels, {"a", integer, nil}}, digits, models.Foreign{},
			"do not tell which of them is the condition, 10 classes, or none: say it with --input-condition"},
		{"class, said", []input{x, labels, {"a", integer, nil}}, digits, models.Foreign{Given: "a"}, "a"},
		{"class, the level said", []input{x, labels, {"a", integer, nil}}, digits, models.Foreign{Level: "labels"},
			"a"},
		{"class as a row", []input{x, sigma, {"a", float, []int{10}}}, digits, models.Foreign{}, "a"},
		{"vector", []input{x, sigma, {"a", float, []int{3}}}, triple, models.Foreign{}, "a"},
		{"vector like samples", []input{x, sigma, {"cond", float, []int{2}}}, sides, models.Foreign{}, "cond"},
		{"vector with the flag", []input{x, sigma, {"a", float, []int{3}}}, sides, models.Foreign{}, "a"},
		{"no third input", []input{x, sigma}, digits, models.Foreign{},
			`inputs are ["x" "t"]: want three, samples, noise level and condition, because the model is given 10 cl`},
		{"no condition", []input{x, sigma, {"y", integer, nil}}, nil, models.Foreign{},
			`want two, samples and noise level, so export a module whose forward takes just these and fixes the ` +
				`rest, or say what the third is with --classes or --condition-vector`},
		{"other name", []input{x, sigma, {"y", integer, nil}}, digits, models.Foreign{Given: "z"},
			`want "z" among them`},
		{"said, no class", []input{x, sigma, {"y", float, nil}}, digits, models.Foreign{Given: "y"},
			`input "y" (FLOAT [N]): want the index of a class, INT64 or INT32 [N], or FLOAT [N 10]`},
		{"said, other length", []input{x, sigma, {"y", float, []int{4}}}, triple, models.Foreign{Given: "y"},
			`input "y" (FLOAT [N 4]): want the condition, FLOAT [N 3]`},
		{"named, other length", []input{x, sigma, {"cond", float, []int{2}}}, triple, models.Foreign{},
			`input "cond" (FLOAT [N 2]): want the condition, FLOAT [N 3]`},
		{"class as a row of another length", []input{x, sigma, {"a", float, []int{6}}}, digits, models.Foreign{},
			`input "a" (FLOAT [N 6]): want the index of a class, INT64 or INT32 [N], or FLOAT [N 10] with a 1 at it`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			model := modelstest.Gaussian(2)
			model.Graph.Input = nil
			for _, in := range tt.inputs {
				v := modelstest.Value(in.name, in.shape...)
				v.GetType().GetTensorType().ElemType = int32(in.kind)
				model.Graph.Input = append(model.Graph.Input, v)
			}
			m := modelstest.Manifest("theirs")
			if m.Condition = tt.condition; m.Condition != nil {
				m.Format = models.FormatCondition
			}
			_, err := models.Adopt(model, tt.foreign, m)
			if err != nil {
				if !errors.Is(err, models.ErrInvalid) || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("got %v: want %q", err, tt.want)
				}
				return
			}
			if got := fedBy(model, models.InputC); !slices.Contains(got, "foreign/"+tt.want) &&
				!slices.Contains(got, tt.want) {
				t.Errorf("the condition goes to %q: want %q", got, tt.want)
			}
		})
	}
}

// fedBy returns the names of the values that are computed from an input by the nodes that Adopt puts first.
func fedBy(model *protos.ModelProto, input string) (values []string) {
	values = []string{input}
	for _, node := range model.Graph.Node {
		if strings.HasPrefix(node.GetName(), "adopt/") && slices.Contains(values, node.GetInput()[0]) {
			values = append(values, node.GetOutput()...)
		}
	}
	return values
}
