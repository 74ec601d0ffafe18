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

// rowsOf evaluates a loss on rows of clean data x, noise z and levels sigma, for a network with the given scores at x +
// σz. The given shape of x, z and scores is without the batch axis.
func rowsOf(t *testing.T, loss func(score Score, x, z, sigma *graph.Node) *graph.Node, x, z, sigma, scores []float32,
	shape ...int) []float32 {
	t.Helper()
	path, searched, err := ort.FindLibrary("")
	if err != nil {
		t.Fatalf("run make onnxruntime: %v (looked at %q)", err, searched)
	}
	backend, err := onnxbackend.New(path + ",cpu")
	if err != nil {
		t.Fatal(err)
	}
	exec, err := graph.NewExec(backend, func(x, z, sigma, scores *graph.Node) *graph.Node {
		return loss(func(*graph.Node, *graph.Node) *graph.Node { return scores }, x, z, sigma)
	})
	if err != nil {
		t.Fatal(err)
	}
	tensor := func(values []float32) *tensors.Tensor {
		return tensors.FromFlatDataAndDimensions(values, append([]int{len(sigma)}, shape...)...)
	}
	out, err := exec.Call1(tensor(x), tensor(z), sigma, tensor(scores))
	if err != nil {
		t.Fatal(err)
	}
	return tensors.MustCopyFlatData[float32](out)
}

func annealed(power float64) func(Score, *graph.Node, *graph.Node, *graph.Node) *graph.Node {
	return func(score Score, x, z, sigma *graph.Node) *graph.Node { return annealedDSM(score, x, z, sigma, power) }
}

// draws are n rows of a mixture and their noise, all at one sigma, with the exact scores at x + σz.
func draws(t *testing.T, m sampling.Mixture, n int, sigma float64) (x, z, sigmas, scores []float32) {
	t.Helper()
	d := m.Dim()
	x, z, sigmas, scores = make([]float32, n*d), make([]float32, n*d), make([]float32, n), make([]float32, n*d)
	sampling.Noise{Seed: 2, Chain: 1 << 40}.Normal(z, 0)
	noisy := make([]float32, n*d)
	for i := range sigmas {
		sigmas[i] = float32(sigma)
		m.Sample(x[i*d:(i+1)*d], sampling.Noise{Seed: 1, Chain: uint64(i)})
	}
	for i := range noisy {
		noisy[i] = x[i] + sigmas[i/d]*z[i]
	}
	if err := m.Score(t.Context(), scores, noisy, sigmas); err != nil {
		t.Fatal(err)
	}
	return x, z, sigmas, scores
}

func mean(values []float32) float64 {
	var sum float64
	for _, v := range values {
		sum += float64(v)
	}
	return sum / float64(len(values))
}

// TestAnnealedDSMOfZero: a network that returns 0 has the loss ½ ‖z‖² in every row, at every level. Its mean is D/2.
func TestAnnealedDSMOfZero(t *testing.T) {
	const n, d = 4096, 6
	x, z, sigma := make([]float32, n*d), make([]float32, n*d), make([]float32, n)
	sampling.Noise{}.Normal(z, 0)
	for i := range sigma {
		sigma[i] = float32(20 * math.Pow(0.01, float64(i%10)/9))
	}
	losses := rowsOf(t, annealed(2), x, z, sigma, make([]float32, n*d), 1, 2, 3)
	for i, got := range losses {
		var want float64
		for _, v := range z[i*d : (i+1)*d] {
			want += float64(v) * float64(v) / 2
		}
		if math.Abs(float64(got)-want) > 1e-5*max(1, want) {
			t.Fatalf("row %d: loss %g, want ½‖z‖² = %g", i, got, want)
		}
	}
	if got := mean(losses); math.Abs(got-d/2.0) > 0.1 {
		t.Errorf("mean loss %g, want D/2 = %g", got, d/2.0)
	}
}

// TestAnnealedDSMOfExactScore: the exact score of the noisy data has the least possible loss. A correct network
// approaches these values from above.
func TestAnnealedDSMOfExactScore(t *testing.T) {
	ring, err := sampling.Ring(8, 5, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	sigmas := []float64{20, 14.73, 10.85, 7.52, 5.54, 3.84, 2.83, 1.96, 1.44, 1}
	for name, c := range map[string]struct {
		mixture sampling.Mixture
		minima  []float64
	}{
		"2gauss": {sampling.TwoGaussians(),
			[]float64{0.037, 0.067, 0.110, 0.170, 0.202, 0.192, 0.166, 0.213, 0.327, 0.499}},
		"ring": {ring, []float64{0.035, 0.057, 0.101, 0.193, 0.306, 0.462, 0.572, 0.646, 0.687, 0.744}},
	} {
		for i, sigma := range sigmas {
			x, z, sigmas, scores := draws(t, c.mixture, 20_000, sigma)
			got := mean(rowsOf(t, annealed(2), x, z, sigmas, scores, 2))
			if math.Abs(got/c.minima[i]-1) > 0.04+0.0025/c.minima[i] {
				t.Errorf("%s, sigma %g: loss of the exact score is %.4f, want %.3f", name, sigma, got, c.minima[i])
			}
			for j := range scores {
				scores[j] *= 1.2
			}
			if worse := mean(rowsOf(t, annealed(2), x, z, sigmas, scores, 2)); worse <= got {
				t.Errorf("%s, sigma %g: 1.2 times the exact score has loss %g, no more than its own %g",
					name, sigma, worse, got)
			}
		}
	}
}

// TestDSMMinimum: for one Gaussian of std τ, the least plain DSM loss is D/2·(1/σ² - 1/(σ² + τ²)).
func TestDSMMinimum(t *testing.T) {
	const tau = 0.7
	gaussian, err := sampling.Ring(1, 3, tau, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, sigma := range []float64{0.1, 0.5, 2} {
		x, z, sigmas, scores := draws(t, gaussian, 40_000, sigma)
		got := mean(rowsOf(t, annealed(0), x, z, sigmas, scores, 2))
		want := 1/(sigma*sigma) - 1/(sigma*sigma+tau*tau)
		if math.Abs(got/want-1) > 0.03 {
			t.Errorf("sigma %g: loss %g, want %g", sigma, got, want)
		}
	}
}

// TestPower: the weight of a level is σ^power, in every row.
func TestPower(t *testing.T) {
	x, z, _, scores := draws(t, sampling.TwoGaussians(), 4, 1)
	sigma := []float32{0.1, 0.5, 2, 10}
	plain := rowsOf(t, annealed(0), x, z, sigma, scores, 2)
	for _, power := range []float64{1, 2, 3} {
		for i, got := range rowsOf(t, annealed(power), x, z, sigma, scores, 2) {
			if want := float64(plain[i]) * math.Pow(float64(sigma[i]), power); math.Abs(float64(got)/want-1) > 1e-4 {
				t.Errorf("power %g, sigma %g: loss %g, want %g", power, sigma[i], got, want)
			}
		}
	}
}
