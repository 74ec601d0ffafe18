package nn

import (
	"context"
	"go/ast"
	"go/parser"
	"go/token"
	"math"
	"strconv"
	"testing"

	onnxbackend "github.com/gomlx/compute-onnx"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"google.golang.org/protobuf/proto"

	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/models/modelstest"
	"github.com/langevin-ml/langevin/ort"
	"github.com/langevin-ml/langevin/sampling"
)

// everyOp returns a network with all operations, on shapes that broadcast in every way.
func everyOp(t *testing.T) *Graph {
	t.Helper()
	g, err := Build([]int{3, 2}, func(b *Builder, x, sigma *Node) *Node {
		column := b.Unsqueeze("column", sigma, 1)
		level := b.Embedding("level", b.Nearest("nearest", sigma, []float64{10, 3, 1, 0.3}), 4)
		joined := b.Concat("joined", 1, column, level)
		soft := b.Unsqueeze("soft_row", b.Softplus("soft", b.Dense("dense1", joined, 2)), 1)
		gate := b.Unsqueeze("gate_row", b.Sigmoid("gate", b.Dense("dense2", joined, 2)), 1)
		sum := b.Add("sum", b.Tanh("bounded", x), b.Concat("rows", 1, soft, gate, soft))
		scaled := b.Mul("scaled", b.Parameter("gain", Init{Bound: 1}, 1, 3, 1), sum)
		shifted := b.Sub("shifted", scaled, b.Unsqueeze("sigma_cube", sigma, 1, 2))
		return b.Div("ratio", shifted,
			b.Add("above_one", b.Constant("one", 1), b.Softplus("positive", b.Unsqueeze("cube", column, 1))))
	})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// everyImageOp returns a network with all operations on images, and the others that networks for images need. The two
// branches of the score have the scale of 1 for every x.
func everyImageOp(t *testing.T) *Graph {
	t.Helper()
	g, err := Build([]int{2, 4, 8}, func(b *Builder, x, sigma *Node) *Node {
		h := b.ELU("elu", b.Conv("conv", b.Tanh("bounded", x), Conv{Out: 6, Dilation: 2}))
		h = b.GroupNorm("group", b.Conv("narrow", h, Conv{Out: 4, Size: 1, NoBias: true}), 2)
		h = b.Add("context", b.MeanPool("near_mean", h, 5, 1, 2), b.MaxPool("near_max", h, 3, 1, 1))
		h = b.Add("attended", h, b.Dropout("dropped", b.attention("attention", h, 1), 0.5))
		half := b.ReLU("relu", b.Conv("strided", h, Conv{Out: 4, Stride: 2}))
		half = b.Add("filters", half, b.Sub("two_filters", b.halved("halved", h), b.halvedConv("halved_conv", h, 4)))
		h = b.Add("filtered", h, b.doubled("doubled", half))
		half = b.Add("halves", half, b.Add("pools", b.MeanPool("mean", h, 2, 2, 0), b.MaxPool("max", h, 2, 2, 0)))
		big := b.Concat("big", 1,
			b.Resize("resize", half, 4, 8), b.Upsample("up", half, 2),
			b.ConvTranspose("transposed", half, Conv{Out: 3, Stride: 2}), b.ConvTranspose("same", h, Conv{Out: 2}),
			b.DepthToSpace("spread", half, 2))
		depth := b.SpaceToDepth("patches", b.InstanceNorm("instance", big), 2)
		log := b.Unsqueeze("log_column", b.Log("log", sigma), 1)
		angle := b.Mul("angle", log, b.Row("frequencies", 0.5, 1, 2))
		waves := b.Softmax("share", b.Dense("mix", b.Concat("waves", 1, b.Sin("sin", angle), b.Cos("cos", angle)), 4))
		pooled := b.Reshape("pooled", b.ReduceMean("mean_places", half, 2, 3), 4)
		gate := b.Sqrt("root", b.Exp("exp", b.Mul("gated", waves, b.Tanh("small", pooled))))
		out := b.DepthToSpace("pixels", b.Conv("last", depth, Conv{Out: 8}), 2)
		return b.Mul("result", out, b.ReduceMean("strength", b.Unsqueeze("gate_image", gate, 2, 3), 1))
	})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// ownGraphs returns graphs that use every operation: the two above and this project's own networks.
func ownGraphs(t *testing.T) map[string]*Graph {
	t.Helper()
	graphs := map[string]*Graph{"every op": everyOp(t), "every image op": everyImageOp(t)}
	for name, c := range networks(t) {
		graphs[name] = c.graph
	}
	return graphs
}

// TestEveryOpIsUsed: an operation that is in no network of the parity test would be untested in three interpreters.
func TestEveryOpIsUsed(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "graph.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	used := map[Op]bool{OpInput: true, OpClass: true, OpParameter: true}
	for _, g := range []*Graph{everyOp(t), everyImageOp(t)} {
		for _, n := range g.Nodes {
			used[n.Op] = true
		}
	}
	declared := 0
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || spec.Type == nil || spec.Type.(*ast.Ident).Name != "Op" {
			return true
		}
		name, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		if declared++; err != nil || !used[Op(name)] {
			t.Errorf("%s is in no network that the interpreters are compared on", spec.Names[0].Name)
		}
		return false
	})
	if declared == 0 {
		t.Error("found no operations in graph.go")
	}
}

