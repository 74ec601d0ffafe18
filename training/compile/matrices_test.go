package compile

import (
	"fmt"
	"math"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/langevin-ml/langevin/sampling"
)

// TestDenseGradients compares gradients with the backend alone: of dense layers, wide and narrow, with respect to
// weights, biases and inputs, and of a loss that has derivatives.
func TestDenseGradients(t *testing.T) {
	const rows, in, hidden = 7, 5, 4
	for _, out := range []int{1, 2, 4, 6} {
		var found [2][]*tensors.Tensor
		for i, wrap := range []func(compute.Backend) compute.Backend{unchanged, NewBackend} {
			exec, err := graph.NewExec(wrap(onnxRuntime(t)), func(all []*graph.Node) []*graph.Node {
				layer := func(h, w, b *graph.Node) *graph.Node {
					return graph.Add(graph.MatMul(h, w), graph.ExpandAxes(b, 0))
				}
				x, w1, b1, w2, b2 := all[0], all[1], all[2], all[3], all[4]
				y := layer(graph.Tanh(layer(x, w1, b1)), w2, b2)
				first := graph.Gradient(graph.ReduceAllSum(graph.Square(y)), all...)
				second := graph.Gradient(graph.ReduceAllSum(graph.Square(first[0])), w1, b1, w2)
				// These reshapes and transpositions change nothing.
				again := graph.Transpose(graph.Transpose(graph.Reshape(graph.Reshape(y, -1), rows, out), 0, 1), 0, 1)
				return append(append(first, second...), graph.ReduceSum(again, 0),
					graph.Transpose(graph.MatMul(x, w1), 0, 1))
			})
			if err != nil {
				t.Fatal(err)
			}
			var args []any
			for k, dims := range [][]int{{rows, in}, {in, hidden}, {hidden}, {hidden, out}, {out}} {
				size := 1
				for _, n := range dims {
					size *= n
				}
				values := make([]float32, size)
				sampling.Noise{Seed: 4, Chain: uint64(k)}.Normal(values, 0)
				args = append(args, tensors.FromFlatDataAndDimensions(values, dims...))
			}
			if found[i], err = exec.Call(args...); err != nil {
				t.Fatal(err)
			}
		}
		for k, want := range found[0] {
			got := found[1][k]
			if fmt.Sprint(got.Shape()) != fmt.Sprint(want.Shape()) {
				t.Fatalf("%d columns: result %d has shape %v, want %v", out, k, got.Shape(), want.Shape())
			}
			values := tensors.MustCopyFlatData[float32](got)
			for j, v := range tensors.MustCopyFlatData[float32](want) {
				if !(math.Abs(float64(values[j]-v)) <= 1e-4*(1+math.Abs(float64(v)))) {
					t.Fatalf("%d columns: number %d of result %d is %g, want %g", out, j, k, values[j], v)
				}
			}
		}
	}
}
