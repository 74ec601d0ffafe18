package models_test

import (
	"errors"
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
			m.Graph.Node[0].Domain = "com.microsoft"
			m.Graph.Node[1].Domain = "ai.onnx"
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
		{"external sparse initializer", func(m *protos.ModelProto) {
			m.Graph.SparseInitializer = []*protos.SparseTensorProto{{Values: &protos.TensorProto{},
				Indices: external()}}
		}, `tensor "weights"`},
		{"external constant", func(m *protos.ModelProto) {
			add(m, &protos.NodeProto{Name: "c", OpType: "Constant",
				Attribute: []*protos.AttributeProto{{Name: "value", T: external()}}})
		}, `node "c" (Constant): tensor "weights"`},
		{"external sparse constant in a body", func(m *protos.ModelProto) {
			add(m, inBody(&protos.NodeProto{Name: "c", OpType: "Constant", Attribute: []*protos.AttributeProto{{
				SparseTensors: []*protos.SparseTensorProto{{Values: external()}}}}}, 2))
		}, `tensor "weights"`},
		{"custom operator", func(m *protos.ModelProto) { add(m, custom) },
			`node "evil" (Exec): operator domain is "acme"`},
		{"custom operator in a body", func(m *protos.ModelProto) { add(m, inBody(custom, 3)) },
			`node "evil" (Exec): operator domain`},
		{"bottomless bodies", func(m *protos.ModelProto) { add(m, inBody(&protos.NodeProto{}, 17)) },
			"nested more than 16 deep"},
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
			err := models.Check(model, modelstest.Manifest("gauss", 2))
			if !errors.Is(err, models.ErrInvalid) || !strings.Contains(err.Error(), tt.want) ||
				strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v: want one line with %q", err, tt.want)
			}
		})
	}
}
