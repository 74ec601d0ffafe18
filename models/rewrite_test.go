package models_test

import (
	"math"
	"slices"
	"testing"

	"github.com/gomlx/compute-onnx/support/protos"

	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/models/modelstest"
)

func activation(op string, attributes ...*protos.AttributeProto) *protos.ModelProto {
	return &protos.ModelProto{
		OpsetImport: []*protos.OperatorSetIdProto{{Version: 18}},
		Graph: &protos.GraphProto{
			Input:  []*protos.ValueInfoProto{modelstest.Value("x", 2)},
			Output: []*protos.ValueInfoProto{modelstest.Value("score", 2)},
			Node: []*protos.NodeProto{{
				Name: "act", OpType: op, Input: []string{"x"}, Output: []string{"score"}, Attribute: attributes,
			}},
		},
	}
}

// evaluate interprets the operators that Rewrite writes, on one number. It fails on any other operator, and on a value
// that is used before it is computed or computed twice.
func evaluate(t *testing.T, nodes []*protos.NodeProto, values map[string]float64) float64 {
	t.Helper()
	for _, node := range nodes {
		args := make([]float64, len(node.Input))
		for i, name := range node.Input {
			value, ok := values[name]
			if !ok {
				t.Fatalf("%s uses %q before it is computed", node.OpType, name)
			}
			args[i] = value
		}
		if _, twice := values[node.Output[0]]; twice {
			t.Fatalf("%q is computed twice", node.Output[0])
		}
		values[node.Output[0]] = apply(t, node, args)
	}
	return values["score"]
}

func apply(t *testing.T, node *protos.NodeProto, args []float64) float64 {
	switch node.OpType {
	case "Constant":
		return float64(node.Attribute[0].T.FloatData[0])
	case "Abs":
		return math.Abs(args[0])
	case "Neg":
		return -args[0]
	case "Exp":
		return math.Exp(args[0])
	case "Log":
		return math.Log(args[0])
	case "Relu":
		return max(args[0], 0)
	case "Min":
		return min(args[0], args[1])
	case "Add":
		return args[0] + args[1]
	case "Sub":
		return args[0] - args[1]
	}
	t.Fatalf("unexpected operator %s", node.OpType)
	return 0
}

func TestRewriteComputesTheSame(t *testing.T) {
	exact := map[string]func(float64) float64{
		"Softplus": func(x float64) float64 { return max(x, 0) + math.Log1p(math.Exp(-math.Abs(x))) },
		"Elu": func(x float64) float64 {
			if x > 0 {
				return x
			}
			return math.Expm1(x)
		},
	}
	for op, f := range exact {
		model := activation(op)
		if n := models.Rewrite(model); n != 1 {
			t.Fatalf("%s: %d rewritten, want 1", op, n)
		}
		if n := models.Rewrite(model); n != 0 {
			t.Errorf("%s: %d rewritten again", op, n)
		}
		for _, x := range []float64{-800, -20, -1, -1e-9, 0, 1e-9, 0.3, 1, 20, 800} {
			if got, want := evaluate(t, model.Graph.Node,
				map[string]float64{"x": x}), f(x); math.Abs(got-want) > 1e-15*max(1, math.Abs(want)) {
				t.Errorf("%s(%g) = %g, want %g", op, x, got, want)
			}
		}
	}
}

func TestRewriteLeavesAlone(t *testing.T) {
	half := &protos.TensorProto{Name: "w", DataType: int32(protos.TensorProto_FLOAT16)}
	double := int64(protos.TensorProto_DOUBLE)
	tests := map[string]func() *protos.ModelProto{
		"Elu with another alpha": func() *protos.ModelProto {
			return activation("Elu", &protos.AttributeProto{Name: "alpha", F: 0.5})
		},
		"other operator": func() *protos.ModelProto { return activation("Tanh") },
		"custom operator of that name": func() *protos.ModelProto {
			m := activation("Softplus")
			m.Graph.Node[0].Domain = "com.microsoft"
			return m
		},
		"operator set 7": func() *protos.ModelProto {
			m := activation("Softplus")
			m.OpsetImport[0].Version = 7
			return m
		},
		"float16 weights": func() *protos.ModelProto {
			m := activation("Softplus")
			m.Graph.Initializer = []*protos.TensorProto{half}
			return m
		},
		"float16 constant": func() *protos.ModelProto {
			return activation("Softplus", &protos.AttributeProto{Name: "value", T: half})
		},
		"cast to double": func() *protos.ModelProto {
			return activation("Softplus", &protos.AttributeProto{Name: "to", I: double})
		},
	}
	for name, build := range tests {
		t.Run(name, func(t *testing.T) {
			model := build()
			if n := models.Rewrite(model); n != 0 || len(model.Graph.Node) != 1 {
				t.Errorf("%d rewritten, %d nodes", n, len(model.Graph.Node))
			}
		})
	}
}

