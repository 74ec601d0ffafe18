package sampling

import (
	"math"
	"slices"
)

// Particles draws from a posterior by sequential Monte Carlo: Count states go down the noise levels together, each has
// a weight, and those with small weights are replaced by copies of others. One of them, drawn by its weight, is the
// sample. As Count grows, its distribution tends to the posterior of the model, whatever that is, where the other
// methods keep an error. It needs the score alone, and no derivative of it. The method is that of Wu et al. (2023,
// arXiv 2306.17775) and Cardoso et al. (2023, arXiv 2308.07983), with a proposal that takes the derivative of the
// denoised estimate for the multiple r²/σ² of the identity.
//
// With d the denoised estimate and e = y - A d, a state has the fit
//
//	f_σ(x) = N(y; A d, r²·A A' + Std²·I)
//
// where r² is how far d may be wrong. Before the chain has particles at σ, σ²·Spread²/(σ² + Spread²) is expected. Then
// r² is fitted to their errors e, of which the expectation counts as ten. So f is as flat as the network is wrong, also
// at large σ, where a network errs more than the data vary. Any r² keeps the estimate of the evidence without bias, but
// for the last level, where f decides what the samples are. There r² is the expectation.
//
// The move from σ to σ' is a step of [ReverseSDE] by Method with Eta 1, which adds noise of the standard deviation τ
// with τ² = σ'²(σ² - σ'²)/σ². If Guided, the move also adds δ = (1 - σ'²/σ²)·r²·A'(r²·A A' + Std²·I)⁻¹·e. The weight is
// multiplied with f_σ'(x')/f_σ(x), and with the ratio of the densities of the move without and with δ,
// exp(-(‖δ‖² + 2τ·δ·z)/(2τ²)). If the effective sample size (Σw)²/Σw² falls below Threshold·Count, all states are
// resampled (systematic resampling, Kitagawa 1996).
//
// The last level leaves what was measured open within r², also where the noise of the measurement is smaller. So the
// sample is drawn from N(d, r²·I) given y along what was measured, and is d along everything else.
//
// What remains is the error of the moves: with few levels samples are too narrow, or too wide, and the evidence is that
// of such samples. By ReverseMultistep it is of second order.
//
// All states of a chain take their noise from the chain, so the sample remains a function of the settings, the seed and
// the chain's index.
type Particles struct {
	Schedule  Schedule
	Method    ReverseMethod
	Count     int     // K, at least 2
	Threshold float64 // from 0 (never resample) to 1 (at every step)
	Guided    bool
	Spread    float64 // standard deviation of the data around a typical sample; finite, above 0
}

// Prior returns the distribution of the initial states. p must be valid.
func (p Particles) Prior() Prior { return Prior{Kind: PriorNormal, Std: p.Schedule.Sigma(0)} }

// Plan compiles p. The error names the field that is out of range.
func (p Particles) Plan() (Plan, error) {
	switch {
	case p.Count < 2:
		return nil, &FieldError{Field: "count", Given: p.Count, Want: "at least 2"}
	case !(p.Threshold >= 0 && p.Threshold <= 1):
		return nil, &FieldError{Field: "threshold", Given: p.Threshold, Want: "from 0 to 1"}
	case !finite(p.Spread) || p.Spread <= 0:
		return nil, fieldError("spread", p.Spread)
	}
	return ReverseSDE{Schedule: p.Schedule, Method: p.Method, Eta: 1, Noise: 1, Denoise: true}.Plan()
}

// Rows implements [Method].
func (p Particles) Rows() int { return p.Count }

func (Particles) start([]float32, *Measurement, float64, *measuring) {}

// Diagnosis says how far the particles of a chain can be trusted. It is zero for a chain without particles.
type Diagnosis struct {
	// EffectiveSize is the least effective sample size of all steps, from 1 to the number of particles. With a value
	// near 1 a single particle decided: the sample agrees with the measurement, but says little about the others that
	// would.
	EffectiveSize float64

	// LogEvidence is the natural logarithm of an estimate of the density of the measured values under the model. The
	// estimate itself has no bias: average its exponential over chains.
	LogEvidence float64
}

// cloud is the particles of a chain. The first one is the chain's row of the block.
type cloud struct {
	x, h, score []float32 // of particles 1 to K-1
	weight      []float64 // logarithms
	fit         []float64 // log f of each particle at its last level
	move        []float64 // log of the ratio of densities of each particle's last move
	variance    float64   // r² of the last level
	Diagnosis
}

func newCloud(count, dim int) *cloud {
	return &cloud{
		x: make([]float32, (count-1)*dim), h: make([]float32, (count-1)*dim), score: make([]float32, (count-1)*dim),
		weight: make([]float64, count), fit: make([]float64, count), move: make([]float64, count),
		Diagnosis: Diagnosis{EffectiveSize: float64(count)},
	}
}

