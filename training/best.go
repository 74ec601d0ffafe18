package training

import (
	"context"

	"github.com/langevin-ml/langevin/training/learner"
)

// best has the averaged weights with the least test loss so far, see [Training.KeepBest].
type best struct {
	Iteration    int       `json:"iteration"` // after which they were tested
	Loss         float64   `json:"loss"`
	LossPerLevel []float64 `json:"loss_per_level"`

	params []float32
}

// test returns the loss of the averaged weights on the test part, and keeps them if they are the best so far and the
// configuration wants the best.
func (t *trainer) test(iteration int) (float64, error) {
	if !t.config.Training.KeepBest {
		loss, _, err := t.evaluate(context.Background(), firstTest+uint64(iteration), 1)
		return loss, err
	}
	loss, perLevel, err := t.evaluate(context.Background(), 0, t.evalBatches())
	if err != nil || t.best != nil && t.best.Loss <= loss {
		return loss, err
	}
	params, err := t.learner.Read(learner.Average)
	t.best = &best{Iteration: iteration, Loss: loss, LossPerLevel: perLevel, params: params}
	return loss, err
}
