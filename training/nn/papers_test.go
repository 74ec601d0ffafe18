package nn

import (
	"math"
	"testing"
)

// ladder returns a geometric noise schedule of n levels from 1 to 0.01.
func ladder(n int) []float64 {
	sigmas := make([]float64, n)
	for i := range sigmas {
		sigmas[i] = math.Pow(0.01, float64(i)/float64(n-1))
	}
	return sigmas
}

// TestPaperSizes: the networks of the papers have the numbers of parameters of the authors' code.
func TestPaperSizes(t *testing.T) {
	mnist := RefineNet{Shape: []int{1, 28, 28}, Channels: 64}
	cifar := RefineNet{Shape: []int{3, 32, 32}, Channels: 128}
	for name, c := range map[string]struct {
		build func() (*Graph, error)
		want  int
	}{
		"ResScore":                    {ResScore{Shape: []int{3, 32, 32}, Channels: 32}.Build, 1_379_651},
		"CondRefineNetDilated, MNIST": {func() (*Graph, error) { return NCSN(mnist, ladder(10)) }, 7_638_657},
		"CondRefineNetDilated, CIFAR": {func() (*Graph, error) { return NCSN(cifar, ladder(10)) }, 30_117_635},
		"RefineNetDilated, MNIST":     {func() (*Graph, error) { return NCSNBaseline(mnist) }, 7_443_393},
		"RefineNetDilated, CIFAR":     {func() (*Graph, error) { return NCSNBaseline(cifar) }, 29_727_107},
		"NCSNv2":                      {func() (*Graph, error) { return NCSNv2(cifar) }, 29_694_083},
		"NCSNv2, MNIST":               {func() (*Graph, error) { return NCSNv2(mnist) }, 7_426_881},
		"NCSNv2Deeper": {func() (*Graph,
			error) {
			return NCSNv2Deeper(RefineNet{Shape: []int{3, 128, 128}, Channels: 128})
		}, 83_445_379},
		"NCSNv2Deepest": {func() (*Graph,
			error) {
			return NCSNv2Deepest(RefineNet{Shape: []int{3, 256, 256}, Channels: 128})
		}, 94_132_611},
	} {
		g, err := c.build()
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if got := g.NumParams(); got != c.want {
			t.Errorf("%s: %d parameters, want %d", name, got, c.want)
		}
	}
}

// smallPapers returns the same networks with few channels, for small images.
func smallPapers(t *testing.T) map[string]*Graph {
	t.Helper()
	small := RefineNet{Shape: []int{2, 4, 8}, Channels: 2}
	big := RefineNet{Shape: []int{1, 8, 8}, Channels: 2, Centred: true}
	graphs := make(map[string]*Graph)
	for name, build := range map[string]func() (*Graph, error){
		"ResScore":      ResScore{Shape: []int{2, 4, 8}, Channels: 8}.Build,
		"NCSN":          func() (*Graph, error) { return NCSN(small, ladder(4)) },
		"NCSNBaseline":  func() (*Graph, error) { return NCSNBaseline(small) },
		"NCSNv2":        func() (*Graph, error) { return NCSNv2(small) },
		"NCSNv2Deeper":  func() (*Graph, error) { return NCSNv2Deeper(big) },
		"NCSNv2Deepest": func() (*Graph, error) { return NCSNv2Deepest(big) },
	} {
		g, err := build()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		graphs[name] = g
	}
	return graphs
}

// TestInstanceNormPlus computes InstanceNorm++, γ (h + α (μ - m)/√(v + 1e-5)) + β, by hand for one image of three
// channels and two places. The means are 1, 2 and 6, so m is 3 and the unbiased v is 7. All channels have the variance
// 1, so h = ±1/√(1 + 1e-5).
func TestInstanceNormPlus(t *testing.T) {
	g, err := Build([]int{3, 1, 2}, func(b *Builder, x, _ *Node) *Node { return b.InstanceNormPlus("norm", x) })
	if err != nil {
		t.Fatal(err)
	}
	gamma, alpha, beta := []float32{1, 2, -1}, []float32{0.5, 1, 3}, []float32{0, 10, 0.25}
	params := append(append(append([]float32{}, gamma...), alpha...), beta...)
	got := evaluate(t, g, params, []float32{0, 2, 3, 1, 5, 7}, []float32{1}, nil)
	h := 1 / math.Sqrt(1+1e-5)
	root := math.Sqrt(7 + 1e-5)
	for i, want := range []float64{
		-h + 0.5*-2/root, h + 0.5*-2/root,
		2*(h-1/root) + 10, 2*(-h-1/root) + 10,
		-(-h + 3*3/root) + 0.25, -(h + 3*3/root) + 0.25,
	} {
		if math.Abs(got[i]-want) > 1e-12 {
			t.Errorf("element %d is %.15g, want %.15g", i, got[i], want)
		}
	}
}

// TestConditionalInstanceNormPlus: conditional norms use the row of the nearest noise level.
func TestConditionalInstanceNormPlus(t *testing.T) {
	g, err := Build([]int{2, 1, 2}, func(b *Builder, x, sigma *Node) *Node {
		return b.ConditionalInstanceNormPlus("norm", x, b.Nearest("level", sigma, []float64{1, 0.1}))
	})
	if err != nil {
		t.Fatal(err)
	}
	// With γ and α 0, the result is β, here of channels 1 and 2 at levels 1 and 2.
	params := []float32{0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4}
	got := evaluate(t, g, params, []float32{1, 2, 3, 5, 1, 2, 3, 5}, []float32{0.9, 0.2}, nil)
	for i, want := range []float64{1, 1, 2, 2, 3, 3, 4, 4} {
		if got[i] != want {
			t.Errorf("element %d is %g, want %g", i, got[i], want)
		}
	}
}