// TestInterpretersAgree compares GoMLX, the ONNX file and plain Go in float64 on random parameters and inputs.
func TestInterpretersAgree(t *testing.T) {
	for name, g := range ownGraphs(t) {
		t.Run(name, func(t *testing.T) { compareInterpreters(t, g, 1e-5) })
	}
	// These networks have few channels and places, so they divide by small differences, which float32 rounds.
	for name, g := range smallPapers(t) {
		t.Run(name, func(t *testing.T) { compareInterpreters(t, g, 1e-4) })
	}
}

func compareInterpreters(t *testing.T, g *Graph, tolerance float64) {
	t.Helper()
	rows := 257
	if len(g.X.Shape) == 4 {
		rows = 16 // plain Go is slow on images
	}
	params := scattered(g)
	x, sigma := inputs(g, rows)
	c := conditions(g, rows)
	want := evaluate(t, g, params, x, sigma, c)
	compare(t, "GoMLX", runGoMLX(t, g, params, x, sigma, c), want, tolerance)
	compare(t, "ONNX", runONNX(t, g, params, x, sigma, c), want, tolerance)
}

// scattered returns initial parameters none of which is 0 or 1, so that every branch of the network contributes.
func scattered(g *Graph) []float32 {
	params, noise := g.NewParams(3), make([]float32, g.NumParams())
	sampling.Noise{Seed: 4}.Normal(noise, 0)
	for i := range params {
		params[i] += 0.05 * noise[i]
	}
	return params
}

// compare compares scores. The tolerance is relative for large scores.
func compare(t *testing.T, what string, got []float32, want []float64, tolerance float64) {
	t.Helper()
	var worst float64
	for i, v := range got {
		worst = max(worst, math.Abs(float64(v)-want[i])/max(1, math.Abs(want[i])))
	}
	if len(got) != len(want) || !(worst <= tolerance) {
		t.Errorf("%s: %d scores, off by up to %g: want %d, off by at most %g",
			what, len(got), worst, len(want), tolerance)
	}
}

// inputs returns n rows: sigma on 0.2..20, spaced geometrically, and x on ±8σ around the data's scale.
func inputs(g *Graph, n int) (x, sigma []float32) {
	row := -g.X.Size() // the batch axis counts as -1
	x, sigma = make([]float32, n*row), make([]float32, n)
	noise := sampling.Noise{Seed: 11}
	noise.Uniform(x, 0)
	noise.Uniform(sigma, 1)
	for i, u := range sigma {
		sigma[i] = float32(0.2 * math.Pow(100, float64(u)))
		for j := range row {
			x[i*row+j] = (2*x[i*row+j] - 1) * (8*sigma[i] + 8)
		}
	}
	return x, sigma
}

