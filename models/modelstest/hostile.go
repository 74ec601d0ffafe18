package modelstest

import (
	"math"
	"slices"

	"github.com/gomlx/compute-onnx/support/protos"

	"github.com/langevin-ml/langevin/models"
)

// A HostileCase is a model that would end, hang or exhaust the process that opens it.
type HostileCase struct {
	Name     string
	Model    func() *protos.ModelProto
	Manifest models.Manifest
	Allow    []string // operators that rules must allow, so that a file is not refused before it is proved
	Refusal  string   // a part of the reason, if those operators are allowed
}

// Hostile returns models that must be refused. None of them is larger than some megabytes.
func Hostile() []HostileCase {
	all := slices.Concat(crashing(), endless(), greedy(), unlawful())
	for i := range all {
		if all[i].Manifest.Name == "" {
			all[i].Manifest = Manifest("hostile", 2)
		}
	}
	return all
}

const (
	crashes  = "it ends the process that evaluates it (SIG"
	takesAll = "of memory"
	hangs    = "it did not finish within"
)

// hostile returns a function that makes a graph whose samples pass change on their way.
func hostile(change func(g rowGraph) (x string)) func() *protos.ModelProto {
	return func() *protos.ModelProto {
		g := rowGraph{newGraph("hostile", []int{2}), models.InputX}
		x := change(g)
		variance := g.add("Add", g.add("Mul", models.InputSigma, models.InputSigma),
			g.floats("one", nil, []float32{1}))
		return g.finish("Div", g.add("Neg", x), g.perRow(variance))
	}
}

// plus adds nothing to samples, in a way that a library that folds constants does not see.
func (g rowGraph) plus(integers string) string {
	return g.add("Add", g.x, g.times(g.float(integers), 0))
}

func crashing() []HostileCase {
	return []HostileCase{
		{Name: "least int32 divided by -1", Allow: []string{"Div"}, Refusal: crashes,
			Model: hostile(func(g rowGraph) string {
				return g.plus(g.add("Div", g.int32s("least", math.MinInt32), g.int32s("minus", -1)))
			})},
		{Name: "remainder of the least int64 by -1", Allow: []string{"Mod"}, Refusal: crashes,
			Model: hostile(func(g rowGraph) string {
				return g.plus(g.add("Mod", g.ints("least", math.MinInt64), g.ints("minus", -1)))
			})},
		{Name: "divisor made from sigma", Allow: []string{"Div"}, Refusal: crashes,
			Model: hostile(func(g rowGraph) string {
				whole := g.add("Cast", models.InputSigma)
				g.set("to", int64(protos.TensorProto_INT64))
				divisor := g.add("Sub", whole, g.ints("four", 4)) // -1 between two levels of the schedule
				parts := g.add("Div", g.ints("least", math.MinInt64), divisor)
				return g.add("Add", g.x, g.times(g.perRow(g.float(parts)), 0))
			})},
		{Name: "blocks of 0", Allow: []string{"com.microsoft.GatherBlockQuantized"}, Refusal: "it ends the process",
			Model: hostile(func(g rowGraph) string {
				g.model.OpsetImport = append(g.model.OpsetImport,
					&protos.OperatorSetIdProto{Domain: "com.microsoft", Version: 1})
				table := &protos.TensorProto{Name: "table", Dims: []int64{2, 32},
					DataType: int32(protos.TensorProto_UINT8), RawData: make([]byte, 64)}
				g.model.Graph.Initializer = append(g.model.Graph.Initializer, table)
				rows := g.add("GatherBlockQuantized", "table", g.ints("first", 0),
					g.floats("scales", []int{2, 1}, []float32{1, 1}))
				g.last().Domain = "com.microsoft"
				g.set("block_size", 0)
				return g.add("Add", g.x, g.times(g.whole("ReduceMax", rows), 0))
			})},
	}
}

func endless() []HostileCase {
	nested := hostile(func(g rowGraph) string { return g.nested(5) })
	return []HostileCase{
		{Name: "loop without end", Allow: []string{"Loop"}, Refusal: hangs,
			Model: hostile(func(g rowGraph) string { return g.loop("Neg", "state") })},
		{Name: "bodies 5 deep", Allow: []string{"If"}, Refusal: "nested more than", Model: nested},
		{Name: "half a million nodes", Refusal: "would decode to",
			Model: hostile(func(g rowGraph) string {
				x := g.x
				for range 500_000 {
					x = g.add("Identity", x)
				}
				return x
			})},
	}
}

func greedy() []HostileCase {
	large := HostileCase{Name: "samples of 2^24 numbers", Refusal: takesAll}
	large.Model = func() *protos.ModelProto { return Gaussian(1 << 24) }
	large.Manifest = Manifest("hostile", 1<<24)
	return []HostileCase{
		large,
		{Name: "tensor of 16 GiB", Refusal: takesAll, Model: hostile(func(g rowGraph) string {
			zeros := g.add("ConstantOfShape", g.ints("sizes", 1<<16, 1<<16))
			return g.add("Add", g.x, g.whole("ReduceMax", zeros))
		})},
		{Name: "tensor of 4 GiB for a row", Refusal: takesAll, Model: hostile(func(g rowGraph) string {
			zeros := g.add("Expand", g.add("Slice", g.x, g.ints("from", 0), g.ints("to", 1), g.ints("axis", 1)),
				g.ints("sizes", 1, 1<<30))
			return g.add("Add", g.x, g.times(g.within("ReduceMax", zeros), 0))
		})},
		{Name: "tensor whose size is sigma's", Allow: []string{"Expand"}, Refusal: takesAll,
			Model: hostile(func(g rowGraph) string {
				most := g.add("Cast", g.times(g.over("ReduceMax", models.InputSigma), 1e9))
				g.set("to", int64(protos.TensorProto_INT64))
				zeros := g.add("Expand", g.floats("zero", []int{1}, []float32{0}), most)
				return g.add("Add", g.x, g.whole("ReduceMax", zeros))
			})},
		{Name: "loop that doubles", Allow: []string{"Loop"}, Refusal: takesAll,
			Model: hostile(func(g rowGraph) string {
				last := g.loop("Concat", "state", "state")
				return g.add("Add", g.x, g.times(g.within("ReduceMax", last), 0))
			})},
	}
}

