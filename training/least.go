package training

import (
	"context"
	"math"

	"github.com/langevin-ml/langevin/sampling"
)

// leastRows is how many points the least losses are averaged over.
const leastRows = 100000

// LeastLosses returns, for each level, the loss of the exact score of the data blurred as c says: no network can do
// better on average. It returns an error that wraps data.ErrNoMixture if that score is not known.
func LeastLosses(ctx context.Context, c Config) ([]float64, error) {
	exact, err := c.Data.Mixture()
	if err != nil {
		return nil, err
	}
	schedule, err := c.schedule()
	if err != nil {
		return nil, err
	}
	dim := exact.Dim()
	clean, noise, u := make([]float32, leastRows*dim), make([]float32, leastRows*dim), make([]float32, leastRows)
	for i := range leastRows {
		source := sampling.Noise{Seed: 1, Chain: uint64(i)}
		exact.Sample(clean[i*dim:(i+1)*dim], source)
		source.Normal(noise[i*dim:(i+1)*dim], 1)
		source.Uniform(u[i:i+1], 1)
	}
	least, at := make([]float64, schedule.Levels()), c.places(schedule)
	x, score, sigmas := make([]float32, len(clean)), make([]float32, len(clean)), make([]float32, leastRows)
	for level := range least {
		for i := range sigmas {
			sigmas[i] = float32(at(level, float64(u[i])).sigma)
			if c.Loss.onData() {
				sigmas[i] = float32(c.Loss.NoiseStd)
			}
		}
		for i := range x {
			x[i] = clean[i] + sigmas[i/dim]*noise[i]
		}
		if err := exact.Score(ctx, score, x, sigmas); err != nil {
			return nil, err
		}
		for i := range sigmas {
			row := c.Loss.exact(score[i*dim:(i+1)*dim], noise[i*dim:(i+1)*dim], float64(sigmas[i]))
			least[level] += row * at(level, float64(u[i])).weight / leastRows
		}
	}
	return least, nil
}

// exact is the loss of a row whose score is exact. Those with a derivative in them have a mean of -½ ‖s‖² then.
func (l Loss) exact(score, z []float32, sigma float64) float64 {
	var residual, square float64
	for i, s := range score {
		residual += math.Pow(sigma*float64(s)+float64(z[i]), 2) / 2
		square += float64(s) * float64(s) / 2
	}
	switch l.Name {
	case LossESM, LossSSMVR:
		return -square
	case LossSSM:
		return -square / float64(len(score))
	case LossAnnealedSSMVR:
		return -square * sigma * sigma
	case LossDSM:
		return residual * math.Pow(sigma, l.Power-2)
	}
	return residual
}
