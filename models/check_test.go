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

func TestCheckAccepts(t *testing.T) {
	tests := []struct {
		name   string
		change func(*protos.ModelProto)
	}{
		{"as it is", func(*protos.ModelProto) {}},
		{"inputs in the other order", func(m *protos.ModelProto) {
			in := m.Graph.Input
			in[0], in[1] = in[1], in[0]
		}},
		{"weights listed as inputs", func(m *protos.ModelProto) {
			for _, w := range m.Graph.Initializer {
				m.Graph.Input = append(m.Graph.Input, &protos.ValueInfoProto{Name: w.Name})
			}
		}},
		{"nameless axes", func(m *protos.ModelProto) {
			for i := range m.Graph.Input[0].Type.GetTensorType().Shape.Dim {
				m.Graph.Input[0].Type.GetTensorType().Shape.Dim[i] = &protos.TensorShapeProto_Dimension{}
			}
		}},
		{"dropout for inference", func(m *protos.ModelProto) {
			m.Graph.Node = append(m.Graph.Node, dropout(m, 0),
				&protos.NodeProto{OpType: "Dropout", Input: []string{"x"}})
		}},
		{"batch normalization for inference", func(m *protos.ModelProto) {
			m.Graph.Node = append(m.Graph.Node, &protos.NodeProto{OpType: "BatchNormalization", Output: []string{"y"}})
		}},
		{"known domains", func(m *protos.ModelProto) {
			m.Graph.Node[0].Domain = "ai.onnx"
		}},
		{"integers divided by a stored number", func(m *protos.ModelProto) {
			addNodes(m, shapeOf("x"), divide("Div", "sizes", "two"), divide("Mod", "sizes", "two"))
			addIntegers(m, "two", 2, 2)
		}},
		{"integers divided by a constant on its way", func(m *protos.ModelProto) {
			addNodes(m, shapeOf("x"), &protos.NodeProto{OpType: "Unsqueeze", Input: []string{"two", "axes"},
				Output: []string{"wide"}}, divide("Div", "sizes", "wide"))
			addIntegers(m, "two", 2)
			addIntegers(m, "axes", 0)
		}},
		{"numbers divided by anything", func(m *protos.ModelProto) {
			addNodes(m, cast("x", protos.TensorProto_DOUBLE), divide("Div", "cast", "cast"))
		}},
		{"sizes of the number of rows", func(m *protos.ModelProto) {
			addNodes(m, shapeOf("x"), resized("Expand", "x", "sizes"), resized("Reshape", "x", "sizes"))
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			model := modelstest.Gaussian(2)
			tt.change(model)
			if err := models.Check(model, modelstest.Manifest("gauss", 2)); err != nil {
				t.Error(err)
			}
		})
	}
}

// inBody puts node into the bodies of nested Ifs.
func inBody(node *protos.NodeProto, depth int) *protos.NodeProto {
	for range depth {
		node = &protos.NodeProto{Name: "if", OpType: "If", Attribute: []*protos.AttributeProto{{
			Name: "then_branch", G: &protos.GraphProto{Name: "body", Node: []*protos.NodeProto{node}},
		}}}
	}
	return node
}

// dropout returns a node whose training mode is stored in m.
func dropout(m *protos.ModelProto, training int32) *protos.NodeProto {
	m.Graph.Initializer = append(m.Graph.Initializer, &protos.TensorProto{
		Name: "training", DataType: int32(protos.TensorProto_BOOL), Int32Data: []int32{training},
	})
	return &protos.NodeProto{Name: "drop", OpType: "Dropout", Input: []string{"x", "", "training"}}
}

// shapeOf returns a node that computes sizes, the shape of a value.
func shapeOf(value string) *protos.NodeProto {
	return &protos.NodeProto{OpType: "Shape", Input: []string{value}, Output: []string{"sizes"}}
}

