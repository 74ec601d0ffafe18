package nn

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/langevin-ml/langevin/sampling"
)

// smallUNet is the number of parameters of a UNet of 2-channel images with 4 and 8 channels and one block per stage. It
// is the sum of the embedding, the convolutions in, down, up and out, and in each block two convolutions and their
// scales and shifts; the scales and shifts occur once more at the end.
const smallUNet = (32+1)*16 + (8*9+1)*4 + (4*9+1)*8 + (8*9+1)*4 + (4*9+1)*8 +
	2*(2*(4*9+1)*4+2*(16+1)*4) + (2*(8*9+1)*8 + 2*(16+1)*8) + 2*(16+1)*4

// networks returns the networks of this package, with their numbers of parameters (17,154 and 39,938 are the papers').
func networks(t *testing.T) map[string]struct {
	graph  *Graph
	params int
	nodes  int // number of nodes in the ONNX file; 0: any
} {
	t.Helper()
	must := func(g *Graph, err error) *Graph {
		if err != nil {
			t.Fatal(err)
		}
		return g
	}
	given := func(m MLP, c Condition) MLP { m.Condition = c; return m }
	silu := MLP{Dim: 2, Hidden: 128, Activation: SiLU}
	softplus := MLP{Dim: 2, Hidden: 128, Activation: Softplus}
	levels := make([]float64, 50)
	for i := range levels {
		levels[i] = 20 * math.Pow(0.05, float64(i)/49)
	}
	return map[string]struct {
		graph  *Graph
		params int
		nodes  int
	}{
		"toy":             {must(ToyMLP(silu, 2)), 17_282, 13},
		"toy softplus":    {must(ToyMLP(softplus, 2)), 17_282, 18},
		"unconditional":   {must(UnconditionalMLP(softplus)), 17_154, 17},
		"embedding":       {must(EmbeddingMLP(softplus, levels)), 39_938, 23},
		"toy of classes":  {must(ToyMLP(given(silu, Condition{Classes: 5, Dropped: true}), 2)), 17_282 + 6*128, 15},
		"toy of a class":  {must(ToyMLP(given(softplus, Condition{Classes: 3}), 2)), 17_282 + 3*128, 20},
		"toy of a vector": {must(ToyMLP(given(silu, Condition{Size: 3, Dropped: true}), 2)), 17_282 + 5*128, 15},
		"toy of a vector in other units": {must(ToyMLP(given(silu, Condition{Size: 2, Dropped: true,
			Mean: []float64{1, -2}, Std: []float64{0.5, 3}}), 2)), 17_282 + 4*128, 17},
		"embedding of a vector": {must(EmbeddingMLP(given(softplus, Condition{Size: 1}), levels)),
			39_938 + 2*128, 25},
		"unconditional of classes": {must(UnconditionalMLP(given(softplus, Condition{Classes: 4}))),
			17_154 + 4*128, 19},
		"residual": {must(Residual{Dim: 3, Hidden: 8, Blocks: 2, Std: 0.9}.Build()),
			33*8 + 4*8 + 2*3*9*8 + 9*3, 42},
		"series": {must(Series{Length: 12, Channels: 4, Blocks: 2, Mean: 0.5, Std: 2}.Build()),
			4*5 + 4 + 33*16 + 2*(17*4+(4*3+1)*4+5*4) + 5, 0},
		"series in patches": {must(Series{Length: 12, Channels: 4, Blocks: 2, Patch: 3, Mean: 0.5, Std: 2}.Build()),
			4*5*3 + 4 + 33*16 + 2*(17*4+(4*3+1)*4+5*4) + 5*3, 0},
		"series of vectors in patches": {must(Series{Length: 12, Width: 3, Patch: 2, Channels: 4, Blocks: 1,
			Std: 2}.Build()), 4*5*6 + 4 + 33*16 + 17*4 + (4*3+1)*4 + 5*4 + 5*6, 0},
		"series of modulated blocks": {must(Series{Length: 12, Channels: 4, Blocks: 2, Modulated: true, Patch: 2,
			Std: 2}.Build()), 4*5*2 + 4 + 33*16 + 2*(17*8+(4*3+1)*4+5*4) + 17*8 + 5*2, 0},
		"series of vectors": {must(Series{Length: 12, Width: 3, Means: []float64{10, -2, 0}, Channels: 4, Blocks: 1,
			Std: 2}.Build()), 4*5*3 + 4 + 33*16 + 17*4 + (4*3+1)*4 + 5*4 + 5*3, 0},
		"residual of classes": {must(Residual{Dim: 3, Hidden: 8, Blocks: 1, Std: 1,
			Condition: Condition{Classes: 4, Dropped: true}}.Build()), 33*8 + 4*8 + 3*9*8 + 9*3 + 5*8, 35},
		"residual of categories": {must(Residual{Dim: 9, Hidden: 8, Blocks: 1, Std: 1, Choices: []Choices{
			{First: 1, Count: 2, Size: 2, Scale: 2}, {First: 6, Count: 1, Size: 3, Scale: 1.5},
		}}.Build()), 33*8 + 10*8 + 3*9*8 + 9*9, 0},
		"unet of classes": {must(UNet{Shape: []int{2, 8, 12}, Outer: 4, Inner: 8, Blocks: 1, Mean: 0.2, Std: 0.4,
			Condition: Condition{Classes: 10, Dropped: true}}.Build()), smallUNet + 11*16, 102},
		"unet of a vector": {must(UNet{Shape: []int{2, 8, 12}, Outer: 4, Inner: 8, Blocks: 1, Mean: 0.2, Std: 0.4,
			Condition: Condition{Size: 4}}.Build()), smallUNet + 5*16, 102},
		"ncsn++ of classes": {must(smallPlusPlus(func(p *PlusPlus) {
			p.Condition = Condition{Classes: 3, Dropped: true}
		}).Build()), 12_606 + 4*16, 0},
		"ncsn++, levels": {must(smallPlusPlus(func(p *PlusPlus) {
			p.Levels, p.Input, p.Output, p.Attention = ladder(5), PyramidSkip, true, []int{8}
		}).Build()), 12_208, 0},
		"ddpm++": {must(smallPlusPlus(withoutPyramid(sampling.VP)).Build()), 12_466, 0},
		"ddpm++ of a vector, sub-VP": {must(smallPlusPlus(withoutPyramid(sampling.SubVP), func(p *PlusPlus) {
			p.Condition = Condition{Size: 2}
		}).Build()), 12_466 + 3*16, 0},
		"ddpm++, steps": {must(smallPlusPlus(withoutPyramid(sampling.VP), func(p *PlusPlus) {
			p.Levels = []float64{0.1, 1, 10}
		}).Build()), 12_466, 0},
		"unet": {must(UNet{Shape: []int{2, 8, 12}, Outer: 4, Inner: 8, Blocks: 1, Mean: 0.2,
			Std: 0.4}.Build()), smallUNet, 100},
	}
}

