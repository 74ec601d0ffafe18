package optimizer

import "github.com/gomlx/gomlx/core/graph"

// RMSProp is v ← β₂v + (1-β₂)g², θ ← θ - rate·g/(√v + ε).
const RMSProp Algorithm = "rmsprop"

type rmsProp struct{}

func (rmsProp) moments() int { return 1 }

func (rmsProp) corrected(_ Config, rate, epsilon float64, _ int) (float64, float64) {
	return rate, epsilon
}

func (rmsProp) move(c Config, s step) (*graph.Node, []*graph.Node) {
	square := Averaged(s.moments[0], graph.Square(s.g), c.Beta2)
	return s.descend(s.g, square), []*graph.Node{square}
}
