package sampling

import (
	"context"
	"fmt"
	"math"
)

// Mixture is a mixture of isotropic Gaussians with equal standard deviations. The toy experiments use it as data. It is
// also a [Model] with the exact score. The zero Mixture is not usable.
type Mixture struct {
	Weights []float64   // positive; they need not sum to 1
	Means   [][]float64 // one point for each weight, all of the same dimension
	Std     float64     // standard deviation of each component in each direction
}

// TwoGaussians returns the 2-D mixture of NCSN (2019, section 3.2.2): weight 0.8 at (5, 5), weight 0.2 at (-5, -5), std
// 1.
func TwoGaussians() Mixture {
	return Mixture{Weights: []float64{0.8, 0.2}, Means: [][]float64{{5, 5}, {-5, -5}}, Std: 1}
}

// Ring returns a 2-D mixture of Gaussians spaced evenly on a circle, the first at angle 0. Nil weights mean equal
// weights. The error names the argument that is out of range: modes below 1, a radius or std that is not finite and
// positive, or weights that are not positive or whose number differs from modes.
func Ring(modes int, radius, std float64, weights []float64) (Mixture, error) {
	if modes < 1 {
		return Mixture{}, fmt.Errorf("ring: %d modes: want at least 1", modes)
	}
	if !finite(radius) || radius <= 0 {
		return Mixture{}, fmt.Errorf("ring: radius %g: want a finite number above 0", radius)
	}
	m := Mixture{Std: std, Means: make([][]float64, modes)}
	for k := range m.Means {
		t := 2 * math.Pi * float64(k) / float64(modes)
		m.Means[k] = []float64{radius * math.Cos(t), radius * math.Sin(t)}
	}
	if m.Weights = weights; weights == nil {
		m.Weights = make([]float64, modes)
		for k := range m.Weights {
			m.Weights[k] = 1 / float64(modes)
		}
	}
	if err := m.Validate(); err != nil {
		return Mixture{}, fmt.Errorf("ring: %w", err)
	}
	return m, nil
}

// Validate returns an error if a field of m is out of range.
func (m Mixture) Validate() error {
	if len(m.Means) == 0 || len(m.Weights) != len(m.Means) {
		return fmt.Errorf("mixture of %d means and %d weights: want the same number of each, at least 1",
			len(m.Means), len(m.Weights))
	}
	if !finite(m.Std) || m.Std <= 0 {
		return fmt.Errorf("mixture: std %g: want a finite number above 0", m.Std)
	}
	for k, mean := range m.Means {
		if w := m.Weights[k]; !finite(w) || w <= 0 {
			return fmt.Errorf("mixture: weight %d is %g: want a finite number above 0", k, w)
		}
		if len(mean) == 0 || len(mean) != len(m.Means[0]) {
			return fmt.Errorf("mixture: mean %d has %d coordinates, mean 0 has %d: want the same number, at least 1",
				k, len(mean), len(m.Means[0]))
		}
	}
	return nil
}

// Dim returns the dimension of the space.
func (m Mixture) Dim() int { return len(m.Means[0]) }

// LogDensity returns the log density at x of the mixture with noise N(0, sigma² I) added. sigma may be 0.
func (m Mixture) LogDensity(x []float64, sigma float64) float64 {
	v := m.Std*m.Std + sigma*sigma
	top, sum, total := math.Inf(-1), 0.0, 0.0
	for k, mean := range m.Means {
		total += m.Weights[k]
		l := math.Log(m.Weights[k]) - distance2(x, mean)/(2*v)
		if l > top {
			top, sum = l, sum*math.Exp(top-l)+1
		} else {
			sum += math.Exp(l - top)
		}
	}
	return top + math.Log(sum) - math.Log(total) - float64(len(x))/2*math.Log(2*math.Pi*v)
}

// Score computes the exact score of the mixture with noise N(0, sigma² I) added, in float64. This is the score of the
// marginal q_σ, which a network learns by denoising score matching on this data. It makes Mixture a [Model].
func (m Mixture) Score(ctx context.Context, dst, x, sigma []float32) error {
	return m.score(ctx, dst, x, sigma, m.Std*m.Std)
}

// Annealed returns the model of the papers' own toy code, in which every component has standard deviation σ at level σ.
// The data's Std is not added. So the last level of a schedule that ends at Std is exactly the mixture.
func (m Mixture) Annealed() Model {
	return ModelFunc(func(ctx context.Context, dst, x, sigma []float32) error {
		return m.score(ctx, dst, x, sigma, 0)
	})
}

