package nn

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/langevin-ml/langevin/sampling"
)

// resampled is the definition of StyleGAN2's filter for one image: put up-1 zeros behind each element, pad, convolve
// with the outer product of 1, 3, 3, 1 divided by 64, and keep every down-th element. gain multiplies the kernel.
func resampled(x []float64, height, width, up, down, before, behind int, gain float64) []float64 {
	taps := [4]float64{1, 3, 3, 1}
	at := func(row, column int) float64 { // of the image with zeros
		row, column = row-before, column-before
		if row < 0 || column < 0 || row%up != 0 || column%up != 0 || row/up >= height || column/up >= width {
			return 0
		}
		return x[row/up*width+column/up]
	}
	var result []float64
	for row := 0; row+4 <= height*up+before+behind; row += down {
		for column := 0; column+4 <= width*up+before+behind; column += down {
			var sum float64
			for i := range 16 {
				sum += taps[i/4] * taps[i%4] / 64 * gain * at(row+i/4, column+i%4)
			}
			result = append(result, sum)
		}
	}
	return result
}

// layer records an operation on x that may have any shape.
func layer(t *testing.T, shape []int, define func(b *Builder, x *Node) *Node) *Graph {
	t.Helper()
	g, err := record(shape, func(b *Builder, x *Node) *Graph {
		y := define(b, x)
		b.output("y", y)
		return b.graph(&Graph{X: x, Outputs: []*Node{y}})
	})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// expect evaluates one row.
func expect(t *testing.T, what string, g *Graph, params []float32, x, want []float64, tolerance float64) {
	t.Helper()
	got, err := g.Evaluate(params, x, []float64{1})
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != len(want) {
		t.Fatalf("%s: %d elements, want %d", what, len(got), len(want))
	}
	for i, v := range want {
		if !(math.Abs(got[i]-v) <= tolerance*max(1, math.Abs(v))) {
			t.Errorf("%s: element %d is %.15g, want %.15g", what, i, got[i], v)
		}
	}
}

// TestFilters compares the three forms of StyleGAN2's filter with its definition.
func TestFilters(t *testing.T) {
	const height, width = 4, 6
	x := make([]float64, height*width)
	for i := range x {
		x[i] = math.Sin(float64(3 * i))
	}
	shape := []int{1, height, width}
	halved := layer(t, shape, func(b *Builder, x *Node) *Node { return b.halved("half", x) })
	expect(t, "halved", halved, nil, x, resampled(x, height, width, 1, 2, 1, 1, 1), 1e-12)
	doubled := layer(t, shape, func(b *Builder, x *Node) *Node { return b.doubled("twice", x) })
	expect(t, "doubled", doubled, nil, x, resampled(x, height, width, 2, 1, 2, 1, 4), 1e-12)

	// A kernel with a single 1 selects places of the filtered image, which is one larger in both directions.
	convolved := layer(t, shape, func(b *Builder, x *Node) *Node { return b.halvedConv("conv", x, 1) })
	filtered := resampled(x, height, width, 1, 1, 2, 2, 1)
	for tap := range 9 {
		params := make([]float32, 9+1)
		params[tap], params[9] = 1, 0.5
		var want []float64
		for place := range height / 2 * width / 2 {
			row, column := place/(width/2)*2+tap/3, place%(width/2)*2+tap%3
			want = append(want, filtered[row*(width+1)+column]+0.5)
		}
		expect(t, "halved by a convolution", convolved, params, x, want, 1e-12)
	}
}

// TestAttention compares one head with the formula, for two channels at three places.
func TestAttention(t *testing.T) {
	g := layer(t, []int{2, 1, 3}, func(b *Builder, x *Node) *Node { return b.attention("head", x, 1) })
	params, x := scattered(g), []float64{1, -2, 0.5, 0.25, 1, 3}
	project := func(part, channel, place int) float64 { // parts are queries, keys and values: 4 weights and 2 biases
		p := params[6*part:]
		return float64(p[2*channel])*x[place] + float64(p[2*channel+1])*x[3+place] + float64(p[4+channel])
	}
	want := make([]float64, 6)
	for at := range 3 {
		var sum float64
		for place := range 3 {
			dot := project(0, 0, at)*project(1, 0, place) + project(0, 1, at)*project(1, 1, place)
			weight := math.Exp(dot / math.Sqrt2)
			sum += weight
			want[at] += weight * project(2, 0, place)
			want[3+at] += weight * project(2, 1, place)
		}
		want[at], want[3+at] = want[at]/sum, want[3+at]/sum
	}
	expect(t, "attention", g, params, x, want, 1e-12)
}

// TestDropout: factors are 0 at the given rate and the inverse of what is kept otherwise, and multiply in a training
// only. Each dropout has its own columns.
func TestDropout(t *testing.T) {
	const rows, width = 100, 30
	g := layer(t, []int{width}, func(b *Builder, x *Node) *Node {
		first := b.Dropout("first", b.Tanh("bounded", x), 0.25)
		return b.Concat("both", 1, first, b.Dropout("second", x, 0.5), b.Dropout("none", x, 0))
	})
	if n := g.Dropped(); n != 2*width {
		t.Fatalf("%d numbers may be dropped, want %d", n, 2*width)
	}
	x, factors := make([]float32, rows*width), make([]float32, rows*2*width)
	sampling.Noise{Seed: 1}.Normal(x, 0)
	sampling.Noise{Seed: 2}.Uniform(factors, 0)
	kept := map[float32]int{}
	for i := range rows {
		row := factors[2*width*i:][:2*width]
		g.DropFactors(row)
		for j, f := range row {
			if f != 0 && f != []float32{float32(1 / 0.75), 2}[j/width] {
				t.Fatalf("column %d has the factor %g", j, f)
			}
			kept[f]++
		}
	}
	if a, b := kept[float32(1/0.75)], kept[2]; math.Abs(float64(a)-2250) > 100 || math.Abs(float64(b)-1500) > 110 {
		t.Errorf("%d and %d of 3000 numbers are kept, want 2250 and 1500 within four standard deviations", a, b)
	}
	exec, err := graph.NewExec(onnxRuntime(t), func(x, factors *graph.Node) *graph.Node {
		return g.GoMLXDropped(nil, factors, x)
	})
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Call1(tensors.FromFlatDataAndDimensions(x, rows, width),
		tensors.FromFlatDataAndDimensions(factors, rows, 2*width))
	if err != nil {
		t.Fatal(err)
	}
	for i, got := range tensors.MustCopyFlatData[float32](out) {
		row, column := i/(3*width), i%(3*width)
		want := float64(x[row*width+column%width])
		if column < width {
			want = math.Tanh(want)
		}
		if column < 2*width {
			want *= float64(factors[row*2*width+column])
		}
		if math.Abs(float64(got)-want) > 1e-5 {
			t.Fatalf("row %d, column %d: %g, want %g", row, column, got, want)
		}
	}
}

// TestPlusTimes: networks of VP and sub-VP take 999 times the time at which the process has the sigma, and the sample
// as the process has it then, also where float32 has few digits of 1 + sigma².
func TestPlusTimes(t *testing.T) {
	for _, process := range []sampling.Process{sampling.VP, sampling.SubVP} {
		sde := sampling.PaperSDE(process)
		var sigma []float32
		var times, scales []float64
		for _, at := range []float64{1e-5, 1e-4, 1e-3, 0.01, 0.1, 0.5, 0.999, 1} {
			sigma = append(sigma, float32(sde.Sigma(at)))
			times, scales = append(times, 999*at), append(scales, sde.Mean(at))
		}
		for _, c := range []struct {
			name   string
			define func(w plusWriter, x, sigma *Node) *Node
			want   []float64
		}{
			{"time", func(w plusWriter, _, sigma *Node) *Node { return w.time(sigma) }, times},
			{"alpha", func(w plusWriter, x, sigma *Node) *Node { return w.shrunk(x, sigma) }, scales},
		} {
			g, err := Build([]int{1}, func(b *Builder, x, sigma *Node) *Node {
				w := plusWriter{Builder: b, PlusPlus: PlusPlus{Process: process}}
				y := c.define(w, x, b.Unsqueeze("column", sigma, 1))
				return b.Mul("whole", b.Parameter("one", Init{Mean: 1}, 1, 1), y)
			})
			if err != nil {
				t.Fatal(err)
			}
			ones := slices.Repeat([]float32{1}, len(sigma))
			for i, got := range runGoMLX(t, g, []float32{1}, ones, sigma, nil) {
				if math.Abs(float64(got)/c.want[i]-1) > 1e-5 {
					t.Errorf("%s: %s of sigma %g is %g, want %g", process, c.name, sigma[i], got, c.want[i])
				}
			}
		}
	}
}

// TestPlusPlusStart: the initial weights are those of the authors' code. So the score starts near 0, and the loss of a
// row at half the number of its elements.
func TestPlusPlusStart(t *testing.T) {
	g, err := smallPlusPlus().Build()
	if err != nil {
		t.Fatal(err)
	}
	params := g.NewParams(1)
	for i, values := range g.Split(params) {
		p, least, most := g.Params[i], slices.Min(values), slices.Max(values)
		scale := 1.0
		switch {
		case strings.HasSuffix(p.Name, ".bias"):
			if least != 0 || most != 0 {
				t.Errorf("%s is in %g to %g, want 0", p.Name, least, most)
			}
			continue
		case strings.Contains(p.Name, "norm"):
			if least != 1 || most != 1 {
				t.Errorf("%s is in %g to %g, want 1", p.Name, least, most)
			}
			continue
		case strings.Contains(p.Name, ".conv2.") || strings.Contains(p.Name, "out."):
			scale = 1e-10
		case strings.Contains(p.Name, ".heads."):
			scale = 0.1
		}
		inner, outer := product(p.Shape[1:]), p.Shape[0]*product(p.Shape[2:]) // inputs and outputs of a weight
		bound := math.Sqrt(6 * scale / float64(inner+outer))
		up, down := float64(most)/bound, -float64(least)/bound
		if max(up, down) > 1 || min(up, down) < 0.5 {
			t.Errorf("%s is in %g to %g, want nearly ±%g", p.Name, least, most, bound)
		}
	}
	x, sigma := inputs(g, 4)
	for i, s := range evaluate(t, g, params, x, sigma, nil) {
		if math.Abs(s)*float64(sigma[i/(len(x)/4)]) > 1e-3 {
			t.Errorf("element %d of the score is %g before the training, want about 0", i, s)
		}
	}
}