// cast returns a node that computes cast, a value in another type.
func cast(value string, to protos.TensorProto_DataType) *protos.NodeProto {
	return &protos.NodeProto{OpType: "Cast", Input: []string{value}, Output: []string{"cast"},
		Attribute: []*protos.AttributeProto{{Name: "to", I: int64(to)}}}
}

func divide(op, value, by string) *protos.NodeProto {
	return &protos.NodeProto{Name: "d", OpType: op, Input: []string{value, by}}
}

func resized(op, value, sizes string) *protos.NodeProto {
	return &protos.NodeProto{Name: "r", OpType: op, Input: []string{value, sizes}}
}

func addNodes(m *protos.ModelProto, nodes ...*protos.NodeProto) {
	m.Graph.Node = append(m.Graph.Node, nodes...)
}

func addIntegers(m *protos.ModelProto, name string, values ...int64) {
	m.Graph.Initializer = append(m.Graph.Initializer, &protos.TensorProto{Name: name, Int64Data: values,
		Dims: []int64{int64(len(values))}, DataType: int32(protos.TensorProto_INT64)})
}

func TestCheckRefuses(t *testing.T) {
	external := func() *protos.TensorProto {
		return &protos.TensorProto{Name: "weights", DataLocation: protos.TensorProto_EXTERNAL,
			ExternalData: []*protos.StringStringEntryProto{{Key: "location", Value: "/etc/passwd"}}}
	}
	custom := &protos.NodeProto{Name: "evil", OpType: "Exec", Domain: "acme"}
	add := func(m *protos.ModelProto, node *protos.NodeProto) { m.Graph.Node = append(m.Graph.Node, node) }
	tests := []struct {
		name   string
		change func(*protos.ModelProto)
		want   string
	}{
		{"no graph", func(m *protos.ModelProto) { m.Graph = nil }, "no graph"},
		{"external initializer", func(m *protos.ModelProto) {
			m.Graph.Initializer = append(m.Graph.Initializer, external())
		}, `tensor "weights": stored in another file: ` +
			`want its data in the model, so export with external_data=False, or run`},
		{"external by its entries alone", func(m *protos.ModelProto) {
			m.Graph.Initializer[0].ExternalData = external().ExternalData
		}, `tensor "one"`},
		{"sparse initializer", func(m *protos.ModelProto) {
			m.Graph.SparseInitializer = []*protos.SparseTensorProto{{Values: &protos.TensorProto{Name: "thin"}}}
		}, `tensor "thin": sparse: want all of its elements`},
		{"external constant", func(m *protos.ModelProto) {
			add(m, &protos.NodeProto{Name: "c", OpType: "Constant",
				Attribute: []*protos.AttributeProto{{Name: "value", T: external()}}})
		}, `node "c" (Constant): tensor "weights"`},
		{"external constant in a body", func(m *protos.ModelProto) {
			add(m, inBody(&protos.NodeProto{Name: "c", OpType: "Constant",
				Attribute: []*protos.AttributeProto{{Name: "value", T: external()}}}, 2))
		}, `tensor "weights"`},
		{"sparse constant in a body", func(m *protos.ModelProto) {
			add(m, inBody(&protos.NodeProto{Name: "c", OpType: "Constant", Attribute: []*protos.AttributeProto{{
				Name: "sparse_value", SparseTensor: &protos.SparseTensorProto{}}}}, 2))
		}, `node "c" (Constant): attribute "sparse_value": sparse`},
		{"too few elements", func(m *protos.ModelProto) { m.Graph.Initializer[0].Dims = []int64{1 << 20} },
			`tensor "one": it has too few elements for its shape [1048576]`},
		{"too few bytes", func(m *protos.ModelProto) {
			m.Graph.Initializer[0].Dims, m.Graph.Initializer[0].RawData = []int64{3}, make([]byte, 8)
		}, `tensor "one": it has 8 bytes of data: want 12 for its shape [3]`},
		{"weights of a petabyte", func(m *protos.ModelProto) {
			m.Graph.Initializer[0].Dims = []int64{1 << 24, 1 << 24}
		}, `tensor "one": shape is [16777216 16777216]`},
		{"texts", func(m *protos.ModelProto) {
			m.Graph.Initializer[0].DataType = int32(protos.TensorProto_STRING)
		}, `tensor "one": type is STRING: want numbers`},
		{"operator that no score network needs", func(m *protos.ModelProto) {
			add(m, &protos.NodeProto{Name: "n", OpType: "NonZero", Input: []string{"x"}})
		}, `node "n" (NonZero): score networks do not need operator NonZero: export without it, or name it in`},
		{"loop", func(m *protos.ModelProto) { add(m, &protos.NodeProto{Name: "l", OpType: "Loop"}) },
			`node "l" (Loop): score networks do not need operator Loop`},
		{"operator of Microsoft's", func(m *protos.ModelProto) {
			add(m, &protos.NodeProto{Name: "g", OpType: "Gelu", Domain: "com.microsoft"})
		}, `node "g" (Gelu): score networks do not need operator com.microsoft.Gelu`},
		{"integers divided by a sigma", func(m *protos.ModelProto) {
			addNodes(m, shapeOf("x"), cast("sigma", protos.TensorProto_INT64), divide("Div", "sizes", "cast"))
		}, `node "d" (Div): integers are divided, and the divisor may be 0 or -1`},
		{"integers divided by a size", func(m *protos.ModelProto) {
			addNodes(m, shapeOf("x"), divide("Mod", "sizes", "sizes"))
		}, `node "d" (Mod): integers are divided`},
		{"integers divided by -1", func(m *protos.ModelProto) {
			addNodes(m, shapeOf("x"), divide("Div", "sizes", "minus"))
			addIntegers(m, "minus", 2, -1)
		}, `node "d" (Div): integers are divided`},
		{"integers divided by a constant that is cut off", func(m *protos.ModelProto) {
			addNodes(m, shapeOf("x"), cast("large", protos.TensorProto_INT8), divide("Div", "sizes", "cast"))
			addIntegers(m, "large", 256)
		}, `node "d" (Div): integers are divided`},
		{"average of integers", func(m *protos.ModelProto) {
			addNodes(m, shapeOf("x"), &protos.NodeProto{Name: "m", OpType: "ReduceMean", Input: []string{"sizes"}})
		}, `node "m" (ReduceMean): integers are divided by their number, which may be 0`},
		{"sizes of a sigma", func(m *protos.ModelProto) {
			addNodes(m, cast("sigma", protos.TensorProto_INT64), resized("Expand", "x", "cast"))
		}, `node "r" (Expand): the size of its result depends on input "cast", which is computed from x, sigma or c`},
		{"sizes from nowhere", func(m *protos.ModelProto) { addNodes(m, resized("Tile", "x", "later")) },
			`node "r" (Tile): the size of its result depends on input "later"`},
		{"half a million nodes", func(m *protos.ModelProto) {
			m.Graph.Node = slices.Repeat(m.Graph.Node[:1], 500_000)
		}, `graph "gaussian": more than 32768 nodes`},
		{"custom operator", func(m *protos.ModelProto) { add(m, custom) },
			`node "evil" (Exec): operator domain is "acme"`},
		{"custom operator in a body", func(m *protos.ModelProto) { add(m, inBody(custom, 3)) },
			`node "evil" (Exec): operator domain`},
		{"bottomless bodies", func(m *protos.ModelProto) { add(m, inBody(&protos.NodeProto{OpType: "Neg"}, 4)) },
			`graph "body": nested more than 3 deep`},
		{"training graph", func(m *protos.ModelProto) { m.TrainingInfo = []*protos.TrainingInfoProto{{}} },
			"training graphs"},
		{"operator compiled elsewhere", func(m *protos.ModelProto) {
			add(m, &protos.NodeProto{Name: "engine", OpType: "EPContext", Domain: "com.microsoft"})
		}, `node "engine" (EPContext): operator is compiled`},
		{"random numbers", func(m *protos.ModelProto) {
			add(m, &protos.NodeProto{Name: "z", OpType: "RandomNormalLike"})
		}, `node "z" (RandomNormalLike): operator draws random numbers, so a seed would have two answers`},
		{"random numbers in a body", func(m *protos.ModelProto) {
			add(m, inBody(&protos.NodeProto{Name: "z", OpType: "Bernoulli"}, 2))
		}, `node "z" (Bernoulli): operator draws random numbers`},
		{"dynamic quantization", func(m *protos.ModelProto) {
			add(m, &protos.NodeProto{Name: "q", OpType: "DynamicQuantizeLinear"})
		}, `node "q" (DynamicQuantizeLinear): operator scales by the whole batch`},
		{"dynamic quantization of a product", func(m *protos.ModelProto) {
			add(m, &protos.NodeProto{Name: "q", OpType: "DynamicQuantizeMatMul", Domain: "com.microsoft"})
		}, `node "q" (DynamicQuantizeMatMul): operator scales by the whole batch`},
		{"statistics over the batch", func(m *protos.ModelProto) {
			add(m, &protos.NodeProto{Name: "bn", OpType: "BatchNormalization", Attribute: []*protos.AttributeProto{
				{Name: "training_mode", I: 1}}})
		}, `node "bn" (BatchNormalization): operator is in training mode, ` +
			`so a row would depend on the others: export in`},
		{"statistics over the batch, in an older operator set", func(m *protos.ModelProto) {
			add(m, &protos.NodeProto{Name: "bn", OpType: "BatchNormalization", Output: []string{"y", "mean"}})
		}, `node "bn" (BatchNormalization): operator is in training mode`},
		{"dropout", func(m *protos.ModelProto) {
			add(m, dropout(m, 1))
		}, `node "drop" (Dropout): operator is in training mode, so a seed would have two answers: export in eval`},
		{"dropout that something decides", func(m *protos.ModelProto) {
			add(m, &protos.NodeProto{Name: "drop", OpType: "Dropout", Input: []string{"x", "", "computed"}})
		}, `node "drop" (Dropout): operator is in training mode`},
		{"function", func(m *protos.ModelProto) { m.Functions = []*protos.FunctionProto{{Name: "f"}} }, `function "f"`},
		{"missing input", func(m *protos.ModelProto) { m.Graph.Input = m.Graph.Input[:1] },
			`inputs are ["x"]: want ["x" "sigma"]`},
		{"further input", func(m *protos.ModelProto) {
			m.Graph.Input = append(m.Graph.Input, modelstest.Value("labels"))
		}, `inputs are ["x" "sigma" "labels"]`},
		{"same input twice", func(m *protos.ModelProto) { m.Graph.Input[1].Name = "x" }, `inputs are ["x" "x"]`},
		{"other output", func(m *protos.ModelProto) { m.Graph.Output[0].Name = "y" },
			`outputs are ["y"]: want ["score"]`},
		{"two outputs", func(m *protos.ModelProto) {
			m.Graph.Output = append(m.Graph.Output, modelstest.Value("h"))
		}, `outputs are ["score" "h"]`},
		{"double x", func(m *protos.ModelProto) {
			m.Graph.Input[0].Type.GetTensorType().ElemType = int32(protos.TensorProto_DOUBLE)
		}, "x: type is DOUBLE: want FLOAT"},
		{"x is no tensor", func(m *protos.ModelProto) { m.Graph.Input[0].Type = nil }, "x: type is UNDEFINED"},
		{"x of another shape", func(m *protos.ModelProto) { m.Graph.Input[0] = modelstest.Value("x", 3) },
			"x: shape is [N 3]: want [N 2]"},
		{"x of another rank", func(m *protos.ModelProto) { m.Graph.Input[0] = modelstest.Value("x", 1, 2) },
			"x: shape is [N 1 2]: want [N 2]"},
		{"sigma per element", func(m *protos.ModelProto) { m.Graph.Input[1] = modelstest.Value("sigma", 2) },
			"sigma: shape is [N 2]: want [N]"},
		{"score of another shape", func(m *protos.ModelProto) { m.Graph.Output[0] = modelstest.Value("score", 1) },
			"score: shape is [N 1]: want [N 2]"},
		{"fixed batch", func(m *protos.ModelProto) {
			m.Graph.Input[0].Type.GetTensorType().Shape.Dim[0].Value =
				&protos.TensorShapeProto_Dimension_DimValue{DimValue: 1}
		}, "x: shape is [1 2]: want a free first axis"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			model := modelstest.Gaussian(2)
			tt.change(model)
			rules := models.Rules{Operators: []string{"If"}} // so that bodies are looked at
			err := rules.Check(model, modelstest.Manifest("gauss", 2))
			if !errors.Is(err, models.ErrInvalid) || !strings.Contains(err.Error(), tt.want) ||
				strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v: want one line with %q", err, tt.want)
			}
		})
	}
}

