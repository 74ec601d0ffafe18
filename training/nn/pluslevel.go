package nn

import (
	"math"

	"github.com/langevin-ml/langevin/sampling"
)

// fourierSeed draws the frequencies of every network. They are not trained, so they are part of the network's form.
const fourierSeed = 1

// lastTime is what networks of VP and sub-VP take for time 1.
const lastTime = 999

func (p PlusPlus) continuousVE() bool { return p.Process == sampling.VE && p.Levels == nil }

// level returns the embedding that the blocks take for the noise level and the condition, [Batch, 4·Channels].
//
// For VE, it is computed from sines and cosines of 2πf·ln σ, with random frequencies f. For VP and sub-VP, it is
// computed from the positional embedding (Vaswani et al. 2017) of 999·t, with the time t at which the process has this
// σ. Networks of discrete levels have the positional embedding of a whole number instead, the one of the level whose
// sigma is nearest: the index of a level of VE, and DDPM's step of VP.
func (w plusWriter) level(sigma, c *Node) *Node {
	angle := w.angle(sigma)
	waves := w.Concat("waves", 1, w.Sin("sin", angle), w.Cos("cos", angle))
	h := w.SiLU("embed1/act", w.DenseScaled("embed1", waves, 4*w.Channels))
	return w.SiLU("embedding", w.with("given", w.DenseScaled("embed2", h, 4*w.Channels), c))
}

// angle returns the numbers whose sines and cosines describe the noise level.
func (w plusWriter) angle(sigma *Node) *Node {
	if w.Levels != nil {
		return w.Mul("angle", w.index(sigma), w.Row("frequencies", w.positions()...))
	}
	frequencies := w.positions()
	if w.continuousVE() {
		frequencies = w.fourier()
	}
	// Each row fills whole vector registers, like the one in UNet.embedding.
	ones := make([]float64, len(frequencies))
	for i := range ones {
		ones[i] = 1
	}
	row := w.Mul("sigma_row", w.Unsqueeze("sigma_alone", sigma, 1), w.Row("ones", ones...))
	if w.continuousVE() {
		return w.Mul("angle", w.Log("log_sigma", row), w.Row("frequencies", frequencies...))
	}
	return w.Mul("angle", w.time(row), w.Row("frequencies", frequencies...))
}

// positions returns the frequencies of the positional embedding: Channels/2 of them, from 1 down to 1e-4.
func (w plusWriter) positions() []float64 {
	frequencies := make([]float64, w.Channels/2)
	for i := range frequencies {
		frequencies[i] = math.Pow(1e-4, float64(i)/float64(len(frequencies)-1))
	}
	return frequencies
}

// fourier returns Channels frequencies 2πf, where f is normal with standard deviation FourierScale.
func (w plusWriter) fourier() []float64 {
	z := make([]float32, w.Channels)
	sampling.Noise{Seed: fourierSeed}.Normal(z, 0)
	frequencies := make([]float64, len(z))
	for i := range z {
		frequencies[i] = 2 * math.Pi * w.FourierScale * float64(z[i])
	}
	return frequencies
}

// index returns the whole number of the nearest level, [Batch, 1].
func (w plusWriter) index(sigma *Node) *Node {
	nearest := w.Nearest("level", sigma, w.Levels)
	numbers := make([]float64, len(w.Levels))
	for i := range numbers {
		numbers[i] = float64(i)
	}
	table := w.constant("level_numbers", []int{len(numbers), 1}, numbers...)
	return w.add(&Node{Op: OpGather, Name: "level_number", Shape: []int{Batch, 1}, Inputs: []*Node{table, nearest}})
}

// time returns 999·t at which the process of the paper has the given sigmas. With the integral B of β from 0 to t, VP
// has B = ln(1 + σ²), and sub-VP has B = 2 asinh(σ/2) = 2 ln(1 + y + y²/(1 + √(1 + y²))) with y = σ/2. The time solves
// B = t·(β(0) + t/2·(β(1) - β(0))), in a form without a difference of near numbers.
func (w plusWriter) time(sigma *Node) *Node {
	var integral *Node
	if w.Process == sampling.VP {
		integral = w.log1p("integral", w.Mul("sigma_squared", sigma, sigma))
	} else {
		y := w.Mul("half_sigma", sigma, w.Constant("half", 0.5))
		root := w.rootOfOnePlusSquare("half_sigma_root", y)
		above := w.Div("above", w.Mul("half_sigma_squared", y, y), w.Add("root_plus_one", root, w.Constant("unit", 1)))
		log := w.log1p("half_integral", w.Add("sum", y, above))
		integral = w.Add("integral", log, log)
	}
	sde := sampling.PaperSDE(w.Process)
	slope := w.Constant("beta_slope", 2*(sde.BetaMax-sde.BetaMin))
	first := w.Constant("beta_first", sde.BetaMin)
	radicand := w.Add("radicand", w.Mul("steep", integral, slope), w.Constant("beta_squared", sde.BetaMin*sde.BetaMin))
	slow := w.Add("mean_beta", w.Sqrt("last_beta", radicand), first)
	return w.Div("time", w.Mul("scaled_integral", integral, w.Constant("twice_last", 2*lastTime)), slow)
}

// log1p returns ln(1 + x) for x ≥ 0, as exact for small x as for large x. With u = 1 + x as it is rounded, it is ln(u)
// and the first term of the series of what the rounding lost, (x - (u - 1))/u.
func (w plusWriter) log1p(name string, x *Node) *Node {
	one := w.Constant(name+"/one", 1)
	u := w.Add(name+"/u", x, one)
	lost := w.Sub(name+"/lost", x, w.Sub(name+"/kept", u, one))
	return w.Add(name, w.Log(name+"/log", u), w.Div(name+"/rest", lost, u))
}

func (w plusWriter) rootOfOnePlusSquare(name string, x *Node) *Node {
	return w.Sqrt(name, w.Add(name+"/sum", w.Mul(name+"/square", x, x), w.Constant(name+"/one", 1)))
}

// shrunk returns z = α·x for samples x with noise of standard deviation σ: 1/α is √(1 + σ²) for VP, and σ/2 + √(1 +
// σ²/4) for sub-VP.
func (w plusWriter) shrunk(x, sigma *Node) *Node {
	switch w.Process {
	case sampling.VP:
		return w.Div("shrunk", x, w.rootOfOnePlusSquare("alpha", sigma))
	case sampling.SubVP:
		half := w.Mul("alpha_half", sigma, w.Constant("alpha_factor", 0.5))
		return w.Div("shrunk", x, w.Add("alpha", half, w.rootOfOnePlusSquare("alpha_root", half)))
	}
	return x
}
