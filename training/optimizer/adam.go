package optimizer

import (
	"math"

	"github.com/gomlx/gomlx/core/graph"
)

const (
	Adam    Algorithm = "adam"    // Kingma & Ba (2015), algorithm 1
	AMSGrad Algorithm = "amsgrad" // Reddi et al. (2018): Adam with the largest mean square so far
)

type adam struct{}

func (adam) moments() int { return 2 }

// corrected includes Adam's corrections of the mean gradient and of the mean square in the rate and ε (Kingma & Ba
// 2015, end of section 2).
func (adam) corrected(c Config, rate, epsilon float64, update int) (float64, float64) {
	t := float64(update)
	root := math.Sqrt(1 - math.Pow(c.Beta2, t))
	return rate * root / (1 - math.Pow(c.Beta1, t)), epsilon * root
}

func (adam) move(c Config, s step) (*graph.Node, []*graph.Node) {
	mean, square := s.means(c)
	return s.descend(mean, square), []*graph.Node{mean, square}
}

type amsGrad struct{ adam }

func (amsGrad) moments() int { return 3 }

func (amsGrad) move(c Config, s step) (*graph.Node, []*graph.Node) {
	mean, square := s.means(c)
	largest := graph.Max(s.moments[2], square)
	return s.descend(mean, largest), []*graph.Node{mean, square, largest}
}

// means returns the averages of the gradients and of their squares.
func (s step) means(c Config) (mean, square *graph.Node) {
	return Averaged(s.moments[0], s.g, c.Beta1), Averaged(s.moments[1], graph.Square(s.g), c.Beta2)
}