// TestRulesAllowOperators: what the rules name passes unlooked at, except what draws random numbers.
func TestRulesAllowOperators(t *testing.T) {
	nodes := func(m *protos.ModelProto) {
		addNodes(m, cast("sigma", protos.TensorProto_INT64), divide("Mod", "cast", "cast"),
			resized("Expand", "x", "cast"), inBody(&protos.NodeProto{OpType: "Neg"}, 2),
			&protos.NodeProto{Name: "g", OpType: "Gelu", Domain: "com.microsoft"})
	}
	all := []string{"Mod", "Expand", "If", "com.microsoft.Gelu"}
	for i := range len(all) + 1 {
		model := modelstest.Gaussian(2)
		nodes(model)
		rules := models.Rules{Operators: slices.Concat(all[:i], all[min(i+1, len(all)):])}
		err := rules.Check(model, modelstest.Manifest("gauss", 2))
		if missing := i < len(all); missing != errors.Is(err, models.ErrInvalid) {
			t.Errorf("with %q: %v", rules.Operators, err)
		}
	}
	model := modelstest.Gaussian(2)
	addNodes(model, &protos.NodeProto{OpType: "RandomNormal"})
	rules := models.Rules{Operators: []string{"RandomNormal"}}
	if err := rules.Check(model, modelstest.Manifest("gauss", 2)); !errors.Is(err, models.ErrInvalid) {
		t.Errorf("random numbers that the rules name: %v", err)
	}
}

