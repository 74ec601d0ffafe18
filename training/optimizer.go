package training

import (
	"math"

	"github.com/gomlx/gomlx/core/graph"
)

// Algorithm names how an [Optimizer] moves the weights.
type Algorithm string

const (
	Adam    Algorithm = "adam"    // Kingma & Ba (2015), algorithm 1
	AMSGrad Algorithm = "amsgrad" // Reddi et al. (2018): Adam with the largest mean square so far
	SGD     Algorithm = "sgd"     // with momentum beta1: m ← β₁m + g, θ ← θ - rate·m
	RMSProp Algorithm = "rmsprop" // v ← β₂v + (1-β₂)g², θ ← θ - rate·g/(√v + ε)
)

// Optimizer moves the weights down the gradient, and keeps a moving average of them.
type Optimizer struct {
	Name         Algorithm `yaml:"name,omitempty"`         // adam if absent
	LearningRate float64   `yaml:"learning_rate"`          // at its highest
	Warmup       int       `yaml:"warmup"`                 // iterations over which the rate rises linearly to it
	Decay        Decay     `yaml:"decay"`                  // how it falls from there to the last iteration
	Beta1        float64   `yaml:"beta1"`                  // decay of the mean of gradients; momentum of sgd
	Beta2        float64   `yaml:"beta2"`                  // decay of the mean of their squares
	Epsilon      float64   `yaml:"epsilon"`                // added to the root of that mean
	WeightDecay  float64   `yaml:"weight_decay,omitempty"` // times the weights, added to the gradient; 0: none
	Clip         float64   `yaml:"clip,omitempty"`         // longest gradient, over all weights, before that; 0: any
	EMA          float64   `yaml:"ema"`                    // decay of the averaged weights, which are what is exported; 0: the weights themselves
}

// Decay is the course of the learning rate after the warm-up.
type Decay string

const (
	DecayNone   Decay = "none"   // constant
	DecayCosine Decay = "cosine" // half a cosine wave, to 0 at the end
)

// Rate is the learning rate of the given iteration, counted from 0, of a training of the given length.
func (o Optimizer) Rate(iteration, iterations int) float64 {
	rate := o.LearningRate
	if iteration < o.Warmup {
		return rate * float64(iteration+1) / float64(o.Warmup)
	}
	if o.Decay == DecayCosine {
		done := float64(iteration-o.Warmup) / float64(max(iterations-o.Warmup, 1))
		rate *= 0.5 * (1 + math.Cos(math.Pi*done))
	}
	return rate
}

// rates are what the update of an iteration needs of the optimiser: the learning rate and ε. Both have in them Adam's
// corrections of the mean gradient and of the mean square g² (Kingma & Ba 2015, end of section 2); the other algorithms
// correct nothing.
func (o Optimizer) rates(iteration, iterations int) [2]float32 {
	rate, epsilon, t := o.Rate(iteration, iterations), o.Epsilon, float64(iteration+1)
	if o.Name != SGD && o.Name != RMSProp {
		root := math.Sqrt(1 - math.Pow(o.Beta2, t))
		rate, epsilon = rate*root/(1-math.Pow(o.Beta1, t)), epsilon*root
	}
	return [2]float32{float32(rate), float32(epsilon)}
}

// moments is how many vectors the algorithm remembers of past gradients.
func (o Optimizer) moments() int {
	switch o.Name {
	case SGD, RMSProp:
		return 1
	case AMSGrad:
		return 3
	}
	return 2
}

// vectors is how many there are in a learner's state.
func (o Optimizer) vectors() int { return stateMoments + o.moments() }

// move returns the weights after a step down gradient g, and the moments after it. rates are those of Optimizer.rates.
func (o Optimizer) move(params, g, rates *graph.Node, moments []*graph.Node) (*graph.Node, []*graph.Node) {
	if o.Clip > 0 {
		norm := graph.Sqrt(graph.ReduceAllSum(graph.Square(g)))
		g = graph.Mul(g, graph.Min(graph.OnesLike(norm), graph.Div(graph.ConstAs(norm, o.Clip), graph.AddScalar(norm, 1e-6))))
	}
	if o.WeightDecay > 0 {
		g = graph.Add(g, graph.MulScalar(params, o.WeightDecay))
	}
	rate, epsilon := graph.Slice(rates, graph.AxisElem(0)), graph.Slice(rates, graph.AxisElem(1))
	descend := func(along, square *graph.Node) *graph.Node {
		return graph.Sub(params, graph.Mul(rate, graph.Div(along, graph.Add(graph.Sqrt(square), epsilon))))
	}
	switch o.Name {
	case SGD:
		mean := graph.Add(graph.MulScalar(moments[0], o.Beta1), g)
		return graph.Sub(params, graph.Mul(rate, mean)), []*graph.Node{mean}
	case RMSProp:
		square := decayed(moments[0], graph.Square(g), o.Beta2)
		return descend(g, square), []*graph.Node{square}
	}
	mean, square := decayed(moments[0], g, o.Beta1), decayed(moments[1], graph.Square(g), o.Beta2)
	if o.Name != AMSGrad {
		return descend(mean, square), []*graph.Node{mean, square}
	}
	largest := graph.Max(moments[2], square)
	return descend(mean, largest), []*graph.Node{mean, square, largest}
}

// decayed is decay·old + (1 - decay)·news.
func decayed(old, news *graph.Node, decay float64) *graph.Node {
	return graph.Add(graph.MulScalar(old, decay), graph.MulScalar(news, 1-decay))
}