// score writes Σ_k r_k (μ_k - x) / v, where v = base + σ² and r_k is the posterior probability of component k.
func (m Mixture) score(ctx context.Context, dst, x, sigma []float32, base float64) error {
	d := m.Dim()
	if err := CheckRows(d, dst, x, sigma); err != nil {
		return err
	}
	logWeights, r := make([]float64, len(m.Weights)), make([]float64, len(m.Weights))
	for k, w := range m.Weights {
		logWeights[k] = math.Log(w)
	}
	for i, s := range sigma {
		row, v := x[i*d:(i+1)*d], base+float64(s)*float64(s)
		m.posterior(r, logWeights, row, v)
		for j, xj := range row {
			var pull float64
			for k, mean := range m.Means {
				pull += r[k] * (mean[j] - float64(xj))
			}
			dst[i*d+j] = float32(pull / v)
		}
	}
	return ctx.Err()
}

// posterior writes to r the probability that x came from each component if every component has variance v.
func (m Mixture) posterior(r, logWeights []float64, x []float32, v float64) {
	top := math.Inf(-1)
	for k, mean := range m.Means {
		r[k] = logWeights[k] - distance2(x, mean)/(2*v)
		top = max(top, r[k])
	}
	var sum float64
	for k := range r {
		r[k] = math.Exp(r[k] - top)
		sum += r[k]
	}
	for k := range r {
		r[k] /= sum
	}
}

// Sample draws a point from the mixture and writes it to dst. The point is a pure function of n.
func (m Mixture) Sample(dst []float32, n Noise) {
	n.normal(dst, 0, laneData)
	mean := m.Means[m.Component(n)]
	for j, z := range dst {
		dst[j] = float32(mean[j] + m.Std*float64(z))
	}
}

// Component returns the index of the component from which [Mixture.Sample] draws its point.
func (m Mixture) Component(n Noise) int { return m.pick(float64(n.uniformOne(1, laneData))) }

// pick returns the component whose interval of the cumulative weights contains u in [0, 1).
func (m Mixture) pick(u float64) int {
	var total float64
	for _, w := range m.Weights {
		total += w
	}
	u *= total
	for k, w := range m.Weights {
		if u -= w; u < 0 {
			return k
		}
	}
	return len(m.Weights) - 1
}

// Nearest returns the index of the mean that is closest to x.
func (m Mixture) Nearest(x []float32) int {
	best, distance := 0, math.Inf(1)
	for k, mean := range m.Means {
		if q := distance2(x, mean); q < distance {
			best, distance = k, q
		}
	}
	return best
}

// Shares returns, for each mean, the fraction of the rows of x that are nearest to it. These are the mode weights that
// a sampler found.
func (m Mixture) Shares(x []float32) []float64 {
	shares, d := make([]float64, len(m.Means)), m.Dim()
	n := len(x) / d
	for i := range n {
		shares[m.Nearest(x[i*d:(i+1)*d])] += 1 / float64(n)
	}
	return shares
}

// PosteriorShares returns, for each component, the mean over the rows of x of the probability that the row came from
// it. For samples of m its expectation is the component's weight, also where components overlap.
func (m Mixture) PosteriorShares(x []float32) []float64 {
	logWeights, r := make([]float64, len(m.Weights)), make([]float64, len(m.Weights))
	for k, w := range m.Weights {
		logWeights[k] = math.Log(w)
	}
	shares, d := make([]float64, len(m.Weights)), m.Dim()
	for i := range len(x) / d {
		m.posterior(r, logWeights, x[i*d:(i+1)*d], m.Std*m.Std)
		for k := range r {
			shares[k] += r[k] / float64(len(x)/d)
		}
	}
	return shares
}

// Product returns the mixture whose density is proportional to the product of two densities. It has a component for
// each pair of theirs, and its weights sum to 1. It follows from
//
//	N(m, v) N(m', v') = N(m; m', v + v') N((m v' + m' v)/(v + v'), v v'/(v + v'))
func (m Mixture) Product(o Mixture) Mixture {
	v, vo := m.Std*m.Std, o.Std*o.Std
	p := Mixture{Std: math.Sqrt(v * vo / (v + vo))}
	var total float64
	for i, mean := range m.Means {
		for j, other := range o.Means {
			w := m.Weights[i] * o.Weights[j] * math.Exp(-distance2(mean, other)/(2*(v+vo)))
			middle := make([]float64, len(mean))
			for d := range middle {
				middle[d] = (mean[d]*vo + other[d]*v) / (v + vo)
			}
			p.Weights, p.Means, total = append(p.Weights, w), append(p.Means, middle), total+w
		}
	}
	for k := range p.Weights {
		p.Weights[k] /= total
	}
	return p
}

// distance2 returns the squared Euclidean distance.
func distance2[F float32 | float64](x []F, y []float64) float64 {
	var q float64
	for j, xj := range x {
		e := float64(xj) - y[j]
		q += e * e
	}
	return q
}