// cloudScratch is memory for the step of one cloud.
type cloudScratch struct {
	errors []float64 // y - A d of each particle, in coordinates
	z      []float32 // noise of all particles
	from   []int
}

func (s *cloudScratch) fit(count, dim, rank int) {
	if len(s.from) != count || len(s.z) != count*dim || len(s.errors) != count*rank {
		*s = cloudScratch{make([]float64, count*rank), make([]float32, count*dim), make([]int, count)}
	}
}

// particle returns the state, the history and the score of particle k of row i.
func (b *Block) particle(i, k int) (x, h, score []float32) {
	if k == 0 {
		return b.X(i), b.History(i), b.Score(i)
	}
	c, at := b.rows[i].cloud, (k-1)*b.dim
	return c.x[at : at+b.dim], c.h[at : at+b.dim], c.score[at : at+b.dim]
}

func (p Particles) advance(b *Block, i int) bool {
	r, m := &b.rows[i], &b.measuring
	y, c := r.Measured.Measurement, r.cloud
	m.fit(y)
	m.cloud.fit(p.Count, b.dim, len(y.Singular))
	p.weigh(b, i)
	size := effectiveSize(c.weight)
	if !(size >= 1-1e-9) { // no weight is a number
		return false
	}
	c.EffectiveSize = min(c.EffectiveSize, size)
	if r.step == len(r.Plan)-1 {
		return p.choose(b, i)
	}
	if size < p.Threshold*float64(p.Count) {
		c.LogEvidence += logSumExp(c.weight) - math.Log(float64(p.Count))
		b.resample(i)
	}
	return p.propose(b, i)
}

// weigh multiplies the weights with what the last move changed, and keeps each particle's error.
func (p Particles) weigh(b *Block, i int) {
	r, m := &b.rows[i], &b.measuring
	y, c, rank := r.Measured.Measurement, r.cloud, len(r.Measured.Singular)
	b.denoisedErrors(i)
	v := p.variance(b, i)
	for k := range p.Count {
		fit := y.Outside
		for j, s := range y.Singular {
			fit += logNormal(m.cloud.errors[k*rank+j], s*s*v+y.Std*y.Std)
		}
		c.weight[k] += fit - c.fit[k] + c.move[k]
		c.fit[k] = fit
	}
	c.variance = v
}

// denoisedErrors computes y - A d of every particle of row i.
func (b *Block) denoisedErrors(i int) {
	r, m := &b.rows[i], &b.measuring
	y, sigma, rank := r.Measured.Measurement, float64(r.Plan[r.step].Sigma), len(r.Measured.Singular)
	for k := range r.cloud.weight {
		x, _, score := b.particle(i, k)
		for j, xj := range x {
			m.wide[j] = float64(xj) + sigma*sigma*float64(score[j])
		}
		e := m.cloud.errors[k*rank : (k+1)*rank]
		y.Rows.Coordinates(e, m.wide, &m.work)
		for j, s := range y.Singular {
			e[j] = y.Values[j] - s*e[j]
		}
	}
}

// variance returns r² for the level that row i has reached.
func (p Particles) variance(b *Block, i int) float64 {
	r, m := &b.rows[i], &b.measuring
	sigma2, spread2 := float64(r.Plan[r.step].Sigma)*float64(r.Plan[r.step].Sigma), p.Spread*p.Spread
	expected := sigma2 * spread2 / (sigma2 + spread2)
	if r.step == len(r.Plan)-1 {
		return expected
	}
	squares, total := m.c, logSumExp(r.cloud.weight)
	clear(squares)
	for k, w := range r.cloud.weight {
		share := math.Exp(w - total)
		for j, e := range m.cloud.errors[k*len(squares) : (k+1)*len(squares)] {
			squares[j] += share * e * e
		}
	}
	return fitVariance(expected, r.Measured.Measurement, squares)
}

// fitVariance returns the v with which errors of the given mean squares are the most likely, if those of column j are
// N(0, s_j²·v + Std²), and 10 more with a mean square of expected are N(0, v). Each round of the EM algorithm (Dempster
// et al. 1977) makes them more likely.
func fitVariance(expected float64, y *Measurement, squares []float64) float64 {
	const counts, rounds = 10, 30
	v := expected
	for range rounds {
		sum := counts * expected
		for j, s := range y.Singular {
			part := v / (s*s*v + y.Std*y.Std)
			sum += part * (part*s*s*squares[j] + y.Std*y.Std)
		}
		v = sum / (counts + float64(len(squares)))
	}
	return v
}

