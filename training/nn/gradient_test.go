package nn

import (
	"math"
	"strings"
	"testing"

	"github.com/gomlx/compute"
	onnxbackend "github.com/gomlx/compute-onnx"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/langevin-ml/langevin/sampling"
	"github.com/langevin-ml/langevin/training/compile"
)

// TestGradient compares GoMLX's derivatives along random directions with central differences of the float64 reference.
func TestGradient(t *testing.T) {
	for name, g := range ownGraphs(t) {
		if strings.HasPrefix(name, "ddpm++") {
			continue // its layers are those of ncsn++, and each takes a second to compile
		}
		t.Run(name, func(t *testing.T) {
			params := scattered(g)
			x, sigma := inputs(g, 5)
			c := conditions(g, 5)
			gradient := gradientOfSquares(t, g, params, x, sigma, c)
			for direction := range uint64(3) {
				along := make([]float32, len(params))
				sampling.Noise{Seed: 5, Chain: direction}.Normal(along, 0)
				var got float64
				for i, v := range gradient {
					got += float64(v) * float64(along[i])
				}
				const h = 1e-4
				up := meanSquare(evaluate(t, g, moved(params, along, h), x, sigma, c))
				down := meanSquare(evaluate(t, g, moved(params, along, -h), x, sigma, c))
				want := (up - down) / (2 * h)
				if !(math.Abs(got-want) <= 0.01*math.Abs(want)+1e-3*up) {
					t.Errorf("derivative %g, want %g", got, want)
				}
			}
		})
	}
}

func onnxRuntime(t *testing.T) compute.Backend {
	t.Helper()
	backend, err := onnxbackend.New(library(t) + ",cpu")
	if err != nil {
		t.Fatal(err)
	}
	return backend
}

func moved(params, along []float32, h float32) []float32 {
	result := make([]float32, len(params))
	for i, v := range params {
		result[i] = v + h*along[i]
	}
	return result
}

func meanSquare(values []float64) float64 {
	var sum float64
	for _, v := range values {
		sum += v * v
	}
	return sum / float64(len(values))
}

func gradientOfSquares(t *testing.T, g *Graph, params, x, sigma, c []float32) []float32 {
	t.Helper()
	exec, err := graph.NewExec(compile.NewBackend(onnxRuntime(t)), func(in []*graph.Node) *graph.Node {
		loss := graph.ReduceAllMean(graph.Square(g.GoMLX(g.SplitGoMLX(in[0]), in[1:]...)))
		return graph.Gradient(loss, in[0])[0]
	})
	if err != nil {
		t.Fatal(err)
	}
	rows := tensors.FromFlatDataAndDimensions(x, append([]int{len(sigma)}, g.X.Shape[1:]...)...)
	out, err := exec.Call1(append([]any{params, rows, sigma}, shaped(g, len(sigma), c)...)...)
	if err != nil {
		t.Fatal(err)
	}
	return tensors.MustCopyFlatData[float32](out)
}

// TestOwnGradients compares the gradients that this package defines with GoMLX's gradients of the same function. It
// compares second derivatives too, because some objectives have derivatives.
func TestOwnGradients(t *testing.T) {
	plainNorm := func(x *graph.Node) *graph.Node {
		mean := func(x *graph.Node) *graph.Node { return graph.ReduceAndKeep(x, graph.ReduceMean, 2, 3) }
		centred := graph.Sub(x, mean(x))
		return graph.Div(centred, graph.Sqrt(graph.AddScalar(mean(graph.Square(centred)), 0.1)))
	}
	for name, f := range map[string][2]func(x *graph.Node) *graph.Node{
		"silu": {
			func(x *graph.Node) *graph.Node { return silu(x, graph.Sigmoid(x)) },
			func(x *graph.Node) *graph.Node { return graph.Mul(x, graph.Sigmoid(x)) },
		},
		"elu": {elu, func(x *graph.Node) *graph.Node {
			return graph.Add(graph.MaxScalar(x, 0.0), graph.AddScalar(graph.Exp(graph.MinScalar(x, 0.0)), -1))
		}},
		"instance norm": {func(x *graph.Node) *graph.Node { return instanceNorm(x, 0.1) }, plainNorm},
	} {
		x := make([]float32, 2*3*4*5)
		sampling.Noise{Seed: 3}.Normal(x, 0)
		for _, wrap := range []func(compute.Backend) compute.Backend{compile.NewBackend,
			func(b compute.Backend) compute.Backend { return b }} {
			exec, err := graph.NewExec(wrap(onnxRuntime(t)), func(x *graph.Node) []*graph.Node {
				var all []*graph.Node
				for _, f := range f {
					y := f(x)
					first := graph.Gradient(graph.ReduceAllSum(graph.Mul(y, graph.Sin(y))), x)[0]
					second := graph.Gradient(graph.ReduceAllSum(graph.Mul(first, graph.Cos(x))), x)[0]
					all = append(all, y, first, second)
				}
				return all
			})
			if err != nil {
				t.Fatal(err)
			}
			out, err := exec.Call(tensors.FromFlatDataAndDimensions(x, 2, 3, 4, 5))
			if err != nil {
				t.Fatal(err)
			}
			for derivative := range 3 {
				want := tensors.MustCopyFlatData[float32](out[3+derivative])
				for i, got := range tensors.MustCopyFlatData[float32](out[derivative]) {
					if !(math.Abs(float64(got-want[i])) <= 2e-5*(1+math.Abs(float64(want[i])))) {
						t.Fatalf("%s: derivative %d at %g is %g, want %g", name, derivative, x[i], got, want[i])
					}
				}
			}
		}
	}
}