// TestRewriteNames puts an activation in a body, where outer names are visible, and uses the names that the rewrite
// would choose.
func TestRewriteNames(t *testing.T) {
	model := activation("Softplus")
	inner := &protos.NodeProto{OpType: "Softplus", Input: []string{"x"}, Output: []string{"inner"}}
	model.Graph.Node = append(model.Graph.Node, inBody(inner, 1),
		&protos.NodeProto{OpType: "Identity", Output: []string{"score/Relu"}})
	model.Graph.Initializer = []*protos.TensorProto{{Name: "score/one"}, {Name: "inner/Exp"}}
	if n := models.Rewrite(model); n != 2 {
		t.Fatalf("%d rewritten, want 2", n)
	}
	seen := map[string]bool{"score/one": true, "inner/Exp": true}
	bodies := 0
	for _, node := range model.Graph.Node {
		nodes := []*protos.NodeProto{node}
		if node.OpType == "If" {
			bodies++
			nodes = node.Attribute[0].G.Node
		}
		for _, n := range nodes {
			for _, output := range n.Output {
				if seen[output] {
					t.Errorf("%q names two values", output)
				}
				seen[output] = true
			}
		}
	}
	if bodies != 1 || !seen["score"] || !seen["inner"] {
		t.Errorf("%d bodies, outputs %v", bodies, seen)
	}
}

// TestRewriteWidensProducts checks the operands of the products. The tests of ort check that results stay the same and
// do not depend on the number of rows.
func TestRewriteWidensProducts(t *testing.T) {
	model := modelstest.EmbeddedConv("SiLU", 12, 1)
	if n := models.Rewrite(model); n != 2 {
		t.Fatalf("%d rewritten, want both products", n)
	}
	made := map[string]*protos.NodeProto{}
	for _, node := range model.Graph.Node {
		for _, output := range node.Output {
			made[output] = node
		}
	}
	for _, node := range model.Graph.Node {
		if node.OpType != "Gemm" {
			continue
		}
		copies := made[node.Input[0]]
		if copies.GetOpType() != "Concat" || len(copies.Input) != 4 ||
			slices.ContainsFunc(copies.Input, func(x string) bool { return x != copies.Input[0] }) {
			t.Errorf("%s multiplies %v, want four copies of its rows", node.Name, copies)
		}
	}
}

func TestRewriteLeavesProducts(t *testing.T) {
	tests := map[string]func(*protos.GraphProto){
		"no convolution": func(g *protos.GraphProto) {
			for _, node := range g.Node {
				if node.OpType == "Conv" {
					node.OpType = "Identity"
				}
			}
		},
		"another product": func(g *protos.GraphProto) {
			g.Node = append(g.Node, &protos.NodeProto{OpType: "MatMul", Input: []string{"x", "x"},
				Output: []string{"square"}})
		},
		"large matrix": func(g *protos.GraphProto) {
			for _, tensor := range g.Initializer {
				if len(tensor.Dims) == 2 {
					tensor.Dims = []int64{1 << 10, 1 << 10}
				}
			}
		},
		"computed matrix": func(g *protos.GraphProto) { g.Initializer = nil },
		"transposed rows": func(g *protos.GraphProto) {
			for _, node := range g.Node {
				if node.OpType == "Gemm" {
					node.Attribute = append(node.Attribute, &protos.AttributeProto{Name: "transA", I: 1})
				}
			}
		},
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			model := modelstest.EmbeddedConv("SiLU", 12, 1)
			change(model.Graph)
			if n := models.Rewrite(model); n != 0 {
				t.Errorf("%d rewritten", n)
			}
		})
	}
}
