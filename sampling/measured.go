package sampling

import (
	"fmt"
	"math"
)

// Measured is what a chain knows of its sample: the measurement, and the method that draws samples which agree with it.
// The plan of the chain must come from the method. Chains may share a Measured.
type Measured struct {
	*Measurement
	By Method
}

// Method draws from the distribution of samples given a measurement: [Particles], [DDRM], [SNIPS] or
// [LikelihoodLangevin].
type Method interface {
	// Rows returns the number of states that a chain consists of. Each is a row of an evaluation.
	Rows() int

	// start changes the initial state of a chain, which has noise of the given sigma.
	start(x []float32, y *Measurement, sigma float64, scratch *measuring)

	// advance takes the next step of row i. It reports whether the state is still finite.
	advance(b *Block, i int) (ok bool)
}

// Rows returns the number of states of a chain. A nil Measured has one.
func (m *Measured) Rows() int {
	if m == nil {
		return 1
	}
	return m.By.Rows()
}

// Validate returns a [FieldError] if the measurement is not one of samples of dim elements, or out of range.
func (m *Measured) Validate(dim int) error {
	if m.By == nil {
		return &FieldError{Field: "method", Given: "none", Want: "a method"}
	}
	if !m.Fits(dim) {
		return &FieldError{
			Field: "measurement",
			Given: fmt.Sprintf("of samples of %d elements", m.Dim),
			Want:  fmt.Sprintf("of samples of %d", dim),
		}
	}
	return m.Measurement.Validate()
}

// measuring is memory for the steps of chains with a measurement. A block has one.
type measuring struct {
	work    Work
	wide    []float64    // one sample
	a, b, c []float64    // one element for each singular value
	cloud   cloudScratch // of the chain that moves
}

// fit makes room for the coordinates of a measurement.
func (s *measuring) fit(y *Measurement) {
	if n := len(y.Singular); len(s.a) != n || len(s.wide) != y.Dim {
		s.wide = make([]float64, y.Dim)
		s.a, s.b, s.c = make([]float64, n), make([]float64, n), make([]float64, n)
	}
}

// coordinates writes V'x to dst.
func (s *measuring) coordinates(dst []float64, y *Measurement, x []float32) {
	for i, v := range x {
		s.wide[i] = float64(v)
	}
	y.Rows.Coordinates(dst, s.wide, &s.work)
}

// add adds V c to x. It reports whether x is finite.
func (s *measuring) add(x []float32, y *Measurement, c []float64) bool {
	y.Rows.Spread(s.wide, c, &s.work)
	var sum float32
	for i, v := range s.wide {
		x[i] += float32(v)
		sum += x[i] - x[i]
	}
	return sum == 0
}

// next returns the sigma after a step of a plan: that of the next step, or 0 after the last.
func (p Plan) next(step int) float64 {
	if step == len(p)-1 {
		return 0
	}
	return float64(p[step+1].Sigma)
}

// along moves one coordinate of the row space by a step: the column of V with the singular value s and the measured
// value y, with noise of standard deviation std. x, score and z are those of the state along the column.
type along func(step *Step, next, s, y, std, x, score, z float64) float64

// advanceAlong takes a step of the plan across the row space, and the given step along each of its columns.
func (b *Block) advanceAlong(i int, move along) bool {
	r, m := &b.rows[i], &b.measuring
	step, y := &r.Plan[r.step], r.Measured.Measurement
	m.fit(y)
	if step.noisy() {
		r.Noise.Normal(b.scratch, uint32(r.step))
	} else {
		clear(b.scratch)
	}
	m.coordinates(m.a, y, b.X(i))
	m.coordinates(m.b, y, b.Score(i))
	m.coordinates(m.c, y, b.scratch)
	for j, s := range y.Singular {
		m.a[j] = move(step, r.Plan.next(r.step), s, y.Values[j], y.Std, m.a[j], m.b[j], m.c[j])
	}
	step.apply(b.X(i), b.History(i), b.Score(i), b.scratch)
	m.coordinates(m.b, y, b.X(i))
	for j := range m.a {
		m.a[j] -= m.b[j]
	}
	return m.add(b.X(i), y, m.a)
}

