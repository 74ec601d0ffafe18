package optimizer

import (
	"math"

	"github.com/gomlx/gomlx/core/graph"

	"github.com/langevin-ml/langevin/training/settings"
)

// Algorithm names how a [Config] moves the weights.
type Algorithm string

// Config chooses the algorithm that updates the weights, and the moving average of the weights.
type Config struct {
	Name         Algorithm `yaml:"name,omitempty"`         // adam if absent
	LearningRate float64   `yaml:"learning_rate"`          // the highest one
	Warmup       int       `yaml:"warmup"`                 // number of iterations over which the rate rises linearly
	Decay        Decay     `yaml:"decay"`                  // the course of the rate from there to the last iteration
	Beta1        float64   `yaml:"beta1"`                  // decay of the mean of the gradients; momentum of sgd
	Beta2        float64   `yaml:"beta2"`                  // decay of the mean of the squared gradients
	Epsilon      float64   `yaml:"epsilon"`                // added to the root of that mean
	WeightDecay  float64   `yaml:"weight_decay,omitempty"` // times the weights, added to the gradient; 0: none
	Clip         float64   `yaml:"clip,omitempty"`         // largest length of the gradient, before decay; 0: any
	EMA          float64   `yaml:"ema"`                    // decay of the averaged weights, which are exported; 0: none
	EMAWarmup    bool      `yaml:"ema_warmup,omitempty"`   // decay by at most (1+n)/(10+n) after n updates
}

// Decay is the course of the learning rate after the warm-up.
type Decay string

const (
	DecayNone   Decay = "none"   // constant
	DecayCosine Decay = "cosine" // half a cosine wave, to 0 at the end
)

// kind is one algorithm.
type kind interface {
	// moments returns the number of vectors that it keeps of past gradients.
	moments() int
	// corrected returns the rate and the epsilon of an update, counted from 1, with the algorithm's corrections.
	corrected(c Config, rate, epsilon float64, update int) (float64, float64)
	// move returns the weights after the step, and the moments after it.
	move(c Config, s step) (params *graph.Node, moments []*graph.Node)
}

// table lists all algorithms.
func table() settings.Table[kind] {
	return settings.Table[kind]{
		{Name: string(Adam), Kind: adam{}},
		{Name: string(AMSGrad), Kind: amsGrad{}},
		{Name: string(SGD), Kind: sgd{}},
		{Name: string(RMSProp), Kind: rmsProp{}},
	}
}

func (c Config) name() string {
	if c.Name == "" {
		return string(Adam)
	}
	return string(c.Name)
}

// kind returns the algorithm of c, which must be valid.
func (c Config) kind() kind {
	k, ok := table().Find(c.name())
	if !ok {
		panic("optimizer: no algorithm " + c.name())
	}
	return k
}

// Validate returns all mistakes in c, one per line.
func (c Config) Validate() error {
	var bad settings.Mistakes
	table().Known(&bad, "optimizer", c.name())
	bad.Require(c.Clip >= 0 && settings.Finite(c.Clip),
		"optimizer.clip is %g: want a finite number of at least 0", c.Clip)
	bad.Require(c.WeightDecay >= 0 && settings.Finite(c.WeightDecay),
		"optimizer.weight_decay is %g: want a finite number of at least 0", c.WeightDecay)
	bad.Require(settings.Positive(c.LearningRate),
		"optimizer.learning_rate is %g: want a finite number above 0", c.LearningRate)
	const most = 1_000_000_000 // the largest number of iterations
	bad.Require(c.Warmup >= 0 && c.Warmup <= most, "optimizer.warmup is %d: want 0 to %d", c.Warmup, most)
	bad.Require(c.Decay == DecayNone || c.Decay == DecayCosine,
		"optimizer.decay is %q: want %s or %s", c.Decay, DecayNone, DecayCosine)
	for _, fraction := range []struct {
		key   string
		value float64
	}{{"beta1", c.Beta1}, {"beta2", c.Beta2}, {"ema", c.EMA}} {
		bad.Require(fraction.value >= 0 && fraction.value < 1,
			"optimizer.%s is %g: want at least 0 and below 1", fraction.key, fraction.value)
	}
	bad.Require(settings.Positive(c.Epsilon), "optimizer.epsilon is %g: want a finite number above 0", c.Epsilon)
	return bad.Err()
}

// Rate returns the learning rate of an iteration, counted from 0, in a training with the given number of iterations.
func (c Config) Rate(iteration, iterations int) float64 {
	rate := c.LearningRate
	if iteration < c.Warmup {
		return rate * float64(iteration+1) / float64(c.Warmup)
	}
	if c.Decay == DecayCosine {
		done := float64(iteration-c.Warmup) / float64(max(iterations-c.Warmup, 1))
		rate *= 0.5 * (1 + math.Cos(math.Pi*done))
	}
	return rate
}

// Rates has the numbers that one update needs: the learning rate and ε, with the algorithm's corrections, and the decay
// of the averaged weights.
type Rates [3]float32

// Rates returns the numbers for the update of an iteration, counted from 0.
func (c Config) Rates(iteration, iterations int) Rates {
	rate, epsilon := c.kind().corrected(c, c.Rate(iteration, iterations), c.Epsilon, iteration+1)
	decay := c.EMA
	if n := float64(iteration + 1); c.EMAWarmup {
		decay = min(decay, (1+n)/(10+n))
	}
	return Rates{float32(rate), float32(epsilon), float32(decay)}
}

// Moments returns the number of vectors that the algorithm keeps of past gradients.
func (c Config) Moments() int { return c.kind().moments() }

// Move returns the weights after a step down the gradient g, and the moments after it. rates are [Config.Rates]. Each
// number of the result depends only on numbers at the same place, and on the length of g if c clips it.
func (c Config) Move(params, g, rates *graph.Node, moments []*graph.Node) (*graph.Node, []*graph.Node) {
	if c.Clip > 0 {
		norm := graph.Sqrt(graph.ReduceAllSum(graph.Square(g)))
		shorter := graph.Div(graph.ConstAs(norm, c.Clip), graph.AddScalar(norm, 1e-6))
		g = graph.Mul(g, graph.Min(graph.OnesLike(norm), shorter))
	}
	if c.WeightDecay > 0 {
		g = graph.Add(g, graph.MulScalar(params, c.WeightDecay))
	}
	rate, epsilon := graph.Slice(rates, graph.AxisElem(0)), graph.Slice(rates, graph.AxisElem(1))
	return c.kind().move(c, step{params: params, g: g, rate: rate, epsilon: epsilon, moments: moments})
}

// step is the input of an algorithm.
type step struct {
	params, g     *graph.Node
	rate, epsilon *graph.Node // [1]
	moments       []*graph.Node
}

// descend returns θ - rate·along/(√square + ε).
func (s step) descend(along, square *graph.Node) *graph.Node {
	return graph.Sub(s.params, graph.Mul(s.rate, graph.Div(along, graph.Add(graph.Sqrt(square), s.epsilon))))
}

// Average returns the averaged weights after an update to the latest ones. rates are [Config.Rates].
func (c Config) Average(old, latest, rates *graph.Node) *graph.Node {
	if !c.EMAWarmup {
		return Averaged(old, latest, c.EMA)
	}
	decay := graph.Slice(rates, graph.AxisElem(2))
	return graph.Add(graph.Mul(old, decay), graph.Mul(latest, graph.OneMinus(decay)))
}

// Averaged returns decay·old + (1 - decay)·latest.
func Averaged(old, latest *graph.Node, decay float64) *graph.Node {
	return graph.Add(graph.MulScalar(old, decay), graph.MulScalar(latest, 1-decay))
}