func TestRulesValidate(t *testing.T) {
	for _, tt := range []struct {
		rules models.Rules
		want  string
	}{
		{models.Rules{}, ""},
		{models.Rules{MaxFileBytes: 1, Operators: []string{"Mod", "com.microsoft.Gelu"}}, ""},
		{models.Rules{MaxFileBytes: -1}, "the largest model file has -1 bytes"},
		{models.Rules{MaxFileBytes: 1 << 31}, "want 1 to 2147483647"},
		{models.Rules{Operators: []string{"Mod", "mod"}}, `operator "mod": want ONNX's name`},
		{models.Rules{Operators: []string{""}}, `operator ""`},
		{models.Rules{Operators: []string{"*"}}, `operator "*"`},
	} {
		err := tt.rules.Validate()
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: %v: want %q", tt.rules, err, tt.want)
		}
	}
}

// TestParseBoundsMemory: two bytes of an empty node take a hundred times as many bytes in memory.
func TestParseBoundsMemory(t *testing.T) {
	model := modelstest.Gaussian(2)
	model.Graph.Node = slices.Repeat([]*protos.NodeProto{{}}, 1<<20)
	model.Graph.Initializer = nil
	_, err := models.Parse(modelstest.Bytes(t, model))
	if !errors.Is(err, models.ErrInvalid) || !strings.Contains(err.Error(), "would decode to 25") {
		t.Errorf("got %v", err)
	}
}
