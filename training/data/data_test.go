package data

import (
	"math"
	"slices"
	"strings"
	"testing"
)

func TestReadIsPure(t *testing.T) {
	c := Config{Name: Ring, Modes: 8, Radius: 5, Std: 1}
	read := func(seed, first uint64, n int) []float32 {
		source, err := c.Open(Train, seed)
		if err != nil {
			t.Fatal(err)
		}
		x := make([]float32, 2*n)
		if err := source.Read(x, first); err != nil {
			t.Fatal(err)
		}
		return x
	}
	all := read(1, 0, 100)
	if late := read(1, 60, 40); !slices.Equal(late, all[120:]) {
		t.Error("samples 60 to 99 differ when they are read alone")
	}
	if slices.Equal(read(2, 0, 100), all) {
		t.Error("another seed gives the same samples")
	}
}

func TestMixtures(t *testing.T) {
	const n = 40_000
	for _, c := range []struct {
		config Config
		name   string
		shares []float64
		radius float64 // distance of every mean from the origin
	}{
		{Config{Name: TwoGaussians, Std: 1}, "2gauss, std 1", []float64{0.8, 0.2}, 5 * math.Sqrt2},
		{Config{Name: TwoGaussians, Std: 0.5, Weights: []float64{1, 1}}, "2gauss, std 0.5, weights [1 1]",
			[]float64{0.5, 0.5}, 5 * math.Sqrt2},
		{Config{Name: Mixture, Means: [][]float64{{3, 0}, {0, -3}}, Std: 0.5, Weights: []float64{1, 3}},
			"mixture, 2 modes in 2 dimensions, std 0.5, weights [1 3]", []float64{0.25, 0.75}, 3},
		{Config{Name: Ring, Modes: 4, Radius: 3, Std: 0.5}, "ring, 4 modes, radius 3, std 0.5",
			[]float64{0.25, 0.25, 0.25, 0.25}, 3},
		{Config{Name: Ring, Modes: 2, Radius: 3, Std: 0.5, Weights: []float64{3, 1}},
			"ring, 2 modes, radius 3, std 0.5, weights [3 1]", []float64{0.75, 0.25}, 3},
	} {
		source, err := c.config.Open(Train, 3)
		if err != nil {
			t.Fatal(err)
		}
		if got := source.Name(); got != c.name || !slices.Equal(source.Shape(), []int{2}) {
			t.Errorf("source %q of shape %v, want %q of shape [2]", got, source.Shape(), c.name)
		}
		x := make([]float32, 2*n)
		if err := source.Read(x, 0); err != nil {
			t.Fatal(err)
		}
		m, err := c.config.Mixture()
		if err != nil {
			t.Fatal(err)
		}
		for k, share := range m.Shares(x) {
			if math.Abs(share-c.shares[k]) > 0.012 {
				t.Errorf("%s: share %.4f of mode %d, want %.4f", c.name, share, k, c.shares[k])
			}
			if r := math.Hypot(m.Means[k][0], m.Means[k][1]); math.Abs(r-c.radius) > 1e-9 {
				t.Errorf("%s: mean %d at radius %g, want %g", c.name, k, r, c.radius)
			}
		}
		var variance float64
		for i := range n {
			p := x[2*i : 2*i+2]
			mean := m.Means[m.Nearest(p)]
			variance += (math.Pow(float64(p[0])-mean[0], 2) + math.Pow(float64(p[1])-mean[1], 2)) / (2 * n)
		}
		if want := c.config.Std * c.config.Std; math.Abs(variance/want-1) > 0.05 {
			t.Errorf("%s: variance %g about the nearest mean, want %g", c.name, variance, want)
		}
	}
}

func TestConfigRefuses(t *testing.T) {
	for _, c := range []struct {
		config Config
		want   []string // parts of the error
	}{
		{Config{Name: "mnits", Std: 1}, []string{`data.name is "mnits"`}},
		{Config{Name: MNIST, Std: 1, Dequantize: "odd"},
			[]string{"data.dir is empty", `data.dequantization is "odd"`, "data.std: mnist has no such key"}},
		{Config{Name: TwoGaussians, Std: 1, Dir: "x", RandomFlip: true, Dequantize: DequantizeNone},
			[]string{"data.dir: 2gauss has no such key", "data.random_flip: ", "data.dequantization: "}},
		{Config{Name: Mixture, Std: 1, Means: [][]float64{{1}, {1, 2}}}, []string{"data.means[1] has 2 coordinates"}},
		{Config{Name: Mixture, Std: 1e38, Means: [][]float64{{1, math.NaN()}, {-1e40, 2}}}, []string{
			"data.means[0][1] is NaN: want", "data.means[1][0] is -1e+40",
			"data.std is 1e+38: want a number above 0, at most 1e37",
		}},
		{Config{Name: Spirals}, []string{"data.turns is 0", "data.radius is 0", "data.std is 0"}},
		{Config{Name: CelebA, Dir: "x"}, []string{"data.image_size is 0"}},
		{Config{Name: MNIST, Dir: "x", ImageSize: -1}, []string{"data.image_size is -1"}},
		{Config{Name: Ring, Std: -1, Weights: []float64{1, 0}}, []string{"data.modes is 0", "data.radius is 0",
			"data.std is -1", "data.weights has 2", "data.weights[1] is 0"}},
		{Config{Name: Ring, Modes: 1 << 20, Radius: math.Inf(1), Std: math.NaN()},
			[]string{"data.modes is 1048576", "data.radius is +Inf", "data.std is NaN"}},
		{Config{Name: TwoGaussians, Std: 1, Modes: 8, Radius: 5},
			[]string{"data.modes: 2gauss has no such key", "data.radius: 2gauss has no such key"}},
		{Config{Name: TwoGaussians, Std: 1, Weights: []float64{1, 2, 3}},
			[]string{"data.weights has 3 values: want one for each of 2 modes"}},
	} {
		_, err := c.config.Open(Train, 1)
		for _, want := range c.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%v: error %v, want one that says %q", c.config, err, want)
			}
		}
	}
}