func unlawful() []HostileCase {
	sparse := func() *protos.ModelProto {
		model := Gaussian(2)
		model.Graph.SparseInitializer = []*protos.SparseTensorProto{{
			Dims: []int64{1 << 32}, Values: &protos.TensorProto{Name: "thin"}, Indices: &protos.TensorProto{},
		}}
		return model
	}
	return []HostileCase{
		{Name: "sparse tensor", Refusal: "sparse: want all of its elements", Model: sparse},
		{Name: "random numbers of 16 GiB", Refusal: "draws random numbers", Model: hostile(func(g rowGraph) string {
			z := g.add("RandomNormal")
			g.set("shape", 1<<16, 1<<16)
			return g.add("Add", g.x, g.whole("ReduceMax", z))
		})},
		{Name: "mean over the batch", Refusal: "a row's output must depend on that row alone",
			Model: hostile(func(g rowGraph) string { return g.add("Sub", g.x, g.over("ReduceMean", g.x)) })},
	}
}

// last returns the node that was added last.
func (g rowGraph) last() *protos.NodeProto { return g.model.Graph.Node[len(g.model.Graph.Node)-1] }

func (g rowGraph) int32s(name string, values ...int32) string {
	g.model.Graph.Initializer = append(g.model.Graph.Initializer, &protos.TensorProto{
		Name: name, Dims: []int64{int64(len(values))}, DataType: int32(protos.TensorProto_INT32), Int32Data: values,
	})
	return name
}

func (g rowGraph) flag(name string) string {
	g.model.Graph.Initializer = append(g.model.Graph.Initializer, &protos.TensorProto{
		Name: name, DataType: int32(protos.TensorProto_BOOL), Int32Data: []int32{1},
	})
	return name
}

// loop returns the state of a loop that applies an operator to it, along the second axis, 2⁶² times.
func (g rowGraph) loop(op string, inputs ...string) string {
	typed := func(name string, of protos.TensorProto_DataType) *protos.ValueInfoProto {
		return &protos.ValueInfoProto{Name: name, Type: &protos.TypeProto{Value: &protos.TypeProto_TensorType{
			TensorType: &protos.TypeProto_Tensor{ElemType: int32(of), Shape: &protos.TensorShapeProto{}}}}}
	}
	open := func(name string) *protos.ValueInfoProto { // a matrix of any size
		value := Value(name, 1)
		value.GetType().GetTensorType().Shape.Dim[1] = &protos.TensorShapeProto_Dimension{}
		return value
	}
	step := &protos.NodeProto{OpType: op, Input: inputs, Output: []string{"next"}}
	if op == "Concat" {
		step.Attribute = []*protos.AttributeProto{{Name: "axis", Type: protos.AttributeProto_INT, I: 1}}
	}
	body := &protos.GraphProto{
		Name: "body",
		Input: []*protos.ValueInfoProto{
			typed("i", protos.TensorProto_INT64), typed("go", protos.TensorProto_BOOL), open("state"),
		},
		Output: []*protos.ValueInfoProto{typed("again", protos.TensorProto_BOOL), open("next")},
		Node:   []*protos.NodeProto{{OpType: "Identity", Input: []string{"go"}, Output: []string{"again"}}, step},
	}
	last := g.add("Loop", g.number("trips", 1<<62), g.flag("yes"), g.x)
	g.last().Attribute = []*protos.AttributeProto{{Name: "body", Type: protos.AttributeProto_GRAPH, G: body}}
	return last
}

// nested returns samples after branches within branches, two in each.
func (g rowGraph) nested(depth int) string {
	g.flag("yes")
	branch := func(inner *protos.GraphProto) *protos.GraphProto {
		node := &protos.NodeProto{OpType: "Neg", Input: []string{models.InputX}}
		if inner != nil {
			node = ifNode(inner)
		}
		node.Output = []string{"y"}
		return &protos.GraphProto{
			Name: "branch", Node: []*protos.NodeProto{node}, Output: []*protos.ValueInfoProto{Value("y", 2)},
		}
	}
	var inner *protos.GraphProto
	for range depth {
		inner = branch(inner)
	}
	g.model.Graph.Node = append(g.model.Graph.Node, ifNode(inner))
	g.last().Output = []string{"taken"}
	return "taken"
}

func ifNode(branch *protos.GraphProto) *protos.NodeProto {
	attribute := func(name string) *protos.AttributeProto {
		return &protos.AttributeProto{Name: name, Type: protos.AttributeProto_GRAPH, G: branch}
	}
	return &protos.NodeProto{OpType: "If", Input: []string{"yes"},
		Attribute: []*protos.AttributeProto{attribute("then_branch"), attribute("else_branch")}}
}