// smallPlusPlus returns a small NCSN++ with some changes. Its numbers of parameters, 12,606 and with the changes in
// networks 12,208 and 12,466, are those of the authors' code.
func smallPlusPlus(changes ...func(p *PlusPlus)) PlusPlus {
	p := PlusPlus{
		Shape: []int{2, 4, 8}, Channels: 4, Multipliers: []int{1, 2}, Blocks: 1, Attention: []int{4}, Dropout: 0.25,
		Process: sampling.VE, FourierScale: 0.3, FIR: true, Input: PyramidResidual,
	}
	for _, change := range changes {
		change(&p)
	}
	return p
}

// withoutPyramid makes an NCSN++ a DDPM++ of the given process.
func withoutPyramid(process sampling.Process) func(p *PlusPlus) {
	return func(p *PlusPlus) {
		p.Process, p.Centred, p.FIR, p.Input, p.FourierScale = process, true, false, NoPyramid, 0
	}
}

func TestNetworkSizes(t *testing.T) {
	for name, c := range networks(t) {
		if got := c.graph.NumParams(); got != c.params {
			t.Errorf("%s: %d parameters, want %d", name, got, c.params)
		}
		model, err := c.graph.ONNX("test", make([]float32, c.params))
		if err != nil {
			t.Fatal(err)
		}
		if got := len(model.Graph.Node); got != c.nodes && c.nodes > 0 {
			t.Errorf("%s: %d ONNX nodes, want %d", name, got, c.nodes)
		}
	}
}