// effectiveSize returns (Σw)²/Σw² for the logarithms of w.
func effectiveSize(logs []float64) float64 {
	top := slices.Max(logs)
	var sum, squares float64
	for _, l := range logs {
		w := math.Exp(l - top)
		sum, squares = sum+w, squares+w*w
	}
	return sum * sum / squares
}

// resample replaces the particles of row i by copies, each as often as its weight says. All weights become equal.
func (b *Block) resample(i int) {
	r, m := &b.rows[i], &b.measuring
	c, from := r.cloud, m.cloud.from
	count := len(from)
	ancestors(from, c.weight, float64(r.Noise.uniformOne(uint32(r.step), laneResample)))
	rank := len(m.cloud.errors) / count
	for k, a := range from {
		if a == k {
			continue
		}
		x, h, score := b.particle(i, k)
		fromX, fromH, fromScore := b.particle(i, a)
		copy(x, fromX)
		copy(h, fromH)
		copy(score, fromScore)
		copy(m.cloud.errors[k*rank:(k+1)*rank], m.cloud.errors[a*rank:(a+1)*rank])
		c.fit[k] = c.fit[a]
	}
	clear(c.weight)
}

// ancestors writes to from the particle that each place gets a copy of, by systematic resampling with the uniform
// number u. A particle that survives keeps its own place, so no copy overwrites one that is still needed.
func ancestors(from []int, weights []float64, u float64) {
	n, total := len(from), logSumExp(weights)
	extra, spare := make([]int, 0, n), make([]int, 0, n)
	reached, next := 0.0, 0
	for k, w := range weights {
		reached += float64(n) * math.Exp(w-total)
		copies := 0
		for next < n && (float64(next)+u < reached || k == n-1) {
			next++
			copies++
		}
		if copies == 0 {
			spare = append(spare, k)
			continue
		}
		from[k] = k
		for range copies - 1 {
			extra = append(extra, k)
		}
	}
	for j, k := range spare {
		from[k] = extra[j]
	}
}

// propose moves every particle to the next level. Particle k has elements k·dim and up of the chain's noise.
func (p Particles) propose(b *Block, i int) (ok bool) {
	r, m := &b.rows[i], &b.measuring
	step := &r.Plan[r.step]
	r.Noise.Normal(m.cloud.z, uint32(r.step))
	ok = true
	for k := range p.Count {
		x, h, score := b.particle(i, k)
		z := m.cloud.z[k*b.dim : (k+1)*b.dim]
		ok = step.apply(x, h, score, z) && ok
		if r.cloud.move[k] = 0; p.Guided {
			ok = p.guide(b, i, k, x, z) && ok
		}
	}
	return ok
}

// guide adds δ to the state x of particle k, which has just moved with noise z.
func (p Particles) guide(b *Block, i, k int, x, z []float32) bool {
	r, m := &b.rows[i], &b.measuring
	step, y := &r.Plan[r.step], r.Measured.Measurement
	rank := len(y.Singular)
	from, to, tau, v := float64(step.Sigma), r.Plan.next(r.step), float64(step.C), r.cloud.variance
	e := m.cloud.errors[k*rank : (k+1)*rank]
	m.coordinates(m.b, y, z)
	var square, inner float64
	for j, s := range y.Singular {
		m.a[j] = (1 - to*to/(from*from)) * v * s * e[j] / (s*s*v + y.Std*y.Std)
		square += m.a[j] * m.a[j]
		inner += m.a[j] * m.b[j]
	}
	r.cloud.move[k] = -(square + 2*tau*inner) / (2 * tau * tau)
	return m.add(x, y, m.a)
}

// choose ends a chain: its sample is the denoised estimate of a particle that is drawn by its weight, and along what
// was measured a draw around it, given the measured values.
func (p Particles) choose(b *Block, i int) (ok bool) {
	r, m := &b.rows[i], &b.measuring
	step, y, c := &r.Plan[r.step], r.Measured.Measurement, r.cloud
	total := logSumExp(c.weight)
	c.LogEvidence += total - math.Log(float64(p.Count))
	u, chosen := float64(r.Noise.uniformOne(uint32(r.step), laneResample)), 0
	for k, w := range c.weight {
		if chosen = k; u < math.Exp(w-total) {
			break
		}
		u -= math.Exp(w - total)
	}
	x, _, score := b.particle(i, chosen)
	ok = step.apply(x, nil, score, nil)
	rank, v := len(y.Singular), c.variance
	z := m.cloud.z[:rank]
	r.Noise.Normal(z, uint32(r.step))
	for j, s := range y.Singular {
		gain := v / (s*s*v + y.Std*y.Std)
		m.a[j] = gain*s*m.cloud.errors[chosen*rank+j] + math.Sqrt(gain)*y.Std*float64(z[j])
	}
	ok = m.add(x, y, m.a) && ok
	copy(b.X(i), x)
	return ok
}