// DDRM draws from a posterior by the denoising diffusion restoration model (Kawar et al. 2022, arXiv 2201.11793,
// equations 7 and 8): a stochastic sampler of few steps that moves every coordinate of V'x towards what was measured of
// it, as far as the noise allows. Samples agree with the measurement, but the weights of modes are wrong.
//
// With d the denoised estimate, the step from σ to σ' takes the coordinate with the singular value s > 0 to
//
//	EtaB·y/s + (1 - EtaB)·d + √(σ'² - EtaB²·Std²/s²)·z                  where s·σ' ≥ Std
//	d + √(1 - Eta²)·σ'·(y - s·d)/Std + Eta·σ'·z                         elsewhere
//
// and the others to d + √(1 - Eta²)·σ'·(x - d)/σ + Eta·σ'·z.
type DDRM struct {
	Schedule Schedule
	Eta      float64 // from 0 to 1; 0.85 in the paper
	EtaB     float64 // from 0 to 1; 1 in the paper
}

// Prior returns the distribution of the initial states. d must be valid.
func (d DDRM) Prior() Prior { return Prior{Kind: PriorNormal, Std: d.Schedule.Sigma(0)} }

// Plan compiles d. The error names the field that is out of range.
func (d DDRM) Plan() (Plan, error) {
	for _, v := range []struct {
		name  string
		value float64
	}{{"eta", d.Eta}, {"eta_b", d.EtaB}} {
		if !(v.value >= 0 && v.value <= 1) {
			return nil, &FieldError{Field: v.name, Given: v.value, Want: "from 0 to 1"}
		}
	}
	return d.Schedule.descend(func(from, to float64) (a, c float64) {
		return from*from - math.Sqrt(1-d.Eta*d.Eta)*to*from, d.Eta * to
	})
}

// descend returns the plan with a step x + a·s + c·z from each level to the next, and the denoising step at the end.
func (s Schedule) descend(step func(from, to float64) (a, c float64)) (Plan, error) {
	if s.Levels() < 2 {
		return nil, s.tooFew()
	}
	last := s.Levels() - 1
	plan := make(Plan, 0, last+1)
	for i := range last {
		a, c := step(s.Sigma(i), s.Sigma(i+1))
		plan = append(plan, Step{Sigma: float32(s.Sigma(i)), X: 1, A: float32(a), C: float32(c), Level: int32(i)})
	}
	return plan.denoised(true, s.Last(), last)
}

// Rows implements [Method].
func (DDRM) Rows() int { return 1 }

func (DDRM) start(x []float32, y *Measurement, sigma float64, scratch *measuring) {
	scratch.fit(y)
	scratch.coordinates(scratch.a, y, x)
	for j, s := range y.Singular {
		scratch.b[j] = 0
		if left := sigma*sigma - y.Std*y.Std/(s*s); left >= 0 {
			z := scratch.a[j] / sigma
			scratch.b[j] = y.Values[j]/s + math.Sqrt(left)*z - scratch.a[j]
		}
	}
	scratch.add(x, y, scratch.b)
}

func (d DDRM) advance(b *Block, i int) bool { return b.advanceAlong(i, d.along) }

func (d DDRM) along(step *Step, next, s, y, std, x, score, z float64) float64 {
	sigma := float64(step.Sigma)
	denoised := x + sigma*sigma*score
	if s*next >= std {
		left := max(0, next*next-d.EtaB*d.EtaB*std*std/(s*s))
		return d.EtaB*y/s + (1-d.EtaB)*denoised + math.Sqrt(left)*z
	}
	return denoised + math.Sqrt(1-d.Eta*d.Eta)*next*(y-s*denoised)/std + d.Eta*next*z
}

