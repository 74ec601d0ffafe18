package nn

import (
	"math"
	"testing"

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
	backend, err := onnxbackend.New(library(t) + ",cpu")
	if err != nil {
		t.Fatal(err)
	}
	exec, err := graph.NewExec(backend, func(params, x, sigma *graph.Node) *graph.Node {
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