// TestToyMLPLimits: the score of ToyMLP belongs to a denoiser that returns x itself without noise.
func TestToyMLPLimits(t *testing.T) {
	g, err := ToyMLP(MLP{Dim: 3, Hidden: 8, Activation: SiLU}, 1.5)
	if err != nil {
		t.Fatal(err)
	}
	params, x := g.NewParams(1), []float64{1, -2, 0.5}
	denoised := func(sigma float64) []float64 {
		s, err := g.Evaluate(params, x, []float64{sigma})
		if err != nil {
			t.Fatal(err)
		}
		for i := range s {
			s[i] = x[i] + sigma*sigma*s[i]
		}
		return s
	}
	for i, d := range denoised(1e-6) {
		if math.Abs(d-x[i]) > 1e-9 {
			t.Errorf("sigma 1e-6: denoised[%d] is %g, want x, %g", i, d, x[i])
		}
	}
	for i, d := range denoised(1e6) {
		if math.Abs(d) > 10 {
			t.Errorf("sigma 1e6: denoised[%d] is %g, want the scale of the data", i, d)
		}
	}
}

// TestToyMLPFarField: far from the origin, the score of ToyMLP points back to it for all parameters.
func TestToyMLPFarField(t *testing.T) {
	g := networks(t)["toy"].graph
	params := g.NewParams(1)
	var reach float64 // length of the longest row of G
	for i, piece := range g.Split(params) {
		for j := range piece {
			piece[j] *= 10
			if strings.HasPrefix(g.Params[i].Name, "dense3.") {
				reach += math.Abs(float64(piece[j]))
			}
		}
	}
	for _, sigma := range []float64{0.2, 2, 20} {
		for turn := range 16 {
			sin, cos := math.Sincos(float64(turn) * math.Pi / 8)
			x := []float64{2 * reach * cos, 2 * reach * sin}
			s, err := g.Evaluate(params, x, []float64{sigma})
			if err != nil {
				t.Fatal(err)
			}
			if towards := -(s[0]*cos + s[1]*sin) * (sigma + 2) * (sigma + 2); towards < reach {
				t.Errorf("sigma %g, x %v: the score pulls back by %g/r², want at least %g/r²", sigma, x, towards, reach)
			}
		}
	}
}

// TestNewParams: weights and biases are uniform on ±1/√fan_in, and embeddings are from N(0, 1).
func TestNewParams(t *testing.T) {
	g := networks(t)["embedding"].graph
	params := g.NewParams(7)
	if !slices.Equal(params, g.NewParams(7)) {
		t.Error("the same seed gives other parameters")
	}
	if slices.Equal(params, g.NewParams(8)) {
		t.Error("another seed gives the same parameters")
	}
	std := map[string]float64{"embedding.weight": 1, "dense1.weight": 1 / math.Sqrt(3*130),
		"dense2.weight": 1 / math.Sqrt(3*128), "dense2.bias": 1 / math.Sqrt(3*128)}
	for i, piece := range g.Split(params) {
		name := g.Params[i].Name
		var sum, sum2, largest float64
		for _, v := range piece {
			sum += float64(v)
			sum2 += float64(v) * float64(v)
			largest = max(largest, math.Abs(float64(v)))
		}
		n := float64(len(piece))
		if want, ok := std[name]; ok &&
			(math.Abs(math.Sqrt(sum2/n)/want-1) > 0.15 || math.Abs(sum/n) > 4*want/math.Sqrt(n)) {
			t.Errorf("%s: mean %g, std %g, want 0, %g", name, sum/n, math.Sqrt(sum2/n), want)
		}
		if bound := g.Params[i].Init.Bound; bound != 0 && largest > bound {
			t.Errorf("%s: an element of %g, want at most %g", name, largest, bound)
		}
	}
}

