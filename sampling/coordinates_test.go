package sampling

import (
	"cmp"
	"math"
	"testing"
)

// TestOwnCoordinates runs every combination in the process's own coordinates. The reference is written from the paper
// and its code in float64, with the same noise. The test compares its chains with the plan's chains in VE coordinates.
func TestOwnCoordinates(t *testing.T) {
	m := Mixture{Weights: []float64{0.3, 0.7}, Means: [][]float64{{1, -1, 2, 0, 1, 1}, {-1, 0, -2, 1, 1, 0.5}},
		Std: 0.8}
	everyCombination(t, 60, 0.2, func(t *testing.T, p PredictorCorrector) {
		for chain := range uint64(4) {
			p.Denoise = chain%2 == 1 && p.Predictor != NoPredictor
			p.CorrectorSteps = 1 + int(chain)/2
			p.Epsilon = []float64{0, 0, 0.03, 0.1}[chain]
			plan, err := p.Plan()
			got := mustRun(t, m, plan, err, Request{Prior: p.Prior(), Dim: m.Dim(), N: 1, Seed: 3, FirstChain: chain})
			want := newOriginal(t, p, m, Noise{Seed: 3, Chain: chain}).run()
			for i := range got {
				if math.Abs(float64(got[i])-want[i]) > 2e-3*(1+math.Abs(want[i])) {
					t.Fatalf("chain %d ends at %v, want %v", chain, got, want)
				}
			}
		}
	})
}

// original is the loop of Song et al. in x = α·x̂, for one chain.
type original struct {
	PredictorCorrector
	t     *testing.T
	m     Mixture
	noise Noise
	step  uint32
	x     []float64
}

func newOriginal(t *testing.T, p PredictorCorrector, m Mixture, noise Noise) *original {
	p.Epsilon = cmp.Or(p.Epsilon, p.SDE.SmallestTime())
	o := &original{PredictorCorrector: p, t: t, m: m, noise: noise, x: make([]float64, m.Dim())}
	start := make([]float32, m.Dim())
	Prior{Kind: PriorNormal, Std: 1}.Draw(start, noise)
	for j, z := range start {
		if o.x[j] = float64(z); p.SDE.Process == VE {
			o.x[j] *= p.SDE.SigmaMax
		}
	}
	return o
}

func (o *original) run() []float64 {
	for i := range o.N {
		if o.Corrector != NoCorrector {
			for range o.CorrectorSteps {
				o.correct(o.time(i))
			}
		}
		if o.Predictor != NoPredictor {
			o.predict(o.time(i), i == o.N-1)
			continue
		}
		for j := range o.x { // x̂ stays
			if o.x[j] /= o.SDE.Mean(o.time(i)); i+1 < o.N {
				o.x[j] *= o.SDE.Mean(o.time(i + 1))
			}
		}
	}
	return o.x
}

func (o *original) time(i int) float64 { return 1 - float64(i)*(1-o.Epsilon)/float64(o.N-1) }

// score returns the score of the mixture at time t, whose means are α·μ and whose variance is α²s² + std².
func (o *original) score(t float64) []float64 {
	scaled := Mixture{Weights: o.m.Weights, Std: o.SDE.Mean(t) * o.m.Std}
	for _, mean := range o.m.Means {
		point := make([]float64, len(mean))
		for j, v := range mean {
			point[j] = o.SDE.Mean(t) * v
		}
		scaled.Means = append(scaled.Means, point)
	}
	x, s := make([]float32, len(o.x)), make([]float32, len(o.x))
	for j, v := range o.x {
		x[j] = float32(v)
	}
	if err := scaled.Score(o.t.Context(), s, x, []float32{float32(o.SDE.Std(t))}); err != nil {
		o.t.Fatal(err)
	}
	return widened(s)
}

func (o *original) normal() []float64 {
	z := make([]float32, len(o.x))
	o.noise.Normal(z, o.step)
	o.step++
	return widened(z)
}

func widened(x []float32) []float64 {
	wide := make([]float64, len(x))
	for i, v := range x {
		wide[i] = float64(v)
	}
	return wide
}

func (o *original) beta(t float64) float64 {
	k := int(t * float64(o.N-1))
	return (o.SDE.BetaMin + float64(k)/float64(o.N-1)*(o.SDE.BetaMax-o.SDE.BetaMin)) / float64(o.N)
}

func (o *original) correct(t float64) {
	s, z, alpha := o.score(t), o.normal(), 1-o.beta(t)
	if o.SDE.Process == VE {
		alpha = 1
	}
	r := o.SNR * o.SDE.Std(t)
	if o.Corrector == LangevinCorrector {
		r = o.SNR * math.Sqrt(float64(len(s))) / length(s)
	}
	for j := range o.x {
		o.x[j] += 2*alpha*r*r*s[j] + math.Sqrt(4*alpha)*r*z[j]
	}
}

func length(v []float64) float64 {
	var sum float64
	for _, e := range v {
		sum += e * e
	}
	return math.Sqrt(sum)
}

func (o *original) predict(t float64, last bool) {
	s, z := o.score(t), o.normal()
	for j, x := range o.x {
		mean, std := o.move(t, x, s[j])
		if last && o.Denoise {
			std = 0
		}
		o.x[j] = mean + std*z[j]
	}
}

// move is the table of predictors, for one element.
func (o *original) move(t, x, s float64) (mean, std float64) {
	n, k, beta := float64(o.N), int(t*float64(o.N-1)), o.beta(t)
	ladder := func(k int) float64 {
		if k < 0 {
			return 0
		}
		return o.SDE.SigmaMin * math.Pow(o.SDE.SigmaMax/o.SDE.SigmaMin, float64(k)/(n-1))
	}
	this, next := ladder(k), ladder(k-1)
	removed := this*this - next*next
	switch {
	case o.Predictor == EulerMaruyama || o.SDE.Process == SubVP:
		f, g := o.SDE.Drift(t)*x, o.SDE.Diffusion(t)
		return x - (f-g*g*s)/n, g / math.Sqrt(n)
	case o.Predictor == ReverseDiffusion && o.SDE.Process == VE:
		return x + removed*s, math.Sqrt(removed)
	case o.Predictor == ReverseDiffusion:
		return x - (math.Sqrt(1-beta)-1)*x + beta*s, math.Sqrt(beta)
	case o.SDE.Process == VE:
		return x + removed*s, math.Sqrt(next * next * removed / (this * this))
	}
	return (x + beta*s) / math.Sqrt(1-beta), math.Sqrt(beta)
}
