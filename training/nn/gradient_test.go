package nn

import (
	"math"
	"testing"

	"github.com/gomlx/compute"
	onnxbackend "github.com/gomlx/compute-onnx"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

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
func TestKernelProducts(t *testing.T) {
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
		for i, wrap := range []func(compute.Backend) compute.Backend{func(b compute.Backend) compute.Backend { return b }, KernelProducts} {
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
	exec, err := graph.NewExec(KernelProducts(onnxRuntime(t)), func(params, x, sigma *graph.Node) *graph.Node {
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