func TestBuildRefuses(t *testing.T) {
	mlp := MLP{Dim: 2, Hidden: 4, Activation: SiLU}
	build := func(define func(b *Builder, x, sigma *Node) *Node) error {
		_, err := Build([]int{2}, define)
		return err
	}
	second := func(_ *Graph, err error) error { return err }
	given := func(define func(b *Builder, c *Node) *Node) error {
		return second(BuildGiven([]int{2}, Condition{Size: 2},
			func(b *Builder, _, _, c *Node) *Node { return define(b, c) }))
	}
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"no axes":    {second(Build(nil, nil)), "shape []"},
		"zero axis":  {second(Build([]int{0}, nil)), "shape [0]"},
		"score is x": {build(func(_ *Builder, x, _ *Node) *Node { return x }), "score is an Input"},
		"score of another shape": {build(func(b *Builder, x, _ *Node) *Node { return b.Dense("d", x, 3) }),
			"shape [-1 3]"},
		"two names": {build(func(b *Builder, x, _ *Node) *Node { b.Sigmoid("a", x); return b.Sigmoid("a", x) }),
			`named "a"`},
		"stolen name": {build(func(b *Builder, x, _ *Node) *Node {
			b.Sigmoid("score", x)
			return b.Sigmoid("a", x)
		}), "named score"},
		"no broadcast": {build(func(b *Builder, x, sigma *Node) *Node { return b.Add("a", x, sigma) }),
			"do not broadcast"},
		"concat the rows": {build(func(b *Builder, x, _ *Node) *Node { return b.Concat("a", 0, x, x) }), "axis 0"},
		"concat unlike": {build(func(b *Builder, x, sigma *Node) *Node {
			return b.Concat("a", 1, x, sigma)
		}), "differ off axis"},
		"unsqueeze": {build(func(b *Builder, x, _ *Node) *Node { return b.Unsqueeze("a", x, 4) }), "axes [4]"},
		"dense of a vector": {build(func(b *Builder, _, sigma *Node) *Node { return b.Dense("a", sigma, 2) }),
			"want rows"},
		"dense of width 0": {build(func(b *Builder, x, _ *Node) *Node { return b.Dense("a", x, 0) }), "a.weight"},
		"constant NaN":     {build(func(b *Builder, _, _ *Node) *Node { return b.Constant("a", math.NaN()) }), "NaN"},
		"nearest of none": {build(func(b *Builder, _, sigma *Node) *Node { return b.Nearest("a", sigma, nil) }),
			"0 values"},
		"embedding of x": {build(func(b *Builder, x, _ *Node) *Node { return b.Embedding("a", x, 2) }),
			"want the result of Nearest"},
		"embedding of a vector": {given(func(b *Builder, c *Node) *Node { return b.Embedding("a", c, 2) }),
			"or a class"},
		"score is c": {given(func(_ *Builder, c *Node) *Node { return c }), "score is an Input"},
		"one mean for two": {second(BuildGiven([]int{2},
			Condition{Size: 2, Mean: []float64{1}, Std: []float64{1}}, nil)),
			"1 means and 1 standard deviations"},
		"two conditions": {second(BuildGiven([]int{2}, Condition{Classes: 1, Size: 1}, nil)), "want one of the two"},
		"classes for NCSN": {second(Config{Name: NameNCSN, Channels: 8}.BuildFor(
			Samples{Shape: []int{1, 8, 8}, Sigmas: []float64{1}, Condition: Condition{Classes: 2}})),
			`want one of ["toy" "unconditional" "embedding" "residual" "series" "unet" "ncsnpp" "ddpmpp"]`},
		"activation": {second(UnconditionalMLP(MLP{Dim: 2, Hidden: 4, Activation: "relu"})), `"relu"`},
		"hidden 0":   {second(UnconditionalMLP(MLP{Dim: 2})), "0 hidden"},
		"scale 0":    {second(ToyMLP(mlp, 0)), "scale is 0"},
		"no levels":  {second(EmbeddingMLP(mlp, nil)), "0 values"},
		"unet of points": {second(UNet{Shape: []int{2}, Outer: 4, Inner: 4, Blocks: 1, Std: 1}.Build()),
			"shape [2]"},
		"unet of std 0": {second(UNet{Shape: []int{1, 4, 4}, Outer: 4, Inner: 4, Blocks: 1}.Build()),
			"standard deviation 0"},
		"no stages":   {second(PlusPlus{Channels: 4, Blocks: 1}.Build()), "at least one multiplier"},
		"6 channels":  {second(smallPlusPlus(func(p *PlusPlus) { p.Channels = 6 }).Build()), "a multiple of 4"},
		"36 channels": {second(smallPlusPlus(func(p *PlusPlus) { p.Channels = 36 }).Build()), "144 in one block"},
		"odd images": {second(smallPlusPlus(func(p *PlusPlus) { p.Shape = []int{1, 5, 8} }).Build()),
			"the last two multiples of 2"},
		"attention nowhere": {second(smallPlusPlus(func(p *PlusPlus) { p.Attention = []int{16} }).Build()),
			"some of [8 4]"},
		"no frequencies": {second(smallPlusPlus(func(p *PlusPlus) { p.FourierScale = 0 }).Build()),
			"Fourier scale of 0"},
		"few steps": {second(Config{Name: NameDDPMpp, Process: process(sampling.VP), Discrete: true}.Build(
			[]int{1, 8, 8}, ladder(20))), "want more than 20"},
		"odd classifier": {second(Classifier{Shape: []int{1, 6, 4}, Channels: 8, Features: 4, Classes: 2}.Build()),
			"[1 6 4]"},
		"one class": {second(Classifier{Shape: []int{1, 4, 4}, Channels: 8, Features: 4, Classes: 1}.Build()),
			"1 classes"},
	} {
		if c.err == nil || !strings.Contains(c.err.Error(), c.want) {
			t.Errorf("%s: error %v, want one that says %q", name, c.err, c.want)
		}
	}
}