// conditions returns n rows of conditions of g: all classes and none, or vectors and, in every fourth row, none.
func conditions(g *Graph, n int) []float32 {
	given := g.Condition
	width := given.Width()
	c := make([]float32, n*width)
	sampling.Noise{Seed: 12}.Normal(c, 0)
	for i := range n {
		row := c[i*width : (i+1)*width]
		switch {
		case given.Classes > 0:
			row[0] = float32(i % given.kinds())
		case given.Dropped && i%4 == 3:
			clear(row)
		case given.Dropped:
			row[given.Size] = 1
		}
	}
	return c
}

func evaluate(t *testing.T, g *Graph, params, x, sigma, c []float32) []float64 {
	t.Helper()
	wide := func(values []float32) []float64 {
		out := make([]float64, len(values))
		for i, v := range values {
			out[i] = float64(v)
		}
		return out
	}
	scores, err := g.Evaluate(params, wide(x), wide(sigma), wide(c)...)
	if err != nil {
		t.Fatal(err)
	}
	return scores
}

func library(t *testing.T) string {
	t.Helper()
	path, searched, err := ort.FindLibrary("")
	if err != nil {
		t.Fatalf("run make onnxruntime: %v (looked at %q)", err, searched)
	}
	return path
}

// shaped returns the condition of a graph as a tensor, if it has one.
func shaped(g *Graph, n int, c []float32) []any {
	switch {
	case g.C == nil:
		return nil
	case len(g.C.Shape) == 1:
		return []any{c}
	}
	return []any{tensors.FromFlatDataAndDimensions(c, n, g.C.Shape[1])}
}

func runGoMLX(t *testing.T, g *Graph, params, x, sigma, c []float32) []float32 {
	t.Helper()
	backend, err := onnxbackend.New(library(t) + ",cpu")
	if err != nil {
		t.Fatal(err)
	}
	exec, err := graph.NewExec(backend, func(in []*graph.Node) *graph.Node {
		if g.Score == nil {
			_, logits := g.ClassifyGoMLX(g.SplitGoMLX(in[0]), in[1])
			return graph.Softmax(logits, -1)
		}
		return g.GoMLX(g.SplitGoMLX(in[0]), in[1:]...)
	})
	if err != nil {
		t.Fatal(err)
	}
	shape := append([]int{len(sigma)}, g.X.Shape[1:]...)
	args := append([]any{params, tensors.FromFlatDataAndDimensions(x, shape...), sigma}, shaped(g, len(sigma), c)...)
	scores, err := exec.Call1(args...)
	if err != nil {
		t.Fatal(err)
	}
	return tensors.MustCopyFlatData[float32](scores)
}

func runONNX(t *testing.T, g *Graph, params, x, sigma, c []float32) []float32 {
	t.Helper()
	model, err := g.ONNX("parity", params)
	if err != nil {
		t.Fatal(err)
	}
	file, err := proto.Marshal(model)
	if err != nil {
		t.Fatal(err)
	}
	runtime, err := ort.Open(library(t))
	if err != nil {
		t.Fatal(err)
	}
	m := modelstest.Manifest("parity", g.X.Shape[1:]...)
	if given := g.Condition; given.Width() > 0 {
		m = modelstest.Conditional(models.Condition{Classes: given.Classes, Size: given.Size, Dropped: given.Dropped},
			"parity", g.X.Shape[1:]...)
	}
	session, err := runtime.Load(t.Context(), file, m, ort.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := session.Close(); err != nil {
			t.Error(err)
		}
	}()
	scores := make([]float32, len(x))
	score := session.Score
	if given, ok := session.Model().(sampling.Conditional); ok {
		score = func(ctx context.Context, dst, x, sigma []float32) error {
			return given.ScoreGiven(ctx, dst, x, sigma, c)
		}
	}
	if err := score(t.Context(), scores, x, sigma); err != nil {
		t.Fatal(err)
	}
	return scores
}