// SNIPS draws from a posterior by Langevin dynamics whose noise and step sizes follow the measurement (Kawar et al.
// 2021, arXiv 2105.14951). Its steps are those of Annealed, without consistent noise. Along a column of V with the
// singular value s > 0 and with c = StepLR/σ_L², a step is x + a·g + √(2a)·z with
//
//	a = c (σ² - Std²/s²)             g = s (y - s·x)/(s²·σ² - Std²)                   where s·σ > Std
//	a = c σ² (1 - s²·σ²/Std²)        g = score + s (y - s·x)/(Std² - s²·σ²)           elsewhere
type SNIPS struct {
	Annealed AnnealedLangevin
}

// Plan compiles s. The error names the field that is out of range.
func (s SNIPS) Plan() (Plan, error) {
	if s.Annealed.Consistent {
		return nil, &FieldError{Field: "consistent", Given: true, Want: "false with snips"}
	}
	return s.Annealed.Plan()
}

// Rows implements [Method].
func (SNIPS) Rows() int { return 1 }

func (SNIPS) start([]float32, *Measurement, float64, *measuring) {}

func (s SNIPS) advance(b *Block, i int) bool { return b.advanceAlong(i, s.along) }

func (SNIPS) along(step *Step, _, s, y, std, x, score, z float64) float64 {
	sigma2 := float64(step.Sigma) * float64(step.Sigma)
	if !step.noisy() { // the denoising step
		return x + sigma2*score
	}
	c := float64(step.A) / sigma2
	if above := sigma2 - std*std/(s*s); above >= 0 { // the product a·g has no division by 0
		return x + c*(y/s-x) + math.Sqrt(2*c*above)*z
	}
	part := 1 - s*s*sigma2/(std*std)
	return x + c*sigma2*(part*score+s*(y-s*x)/(std*std)) + math.Sqrt(2*c*sigma2*part)*z
}

// LikelihoodLangevin draws from a posterior by annealed Langevin dynamics that adds a gradient of the likelihood to the
// score (Jalal et al. 2021, arXiv 2108.01368). It needs no singular values and works for any plan. With Weight > 0 the
// gradient has the weight times the length of the score, as in the authors' code:
//
//	s - Weight·‖s‖·A'(Ax - y)/‖A'(Ax - y)‖
//
// All norms are those of the chain. With Weight 0 it is A'(y - Ax)/(Std² + s²·σ²) along each column of V, the gradient
// of the likelihood of a state that is taken for the sample with noise σ added.
type LikelihoodLangevin struct {
	Weight float64 // finite, at least 0; 5 in the authors' code
}

// Validate returns a [FieldError] if the weight is out of range.
func (l LikelihoodLangevin) Validate() error {
	if !finite(l.Weight) || l.Weight < 0 {
		return &FieldError{Field: "weight", Given: l.Weight, Want: "a finite number, at least 0"}
	}
	return nil
}

// Rows implements [Method].
func (LikelihoodLangevin) Rows() int { return 1 }

func (LikelihoodLangevin) start([]float32, *Measurement, float64, *measuring) {}

func (l LikelihoodLangevin) advance(b *Block, i int) bool {
	r, m := &b.rows[i], &b.measuring
	step, y := &r.Plan[r.step], r.Measured.Measurement
	if step.noisy() {
		r.Noise.Normal(b.scratch, uint32(r.step))
		m.fit(y)
		m.coordinates(m.a, y, b.X(i))
		l.gradient(m.a, y, float64(step.Sigma), norm(b.Score(i)))
		m.add(b.Score(i), y, m.a)
	}
	return step.apply(b.X(i), b.History(i), b.Score(i), b.scratch)
}

// gradient replaces the coordinates of a state by those of the gradient.
func (l LikelihoodLangevin) gradient(c []float64, y *Measurement, sigma, score float64) {
	length := 0.0
	for j, s := range y.Singular {
		c[j] = s * (y.Values[j] - s*c[j])
		if l.Weight == 0 {
			c[j] /= y.Std*y.Std + s*s*sigma*sigma
		}
		length += c[j] * c[j]
	}
	if l.Weight == 0 || length == 0 {
		return
	}
	for j := range c {
		c[j] *= l.Weight * score / math.Sqrt(length)
	}
}