func TestImageOperationsRefuse(t *testing.T) {
	for name, c := range map[string]struct {
		op   func(b *Builder, x *Node) *Node
		want string
	}{
		"conv of rows": {func(b *Builder, x *Node) *Node {
			return b.Conv("a", b.Reshape("r", x, 96), Conv{Out: 1})
		}, "want images"},
		"even kernel": {func(b *Builder, x *Node) *Node { return b.Conv("a", x, Conv{Out: 1, Size: 2}) },
			"odd size"},
		"no channels": {func(b *Builder, x *Node) *Node { return b.Conv("a", x, Conv{}) }, "at least 1"},
		"stride 3": {func(b *Builder, x *Node) *Node {
			return b.ConvTranspose("a", x, Conv{Out: 1, Stride: 3})
		}, "stride of 1 or 2"},
		"pool that cuts": {func(b *Builder, x *Node) *Node { return b.MeanPool("a", x, 3, 3, 0) }, "tile the image"},
		"pool of size 0": {func(b *Builder, x *Node) *Node { return b.MaxPool("a", x, 0, 0, 0) }, "tile the image"},
		"upsample by 0":  {func(b *Builder, x *Node) *Node { return b.Upsample("a", x, 0) }, "by 0"},
		"resize to 0":    {func(b *Builder, x *Node) *Node { return b.Resize("a", x, 0, 4) }, "0×4"},
		"odd patches":    {func(b *Builder, x *Node) *Node { return b.SpaceToDepth("a", x, 3) }, "blocks of 3×3"},
		"few channels":   {func(b *Builder, x *Node) *Node { return b.DepthToSpace("a", x, 2) }, "2 channels"},
		"groups":         {func(b *Builder, x *Node) *Node { return b.GroupNorm("a", x, 4) }, "4 groups"},
		"norm of rows": {func(b *Builder, x *Node) *Node { return b.InstanceNorm("a", b.Reshape("r", x, 96)) },
			"channels and places"},
		"reshape":           {func(b *Builder, x *Node) *Node { return b.Reshape("a", x, 95) }, "as many elements"},
		"mean of rows":      {func(b *Builder, x *Node) *Node { return b.ReduceMean("a", x, 0) }, "after the first"},
		"softmax of image":  {func(b *Builder, x *Node) *Node { return b.Softmax("a", x) }, "want rows"},
		"product of images": {func(b *Builder, x *Node) *Node { return b.MatMul("a", x, x) }, "want matrices"},
		"product of unlike": {func(b *Builder, x *Node) *Node {
			m := b.Reshape("m", x, 6, 16)
			return b.MatMul("a", m, m)
		}, "as many columns as rows"},
		"no taps":        {func(b *Builder, x *Node) *Node { return b.Filter("a", x, 0) }, "0 taps"},
		"shrinking":      {func(b *Builder, x *Node) *Node { return b.Filter("a", x, 0, 1, 1) }, "padding 0"},
		"lopsided taps":  {func(b *Builder, x *Node) *Node { return b.Filter("a", x, 1, 1, 2, 3) }, "same from behind"},
		"all is dropped": {func(b *Builder, x *Node) *Node { return b.Dropout("a", x, 1) }, "rate 1"},
		"odd stride": {func(b *Builder, x *Node) *Node {
			return b.Conv("a", x, Conv{Out: 1, Stride: 2, Valid: true})
		}, "divides height and width"},
		"empty row": {func(b *Builder, _ *Node) *Node { return b.Row("a") }, "no values"},
	} {
		_, err := Build([]int{2, 4, 12}, func(b *Builder, x, _ *Node) *Node { return c.op(b, x) })
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one that says %q", name, err, c.want)
		}
	}
}

