package training

import (
	"context"

	"github.com/langevin-ml/langevin/sampling"
)

// leastRows is the number of points over which the least losses are averaged.
const leastRows = 100000

// LeastLosses returns, for each level, the loss of the exact score of the data with noise, as c describes them, given
// the condition of each row that is not dropped. On average no network can have a smaller loss. It returns an error
// that wraps data.ErrNoMixture if the exact score is not known.
func LeastLosses(ctx context.Context, c Config) ([]float64, error) {
	exact, err := c.Data.Mixture()
	if err != nil {
		return nil, err
	}
	if err := c.Loss.Validate(c.Noise.Levels); err != nil {
		return nil, err
	}
	schedule, err := c.schedule()
	if err != nil {
		return nil, err
	}
	dim := exact.Dim()
	clean, noise, u := make([]float32, leastRows*dim), make([]float32, leastRows*dim), make([]float32, leastRows)
	classes, dropped := make([]int, leastRows), []float32{0}
	for i := range leastRows {
		source := sampling.Noise{Seed: 1, Chain: uint64(i)}
		exact.Sample(clean[i*dim:(i+1)*dim], source)
		source.Normal(noise[i*dim:(i+1)*dim], 1)
		source.Uniform(u[i:i+1], 1)
		classes[i] = len(exact.Means) // none
		if source.Uniform(dropped, 2); c.Condition != nil && float64(dropped[0]) >= c.dropped() {
			classes[i] = exact.Component(source)
		}
	}
	least, at := make([]float64, schedule.Levels()), c.Loss.Places(schedule)
	x, score, sigmas := make([]float32, len(clean)), make([]float32, len(clean)), make([]float32, leastRows)
	for level := range least {
		for i := range sigmas {
			sigmas[i] = float32(c.Loss.Noise(at(level, float64(u[i])).Sigma))
		}
		for i := range x {
			x[i] = clean[i] + sigmas[i/dim]*noise[i]
		}
		if err := exact.Score(ctx, score, x, sigmas); err != nil {
			return nil, err
		}
		scoreClasses(exact, classes, score, x, sigmas)
		for i := range sigmas {
			row := c.Loss.Exact(score[i*dim:(i+1)*dim], noise[i*dim:(i+1)*dim], float64(sigmas[i]))
			least[level] += row * at(level, float64(u[i])).Weight / leastRows
		}
	}
	return least, nil
}

// scoreClasses replaces the scores of the rows that have a class by the scores of that component.
func scoreClasses(m sampling.Mixture, classes []int, score, x, sigma []float32) {
	dim := m.Dim()
	for i, k := range classes {
		if k == len(m.Means) {
			continue
		}
		v := m.Std*m.Std + float64(sigma[i])*float64(sigma[i])
		for j, mean := range m.Means[k] {
			score[i*dim+j] = float32((mean - float64(x[i*dim+j])) / v)
		}
	}
}
