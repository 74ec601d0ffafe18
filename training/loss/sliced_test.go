package loss

import (
	"math"
	"testing"

	onnxbackend "github.com/gomlx/compute-onnx"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/langevin-ml/langevin/ort"
	"github.com/langevin-ml/langevin/sampling"
)

// exactScore returns the score of a mixture with noise sigma, as a differentiable graph.
func exactScore(m sampling.Mixture) Score {
	return func(x, sigma *graph.Node) *graph.Node {
		g := x.Graph()
		means, logWeights := make([]float32, 0, len(m.Means)*m.Dim()), make([]float32, len(m.Means))
		for k, mean := range m.Means {
			logWeights[k] = float32(math.Log(m.Weights[k]))
			for _, v := range mean {
				means = append(means, float32(v))
			}
		}
		centres := graph.Reshape(graph.Const(g, means), 1, len(m.Means), m.Dim())
		variance := graph.ExpandAxes(graph.AddScalar(graph.Square(sigma), m.Std*m.Std), -1)
		away := graph.Sub(centres, graph.ExpandAxes(x, 1)) // [N, K, D]
		logits := graph.Sub(graph.Reshape(graph.Const(g, logWeights), 1, -1),
			graph.Div(graph.MulScalar(graph.ReduceSum(graph.Square(away), 2), 0.5), variance))
		shares := graph.Exp(logits)
		shares = graph.Div(shares, graph.ExpandAxes(graph.ReduceSum(shares, 1), -1))
		return graph.Div(graph.ReduceSum(graph.Mul(graph.ExpandAxes(shares, -1), away), 1), variance)
	}
}

// meansOf evaluates losses on n rows of a mixture with their noise and p projections, and averages each loss.
func meansOf(
	t *testing.T, m sampling.Mixture, n, p int, sigma float64, losses ...func(x, z, v, sigma *graph.Node) *graph.Node,
) []float64 {
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
	exec, err := graph.NewExec(backend, func(x, z, v, sigma *graph.Node) []*graph.Node {
		var means []*graph.Node
		for _, loss := range losses {
			means = append(means, graph.ReduceAllMean(loss(x, z, v, sigma)))
		}
		return means
	})
	if err != nil {
		t.Fatal(err)
	}
	x, z, sigmas, _ := draws(t, m, n, sigma)
	v := make([]float32, p*len(x))
	sampling.Noise{Seed: 3}.Normal(v, 0)
	d := m.Dim()
	out, err := exec.Call(tensors.FromFlatDataAndDimensions(x, n, d), tensors.FromFlatDataAndDimensions(z, n, d),
		tensors.FromFlatDataAndDimensions(v, p*n, d), sigmas)
	if err != nil {
		t.Fatal(err)
	}
	means := make([]float64, len(out))
	for i, o := range out {
		means[i] = float64(tensors.ToScalar[float32](o))
	}
	return means
}

// TestSlicedAgreesWithExact: at the exact score, exact score matching is -½ E‖∇ log p‖². Sliced score matching has the
// same mean over many projections, or the mean divided by D if projections have length 1.
func TestSlicedAgreesWithExact(t *testing.T) {
	ring, err := sampling.Ring(8, 5, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		mixture sampling.Mixture
		want    float64
	}{"2gauss": {sampling.TwoGaussians(), -0.998}, "ring": {ring, -0.693}} {
		score, clean := exactScore(c.mixture), graph.ZerosLike
		got := meansOf(t, c.mixture, 20_000, 10, 1,
			func(x, _, _, sigma *graph.Node) *graph.Node { return esm(score, x, clean(sigma)) },
			func(x, _, v, sigma *graph.Node) *graph.Node { return ssm(score, x, v, clean(sigma)) },
			func(x, _, v, sigma *graph.Node) *graph.Node { return ssmVR(score, x, v, clean(sigma)) })
		if math.Abs(got[0]-c.want) > 0.015 {
			t.Errorf("%s: ESM of the exact score is %.4f, want %.3f", name, got[0], c.want)
		}
		if ssm := 2 * got[1]; math.Abs(ssm/got[0]-1) > 0.012 {
			t.Errorf("%s: twice SSM is %.4f, ESM %.4f", name, ssm, got[0])
		}
		if math.Abs(got[2]/got[0]-1) > 0.012 {
			t.Errorf("%s: SSM-VR is %.4f, ESM %.4f", name, got[2], got[0])
		}
	}
}

// TestSlicedAgreesWithDenoising: for any score, σ² ESM on the noisy data and annealed DSM differ by D/2 (Vincent 2011).
// This tests the exact score and a wrong one. Annealed SSM-VR equals σ² ESM.
func TestSlicedAgreesWithDenoising(t *testing.T) {
	m := sampling.TwoGaussians()
	exact := exactScore(m)
	for factor, score := range map[float64]Score{
		1:   exact,
		0.7: func(x, sigma *graph.Node) *graph.Node { return graph.MulScalar(exact(x, sigma), 0.7) },
	} {
		for _, sigma := range []float64{0.5, 3} {
			got := meansOf(t, m, 40_000, 4, sigma,
				func(x, z, v, sigma *graph.Node) *graph.Node { return annealedSSMVR(score, x, z, v, sigma) },
				func(x, z, _, sigma *graph.Node) *graph.Node { return annealedDSM(score, x, z, sigma, 2) },
				func(x, z, _, sigma *graph.Node) *graph.Node {
					return diffused(score, x, z, sigma, graph.OnesLike(sigma))
				})
			if math.Abs(got[0]+1-got[1]) > 0.02 {
				t.Errorf("%g of the exact score, sigma %g: annealed SSM-VR + D/2 is %.4f, annealed DSM %.4f",
					factor, sigma, got[0]+1, got[1])
			}
			if got[1] != got[2] {
				t.Errorf("sigma %g: %.6f along a diffusion, %.6f by levels", sigma, got[2], got[1])
			}
		}
	}
}
