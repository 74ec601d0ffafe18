package optimizer

import "github.com/gomlx/gomlx/core/graph"

// SGD has the momentum beta1: m ← β₁m + g, θ ← θ - rate·m.
const SGD Algorithm = "sgd"

type sgd struct{}

func (sgd) moments() int { return 1 }

func (sgd) corrected(_ Config, rate, epsilon float64, _ int) (float64, float64) { return rate, epsilon }

func (sgd) move(c Config, s step) (*graph.Node, []*graph.Node) {
	mean := graph.Add(graph.MulScalar(s.moments[0], c.Beta1), s.g)
	return graph.Sub(s.params, graph.Mul(s.rate, mean)), []*graph.Node{mean}
}
