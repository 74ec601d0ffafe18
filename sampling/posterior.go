package sampling

import (
	"context"
	"fmt"
	"math"
)

// MixturePosterior is the distribution of a sample x of a [Mixture], given a [Measurement] of it: again a mixture of
// Gaussians, known exactly. With a prior of weights w_k, means m_k and variance v, and G = v A A' + Std² I,
//
//	w_k' ∝ w_k N(y; A m_k, G)    m_k' = m_k + v A'G⁻¹ (y - A m_k)    C' = v I - v² A'G⁻¹A
//
// The basis V makes C' diagonal: the variance along column j is v·Std²/(s_j²·v + Std²), and v across all columns. It is
// also a [Model], with the exact score of the posterior with noise added.
type MixturePosterior struct {
	// Weights are those of the components, which add up to 1.
	Weights []float64
	// Means are those of the components.
	Means [][]float64
	// LogEvidence is the natural logarithm of the density of y.
	LogEvidence float64

	of       *Measurement
	variance float64   // across the basis
	along    []float64 // variance along each column
}

// Posterior returns the distribution of samples of m given a measurement. Both must be valid and of one dimension.
func (m Mixture) Posterior(y *Measurement) (*MixturePosterior, error) {
	if err := m.Validate(); err != nil {
		return nil, err
	}
	if err := y.Validate(); err != nil {
		return nil, err
	}
	if !y.Fits(m.Dim()) {
		return nil, fmt.Errorf("posterior: a measurement of samples of %d elements, and a mixture in %d dimensions",
			y.Dim, m.Dim())
	}
	v := m.Std * m.Std
	p := &MixturePosterior{of: y, variance: v, along: make([]float64, len(y.Singular))}
	for j, s := range y.Singular {
		p.along[j] = v * y.Std * y.Std / (s*s*v + y.Std*y.Std)
	}
	var work Work
	logs := make([]float64, len(m.Means))
	total := 0.0
	for k, mean := range m.Means {
		total += m.Weights[k]
		moved, log := p.condition(mean, &work)
		p.Means = append(p.Means, moved)
		logs[k] = math.Log(m.Weights[k]) + log
	}
	sum := logSumExp(logs)
	p.LogEvidence = sum - math.Log(total) + y.Outside
	for _, l := range logs {
		p.Weights = append(p.Weights, math.Exp(l-sum))
	}
	return p, nil
}

// condition returns the mean of a component given y, and the log density of y under the component.
func (p *MixturePosterior) condition(mean []float64, work *Work) (moved []float64, log float64) {
	y, v := p.of, p.variance
	c := make([]float64, len(y.Singular))
	y.Rows.Coordinates(c, mean, work)
	for j, s := range y.Singular {
		g := s*s*v + y.Std*y.Std
		e := y.Values[j] - s*c[j]
		log += logNormal(e, g)
		c[j] = v * s / g * e
	}
	moved = make([]float64, len(mean))
	y.Rows.Spread(moved, c, work)
	for i, mi := range mean {
		moved[i] += mi
	}
	return moved, log
}

// Dim returns the dimension of the space.
func (p *MixturePosterior) Dim() int { return len(p.Means[0]) }

// Score implements [Model]. With c = V'(x - m_k') the score of component k with noise σ is -(x - m_k')/(v + σ²), and
// along column j -c_j/(v_j + σ²) instead.
func (p *MixturePosterior) Score(ctx context.Context, dst, x, sigma []float32) error {
	d := p.Dim()
	if err := CheckRows(d, dst, x, sigma); err != nil {
		return err
	}
	var work Work
	at, pull := make([]float64, d), make([]float64, d)
	responsible := make([]float64, len(p.Means))
	for i, s := range sigma {
		for j := range at {
			at[j] = float64(x[i*d+j])
		}
		noise := float64(s) * float64(s)
		p.responsibilities(responsible, at, noise, &work)
		clear(pull)
		for k, r := range responsible {
			p.addPull(pull, r, k, at, noise, &work)
		}
		for j, v := range pull {
			dst[i*d+j] = float32(v)
		}
	}
	return ctx.Err()
}

// offset returns m_k' - x and its coordinates.
func (p *MixturePosterior) offset(k int, x []float64, work *Work) (e, c []float64) {
	e, c = make([]float64, len(x)), make([]float64, len(p.along))
	for j, v := range x {
		e[j] = p.Means[k][j] - v
	}
	p.of.Rows.Coordinates(c, e, work)
	return e, c
}

// addPull adds r times the score of component k.
func (p *MixturePosterior) addPull(pull []float64, r float64, k int, x []float64, noise float64, work *Work) {
	e, c := p.offset(k, x, work)
	v := p.variance + noise
	for j, a := range p.along {
		c[j] *= 1/(a+noise) - 1/v
	}
	spread := make([]float64, len(x))
	p.of.Rows.Spread(spread, c, work)
	for j := range pull {
		pull[j] += r * (e[j]/v + spread[j])
	}
}

// responsibilities writes the probability that x came from each component, with noise of the given variance.
func (p *MixturePosterior) responsibilities(r, x []float64, noise float64, work *Work) {
	for k, w := range p.Weights {
		e, c := p.offset(k, x, work)
		q, v := 0.0, p.variance+noise
		for _, ej := range e {
			q += ej * ej / v
		}
		for j, a := range p.along {
			q += c[j] * c[j] * (1/(a+noise) - 1/v)
		}
		r[k] = math.Log(w) - q/2
	}
	sum := logSumExp(r)
	for k := range r {
		r[k] = math.Exp(r[k] - sum)
	}
}

// Sample draws a point from the posterior and writes it to dst. The point is a pure function of n.
func (p *MixturePosterior) Sample(dst []float32, n Noise) {
	n.normal(dst, 0, laneData)
	z, c := make([]float64, len(dst)), make([]float64, len(p.along))
	for i, v := range dst {
		z[i] = float64(v)
	}
	var work Work
	p.of.Rows.Coordinates(c, z, &work)
	std := math.Sqrt(p.variance)
	for j, a := range p.along {
		c[j] *= math.Sqrt(a) - std
	}
	along := make([]float64, len(dst))
	p.of.Rows.Spread(along, c, &work)
	mean := p.Means[p.mixture().pick(float64(n.uniformOne(1, laneData)))]
	for i := range dst {
		dst[i] = float32(mean[i] + std*z[i] + along[i])
	}
}

// mixture returns the components, of which [Mixture.pick] needs only the weights.
func (p *MixturePosterior) mixture() Mixture {
	return Mixture{Weights: p.Weights, Means: p.Means, Std: 1}
}

// Shares returns, for each component, the mean probability of the rows of x to have come from it: the mode weights that
// a sampler found. sigma is the standard deviation of the noise that the rows still have.
func (p *MixturePosterior) Shares(x []float32, sigma float64) []float64 {
	d := p.Dim()
	shares, r, row := make([]float64, len(p.Means)), make([]float64, len(p.Means)), make([]float64, d)
	var work Work
	rows := len(x) / d
	for i := range rows {
		for j := range row {
			row[j] = float64(x[i*d+j])
		}
		p.responsibilities(r, row, sigma*sigma, &work)
		for k, v := range r {
			shares[k] += v / float64(rows)
		}
	}
	return shares
}
