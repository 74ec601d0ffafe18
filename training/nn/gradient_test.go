package nn

import (
	"math"
	"testing"

	"github.com/gomlx/compute"
	onnxbackend "github.com/gomlx/compute-onnx"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/langevin-ml/langevin/ort"
	"github.com/langevin-ml/langevin/sampling"
)

// GoMLX differentiates what is trained. Along random directions its derivatives are those of the float64 reference, by
// central differences.
func TestGradient(t *testing.T) {
	for name, g := range ownGraphs(t) {
		t.Run(name, func(t *testing.T) {
			params := scattered(g)
			x, sigma := inputs(g, 5)
			gradient := gradientOfSquares(t, g, params, x, sigma)
			for direction := range uint64(3) {
				along := make([]float32, len(params))
				sampling.Noise{Seed: 5, Chain: direction}.Normal(along, 0)
				var got float64
				for i, v := range gradient {
					got += float64(v) * float64(along[i])
				}
				const h = 1e-4
				up := meanSquare(evaluate(t, g, moved(params, along, h), x, sigma))
				down := meanSquare(evaluate(t, g, moved(params, along, -h), x, sigma))
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

// The gradients of kernels are GoMLX's own, for kernels and images of any size.
func TestKernelGradients(t *testing.T) {
	for _, c := range []struct {
		batch, in, out, height, width int
		window                        Window
	}{
		{3, 9, 4, 8, 6, Window{Size: 3, Stride: 1, Dilation: 1, Pad: 1}},
		{2, 8, 3, 6, 6, Window{Size: 1, Stride: 1, Dilation: 1}},
		{2, 8, 1, 7, 9, Window{Size: 5, Stride: 1, Dilation: 1, Pad: 2}},
		{2, 8, 2, 7, 7, Window{Size: 3, Stride: 1, Dilation: 4, Pad: 4}},
		{2, 8, 2, 8, 8, Window{Size: 3, Stride: 2, Dilation: 1, Pad: 1}},
		{1, 8, 2, 9, 8, Window{Size: 3, Stride: 1, Dilation: 2, Pad: 1}},
		{2, 8, 2, 3, 3, Window{Size: 3, Stride: 1, Dilation: 4, Pad: 4}}, // taps that see nothing
		{2, 2, 9, 6, 6, Window{Size: 3, Stride: 1, Dilation: 1, Pad: 1}}, // few channels
	} {
		x, weight := make([]float32, c.batch*c.in*c.height*c.width), make([]float32, c.out*c.in*c.window.Size*c.window.Size)
		sampling.Noise{Seed: 1}.Normal(x, 0)
		sampling.Noise{Seed: 2}.Normal(weight, 0)
		var gradients [2][]float32
		for i, wrap := range []func(compute.Backend) compute.Backend{func(b compute.Backend) compute.Backend { return b }, NewBackend} {
			exec, err := graph.NewExec(wrap(onnxRuntime(t)), func(x, weight *graph.Node) *graph.Node {
				return graph.Gradient(graph.ReduceAllSum(graph.Tanh(convolve(x, weight, c.window))), weight)[0]
			})
			if err != nil {
				t.Fatal(err)
			}
			out, err := exec.Call1(tensors.FromFlatDataAndDimensions(x, c.batch, c.in, c.height, c.width),
				tensors.FromFlatDataAndDimensions(weight, c.out, c.in, c.window.Size, c.window.Size))
			if err != nil {
				t.Fatalf("%+v: %v", c, err)
			}
			gradients[i] = tensors.MustCopyFlatData[float32](out)
		}
		for i, want := range gradients[0] {
			if got := gradients[1][i]; math.Abs(float64(got-want)) > 1e-4 {
				t.Errorf("%+v: element %d of the gradient is %g, want %g", c, i, got, want)
				break
			}
		}
	}
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

func gradientOfSquares(t *testing.T, g *Graph, params, x, sigma []float32) []float32 {
	t.Helper()
	exec, err := graph.NewExec(NewBackend(onnxRuntime(t)), func(params, x, sigma *graph.Node) *graph.Node {
		loss := graph.ReduceAllMean(graph.Square(g.GoMLX(g.SplitGoMLX(params), x, sigma)))
		return graph.Gradient(loss, params)[0]
	})
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Call1(params, tensors.FromFlatDataAndDimensions(x, append([]int{len(sigma)}, g.X.Shape[1:]...)...), sigma)
	if err != nil {
		t.Fatal(err)
	}
	return tensors.MustCopyFlatData[float32](out)
}

// Convolutions that fill blocks of channels and that do not, in programs, and their gradients, which convolve as well, are
// those of the backend alone.
func TestBlockedConvolutions(t *testing.T) {
	runtime, err := ort.Open(library(t))
	if err != nil {
		t.Fatal(err)
	}
	block, err := runtime.ChannelBlock()
	if err != nil {
		t.Fatal(err)
	}
	if block == 0 {
		t.Skip("ONNX Runtime has no blocked convolutions for this CPU")
	}
	for _, c := range []struct {
		in, out int
		window  Window
		blocked int // convolutions, and gradients
	}{
		{32, 32, Window{Size: 3, Stride: 1, Dilation: 1, Pad: 1}, 2},
		{36, 20, Window{Size: 3, Stride: 1, Dilation: 2, Pad: 2}, 2},
		{16, 5, Window{Size: 5, Stride: 1, Dilation: 1, Pad: 2}, 1}, // its gradient is one of 5 channels
		{6, 32, Window{Size: 1, Stride: 1, Dilation: 1}, 1},
		{4, 6, Window{Size: 3, Stride: 1, Dilation: 1, Pad: 1}, 0},
		{18, 18, Window{Size: 3, Stride: 1, Dilation: 1, Pad: 1}, 0}, // not in fours
	} {
		const batch, height, width = 3, 9, 7
		shapes := [][]int{{batch, c.in, height, width}, {c.out, c.in, c.window.Size, c.window.Size}}
		gradients := func(in []*graph.Node) []*graph.Node {
			y := convolve(in[0], in[1], c.window)
			return append(graph.Gradient(graph.ReduceAllSum(graph.Tanh(y)), in[0], in[1]), y)
		}
		backend := NewBackend(onnxRuntime(t))
		model, known, err := buildONNX(backend, "convolve", shapes, gradients)
		if err != nil {
			t.Fatal(err)
		}
		if got := blockConvolutions(model, known, block); got != c.blocked {
			t.Errorf("%+v: %d convolutions in blocks, want %d", c, got, c.blocked)
		}
		file, err := Compile(backend, "convolve", block, shapes, gradients)
		if err != nil {
			t.Fatal(err)
		}
		program, err := runtime.LoadProgram(file, 1)
		if err != nil {
			t.Fatal(err)
		}
		in, out := tensorsOf(t, runtime, program.Inputs()), tensorsOf(t, runtime, program.Outputs())
		exec, err := graph.NewExec(onnxRuntime(t), gradients)
		if err != nil {
			t.Fatal(err)
		}
		var args []any
		for i, x := range in {
			sampling.Noise{Seed: uint64(i)}.Normal(x.X, 0)
			args = append(args, tensors.FromFlatDataAndDimensions(append([]float32{}, x.X...), shapes[i]...))
		}
		if err := program.Run(in, out); err != nil {
			t.Fatal(err)
		}
		want, err := exec.Call(args...)
		if err != nil {
			t.Fatal(err)
		}
		for i := range want {
			for k, v := range tensors.MustCopyFlatData[float32](want[i]) {
				if got := out[i].X[k]; !(math.Abs(float64(got-v)) <= 1e-4) {
					t.Errorf("%+v: element %d of result %d is %g, want %g", c, k, i, got, v)
					break
				}
			}
		}
		if err := program.Close(); err != nil {
			t.Error(err)
		}
	}
}

func tensorsOf(t *testing.T, runtime *ort.Runtime, shapes [][]int) (made []*ort.Tensor) {
	t.Helper()
	for _, shape := range shapes {
		x, err := runtime.NewTensor(shape...)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = x.Close() })
		made = append(made, x)
	}
	return made
}

// Gradients of our own are those that GoMLX finds for the same function step by step, and so are theirs: objectives with
// derivatives in them differentiate twice.
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
		for _, wrap := range []func(compute.Backend) compute.Backend{NewBackend, func(b compute.Backend) compute.Backend { return b }} {
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
