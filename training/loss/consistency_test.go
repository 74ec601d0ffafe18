package loss

import (
	"math"
	"testing"

	onnxbackend "github.com/gomlx/compute-onnx"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/langevin-ml/langevin/ort"
)

// consistencyRows evaluates the loss and the gradient of its sum with respect to θ, for the network whose score is
// -θx/(1 + σ²), so that D(x, σ) = x·(1 - θσ²/(1 + σ²)).
func consistencyRows(
	t *testing.T, theta, huber float64, x, z, sigma, smaller []float32,
) (rows []float32, slope float64) {
	t.Helper()
	path, _, err := ort.FindLibrary("")
	if err != nil {
		t.Fatal(err)
	}
	backend, err := onnxbackend.New(path + ",cpu")
	if err != nil {
		t.Fatal(err)
	}
	defer backend.Finalize()
	exec, err := graph.NewExec(backend, func(theta, x, z, sigma, smaller *graph.Node) []*graph.Node {
		score := func(x, sigma *graph.Node) *graph.Node {
			std := perElement(sigma, x)
			return graph.Neg(graph.Div(graph.Mul(theta, x), graph.AddScalar(graph.Square(std), 1)))
		}
		losses := Config{Name: Consistency, Huber: huber}.Rows(score, Batch{X: x, Z: z, Sigma: sigma, Smaller: smaller})
		return []*graph.Node{losses, graph.Gradient(graph.ReduceAllSum(losses), theta)[0]}
	})
	if err != nil {
		t.Fatal(err)
	}
	dim := len(x) / len(sigma)
	out, err := exec.Call(float32(theta), tensors.FromFlatDataAndDimensions(x, len(sigma), dim),
		tensors.FromFlatDataAndDimensions(z, len(sigma), dim), sigma, smaller)
	if err != nil {
		t.Fatal(err)
	}
	return tensors.MustCopyFlatData[float32](out[0]), float64(tensors.ToScalar[float32](out[1]))
}

// TestConsistency compares the loss with its formula in plain Go, and the gradient with the formula's derivative with
// respect to the weights of the first estimate alone: the second one counts as a constant.
func TestConsistency(t *testing.T) {
	const theta, dim, h = 0.7, 3, 1e-5
	x, z := []float32{1, -2, 0.5, 3, 0, -1}, []float32{0.3, -0.2, 1, -1.5, 0.4, 0.8}
	sigma, smaller := []float32{2, 0.5}, []float32{0.75, 1e-4}
	for _, huber := range []float64{0, 0.03, 2} {
		row := func(i int, own, other float64) float64 {
			denoised := func(at float32, theta float64, k int) float64 {
				s := float64(at)
				return (float64(x[k]) + s*float64(z[k])) * (1 - theta*s*s/(1+s*s))
			}
			square := 0.0
			for k := i * dim; k < (i+1)*dim; k++ {
				square += math.Pow(denoised(sigma[i], own, k)-denoised(smaller[i], other, k), 2)
			}
			distance := square / 2
			if huber > 0 {
				distance = math.Sqrt(square+huber*huber) - huber
			}
			return distance / (float64(sigma[i]) - float64(smaller[i]))
		}
		rows, slope := consistencyRows(t, theta, huber, x, z, sigma, smaller)
		var want float64
		for i, got := range rows {
			if want := row(i, theta, theta); math.Abs(float64(got)/want-1) > 1e-4 {
				t.Errorf("huber %g, row %d: loss %g, want %g", huber, i, got, want)
			}
			want += (row(i, theta+h, theta) - row(i, theta-h, theta)) / (2 * h)
		}
		if math.Abs(slope/want-1) > 1e-3 {
			t.Errorf("huber %g: gradient %g, want %g", huber, slope, want)
		}
	}
}

// TestSmaller compares pairs of sigmas with the values of the paper's code for data of standard deviation ½. For a
// small sigma its sigmoid is ½, and for a large one 0.
func TestSmaller(t *testing.T) {
	schedule := mustGeometric(t, 80, 0.002, 10)
	c := Config{Name: Consistency, DataStd: 0.5, Stage: 100, LastStage: 4}
	if err := c.Validate(10); err != nil {
		t.Fatal(err)
	}
	atOne := 1 + 8/(1+math.E)
	for _, test := range []struct {
		sigma     float64
		iteration uint64
		want      float64
	}{
		{80, 0, 2e-6}, {80, 99, 2e-6}, {80, 100, 40}, {80, 250, 60}, {80, 399, 70}, {80, 400, 75}, {80, 1 << 60, 75},
		{1, 100, 2e-6}, {1, 200, 1 - atOne/4}, {1, 400, 1 - atOne/16},
		{0.01, 200, 2e-6}, {0.01, 300, 0.00377}, {0.01, 400, 0.00688}, {0.003, 400, 0.00206}, {0.0029, 400, 2e-6},
	} {
		if got := c.Smaller(schedule, test.sigma, test.iteration); math.Abs(got/test.want-1) > 0.005 {
			t.Errorf("sigma %g, iteration %d: %g, want %g", test.sigma, test.iteration, got, test.want)
		}
	}
	for _, bad := range []Config{
		{Name: Consistency, DataStd: 0.5, LastStage: 4}, {Name: Consistency, Stage: 1, LastStage: 4},
		{Name: Consistency, DataStd: 0.5, Stage: 1, FirstStage: 5, LastStage: 4},
		{Name: Consistency, DataStd: 0.5, Stage: 1, LastStage: 17},
		{Name: Consistency, DataStd: 0.5, Stage: 1, FirstStage: -1},
		{Name: Consistency, DataStd: 0.5, Stage: 1, Huber: math.NaN()},
		{Name: EDM, DataStd: 0.5, Huber: 1}, {Name: Consistency, DataStd: 0.5, Stage: 1, Projections: 1},
	} {
		if bad.Validate(10) == nil {
			t.Errorf("%+v is valid", bad)
		}
	}
}