// TestClassifier: the probabilities of the float64 reference and of GoMLX, which returns logits, agree.
func TestClassifier(t *testing.T) {
	g, err := Classifier{Shape: []int{1, 8, 8}, Channels: 8, Features: 6, Classes: 4}.Build()
	if err != nil {
		t.Fatal(err)
	}
	params := scattered(g)
	x, none := inputs(g, 9)
	probabilities := runGoMLX(t, g, params, x, none, nil)
	compare(t, "GoMLX", probabilities, evaluate(t, g, params, x, none, nil), 1e-5)
	model, err := g.ONNX("classifier", params)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, out := range model.Graph.Output {
		names = append(names, out.Name)
	}
	if len(model.Graph.Input) != 1 || !slices.Equal(names, []string{"features", "logits", "probabilities"}) {
		t.Errorf("the ONNX model has %d inputs and outputs %q", len(model.Graph.Input), names)
	}
}

func TestWrongNumberOfParameters(t *testing.T) {
	g := networks(t)["toy"].graph
	if _, err := g.ONNX("short", make([]float32, 3)); err == nil || !strings.Contains(err.Error(), "3 parameters") {
		t.Errorf("ONNX: error %v, want one that says how many were given", err)
	}
	if _, err := g.Evaluate(make([]float32, 3), []float64{0, 0}, []float64{1}); err == nil ||
		!strings.Contains(err.Error(), "3 parameters") {
		t.Errorf("Evaluate: error %v, want one that says how many were given", err)
	}
}
